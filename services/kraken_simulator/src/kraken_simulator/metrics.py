"""Every metric of the simulator: the only place their names exist."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_PREFIX = "candlecast_kraken_simulator"


class Metrics:
    """The simulator's metrics in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            f"{_PREFIX}_requests",
            "REST calls by endpoint and answer (ok, an error code, or an HTTP fault)",
            ("endpoint", "answer"),
            registry=self.registry,
        )
        self.websocket_connections = Gauge(
            f"{_PREFIX}_websocket_connections", "Open WebSockets", registry=self.registry
        )
        self.trades_sent = Counter(
            f"{_PREFIX}_trades_sent",
            "Trades that became due on WebSockets, dropped ones included",
            ("product_id",),
            registry=self.registry,
        )
        self.trade_send_delay_seconds = Histogram(
            f"{_PREFIX}_trade_send_delay_seconds",
            "Wall time from a trade's moment to its frame, of the oldest trade of each turn",
            buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0),
            registry=self.registry,
        )
        self.faults_injected = Counter(
            f"{_PREFIX}_faults_injected",
            "Faults that struck, by name",
            ("fault",),
            registry=self.registry,
        )
        self.server_time_seconds = Gauge(
            f"{_PREFIX}_server_time_seconds", "The server's time", registry=self.registry
        )
