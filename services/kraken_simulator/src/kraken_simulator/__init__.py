"""An exchange that speaks Kraken, for demos, tests and machines without a network."""
