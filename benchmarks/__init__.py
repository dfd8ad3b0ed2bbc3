"""Measurements of candlecast on one machine: `python -m benchmarks` runs them, README explains."""
