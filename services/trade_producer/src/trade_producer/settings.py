"""Settings of trade_producer."""

from typing import Literal, Self

from pydantic import AliasChoices, Field, model_validator

from candlecast.messaging.connection import KafkaSettings
from candlecast.runtime.settings import MarketDataSource, NameList


class Settings(KafkaSettings):
    """Environment variables have the names of the fields, in capitals."""

    kafka_topic: str = Field(
        default="trades",
        validation_alias=AliasChoices("kafka_topic", "kafka_topic_name"),
        description="topic to publish trades on",
    )
    product_ids: NameList = Field(
        min_length=1,
        validation_alias=AliasChoices("product_ids", "pairs"),
        description='a JSON list like ["BTC/USD", "ETH/USD"], or names separated by commas',
    )
    live_or_historical: Literal["live", "historical"] = Field(
        default="live",
        validation_alias=AliasChoices("live_or_historical", "data_source"),
        description="live, or historical (ends when the range is published)",
    )
    last_n_days: float = Field(
        default=2.0, gt=0, description="days before now where a historical run starts"
    )
    historical_start_ms: int | None = Field(
        default=None, ge=0, description="start of the range in UTC ms, instead of LAST_N_DAYS"
    )
    historical_end_ms: int | None = Field(
        default=None, ge=0, description="end of the range in UTC ms (exclusive), instead of now"
    )
    market_data_source: MarketDataSource = Field(
        default="kraken", description="kraken or simulator; what answers at KRAKEN_REST_URL"
    )
    kraken_rest_url: str = Field(default="https://api.kraken.com", description="an http(s) address")
    kraken_websocket_url: str = Field(
        default="wss://ws.kraken.com/v2", description="a ws(s) address"
    )
    kraken_rest_calls_per_second: float = Field(
        default=1.0, gt=0, description="calls per second and product; Kraken allows 1"
    )
    watermark_grace_seconds: float = Field(
        default=2.0,
        ge=0,
        description="exchange time left for trades still on their way, in seconds",
    )
    completeness_check_seconds: int = Field(
        default=60,
        ge=1,
        description="a quiet product's watermark passes a multiple of this many seconds only when "
        "REST has confirmed that no trade is missing",
    )
    websocket_silence_seconds: float = Field(
        default=10.0, gt=0, description="a connection without any message for so long is given up"
    )
    gap_patience_seconds: float = Field(
        default=60.0,
        ge=0,
        description="how long trades that WebSocket skipped may be absent from REST before they "
        "are counted as missing, in seconds",
    )

    @model_validator(mode="after")
    def _range_is_not_empty(self) -> Self:
        start_ms, end_ms = self.historical_start_ms, self.historical_end_ms
        if start_ms is not None and end_ms is not None and start_ms >= end_ms:
            raise ValueError(
                f"HISTORICAL_START_MS={start_ms} is not before HISTORICAL_END_MS={end_ms}"
            )
        return self

    @property
    def is_historical(self) -> bool:
        """Whether this is a run that ends."""
        return self.live_or_historical == "historical"

    @property
    def watermark_grace_ms(self) -> int:
        """The grace in milliseconds."""
        return round(self.watermark_grace_seconds * 1000)

    @property
    def completeness_check_ms(self) -> int:
        """The grid of proven moments, in milliseconds."""
        return self.completeness_check_seconds * 1000
