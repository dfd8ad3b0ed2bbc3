"""The service that publishes every trade of the exchange, in order and without a hole."""
