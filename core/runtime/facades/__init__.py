"""The services as one principal may use them. A caller can only do what a facade has a method for."""
