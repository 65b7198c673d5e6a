"""Uploaded photos: they are made safe in a separate process. Also the keys under which they are stored."""
