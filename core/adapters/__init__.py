"""Implementations of the ports for two backends, and what these share. Modules are named by the port they serve."""
