"""The ports on real services. Each module is named by the port that it serves."""
