"""The feature store: one port, its adapters, and what reads and checks it."""
