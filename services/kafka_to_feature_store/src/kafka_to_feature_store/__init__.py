"""The service that writes closed candles to the feature store."""
