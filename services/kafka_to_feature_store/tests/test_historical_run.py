from collections.abc import Callable
from concurrent.futures import Future

import pytest

from candlecast.errors import TransientError
from candlecast.messaging.candle_record import EndOfStream
from candlecast.testing.stored_candles import BTC, ETH
from candlecast.testing.waiting import eventually
from kafka_to_feature_store.background import BackgroundCalls
from kafka_to_feature_store.historical_run import HistoricalRun, find_finished_products

from .candle_topic import SOL, CandleTopic, make_candles
from .service_thread import make_settings


def find_nothing() -> set[str]:
    return set()


def run_of(
    *product_ids: str, find_finished: Callable[[], set[str]] = find_nothing
) -> HistoricalRun:
    return HistoricalRun(product_ids, find_finished=find_finished, calls=BackgroundCalls())


def assert_advanced(run: HistoricalRun, now_seconds: float) -> None:
    def has_taken_the_answer() -> bool:
        run.advance(now_seconds)
        return run._call is None

    eventually(has_taken_the_answer, "an answer")


def test_a_product_is_finished_when_its_end_is_committed_not_when_it_is_read() -> None:
    run = run_of(BTC, ETH)
    run.note_end(BTC, partition=0, next_offset=10)
    run.note_committed({0: 9, 1: 100})
    assert run.unfinished == {BTC, ETH}
    run.note_committed({0: 10})
    assert run.unfinished == {ETH}
    run.note_end(ETH, partition=1, next_offset=5)
    run.note_committed({1: 7})
    assert run.is_complete


def test_products_that_share_a_partition_end_each_at_its_own_offset() -> None:
    run = run_of(ETH, SOL)
    run.note_end(ETH, partition=1, next_offset=10)
    run.note_committed({1: 10})
    assert run.unfinished == {SOL}
    assert not run.has_read_every_end
    run.note_end(SOL, partition=1, next_offset=20)
    assert run.has_read_every_end
    run.note_committed({1: 19})
    assert not run.is_complete
    run.note_committed({1: 20})
    assert run.is_complete


def test_an_end_on_a_partition_that_was_taken_away_does_not_count() -> None:
    run = run_of(BTC)
    run.note_end(BTC, partition=0, next_offset=10)
    run.forget({0})
    assert not run.has_read_every_end
    run.note_committed({0: 10})
    assert not run.is_complete


def test_the_end_of_a_product_nobody_waits_for_changes_nothing() -> None:
    run = run_of(BTC)
    run.note_end(ETH, partition=1, next_offset=10)
    run.note_committed({1: 10})
    assert run.unfinished == {BTC}


def test_finished_products_are_asked_for_at_the_start_and_again_when_nothing_comes() -> None:
    answers: list[Future[set[str]]] = []

    def find() -> set[str]:
        answers.append(Future())
        return answers[-1].result(10)

    run = run_of(BTC, ETH, find_finished=find)
    run.advance(100.0)
    eventually(lambda: len(answers) == 1, "a question")
    run.advance(1_000.0)  # still being asked
    answers[0].set_result({BTC})
    assert_advanced(run, 1_000.0)
    assert run.unfinished == {ETH}

    run.advance(1_004.0)
    run.note_records(1_004.0)
    run.advance(1_008.0)
    assert len(answers) == 1
    run.advance(1_009.0)
    eventually(lambda: len(answers) == 2, "a second question")
    answers[1].set_exception(TransientError("away"))
    assert_advanced(run, 1_009.0)
    run.advance(1_014.0)
    eventually(lambda: len(answers) == 3, "a third question")
    answers[2].set_result({ETH, "never heard of"})
    assert_advanced(run, 1_014.0)
    assert run.is_complete


@pytest.mark.broker
def test_a_product_is_finished_when_the_group_has_committed_the_end_that_is_its_newest_record(
    topic: CandleTopic,
) -> None:
    settings = make_settings(topic, live_or_historical="historical", product_ids=(BTC, ETH, SOL))
    assert find_finished_products(settings) == set()
    topic.send([*make_candles(1, 3, product_ids=(BTC, ETH, SOL)), EndOfStream(BTC)])
    topic.send([EndOfStream(SOL), EndOfStream(ETH)])
    assert find_finished_products(settings) == set()
    topic.commit({0: 4, 1: 7})
    assert find_finished_products(settings) == {BTC, SOL}
    topic.commit({1: 8})
    assert find_finished_products(settings) == {BTC, SOL, ETH}
    # The stream goes on, or somebody writes nonsense behind its end: not finished as it stands.
    topic.send(make_candles(9, 1, product_ids=(ETH,)))
    topic.send_raw(b"nonsense", product_id=BTC)
    topic.commit({0: 5, 1: 9})
    assert find_finished_products(settings) == {SOL}
