"""The `candlecast` command."""
