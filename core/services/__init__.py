"""What Facedesk does, over the ports and for both backends."""
