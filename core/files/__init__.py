"""Files on this machine: private files, the SQLite database, and data inside installed packages."""
