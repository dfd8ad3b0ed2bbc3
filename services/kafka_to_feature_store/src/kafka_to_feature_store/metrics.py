"""The metrics of kafka_to_feature_store; the only place where their names stand."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_PREFIX = "candlecast_kafka_to_feature_store"
_WRITE_BUCKETS_SECONDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0)


class Metrics:
    """Counters and gauges of one process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.records_in = Counter(
            f"{_PREFIX}_records_in_total", "Records read from the ohlc topic", registry=registry
        )
        self.rows_out = Counter(
            f"{_PREFIX}_rows_out_total",
            "Rows written to the feature store",
            ["product_id"],
            registry=registry,
        )
        self.materialized_rows = Counter(
            f"{_PREFIX}_materialized_rows_total",
            "Live rows brought into the history",
            registry=registry,
        )
        self.newest_row_seconds = Gauge(
            f"{_PREFIX}_newest_row_seconds",
            "Unix time of the end of the newest candle written",
            ["product_id"],
            registry=registry,
        )
        self.write_seconds = Histogram(
            f"{_PREFIX}_write_seconds",
            "Duration of one write to the store",
            buckets=_WRITE_BUCKETS_SECONDS,
            registry=registry,
        )
        self.store_errors = Counter(
            f"{_PREFIX}_store_errors_total",
            "Calls that the store refused and that are made again: write or materialize",
            ["operation"],
            registry=registry,
        )
        self.waiting_rows = Gauge(
            f"{_PREFIX}_waiting_rows", "Records read and not yet stored", registry=registry
        )
        self.consumer_lag = Gauge(
            f"{_PREFIX}_consumer_lag_records",
            "Records on the ohlc topic whose storing has not been committed",
            registry=registry,
        )
        self.dead_letters = Counter(
            f"{_PREFIX}_dead_letters_total", "Records put aside", registry=registry
        )
        self.errors = Counter(
            f"{_PREFIX}_errors_total", "Errors reported by the Kafka client", registry=registry
        )
