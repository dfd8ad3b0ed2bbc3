"""Fixtures for tests against a real Kafka: one broker a test run, topics of their own a test.

A root `conftest.py` registers them: `pytest_plugins = ["candlecast.testing.broker"]`.
"""

import uuid
from collections.abc import Iterator

import pytest

from candlecast.embedded_broker import EmbeddedBroker


@pytest.fixture(scope="session")
def broker_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of one real broker, started for the first test that asks for it."""
    data_directory = tmp_path_factory.mktemp("broker")
    with EmbeddedBroker(data_directory, heap_megabytes=256) as broker:
        yield broker.address


@pytest.fixture
def topic_name(request: pytest.FixtureRequest) -> str:
    """A name no other test uses, for a topic, a consumer group or a prefix of several."""
    return f"{request.node.originalname[:60]}_{uuid.uuid4().hex[:8]}"
