"""`/metrics`, `/health/live` and `/health/ready`, served from a thread of the service.

Live means that the main loop turned recently; ready, that the service does its work. A quiet
market or a broker that is away makes a service not ready, never dead.
"""

import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from socketserver import TCPServer, ThreadingMixIn
from types import TracebackType
from typing import Any, Self
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

from candlecast.errors import ConfigurationError

_STOP_POLL_SECONDS = 0.05


class Heartbeat:
    """Remembers when the main loop last turned (monotonic seconds, not the time of day)."""

    def __init__(self, *, dead_after_seconds: float = 60.0) -> None:
        self.dead_after_seconds = dead_after_seconds
        self._last_beat_seconds = time.monotonic()

    def beat(self) -> None:
        """Say that the main loop turned."""
        self._last_beat_seconds = time.monotonic()

    @property
    def age_seconds(self) -> float:
        """Seconds since the last turn."""
        return time.monotonic() - self._last_beat_seconds

    @property
    def is_alive(self) -> bool:
        """Whether the last turn is recent enough."""
        return self.age_seconds < self.dead_after_seconds


@dataclass
class Readiness:
    """Named conditions that must all hold, and remarks on what is degraded but works."""

    conditions: dict[str, bool] = field(default_factory=dict)
    degraded: dict[str, str] = field(default_factory=dict)

    def require(self, *names: str) -> None:
        """Declare conditions that do not hold yet."""
        for name in names:
            self.conditions.setdefault(name, False)

    def set(self, name: str, *, holds: bool) -> None:
        """Say whether a condition holds."""
        self.conditions[name] = holds

    def degrade(self, name: str, remark: str | None) -> None:
        """Remark on something degraded, or take the remark back (None)."""
        if remark is None:
            self.degraded.pop(name, None)
        else:
            self.degraded[name] = remark

    @property
    def is_ready(self) -> bool:
        """Whether every condition holds."""
        return all(self.conditions.values())


class _ThreadingServer(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def server_bind(self) -> None:
        """Bind without asking the name service who we are, which can take seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]
        self.setup_environ()


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Probes come every few seconds; they are not worth a line."""


class MonitoringServer:
    """Serves the three pages until closed.

    Raises:
        ConfigurationError: the port is taken.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        registry: CollectorRegistry,
        heartbeat: Heartbeat,
        readiness: Readiness,
    ) -> None:
        self._metrics = make_wsgi_app(registry)
        self._heartbeat = heartbeat
        self._readiness = readiness
        try:
            self._server = make_server(
                host, port, self._answer, server_class=_ThreadingServer, handler_class=_QuietHandler
            )
        except OSError as error:
            raise ConfigurationError(
                f"METRICS_PORT={port}: cannot listen on {host}:{port} ({error.strerror}); "
                "choose a free port, or 0 for any"
            ) from error
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": _STOP_POLL_SECONDS},
            name="monitoring",
            daemon=True,
        )

    @property
    def port(self) -> int:
        """The port that is served, also when any free one was asked for."""
        return int(self._server.server_address[1])

    def __enter__(self) -> Self:
        """Start serving."""
        self._thread.start()
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop serving and free the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/metrics":
            page: Iterable[bytes] = self._metrics(environ, start_response)
            return page
        if path == "/health/live":
            return _json_answer(
                start_response,
                ok=self._heartbeat.is_alive,
                body={
                    "alive": self._heartbeat.is_alive,
                    "age_seconds": self._heartbeat.age_seconds,
                },
            )
        if path == "/health/ready":
            return _json_answer(
                start_response,
                ok=self._readiness.is_ready,
                body={
                    "ready": self._readiness.is_ready,
                    "conditions": dict(self._readiness.conditions),
                    "degraded": dict(self._readiness.degraded),
                },
            )
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"/metrics, /health/live or /health/ready\n"]


def _json_answer(
    start_response: Callable[..., Any], *, ok: bool, body: Mapping[str, object]
) -> list[bytes]:
    status = "200 OK" if ok else "503 Service Unavailable"
    start_response(status, [("Content-Type", "application/json")])
    return [json.dumps(body).encode()]
