"""How calls are made: again after a fault, at a pace, by several threads, and counted."""
