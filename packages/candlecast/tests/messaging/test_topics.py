import itertools
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource

from candlecast.embedded_broker import EmbeddedBroker, node
from candlecast.embedded_broker.configuration import BrokerPorts, server_properties
from candlecast.errors import ConfigurationError, TransientError
from candlecast.messaging.connection import ClientConfig
from candlecast.messaging.topics import (
    TopicSpecification,
    create_topics,
    delete_topics,
    existing_topics,
    wait_for_broker,
)
from candlecast.testing.waiting import eventually

NOBODY: ClientConfig = {"bootstrap.servers": "127.0.0.1:1"}
AT_ONCE = [0.01] * 1_000


def partitions_of(address: str, topic: str) -> int:
    metadata = AdminClient({"bootstrap.servers": address}).list_topics(topic, timeout=10)
    return len(metadata.topics[topic].partitions)


@pytest.mark.broker
def test_a_topic_is_created_once_and_then_left_as_it_is(
    broker_address: str, topic_name: str
) -> None:
    config: ClientConfig = {"bootstrap.servers": broker_address}
    create_topics(
        config,
        [TopicSpecification(name=topic_name, partitions=3, config={"retention.ms": "123456"})],
    )
    create_topics(config, [TopicSpecification(name=topic_name, partitions=5)])

    eventually(lambda: topic_name in existing_topics(config), "the topic to be listed")
    assert partitions_of(broker_address, topic_name) == 3
    admin = AdminClient({"bootstrap.servers": broker_address})
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic_name)
    described = admin.describe_configs([resource])[resource].result()
    assert described["retention.ms"].value == "123456"


@pytest.mark.broker
def test_topics_are_deleted_once_and_then_gone(broker_address: str, topic_name: str) -> None:
    config: ClientConfig = {"bootstrap.servers": broker_address}
    names = [f"{topic_name}_a", f"{topic_name}_b"]
    create_topics(config, [TopicSpecification(name=name, partitions=1) for name in names])

    delete_topics(config, names)
    delete_topics(config, [*names, f"{topic_name}_never_there"])

    eventually(lambda: not existing_topics(config) & set(names), "the topics to be gone")


def test_nothing_to_create_or_delete_needs_no_broker() -> None:
    create_topics(NOBODY, [])
    delete_topics(NOBODY, [])


@pytest.mark.broker
@pytest.mark.parametrize(
    "topic",
    [
        TopicSpecification(name="not allowed!", partitions=1),
        TopicSpecification(name="no_partitions", partitions=0),
        TopicSpecification(name="too_many_copies", partitions=1, replication_factor=3),
        TopicSpecification(name="odd", partitions=1, config={"retention.ms": "for ever"}),
    ],
    ids=lambda topic: topic.name,
)
def test_a_topic_that_can_never_be_is_a_configuration_error(
    broker_address: str, topic: TopicSpecification
) -> None:
    with pytest.raises(ConfigurationError, match=f"^creating topic {topic.name}: "):
        create_topics({"bootstrap.servers": broker_address}, [topic])


def test_an_address_where_nobody_listens_is_a_transient_error() -> None:
    with pytest.raises(TransientError, match=r"^no Kafka broker answers at 127\.0\.0\.1:1 \(.*ref"):
        existing_topics(NOBODY)


@contextmanager
def forwarding(port: int, address: str) -> Iterator[None]:
    """Let `port` lead to the broker: a broker that begins to answer."""
    host, broker_port = address.split(":")
    connections: list[socket.socket] = []

    def pump(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):  # closed at the end of the test
            while data := source.recv(65_536):
                target.sendall(data)

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            broker = socket.create_connection((host, int(broker_port)))
            connections.extend((client, broker))
            for pair in ((client, broker), (broker, client)):
                threading.Thread(target=pump, args=pair, daemon=True).start()

    with socket.create_server(("127.0.0.1", port)) as listener:
        server = threading.Thread(target=serve, daemon=True)
        server.start()
        yield
        listener.shutdown(socket.SHUT_RDWR)
        server.join()
    for connection in connections:
        connection.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.mark.broker
def test_a_broker_is_waited_for_until_it_comes(broker_address: str) -> None:
    port = free_port()
    waited: list[float] = []
    with ExitStack() as way:

        def wait(seconds: float) -> bool:
            waited.append(seconds)
            if len(waited) == 2:
                way.enter_context(forwarding(port, broker_address))
            return False

        delays = itertools.chain([0.1, 0.2, 0.4], itertools.repeat(0.8))
        config: ClientConfig = {"bootstrap.servers": f"127.0.0.1:{port}"}
        assert wait_for_broker(config, wait=wait, delays=delays)
    assert waited[:2] == [0.1, 0.2]


def test_the_wait_for_a_broker_ends_when_the_service_is_told_to_stop() -> None:
    waited: list[float] = []

    def wait(seconds: float) -> bool:
        waited.append(seconds)
        return len(waited) == 2

    assert not wait_for_broker(NOBODY, wait=wait, delays=iter(AT_ONCE))
    assert len(waited) == 2


def test_the_wait_for_a_broker_ends_when_its_delays_do() -> None:
    assert not wait_for_broker(NOBODY, wait=lambda _: False, delays=iter([0.01]))


@pytest.fixture
def sasl_broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A real Kafka of its own that asks for a user and a password."""

    def with_sasl(*, ports: BrokerPorts, log_directory: Path) -> str:
        text = server_properties(ports=ports, log_directory=log_directory)
        login = "org.apache.kafka.common.security.plain.PlainLoginModule"
        return text.replace("CLIENT:PLAINTEXT", "CLIENT:SASL_PLAINTEXT") + (
            "sasl.enabled.mechanisms=PLAIN\nsasl.mechanism.inter.broker.protocol=PLAIN\n"
            f"listener.name.client.plain.sasl.jaas.config={login} required "
            'username="broker" password="own" user_broker="own" user_alice="wonderland";\n'
        )

    monkeypatch.setattr(node, "server_properties", with_sasl)
    with EmbeddedBroker(tmp_path, heap_megabytes=256) as broker:
        yield broker.address


@pytest.mark.broker
def test_credentials_that_are_refused_are_a_configuration_error(sasl_broker: str) -> None:
    config: ClientConfig = {
        "bootstrap.servers": sasl_broker,
        "security.protocol": "sasl_plaintext",
        "sasl.mechanism": "PLAIN",
        "sasl.username": "alice",
    }
    assert existing_topics({**config, "sasl.password": "wonderland"}) == set()

    start_seconds = time.monotonic()
    with pytest.raises(ConfigurationError, match=r"^KAFKA_SASL_USERNAME.* refuses them") as refused:
        wait_for_broker(
            {**config, "sasl.password": "looking-glass"},
            wait=lambda _: False,
            delays=iter(AT_ONCE),
        )
    assert "looking-glass" not in str(refused.value)
    assert time.monotonic() - start_seconds < 10
