"""Settings of kafka_to_feature_store."""

from pydantic import AliasChoices, Field

from candlecast.messaging.connection import KafkaName
from candlecast.messaging.consumer_settings import ConsumerSettings
from candlecast.store.settings import FeatureStoreSettings


class Settings(ConsumerSettings, FeatureStoreSettings):
    """Environment variables have the names of the fields, in capitals."""

    kafka_input_topic: KafkaName = Field(
        default="ohlc",
        validation_alias=AliasChoices("kafka_input_topic", "kafka_topic"),
        description="topic of the closed candles: letters, digits, '.', '_' and '-'",
    )
    kafka_consumer_group: KafkaName = Field(
        default="kafka_to_feature_store",
        description="consumer group; it knows what is stored: letters, digits, '.', '_' and '-'",
    )
    batch_size: int | None = Field(
        default=None,
        ge=1,
        validation_alias=AliasChoices("batch_size", "buffer_size"),
        description="candles that are written together; default 500 live, 10000 historical",
    )
    batch_seconds: float | None = Field(
        default=None,
        gt=0,
        validation_alias=AliasChoices("batch_seconds", "save_every_n_sec"),
        description="how long a candle waits for others; default 0.1 live, 60 historical",
    )
    materialize_seconds: float = Field(
        default=60.0,
        gt=0,
        validation_alias=AliasChoices(
            "materialize_seconds", "feature_group_materialization_interval_seconds"
        ),
        description="how often live rows are brought into the history, in seconds",
    )

    @property
    def largest_batch(self) -> int:
        """Candles that are written together at most."""
        if self.batch_size is not None:
            return self.batch_size
        return 10_000 if self.is_historical else 500

    @property
    def longest_wait_seconds(self) -> float:
        """How long a candle waits for others at most."""
        if self.batch_seconds is not None:
            return self.batch_seconds
        return 60.0 if self.is_historical else 0.1
