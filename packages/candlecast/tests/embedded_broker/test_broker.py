import socket
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from candlecast.embedded_broker import EmbeddedBroker
from candlecast.errors import ConfigurationError, InvariantError, TransientError

pytestmark = pytest.mark.broker

LAST_CENTURY_MS = 10**11


def create_topic(address: str, topic: str) -> None:
    client = AdminClient({"bootstrap.servers": address})
    client.create_topics([NewTopic(topic, 1, 1)])[topic].result(20)


def produce(address: str, topic: str, value: bytes, timestamp_ms: int) -> None:
    producer = Producer({"bootstrap.servers": address, "acks": "all", "enable.idempotence": True})
    producer.produce(topic, value, timestamp=timestamp_ms)
    assert producer.flush(20) == 0


def read_one(address: str, topic: str) -> tuple[bytes | None, int]:
    consumer = Consumer({"bootstrap.servers": address, "group.id": topic})
    consumer.assign([TopicPartition(topic, 0, 0)])
    try:
        message = consumer.poll(20)
        assert message is not None
        assert message.error() is None
        return message.value(), message.timestamp()[1]
    finally:
        consumer.close()


def test_a_record_comes_back_as_it_was_written(broker_address: str, topic_name: str) -> None:
    create_topic(broker_address, topic_name)
    produce(broker_address, topic_name, b"trade", LAST_CENTURY_MS)
    assert read_one(broker_address, topic_name) == (b"trade", LAST_CENTURY_MS)


def test_a_topic_is_not_made_by_asking_for_it(broker_address: str, topic_name: str) -> None:
    client = AdminClient({"bootstrap.servers": broker_address})
    client.list_topics(topic_name, timeout=20)
    assert topic_name not in client.list_topics(timeout=20).topics


def test_topic_names_are_unique(topic_name: str, request: pytest.FixtureRequest) -> None:
    assert topic_name.startswith("test_topic_names_are_unique_")


def test_records_survive_a_restart_on_another_port(tmp_path: Path) -> None:
    with EmbeddedBroker(tmp_path, heap_megabytes=256) as broker:
        first_address = broker.address
        create_topic(first_address, "kept")
        produce(first_address, "kept", b"still here", 1)
    assert not broker.is_running
    with EmbeddedBroker(tmp_path, heap_megabytes=256) as broker:
        assert broker.address != first_address
        assert read_one(broker.address, "kept")[0] == b"still here"


def test_a_second_broker_on_the_same_data_is_told_why_not(tmp_path: Path) -> None:
    second = EmbeddedBroker(tmp_path, heap_megabytes=256)
    with EmbeddedBroker(tmp_path, heap_megabytes=256) as first:
        with pytest.raises(TransientError, match=r"stopped while starting.*lock"):
            second.start()
        assert first.is_running


def test_starting_a_running_broker_again_changes_nothing(tmp_path: Path) -> None:
    with EmbeddedBroker(tmp_path, heap_megabytes=256) as broker:
        process_id = broker.process_id
        broker.start()
        assert broker.process_id == process_id


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"port {port} on 127.0.0.1 is taken"):
            EmbeddedBroker(tmp_path, port).start()


def test_a_data_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=r"cannot keep its data in .*file"):
        EmbeddedBroker(tmp_path / "file" / "broker").start()


def test_broken_data_are_told_with_the_end_of_the_log(tmp_path: Path) -> None:
    (tmp_path / "kafka").mkdir()
    (tmp_path / "kafka" / "meta.properties").write_text("version=99\n")
    with pytest.raises(TransientError, match=r"broker\.log ends with: .*version"):
        EmbeddedBroker(tmp_path, heap_megabytes=256).start()


def test_a_broker_that_was_not_started_has_no_address(tmp_path: Path) -> None:
    broker = EmbeddedBroker(tmp_path)
    broker.stop()
    with pytest.raises(InvariantError):
        _ = broker.address
