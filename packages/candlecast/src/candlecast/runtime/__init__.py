"""How a service starts, says how it is, and stops: the same for every service."""
