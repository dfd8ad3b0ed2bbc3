"""Settings of trade_producer."""

from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, AliasChoices, Field, model_validator

from candlecast.messaging.connection import KafkaName, KafkaSettings
from candlecast.runtime.settings import MarketDataSource, NameList


def _address(*schemes: str) -> AfterValidator:
    """Check that a value is an address of one of these kinds; the servers say the rest."""

    def check(value: str) -> str:
        try:
            parts = urlsplit(value)
            is_usable = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
        except ValueError as error:
            raise ValueError(f"is not an address ({error})") from error
        if not is_usable:
            raise ValueError(f"is not an address that begins with {'://, '.join(schemes)}://")
        return value

    return AfterValidator(check)


class Settings(KafkaSettings):
    """Environment variables have the names of the fields, in capitals."""

    kafka_topic: KafkaName = Field(
        default="trades",
        validation_alias=AliasChoices("kafka_topic", "kafka_topic_name"),
        description="topic to publish trades on; a historical run needs one of its own",
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
        default=2.0,
        gt=0,
        allow_inf_nan=False,
        description="days before the end where a historical run starts, above 0",
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
    kraken_rest_url: Annotated[str, _address("http", "https")] = Field(
        default="https://api.kraken.com", description="an http(s) address"
    )
    kraken_websocket_url: Annotated[str, _address("ws", "wss")] = Field(
        default="wss://ws.kraken.com/v2", description="a ws(s) address"
    )
    kraken_rest_calls_per_second: float = Field(
        default=1.0,
        gt=0,
        allow_inf_nan=False,
        description="calls per second and product, above 0; Kraken allows 1",
    )
    watermark_grace_seconds: float = Field(
        default=2.0,
        ge=0,
        allow_inf_nan=False,
        description="exchange time left for trades still on their way, in seconds, 0 or more",
    )
    completeness_check_seconds: int = Field(
        default=60,
        ge=1,
        description="a quiet product's watermark passes a multiple of this many seconds only when "
        "REST has confirmed that no trade is missing",
    )
    websocket_silence_seconds: float = Field(
        default=10.0,
        gt=0,
        allow_inf_nan=False,
        description="a connection without any message for so long is given up; above 0",
    )

    @model_validator(mode="after")
    def _range_is_not_empty(self) -> Self:
        start_ms, end_ms = self.historical_start_ms, self.historical_end_ms
        if start_ms is not None and end_ms is not None and start_ms >= end_ms:
            raise ValueError(
                f"HISTORICAL_START_MS={start_ms} is not before HISTORICAL_END_MS={end_ms}"
            )
        return self

    @model_validator(mode="after")
    def _historical_run_has_a_topic(self) -> Self:
        if self.is_historical and "kafka_topic" not in self.model_fields_set:
            raise ValueError(
                "KAFKA_TOPIC is not set; a historical run needs a topic of its own, "
                "for instance trades_historical_2026-11-23"
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
