"""The services as one principal has them: what a facade has no method for does not exist for a caller."""
