"""What this service's tests stand on: an exchange and a topic in memory, a clock that jumps."""
