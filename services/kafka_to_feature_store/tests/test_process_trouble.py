"""The process in bad days: a full disk, a stuck store, a broker that does not answer."""

import os
import resource
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from candlecast.testing.services import RunningService
from candlecast.testing.stored_candles import BTC, GROUP
from candlecast.testing.waiting import eventually

from .candle_topic import CandleTopic, make_candles
from .service_process import assert_history, metric, service_process

pytestmark = pytest.mark.broker

STOP_SECONDS = 10.0


@contextmanager
def full_disk(service: RunningService) -> Iterator[None]:
    """Let the process's files not grow for a while: its system calls fail as on a full disk."""
    unlimited = resource.prlimit(service.process_id, resource.RLIMIT_FSIZE)
    resource.prlimit(service.process_id, resource.RLIMIT_FSIZE, (0, unlimited[1]))
    yield
    resource.prlimit(service.process_id, resource.RLIMIT_FSIZE, unlimited)


def stop_in_time(service: RunningService) -> None:
    started_seconds = time.monotonic()
    assert service.stop() == 0
    assert time.monotonic() - started_seconds < STOP_SECONDS


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="needs Linux's prlimit")
def test_a_full_disk_is_shown_and_when_there_is_room_again_nothing_is_missing(
    topic: CandleTopic, tmp_path: Path
) -> None:
    directory = tmp_path / "store"
    with service_process(topic, directory, MATERIALIZE_SECONDS="0.2") as service:
        topic.send(make_candles(1, 10))
        eventually(lambda: topic.committed() == {0: 10}, "the first candles")
        with full_disk(service):
            topic.send(make_candles(11, 10))
            eventually(lambda: service.events_named("store_refused"), "a refusal")
            assert not service.is_ready()
            assert "online rows" in service.get("/health/ready")[1]
            assert metric(service, "store_errors_total", operation="write") > 0
            assert service.get("/health/live")[0] == 200
            assert topic.committed() == {0: 10}
        eventually(lambda: topic.committed() == {0: 20}, "the others")
        service.wait_until_ready()
        assert service.stop() == 0
    assert_history(directory, BTC, 20)


def test_sigterm_does_not_wait_for_a_store_that_is_stuck_nor_commits_what_it_has_not(
    topic: CandleTopic, tmp_path: Path
) -> None:
    directory = tmp_path / "store"
    with service_process(topic, directory) as service:
        topic.send(make_candles(1, 5))
        eventually(lambda: topic.committed() == {0: 5}, "the first candles")
        online = directory / "online" / f"{GROUP.label}.sqlite"
        with closing(sqlite3.connect(online, isolation_level=None)) as somebody:
            somebody.execute("BEGIN IMMEDIATE")
            topic.send(make_candles(6, 5))
            eventually(lambda: metric(service, "waiting_rows") == 5, "the others")
            stop_in_time(service)
        assert service.events_named("left_calls_running")
    assert topic.committed() == {0: 5}


def broker_process() -> int:
    """Find the broker that serves this test run."""
    own = os.getpid()
    children = Path(f"/proc/{own}/task/{own}/children").read_text().split()
    return next(
        int(child)
        for child in children
        if b"kafka.Kafka" in Path(f"/proc/{child}/cmdline").read_bytes()
    )


@contextmanager
def hanging_broker() -> Iterator[None]:
    """Stop the broker in the middle of whatever it does: connections stay, answers do not come."""
    process_id = broker_process()
    os.kill(process_id, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process_id, signal.SIGCONT)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs Linux's /proc")
def test_a_broker_that_hangs_is_lived_through_and_does_not_hold_up_sigterm(
    topic: CandleTopic, tmp_path: Path
) -> None:
    directory = tmp_path / "store"
    # Without a name in the group, which leaving would ask the broker about.
    with service_process(topic, directory, KAFKA_GROUP_INSTANCE_ID="") as service:
        topic.send(make_candles(1, 5))
        eventually(lambda: topic.committed() == {0: 5}, "the first candles")
        with hanging_broker():
            assert service.get("/health/live")[0] == 200
        topic.send(make_candles(6, 5))
        eventually(lambda: topic.committed() == {0: 10}, "the others")
        with hanging_broker():
            stop_in_time(service)
        assert service.events_named("left_calls_running")
    assert_history(directory, BTC, 10)
