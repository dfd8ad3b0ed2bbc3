import json
from typing import Any

import pytest

from candlecast.messaging.statistics import ConsumerStatistics, parse_consumer_statistics


def statistics(join_state: str = "steady", state: str = "up", **lags: int) -> str:
    """Some of what librdkafka 2.12 writes about a consumer; the partition -1 is its own."""
    partitions = {"-1": {"partition": -1, "consumer_lag": 99}} | {
        number.removeprefix("p"): {"partition": 0, "consumer_lag": lag, "txbytes": 0}
        for number, lag in lags.items()
    }
    fields: dict[str, Any] = {
        "name": "rdkafka#consumer-1",
        "type": "consumer",
        "topics": {
            "trades": {"topic": "trades", "partitions": partitions},
            "changelog": {"topic": "changelog", "partitions": {"0": {"consumer_lag": 1_000}}},
        },
        "cgrp": {"state": state, "join_state": join_state, "assignment_size": 2},
    }
    return json.dumps(fields)


def test_the_lag_is_that_of_the_topics_own_partitions() -> None:
    assert parse_consumer_statistics(statistics(p0=3, p1=4), "trades") == ConsumerStatistics(
        is_assigned=True, lag_records=7
    )


def test_a_lag_that_is_not_known_yet_counts_nothing() -> None:
    assert parse_consumer_statistics(statistics(p0=-1, p1=4), "trades").lag_records == 4


@pytest.mark.parametrize("join_state", ["init", "wait-join", "wait-sync", "wait-assign-call"])
def test_a_consumer_that_joins_its_group_is_not_assigned(join_state: str) -> None:
    assert not parse_consumer_statistics(statistics(join_state), "trades").is_assigned


@pytest.mark.parametrize("state", ["init", "query-coord", "wait-broker-transport"])
def test_a_consumer_whose_broker_is_away_is_not_assigned(state: str) -> None:
    assert not parse_consumer_statistics(statistics(state=state), "trades").is_assigned


def test_statistics_from_before_anything_is_known_are_read_too() -> None:
    assert parse_consumer_statistics("{}", "trades") == ConsumerStatistics(
        is_assigned=False, lag_records=0
    )
