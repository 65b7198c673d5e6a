"""The services put together and looked after: wiring, permissions, health, housekeeping, the operation log."""
