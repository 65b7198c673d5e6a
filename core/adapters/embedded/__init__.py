"""The ports on a single machine: SQLite, a folder of photos, and face models that run on the processor."""
