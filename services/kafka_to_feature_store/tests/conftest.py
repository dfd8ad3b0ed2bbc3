from collections.abc import Iterator

import pytest

from .candle_topic import CandleTopic


@pytest.fixture
def topic(broker_address: str, topic_name: str) -> Iterator[CandleTopic]:
    topic = CandleTopic(broker_address, topic_name)
    yield topic
    topic.close()
