"""The metrics of trade_producer; the only place where their names stand."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_PREFIX = "candlecast_trade_producer"
_LATENCY_BUCKETS_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0)


class Metrics:
    """Counters and gauges of one process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, meaning: str, *labels: str) -> Counter:
            return Counter(f"{_PREFIX}_{name}", meaning, labels, registry=registry)

        def gauge(name: str, meaning: str, *labels: str) -> Gauge:
            return Gauge(f"{_PREFIX}_{name}", meaning, labels, registry=registry)

        self.trades_in = counter(
            "trades_in_total", "Trades received, repeated ones too", "product_id", "origin"
        )
        self.trades_out = counter("trades_out_total", "Trades published", "product_id")
        self.records_out = counter("records_out_total", "Records published, ticks too")
        self.last_trade_id = gauge("last_trade_id", "Id of the last trade published", "product_id")
        self.watermark_seconds = gauge(
            "watermark_seconds", "Unix time up to which all trades are published", "product_id"
        )
        self.exchange_time_seconds = gauge(
            "exchange_time_seconds", "The exchange's clock, Unix time, by the latest pong"
        )
        self.gaps_found = counter(
            "gaps_found_total", "Gaps in the trade ids, each counted once", "product_id"
        )
        self.gaps_filled = counter("gaps_filled_total", "Gaps closed without a loss", "product_id")
        self.missing_trades = counter(
            "missing_trades_total", "Trades that REST does not have either", "product_id"
        )
        self.late_trades = counter(
            "late_trades_total", "Trades dated before the watermark published", "product_id"
        )
        self.held_trades = gauge(
            "held_trades", "Trades waiting for their predecessors", "product_id"
        )
        self.connections = counter("websocket_connections_total", "WebSocket connections opened")
        self.disconnections = counter(
            "websocket_disconnections_total", "WebSocket connections lost", "reason"
        )
        self.rest_calls = counter(
            "rest_calls_total", "REST calls by endpoint and outcome", "endpoint", "outcome"
        )
        self.errors = counter("errors_total", "Errors that were retried", "kind")
        self.undelivered_records = gauge(
            "undelivered_records", "Records handed to the Kafka client and not yet acknowledged"
        )
        self.other_producers = gauge(
            "other_producers", "Other processes that publish one of these products", "product_id"
        )
        self.backfill_progress = gauge(
            "backfill_progress_ratio", "Published part of the historical range", "product_id"
        )
        self.publish_latency = Histogram(
            f"{_PREFIX}_publish_latency_seconds",
            "From a trade message's arrival to the broker's acknowledgement",
            buckets=_LATENCY_BUCKETS_SECONDS,
            registry=registry,
        )
