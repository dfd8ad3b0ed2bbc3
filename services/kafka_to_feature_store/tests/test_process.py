"""The process in good days: quick, small, and gone in time."""

import time
from pathlib import Path

import pytest

from candlecast.runtime.operating_system import free_ports
from candlecast.store.feature_store import FeatureStore
from candlecast.store.local import LocalFeatureStore
from candlecast.testing.services import running_service
from candlecast.testing.stored_candles import BTC, ETH, FOREVER, GROUP
from candlecast.testing.waiting import eventually

from .candle_topic import QNT, SOL, CandleTopic, make_candles
from .service_process import (
    assert_history,
    local_store,
    metric,
    resident_megabytes,
    service_process,
)

PRODUCTS = (BTC, ETH, SOL)
LATENCIES = 20


def seconds_until_online(topic: CandleTopic, store: FeatureStore, minute: int) -> float:
    topic.send(make_candles(minute, 1, product_ids=(QNT,)))
    readable_seconds = time.monotonic()
    eventually(lambda: len(store.read_online(GROUP, QNT, *FOREVER)) == minute, "the row online")
    return time.monotonic() - readable_seconds


@pytest.mark.broker
def test_live_candles_are_online_soon_in_little_memory_and_in_the_history_after_sigterm(
    topic: CandleTopic, tmp_path: Path
) -> None:
    directory = tmp_path / "store"
    topic.send(make_candles(1, 1_000, product_ids=PRODUCTS))
    with service_process(topic, directory, MATERIALIZE_SECONDS="0.5") as service:
        eventually(lambda: metric(service, "materialized_rows_total") > 3_000 / 2, "materialised")
        eventually(lambda: sum(topic.committed().values()) == 3_000, "everything committed")
        service.wait_until_ready()
        with local_store(directory) as store:
            seconds = sorted(
                seconds_until_online(topic, store, minute) for minute in range(1, LATENCIES + 1)
            )
        megabytes = resident_megabytes(service)
        assert metric(service, "records_in_total") == 3_000 + LATENCIES
        assert service.get("/health/live")[0] == 200
        started_seconds = time.monotonic()
        assert service.stop() == 0
        assert time.monotonic() - started_seconds < 5.0
        assert service.other_lines == []
    for product_id in PRODUCTS:
        assert_history(directory, product_id, 1_000)
    assert_history(directory, QNT, LATENCIES)
    assert seconds[-1] < 1.0
    assert megabytes < 200.0
    print(f"online after {seconds[LATENCIES // 2]:.3f} s, {seconds[-1]:.3f} s; {megabytes:.0f} MB")  # noqa: T201


def test_a_broker_that_is_away_at_the_start_is_waited_for_alive_and_not_ready(
    tmp_path: Path,
) -> None:
    address = f"127.0.0.1:{free_ports('127.0.0.1', 1)[0]}"
    with running_service(
        "kafka_to_feature_store", tmp_path, KAFKA_BROKER_ADDRESS=address
    ) as service:
        line = service.wait_for_event("broker_unreachable")
        assert address in line["reason"]
        assert service.get("/health/live")[0] == 200
        assert not service.is_ready()
        assert service.stop() == 0


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"MARKET_DATA_SOURCE": "kraken"}, "holds data of MARKET_DATA_SOURCE=simulator"),
        ({"BATCH_SIZE": "0"}, "BATCH_SIZE='0': "),
    ],
)
def test_what_only_a_person_can_repair_is_one_line_and_exit_code_78(
    tmp_path: Path, settings: dict[str, str], reason: str
) -> None:
    LocalFeatureStore(tmp_path / "store", "simulator").close()
    given = {
        "KAFKA_BROKER_ADDRESS": "127.0.0.1:1",
        "FEATURE_STORE_DIR": "store",
        "MARKET_DATA_SOURCE": "simulator",
        **settings,
    }
    with running_service("kafka_to_feature_store", tmp_path, **given) as service:
        assert service.wait() == 78
    errors = [line for line in service.events if line["level"] == "ERROR"]
    assert [line["event"] for line in errors] == ["configuration_error"]
    assert reason in errors[0]["reason"]
    assert service.other_lines == []
