"""The ports on this machine: SQLite, a folder of photos, face models on the processor."""
