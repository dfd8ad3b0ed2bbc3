"""Blocking calls beside the loop."""

import asyncio
import threading

import pytest

from candlecast.errors import TransientError
from trade_producer.daemon_thread import in_daemon_thread


async def test_a_blocking_call_gives_its_value_while_the_loop_goes_on() -> None:
    release = threading.Event()

    def block() -> str:
        assert release.wait(10)
        return "value"

    call = asyncio.create_task(in_daemon_thread(block))
    await asyncio.sleep(0)
    release.set()
    assert await call == "value"


async def test_an_error_is_raised_where_it_is_awaited() -> None:
    def fail() -> None:
        raise TransientError("away")

    with pytest.raises(TransientError, match="away"):
        await in_daemon_thread(fail)


def test_a_stop_does_not_wait_for_a_call_that_hangs() -> None:
    release = threading.Event()

    async def main() -> None:
        async with asyncio.timeout(0.05):
            await in_daemon_thread(lambda: release.wait(60))

    with pytest.raises(TimeoutError):
        asyncio.run(main())
    release.set()  # its answer finds nobody, and disturbs nobody
    for thread in threading.enumerate():
        if thread.name == "blocking-call":
            thread.join(10)
            assert not thread.is_alive()
