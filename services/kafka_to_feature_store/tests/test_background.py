import subprocess
import sys
import threading

import pytest

from kafka_to_feature_store.background import BackgroundCalls

PATIENCE_SECONDS = 20.0


def test_the_outcome_of_a_call_is_in_its_future() -> None:
    calls = BackgroundCalls()
    assert calls.start(lambda: 42, name="answer").result(PATIENCE_SECONDS) == 42


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_an_error_of_a_call_is_in_its_future_too(error: BaseException) -> None:
    def fail() -> None:
        raise error

    future = BackgroundCalls().start(fail, name="fail")
    assert future.exception(PATIENCE_SECONDS) is error


def test_waiting_for_all_calls_ends_when_they_do_or_when_time_is_up() -> None:
    calls, may_end = BackgroundCalls(), threading.Event()
    assert calls.wait_for_all(0.0)
    calls.start(lambda: may_end.wait(PATIENCE_SECONDS), name="wait")
    calls.start(lambda: None, name="quick").result(PATIENCE_SECONDS)
    assert not calls.wait_for_all(0.01)
    may_end.set()
    assert calls.wait_for_all(PATIENCE_SECONDS)
    calls.end_process_if_any_runs(0)  # none does: this test goes on


SCRIPT = """
import sys, threading
from kafka_to_feature_store.background import BackgroundCalls
calls = BackgroundCalls()
calls.start(lambda: threading.Event().wait(60), name="for ever")
calls.end_process_if_any_runs(int(sys.argv[1]))
sys.exit(1)
"""


def test_a_call_that_does_not_end_does_not_hold_up_the_end_of_the_process() -> None:
    process = subprocess.run(
        [sys.executable, "-c", SCRIPT, "7"],
        timeout=PATIENCE_SECONDS,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.returncode == 7
    assert "left_calls_running" in process.stderr
