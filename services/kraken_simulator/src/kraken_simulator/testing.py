"""A simulator inside the test's own process, on a free port, in a thread of its own."""

import asyncio
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from candlecast.runtime.settings import load_settings
from kraken_simulator.bootstrap import Simulator, build_simulator
from kraken_simulator.server import SimulatorServer, bind_socket
from kraken_simulator.settings import Settings

_STOP_SECONDS = 10.0
_CALL_SECONDS = 60.0


class RunningSimulator:
    """The addresses of a simulator that is running, and what only a test may do to it.

    Attributes:
        rest_url: for instance "http://127.0.0.1:41234".
        websocket_url: for instance "ws://127.0.0.1:41234/v2".
        simulator: the parts, to look inside (its metrics, its clock).
    """

    def __init__(self, simulator: Simulator, port: int) -> None:
        self.simulator = simulator
        self.rest_url = f"http://127.0.0.1:{port}"
        self.websocket_url = f"ws://127.0.0.1:{port}/v2"

    @property
    def admin_url(self) -> str:
        """The address of the admin endpoints."""
        return f"{self.rest_url}/admin"

    @property
    def server_ms(self) -> int:
        """The server's time now."""
        return self.simulator.clock.now_ns() // 1_000_000

    def set_faults(self, **faults: Any) -> None:
        """Change the faults named, leave the others."""
        self._call("faults", json.dumps(faults).encode())

    def disconnect(self) -> None:
        """Close all WebSockets now."""
        self._call("disconnect", b"")

    def silence(self, seconds: float) -> None:
        """Make all open WebSockets send nothing for so long."""
        self._call("silence", json.dumps({"seconds": seconds}).encode())

    def truth(
        self, product_id: str, start_ms: int, end_ms: int, *, window_seconds: int = 60
    ) -> list[Mapping[str, Any]]:
        """Return the true candles of a range, as JSON objects."""
        query = f"start_ms={start_ms}&end_ms={end_ms}&window_seconds={window_seconds}"
        candles: list[Mapping[str, Any]] = self._call(f"truth?product_id={product_id}&{query}")
        return candles

    def _call(self, path: str, body: bytes | None = None) -> Any:
        request = urllib.request.Request(f"{self.admin_url}/{path}", data=body)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=_CALL_SECONDS) as response:  # noqa: S310
                return json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                raise ValueError(f"{path}: {json.load(error)['error']}") from None


@contextmanager
def running_simulator(**settings: Any) -> Iterator[RunningSimulator]:
    """Run a simulator for the length of a `with` block.

    Args:
        settings: fields of `Settings`, for instance speed=60, products=("BTC/USD",),
            faults={"drop_message_probability": 0.1}. Unlike in the service, REST calls are not
            limited unless rest_calls_per_second says so, and the port is any free one.
    """
    given = {"simulator_port": 0, "rest_calls_per_second": 0.0, **settings}
    loaded = load_settings(Settings, _env_file=None, **given)
    simulator = build_simulator(loaded)
    with bind_socket("127.0.0.1", loaded.simulator_port) as listener:
        server = SimulatorServer(simulator, listener)
        port = server.port
        thread = _ServerThread(server)
        thread.start()
        try:
            yield RunningSimulator(simulator, port)
        finally:
            thread.stop()


class _ServerThread(threading.Thread):
    """Runs a server in an event loop of its own."""

    def __init__(self, server: SimulatorServer) -> None:
        super().__init__(name="kraken_simulator")
        self._server = server
        self._running: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None
        self._has_started = threading.Event()
        self._failure: BaseException | None = None

    def run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - handed over to the test in stop()
            self._failure = error
        finally:
            self._has_started.set()

    def start(self) -> None:
        super().start()
        self._has_started.wait(_STOP_SECONDS)

    def stop(self) -> None:
        if self._running is not None and self.is_alive():
            loop, stop = self._running
            loop.call_soon_threadsafe(stop.set)
        self.join(_STOP_SECONDS)
        if self._failure is not None:
            raise self._failure
        if self.is_alive():
            raise TimeoutError("the simulator's thread did not stop")

    async def _serve(self) -> None:
        stop = asyncio.Event()
        serving = asyncio.create_task(self._server.serve())
        self._running = (asyncio.get_running_loop(), stop)
        self._has_started.set()
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        serving.cancel()
        await asyncio.gather(serving, stopping, return_exceptions=True)
