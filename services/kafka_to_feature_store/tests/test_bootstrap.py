"""Starting while something is away."""

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from candlecast.runtime.process import StopSignal
from candlecast.runtime.service import ServiceContext
from candlecast.store.local.identity import directory_lock
from candlecast.testing.stored_candles import BTC, FOREVER, GROUP
from candlecast.testing.waiting import eventually
from kafka_to_feature_store.background import BackgroundCalls
from kafka_to_feature_store.bootstrap import run

from .candle_topic import CandleTopic, make_candles
from .service_process import local_store
from .service_thread import in_thread, make_settings

pytestmark = pytest.mark.broker


@contextmanager
def starting_service(
    topic: CandleTopic, directory: Path
) -> Iterator[tuple[ServiceContext, StopSignal, "Future[None]"]]:
    context, stop = ServiceContext(), StopSignal()
    settings = make_settings(topic, feature_store_dir=directory)
    with in_thread(lambda: run(settings, context, stop, BackgroundCalls()), stop) as ended:
        eventually(lambda: context.readiness.conditions, "a sign of life")
        yield context, stop, ended


def test_a_store_that_is_busy_at_the_start_is_waited_for_alive_and_not_ready(
    topic: CandleTopic, tmp_path: Path
) -> None:
    directory = tmp_path / "store"
    directory.mkdir()
    topic.send(make_candles(1, 5))
    with ExitStack() as busy:
        busy.enter_context(directory_lock(directory))
        with starting_service(topic, directory) as (context, _, _):
            beat_seconds = context.heartbeat._last_beat_seconds
            eventually(lambda: context.heartbeat._last_beat_seconds > beat_seconds, "the next one")
            assert not context.readiness.is_ready
            busy.close()
            eventually(lambda: topic.committed() == {0: 5}, "everything committed")
            eventually(lambda: context.readiness.is_ready, "ready")
    with local_store(directory) as store:
        assert len(store.read_offline(GROUP, BTC, *FOREVER)) == 5


def test_a_service_that_waits_for_its_store_can_be_stopped(
    topic: CandleTopic, tmp_path: Path
) -> None:
    directory = tmp_path / "store"
    directory.mkdir()
    with directory_lock(directory), starting_service(topic, directory) as (_, stop, ended):
        stop.set()
        ended.result(2.0)
