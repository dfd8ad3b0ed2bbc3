"""What every service that reads one topic of the pipeline can be told."""

from typing import Literal, Self

from pydantic import AliasChoices, Field, model_validator

from candlecast.messaging.connection import KafkaSettings
from candlecast.runtime.settings import NameList


class ConsumerSettings(KafkaSettings):
    """Settings of a service that reads `trades` or `ohlc`, live or for one historical run."""

    kafka_group_instance_id: str | None = Field(
        default=None,
        description="a name that stays the same over restarts, one for each replica: a replica "
        "that comes back with it gets its partitions at once",
    )
    live_or_historical: Literal["live", "historical"] = Field(
        default="live",
        validation_alias=AliasChoices("live_or_historical", "data_source"),
        description="live, or historical (ends when every product's stream has ended)",
    )
    product_ids: NameList = Field(
        default=(),
        validation_alias=AliasChoices("product_ids", "pairs"),
        description="the products whose end a historical run waits for; live takes what comes",
    )
    dead_letter_share: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="share of unreadable records above which the service stops, 0 to 1",
    )

    @model_validator(mode="after")
    def _historical_names_its_products(self) -> Self:
        if self.is_historical and not self.product_ids:
            raise ValueError("PRODUCT_IDS is not set; a historical run must know whom to wait for")
        return self

    @property
    def is_historical(self) -> bool:
        """Whether this is a run that ends."""
        return self.live_or_historical == "historical"
