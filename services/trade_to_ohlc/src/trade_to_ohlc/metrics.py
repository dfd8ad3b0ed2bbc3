"""The metrics of trade_to_ohlc; the only place where their names stand."""

from prometheus_client import CollectorRegistry, Counter, Gauge

_PREFIX = "candlecast_trade_to_ohlc"


class Metrics:
    """Counters and gauges of one process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.records_in = Counter(
            f"{_PREFIX}_records_in_total", "Records read from the trades topic", registry=registry
        )
        self.trades_in = Counter(
            f"{_PREFIX}_trades_in_total", "Trades folded", ["product_id"], registry=registry
        )
        self.candles_out = Counter(
            f"{_PREFIX}_candles_out_total", "Closed candles sent", ["product_id"], registry=registry
        )
        self.duplicate_trades = Counter(
            f"{_PREFIX}_duplicate_trades_total",
            "Trades dropped because their id had been seen (replays are normal)",
            ["product_id"],
            registry=registry,
        )
        self.missing_trades = Counter(
            f"{_PREFIX}_missing_trades_total",
            "Trade ids that were jumped over",
            ["product_id"],
            registry=registry,
        )
        self.late_trades = Counter(
            f"{_PREFIX}_late_trades_total",
            "Trades that came after their candle had closed; their minutes need repair",
            ["product_id"],
            registry=registry,
        )
        self.abandoned_windows = Counter(
            f"{_PREFIX}_abandoned_windows_total",
            "Windows given up because the stream started anew after them",
            ["product_id"],
            registry=registry,
        )
        self.dead_letters = Counter(
            f"{_PREFIX}_dead_letters_total", "Records put aside", registry=registry
        )
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
        self.errors = Counter(
            f"{_PREFIX}_errors_total", "Errors reported by the Kafka client", registry=registry
        )
