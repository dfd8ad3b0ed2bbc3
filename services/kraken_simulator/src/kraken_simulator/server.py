"""Serves a simulator on a socket, until told to stop."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from candlecast.errors import ConfigurationError
from kraken_simulator.bootstrap import Simulator
from kraken_simulator.websocket_api import CLOSE_GOING_AWAY

_SHUTDOWN_SECONDS = 1
_BACKLOG = 256


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the service's own runtime."""
        yield


def bind_socket(host: str, port: int) -> socket.socket:
    """Reserve the address.

    Raises:
        ConfigurationError: it is taken, or not an address of this machine.
    """
    # asyncio switches Nagle's algorithm off only for sockets that say they are TCP, which those of
    # socket.create_server do not: frames would wait up to 40 ms for the client's acknowledgement.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            f"SIMULATOR_PORT={port}: cannot listen on {host}:{port} ({error.strerror}); "
            "choose a free port"
        ) from error
    return listener


class SimulatorServer:
    """A simulator on its socket."""

    def __init__(self, simulator: Simulator, listener: socket.socket) -> None:
        self._simulator = simulator
        self._listener = listener
        self._server = _Server(
            uvicorn.Config(
                simulator.application,
                lifespan="off",
                log_config=None,
                log_level="warning",
                access_log=False,
                ws="websockets-sansio",
                ws_per_message_deflate=False,
                timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
            )
        )

    @property
    def port(self) -> int:
        """The port served, also when any free one was asked for."""
        return int(self._listener.getsockname()[1])

    async def serve(self) -> None:
        """Serve until cancelled or stopped; connections are closed before this returns."""
        serving = asyncio.create_task(self._server.serve(sockets=[self._listener]))
        try:
            await asyncio.shield(serving)
        finally:
            self._simulator.websocket_api.disconnect_all(CLOSE_GOING_AWAY)
            self._server.should_exit = True
            await serving
