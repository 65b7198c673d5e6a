"""The sections of the page Review queue."""
