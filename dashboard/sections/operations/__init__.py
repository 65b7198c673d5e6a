"""The sections of the page Operations."""
