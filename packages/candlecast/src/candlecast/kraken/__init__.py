"""Kraken: the only place that knows how the exchange talks."""
