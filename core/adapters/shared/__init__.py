"""What the adapters of both backends share, by the port that they serve."""
