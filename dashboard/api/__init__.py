"""Everything under /api: the JSON API, downloads, and how the process is."""
