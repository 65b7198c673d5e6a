"""Uploaded photos: made safe in a process of their own, and the keys that they are stored under."""
