import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any

import pytest

from candlecast.runtime.process import StopSignal, run_until_signal

PATIENCE_SECONDS = 20

PROLOGUE = """
import asyncio, os, signal, sys, threading
from candlecast.errors import *
from candlecast.runtime.process import *
def say(word):
    print(word, flush=True)
"""


@contextmanager
def running(program: str) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        [sys.executable, "-c", PROLOGUE + program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def finished(program: str) -> tuple[int, list[dict[str, Any]]]:
    with running(program) as process:
        _, errors = process.communicate(timeout=PATIENCE_SECONDS)
        return process.returncode, [json.loads(line) for line in errors.splitlines()]


def read_line(stream: IO[str] | None) -> str:
    assert stream is not None
    return stream.readline().strip()


def service(body: str) -> str:
    return f"def main():\n    {body}\nrun_service('example', main)\n"


@pytest.mark.parametrize(
    ("body", "exit_code", "event"),
    [
        ("raise ConfigurationError('PORT=x: no')", 78, "configuration_error"),
        ("raise TransientError('away')", 75, "gave_up_for_now"),
        ("raise InvariantError('impossible')", 70, "crashed"),
        ("raise InvalidMessageError('unreadable')", 70, "crashed"),
        ("1 / 0", 70, "crashed"),
        (
            "raise ExceptionGroup('t', [ConfigurationError('PORT=x: no')])",
            78,
            "configuration_error",
        ),
        (
            "raise ExceptionGroup('t', [TransientError('away'), ConfigurationError('no')])",
            78,
            "configuration_error",
        ),
        ("raise ExceptionGroup('t', [TransientError('away'), OSError('disk')])", 70, "crashed"),
    ],
)
def test_an_error_ends_the_process_with_the_code_that_says_what_to_do(
    body: str, exit_code: int, event: str
) -> None:
    code, lines = finished(service(body))
    assert code == exit_code
    assert [line["event"] for line in lines] == [event]
    assert lines[0]["reason"]
    assert ("exception" in lines[0]) == (event == "crashed")


def test_a_main_that_returns_is_a_success() -> None:
    assert finished(service("pass")) == (0, [])


def test_ctrl_c_while_starting_is_told_the_way_shells_expect() -> None:
    assert finished(service("os.kill(os.getpid(), signal.SIGINT)")) == (130, [])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_threaded_service_in_peace(number: signal.Signals) -> None:
    program = """
def main():
    stop = StopSignal()
    stop.install()
    say("turning")
    while not stop.wait(60):
        pass
    say("flushed")
run_service("example", main)
"""
    with running(program) as process:
        assert read_line(process.stdout) == "turning"
        process.send_signal(number)
        assert process.wait(PATIENCE_SECONDS) == 0
        assert read_line(process.stdout) == "flushed"


def test_a_second_signal_ends_a_threaded_service_that_hangs() -> None:
    program = """
def main():
    stop = StopSignal()
    stop.install()
    say("turning")
    stop.wait(60)
    say("hanging")
    threading.Event().wait()
run_service("example", main)
"""
    with running(program) as process:
        assert read_line(process.stdout) == "turning"
        process.terminate()
        assert read_line(process.stdout) == "hanging"
        process.terminate()
        assert process.wait(PATIENCE_SECONDS) == -signal.SIGTERM


ASYNCHRONOUS_PROGRAM = """
async def work():
    try:
        say("working")
        await asyncio.Event().wait()
    finally:
        await asyncio.sleep(0)
        say("cleaned up")
        {cleanup}
run_service("example", lambda: asyncio.run(run_until_signal(work())))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_cancels_an_asynchronous_service_which_cleans_up(number: signal.Signals) -> None:
    with running(ASYNCHRONOUS_PROGRAM.format(cleanup="pass")) as process:
        assert read_line(process.stdout) == "working"
        process.send_signal(number)
        output, errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert (process.returncode, output.strip()) == (0, "cleaned up")
    assert [json.loads(line)["event"] for line in errors.splitlines()] == ["stopped_on_signal"]


def test_a_second_signal_ends_an_asynchronous_service_that_hangs() -> None:
    with running(ASYNCHRONOUS_PROGRAM.format(cleanup="await asyncio.Event().wait()")) as process:
        assert read_line(process.stdout) == "working"
        process.terminate()
        assert read_line(process.stdout) == "cleaned up"
        process.terminate()
        assert process.wait(PATIENCE_SECONDS) == -signal.SIGTERM


def test_an_error_while_cleaning_up_after_a_signal_is_not_a_success() -> None:
    cleanup = "raise TransientError('could not flush')"
    with running(ASYNCHRONOUS_PROGRAM.format(cleanup=cleanup)) as process:
        assert read_line(process.stdout) == "working"
        process.terminate()
        assert process.wait(PATIENCE_SECONDS) == 75


async def test_a_cancellation_by_somebody_else_is_passed_on() -> None:
    reached = asyncio.Event()

    async def work() -> None:
        reached.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(run_until_signal(work()))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_main_that_ends_by_itself_ends_the_wait() -> None:
    async def work() -> None:
        await asyncio.sleep(0)

    await run_until_signal(work())


@pytest.fixture
def handlers_restored() -> Iterator[None]:
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


def test_a_signal_in_the_midst_of_a_wait_never_blocks(handlers_restored: None) -> None:
    for _ in range(200):
        stop = StopSignal()
        stop.install()
        sender = threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGTERM))
        sender.start()
        assert stop.wait(PATIENCE_SECONDS)
        sender.join()


def test_everyone_who_waits_wakes_up() -> None:
    stop = StopSignal()
    woken: list[bool] = []

    def wait() -> None:
        woken.append(stop.wait(PATIENCE_SECONDS))

    waiters = [threading.Thread(target=wait) for _ in range(3)]
    start_and_stop(waiters, stop.set)
    assert woken == [True] * 3
    assert stop.is_set
    assert stop.wait(0)


def start_and_stop(threads: list[threading.Thread], stop: Callable[[], None]) -> None:
    for thread in threads:
        thread.start()
    stop()
    for thread in threads:
        thread.join()


def test_nobody_asked_for_a_stop() -> None:
    stop = StopSignal()
    assert not stop.wait(0.001)
    assert not stop.is_set
