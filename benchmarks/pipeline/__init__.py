"""The pipeline on a real Kafka: how much goes through it, and how soon."""
