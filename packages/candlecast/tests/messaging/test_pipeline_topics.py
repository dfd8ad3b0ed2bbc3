import pytest

from candlecast.messaging.connection import KafkaSettings
from candlecast.messaging.pipeline_topics import candles_topic, dead_letter_topic, trades_topic

SETTINGS = KafkaSettings(
    kafka_broker_address="broker:9092", kafka_topic_partitions=12, kafka_topic_replication_factor=3
)
DAY_MS = 86_400_000


@pytest.mark.parametrize(
    ("is_historical", "trades_ms", "candles_ms"),
    [(False, str(7 * DAY_MS), str(30 * DAY_MS)), (True, "-1", "-1")],
)
def test_live_topics_forget_and_historical_ones_do_not(
    is_historical: bool, trades_ms: str, candles_ms: str
) -> None:
    trades = trades_topic(SETTINGS, "trades", is_historical=is_historical)
    candles = candles_topic(SETTINGS, "ohlc", is_historical=is_historical)

    assert (trades.name, trades.config) == ("trades", {"retention.ms": trades_ms})
    assert (candles.name, candles.config) == ("ohlc", {"retention.ms": candles_ms})
    assert {trades.partitions, candles.partitions} == {12}
    assert {trades.replication_factor, candles.replication_factor} == {3}


def test_dead_letters_wait_for_a_person_on_one_partition() -> None:
    topic = dead_letter_topic(SETTINGS, "trades")

    assert topic.name == "trades_dead_letter"
    assert (topic.partitions, topic.replication_factor) == (1, 3)
    assert topic.config == {"retention.ms": "-1"}
