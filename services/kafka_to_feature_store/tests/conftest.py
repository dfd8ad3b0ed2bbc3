from collections.abc import Iterator

import pytest

from kafka_to_feature_store import service, writer

from .candle_topic import CandleTopic


@pytest.fixture
def topic(broker_address: str, topic_name: str) -> Iterator[CandleTopic]:
    topic = CandleTopic(broker_address, topic_name)
    yield topic
    topic.close()


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service in the test's process asks a store that refuses, or is slow, again soon."""
    monkeypatch.setattr(writer, "_LONGEST_PAUSE_SECONDS", 0.2)
    monkeypatch.setattr(service, "_PATIENCE_SECONDS", 0.2)
