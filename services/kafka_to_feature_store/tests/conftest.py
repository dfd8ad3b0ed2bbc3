from collections.abc import Iterator

import pytest

from kafka_to_feature_store import writer

from .candle_topic import CandleTopic


@pytest.fixture
def topic(broker_address: str, topic_name: str) -> Iterator[CandleTopic]:
    topic = CandleTopic(broker_address, topic_name)
    yield topic
    topic.close()


@pytest.fixture(autouse=True)
def impatient_writer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that refuses is asked again soon, in services that run in the test's process."""
    monkeypatch.setattr(writer, "_LONGEST_PAUSE_SECONDS", 0.2)
