"""The sections of the page Duplicates."""
