"""Kafka: what the records look like, and how a service connects."""
