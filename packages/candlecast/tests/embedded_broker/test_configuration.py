from pathlib import Path

from candlecast.embedded_broker.configuration import BrokerPorts, java_command, server_properties

PORTS = BrokerPorts(client=19092, controller=19093)


def properties() -> dict[str, str]:
    text = server_properties(ports=PORTS, log_directory=Path("/data/kafka"))
    return dict(line.split("=", 1) for line in text.splitlines())


def test_every_address_is_on_loopback() -> None:
    listeners = properties()["listeners"].split(",")
    assert [listener.split("//")[1].split(":")[0] for listener in listeners] == ["127.0.0.1"] * 2
    assert properties()["advertised.listeners"] == f"CLIENT://{PORTS.address}"


def test_topics_are_never_made_by_accident() -> None:
    assert properties()["auto.create.topics.enable"] == "false"


def test_records_older_than_any_retention_stay() -> None:
    assert properties()["log.retention.ms"] == "-1"


def test_the_heap_is_bounded() -> None:
    command = java_command(
        java=Path("/java"), class_path="jars/*", heap_megabytes=99, main_class="Main", arguments=[]
    )
    assert "-Xmx99m" in command
    assert command[-1] == "Main"
