"""The domain: trades, candles, products and time. No I/O, no clock, no logging."""
