import socket
from collections.abc import Iterator

import httpx
import pytest
from prometheus_client import CollectorRegistry, Counter

from candlecast.errors import ConfigurationError
from candlecast.runtime.monitoring import Heartbeat, MonitoringServer, Readiness


class Monitored:
    """A served service whose state a test changes."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.heartbeat = Heartbeat()
        self.readiness = Readiness()

    def server(self, port: int = 0) -> MonitoringServer:
        return MonitoringServer(
            host="127.0.0.1",
            port=port,
            registry=self.registry,
            heartbeat=self.heartbeat,
            readiness=self.readiness,
        )


@pytest.fixture
def monitored() -> Monitored:
    return Monitored()


@pytest.fixture
def client(monitored: Monitored) -> Iterator[httpx.Client]:
    with (
        monitored.server() as server,
        httpx.Client(base_url=f"http://127.0.0.1:{server.port}", trust_env=False) as client,
    ):
        yield client


def test_live_while_the_loop_turns(monitored: Monitored, client: httpx.Client) -> None:
    monitored.heartbeat.beat()
    answer = client.get("/health/live")
    assert (answer.status_code, answer.json()["alive"]) == (200, True)
    assert answer.json()["age_seconds"] < 60


def test_not_live_when_the_loop_stands_still(monitored: Monitored, client: httpx.Client) -> None:
    monitored.heartbeat.dead_after_seconds = 0.0
    answer = client.get("/health/live")
    assert (answer.status_code, answer.json()["alive"]) == (503, False)


def test_ready_when_every_condition_holds(monitored: Monitored, client: httpx.Client) -> None:
    monitored.readiness.require("broker", "exchange")
    assert client.get("/health/ready").status_code == 503
    monitored.readiness.set("broker", holds=True)
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json()["conditions"] == {"broker": True, "exchange": False}
    monitored.readiness.set("exchange", holds=True)
    assert client.get("/health/ready").status_code == 200


def test_a_condition_that_holds_is_not_forgotten_by_requiring_it_again() -> None:
    readiness = Readiness()
    readiness.set("broker", holds=True)
    readiness.require("broker")
    assert readiness.is_ready


def test_degraded_is_told_but_stays_ready(monitored: Monitored, client: httpx.Client) -> None:
    monitored.readiness.degrade("exchange", "rate limited")
    answer = client.get("/health/ready")
    assert (answer.status_code, answer.json()["degraded"]) == (200, {"exchange": "rate limited"})
    monitored.readiness.degrade("exchange", None)
    monitored.readiness.degrade("exchange", None)
    assert client.get("/health/ready").json()["degraded"] == {}


def test_not_ready_is_not_dead(monitored: Monitored, client: httpx.Client) -> None:
    monitored.readiness.require("broker")
    assert client.get("/health/ready").status_code == 503
    assert client.get("/health/live").status_code == 200


def test_metrics_of_the_registry_are_served(monitored: Monitored, client: httpx.Client) -> None:
    Counter("candlecast_example", "An example", registry=monitored.registry).inc(3)
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert "candlecast_example_total 3.0" in answer.text.splitlines()


def test_another_page_is_not_found_and_says_what_there_is(client: httpx.Client) -> None:
    answer = client.get("/")
    assert answer.status_code == 404
    assert "/health/ready" in answer.text


def test_nothing_is_written_about_a_probe(
    client: httpx.Client, capfd: pytest.CaptureFixture[str]
) -> None:
    client.get("/health/live")
    assert capfd.readouterr() == ("", "")


def test_a_taken_port_is_one_line_with_the_setting(monitored: Monitored) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"METRICS_PORT={port}: cannot listen"):
            monitored.server(port)


def test_the_port_is_free_again_afterwards(monitored: Monitored) -> None:
    with monitored.server() as first:
        port = first.port
    with monitored.server(port) as second:
        assert second.port == port
