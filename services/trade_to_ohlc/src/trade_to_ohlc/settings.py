"""Settings of trade_to_ohlc."""

from pathlib import Path
from typing import Self

from pydantic import AliasChoices, Field, field_validator, model_validator

from candlecast.messaging.connection import KafkaName
from candlecast.messaging.consumer_settings import ConsumerSettings
from candlecast.runtime.settings import MarketDataSource

_SECONDS_PER_DAY = 86_400


class Settings(ConsumerSettings):
    """Environment variables have the names of the fields, in capitals."""

    kafka_input_topic: KafkaName = Field(
        default="trades",
        description="topic of the trades: letters, digits, '.', '_' and '-'",
    )
    kafka_output_topic: KafkaName = Field(
        default="ohlc",
        description="topic of the closed candles: letters, digits, '.', '_' and '-'",
    )
    kafka_consumer_group: KafkaName = Field(
        default="trade_to_ohlc",
        description="consumer group; the kept state belongs to it: letters, digits, '.', '_', '-'",
    )
    ohlc_window_seconds: int = Field(
        default=60,
        ge=1,
        le=_SECONDS_PER_DAY,
        validation_alias=AliasChoices("ohlc_window_seconds", "candle_seconds"),
        description="length of a candle in seconds, a divisor of a day",
    )
    market_data_source: MarketDataSource = Field(
        default="kraken", description="kraken or simulator; records of the other are refused"
    )
    state_dir: Path = Field(
        default=Path(".data/state"), description="folder of the kept state; may be lost"
    )
    commit_interval_seconds: float = Field(
        default=1.0,
        gt=0,
        le=300,
        description="how often offsets and state are committed, in seconds up to 300",
    )

    @field_validator("ohlc_window_seconds")
    @classmethod
    def _divides_a_day(cls, seconds: int) -> int:
        if _SECONDS_PER_DAY % seconds != 0:
            raise ValueError("does not divide a day, so its windows would shift from day to day")
        return seconds

    @model_validator(mode="after")
    def _topics_differ(self) -> Self:
        if self.kafka_input_topic == self.kafka_output_topic:
            raise ValueError(
                f"KAFKA_OUTPUT_TOPIC={self.kafka_output_topic} is KAFKA_INPUT_TOPIC too; candles "
                "would be read as trades"
            )
        return self

    @property
    def window_ms(self) -> int:
        """Length of a candle in milliseconds."""
        return self.ohlc_window_seconds * 1000
