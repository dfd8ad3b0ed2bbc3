"""`kill -9` at any moment loses nothing."""

from pathlib import Path

import pytest

from candlecast.messaging.candle_record import EndOfStream
from candlecast.store.local import LocalFeatureStore
from candlecast.testing.stored_candles import BTC, ETH, FOREVER, GROUP
from candlecast.testing.waiting import eventually

from .candle_topic import QNT, SOL, CandleTopic, make_candles
from .service_process import assert_history, service_process

pytestmark = pytest.mark.broker

LIVE_PRODUCTS = (BTC, ETH)
HISTORICAL_PRODUCTS = (BTC, ETH, SOL, QNT)


def online_rows(store: LocalFeatureStore) -> int:
    return sum(len(store.read_online(GROUP, each, *FOREVER)) for each in LIVE_PRODUCTS)


def test_a_live_service_killed_again_and_again_leaves_every_candle_once(
    topic: CandleTopic, tmp_path: Path
) -> None:
    directory = tmp_path / "store"
    minutes = 0
    # Small batches and much materialising: whatever moment it is, something is going on.
    settings = {"BATCH_SIZE": "20", "MATERIALIZE_SECONDS": "0.02"}
    for killed_after_rows in (1, 90, 250):
        topic.send(make_candles(minutes + 1, 200, product_ids=LIVE_PRODUCTS))
        rows_before, minutes = 2 * minutes, minutes + 200
        with (
            service_process(topic, directory, **settings) as service,
            LocalFeatureStore(directory, "simulator") as store,
        ):
            wanted = rows_before + killed_after_rows
            eventually(lambda: online_rows(store) >= wanted, f"{wanted} rows")  # noqa: B023 - called at once
            service.kill()
    with service_process(topic, directory) as service:
        everything = {0: minutes, 1: minutes}
        eventually(lambda: topic.committed() == everything, "everything committed")
        assert service.stop() == 0
    for product_id in LIVE_PRODUCTS:
        assert_history(directory, product_id, minutes)


def commits_of_history(directory: Path) -> int:
    log = directory / "offline" / GROUP.label / "_delta_log"
    return len(list(log.glob("*.json")))


def test_a_historical_run_killed_again_and_again_ends_complete_and_ends_again(
    topic: CandleTopic, tmp_path: Path
) -> None:
    directory = tmp_path / "store"
    settings = {
        "LIVE_OR_HISTORICAL": "historical",
        "PRODUCT_IDS": ",".join(HISTORICAL_PRODUCTS),
        "BATCH_SIZE": "500",
    }
    topic.send(make_candles(1, 1_000, product_ids=HISTORICAL_PRODUCTS))
    topic.send([EndOfStream(product_id) for product_id in HISTORICAL_PRODUCTS])
    for killed_after_commits in (1, 4):
        with service_process(topic, directory, **settings) as service:
            eventually(
                lambda: commits_of_history(directory) >= killed_after_commits,  # noqa: B023 - called at once
                "commits to the history",
            )
            service.kill()
    for _ in range(2):
        with service_process(topic, directory, **settings) as service:
            assert service.wait() == 0
        for product_id in HISTORICAL_PRODUCTS:
            assert_history(directory, product_id, 1_000)
        assert topic.committed() == {0: 1_001, 1: 2_002, 2: 1_001}
