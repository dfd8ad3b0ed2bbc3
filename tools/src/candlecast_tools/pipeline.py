"""Where one pipeline lives, and how its services are told: one for each market data source.

Simulated and real data share neither topics nor folders.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from candlecast.runtime.settings import MarketDataSource
from candlecast_tools.supervisor import ProcessSpecification

DEFAULT_PRODUCT_IDS = ("BTC/USD", "ETH/USD", "QNT/USD")
_HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeAddress:
    """Where an exchange answers, and how often a product may be asked for."""

    rest_url: str
    websocket_url: str
    rest_calls_per_second: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """What the services of one pipeline share.

    Attributes:
        source: where the trades come from.
        directory: of the store, the state and the logs.
        broker_address: of Kafka.
        exchange: where the trades are.
        topic_prefix: set apart what must not mix.
        materialize_seconds: how often live rows go into the history.
    """

    source: MarketDataSource
    directory: Path
    broker_address: str
    exchange: ExchangeAddress
    topic_prefix: str = ""
    materialize_seconds: float = 30.0

    @property
    def trades_topic(self) -> str:
        """Topic of the live trades."""
        return f"{self.topic_prefix}trades"

    @property
    def ohlc_topic(self) -> str:
        """Topic of the live candles."""
        return f"{self.topic_prefix}ohlc"

    @property
    def store_directory(self) -> Path:
        """Folder of the local feature store."""
        return self.directory / "feature_store"

    def live_services(
        self, product_ids: Sequence[str], ports: Sequence[int]
    ) -> list[ProcessSpecification]:
        """Describe the three live services."""
        producer_port, ohlc_port, store_port = ports
        return [
            self._trade_producer(
                "trade_producer",
                producer_port,
                {"KAFKA_TOPIC": self.trades_topic, "PRODUCT_IDS": ",".join(product_ids)},
            ),
            self._specification(
                "trade_to_ohlc",
                "trade_to_ohlc",
                ohlc_port,
                {
                    "KAFKA_INPUT_TOPIC": self.trades_topic,
                    "KAFKA_OUTPUT_TOPIC": self.ohlc_topic,
                    "KAFKA_CONSUMER_GROUP": f"{self.topic_prefix}trade_to_ohlc",
                    "KAFKA_GROUP_INSTANCE_ID": "trade_to_ohlc-0",
                    "STATE_DIR": str(self.directory / "state"),
                },
            ),
            self._specification(
                "kafka_to_feature_store",
                "kafka_to_feature_store",
                store_port,
                {
                    **self._store(),
                    "KAFKA_INPUT_TOPIC": self.ohlc_topic,
                    "KAFKA_CONSUMER_GROUP": f"{self.topic_prefix}kafka_to_feature_store",
                    "KAFKA_GROUP_INSTANCE_ID": "kafka_to_feature_store-0",
                    "MATERIALIZE_SECONDS": str(self.materialize_seconds),
                },
            ),
        ]

    def historical_services(
        self, run: "HistoricalRun", ports: Sequence[int]
    ) -> list[ProcessSpecification]:
        """Describe the three services of a historical run; each ends by itself."""
        producer_port, ohlc_port, store_port = ports
        mode = {"LIVE_OR_HISTORICAL": "historical", "PRODUCT_IDS": ",".join(run.product_ids)}
        return [
            self._trade_producer(
                f"backfill_trade_producer_{run.run_id}",
                producer_port,
                {**mode, "KAFKA_TOPIC": run.trades_topic, **run.range_settings},
                ends=True,
            ),
            self._specification(
                f"backfill_trade_to_ohlc_{run.run_id}",
                "trade_to_ohlc",
                ohlc_port,
                {
                    **mode,
                    "KAFKA_INPUT_TOPIC": run.trades_topic,
                    "KAFKA_OUTPUT_TOPIC": run.ohlc_topic,
                    "KAFKA_CONSUMER_GROUP": run.ohlc_group,
                    "KAFKA_GROUP_INSTANCE_ID": f"{run.ohlc_group}-0",
                    "STATE_DIR": str(self.directory / "state"),
                },
                ends=True,
            ),
            self._specification(
                f"backfill_kafka_to_feature_store_{run.run_id}",
                "kafka_to_feature_store",
                store_port,
                {
                    **mode,
                    **self._store(),
                    "KAFKA_INPUT_TOPIC": run.ohlc_topic,
                    "KAFKA_CONSUMER_GROUP": run.store_group,
                    "KAFKA_GROUP_INSTANCE_ID": f"{run.store_group}-0",
                },
                ends=True,
            ),
        ]

    def _trade_producer(
        self, name: str, port: int, environment: dict[str, str], *, ends: bool = False
    ) -> ProcessSpecification:
        exchange = {
            "KRAKEN_REST_URL": self.exchange.rest_url,
            "KRAKEN_WEBSOCKET_URL": self.exchange.websocket_url,
            "KRAKEN_REST_CALLS_PER_SECOND": str(self.exchange.rest_calls_per_second),
        }
        return self._specification(
            name, "trade_producer", port, {**exchange, **environment}, ends=ends
        )

    def _store(self) -> dict[str, str]:
        return {"FEATURE_STORE": "local", "FEATURE_STORE_DIR": str(self.store_directory)}

    def _specification(
        self, name: str, module: str, port: int, environment: dict[str, str], *, ends: bool = False
    ) -> ProcessSpecification:
        common = {
            "KAFKA_BROKER_ADDRESS": self.broker_address,
            "MARKET_DATA_SOURCE": self.source,
            "METRICS_PORT": str(port),
            "MONITORING_HOST": _HOST,
        }
        return ProcessSpecification(
            name=name,
            module=module,
            environment={**common, **environment},
            metrics_port=port,
            ends=ends,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoricalRun:
    """One backfill: its products, its range, and topics and groups of its own.

    Attributes:
        run_id: part of the names of everything that belongs to the run.
        product_ids: what is filled.
        last_n_days: where the range starts, counted back from now.
        start_ms: where the range starts instead, in UTC milliseconds.
        topic_prefix: as the pipeline's.
    """

    run_id: str
    product_ids: tuple[str, ...]
    last_n_days: float
    start_ms: int | None = None
    topic_prefix: str = ""

    @classmethod
    def new(
        cls,
        product_ids: tuple[str, ...],
        *,
        last_n_days: float,
        start_ms: int | None = None,
        topic_prefix: str = "",
    ) -> Self:
        """Plan a run under a new id."""
        return cls(
            run_id=uuid.uuid4().hex[:8],
            product_ids=product_ids,
            last_n_days=last_n_days,
            start_ms=start_ms,
            topic_prefix=topic_prefix,
        )

    @property
    def range_settings(self) -> dict[str, str]:
        """What tells trade_producer the range."""
        if self.start_ms is not None:
            return {"HISTORICAL_START_MS": str(self.start_ms)}
        return {"LAST_N_DAYS": str(self.last_n_days)}

    @property
    def trades_topic(self) -> str:
        """Topic of the trades of this run."""
        return f"{self.topic_prefix}trades_historical_{self.run_id}"

    @property
    def ohlc_topic(self) -> str:
        """Topic of the candles of this run."""
        return f"{self.topic_prefix}ohlc_historical_{self.run_id}"

    @property
    def ohlc_group(self) -> str:
        """Consumer group of trade_to_ohlc in this run."""
        return f"{self.topic_prefix}trade_to_ohlc_{self.run_id}"

    @property
    def store_group(self) -> str:
        """Consumer group of kafka_to_feature_store in this run."""
        return f"{self.topic_prefix}kafka_to_feature_store_{self.run_id}"
