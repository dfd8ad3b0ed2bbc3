"""Settings of trade_to_ohlc."""

from pathlib import Path

from pydantic import AliasChoices, Field, field_validator

from candlecast.messaging.consumer_settings import ConsumerSettings
from candlecast.runtime.settings import MarketDataSource

_SECONDS_PER_DAY = 86_400


class Settings(ConsumerSettings):
    """Environment variables have the names of the fields, in capitals."""

    kafka_input_topic: str = Field(default="trades", description="topic of the trades")
    kafka_output_topic: str = Field(default="ohlc", description="topic of the closed candles")
    kafka_consumer_group: str = Field(
        default="trade_to_ohlc",
        description="consumer group; the kept state belongs to it",
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
        default=1.0, gt=0, description="how often offsets and state are committed, in seconds"
    )

    @field_validator("ohlc_window_seconds")
    @classmethod
    def _divides_a_day(cls, seconds: int) -> int:
        if _SECONDS_PER_DAY % seconds != 0:
            raise ValueError("does not divide a day, so its windows would shift from day to day")
        return seconds

    @property
    def window_ms(self) -> int:
        """Length of a candle in milliseconds."""
        return self.ohlc_window_seconds * 1000
