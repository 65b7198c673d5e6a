"""How calls are made: with retries, at a limited rate, in several threads, and counted."""
