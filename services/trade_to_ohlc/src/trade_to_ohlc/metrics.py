"""The metrics of trade_to_ohlc; the only place where their names stand."""

from prometheus_client import CollectorRegistry, Counter, Gauge

_PREFIX = "candlecast_trade_to_ohlc"


class Metrics:
    """Counters and gauges of one process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, meaning: str, *labels: str) -> Counter:
            return Counter(f"{_PREFIX}_{name}", meaning, labels, registry=registry)

        self.records_in = counter("records_in_total", "Records read from the trades topic")
        self.trades_in = counter("trades_in_total", "Trades read, repeated ones too", "product_id")
        self.candles_out = counter("candles_out_total", "Closed candles sent", "product_id")
        self.duplicate_trades = counter(
            "duplicate_trades_total",
            "Trades dropped because their id had been seen (replays are normal)",
            "product_id",
        )
        self.missing_trades = counter(
            "missing_trades_total", "Trade ids that were jumped over", "product_id"
        )
        self.late_trades = counter(
            "late_trades_total",
            "Trades that came after their candle had closed; their minutes need repair",
            "product_id",
        )
        self.warm_up_trades = counter(
            "warm_up_trades_total",
            "Trades from before the first minute that the stream has from its start",
            "product_id",
        )
        self.abandoned_windows = counter(
            "abandoned_windows_total",
            "Windows given up because the stream started anew after them",
            "product_id",
        )
        self.dead_letters = counter("dead_letters_total", "Records put aside")
        self.errors = counter("errors_total", "Errors reported by the Kafka client")
        self.watermark_seconds = Gauge(
            f"{_PREFIX}_watermark_seconds",
            "Unix time up to which the trades are known to be complete",
            ["product_id"],
            registry=registry,
        )
        self.consumer_lag = Gauge(
            f"{_PREFIX}_consumer_lag_records",
            "Records on the trades topic that have not been read",
            registry=registry,
        )
