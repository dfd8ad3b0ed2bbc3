"""The node on disk and as a process: formatted, started until it serves, stopped.

Layout of a data directory: `kafka/` Kafka's own, `server.properties`, `broker.log` (of the present
run), `broker.log.1` (of the run before), `broker.lock`, and `broker.json` of a detached broker.
"""

import base64
import contextlib
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from candlecast.embedded_broker.configuration import (
    FORMAT_CLASS,
    LOOPBACK,
    READY_LINE,
    SERVER_CLASS,
    BrokerPorts,
    java_command,
    server_properties,
)
from candlecast.embedded_broker.distribution import (
    Progress,
    default_cache_directory,
    java_executable,
    kafka_class_path,
)
from candlecast.errors import ConfigurationError, TransientError
from candlecast.runtime.operating_system import (
    ProcessIdentity,
    free_ports,
    is_port_free,
    is_running,
    spawn,
    terminate,
    wait_until,
)

START_PATIENCE_SECONDS = 90.0
STOP_PATIENCE_SECONDS = 15.0
_LOG_TAIL_LINES = 8
_HEAP_MEGABYTES_OF_FORMATTING = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRequest:
    """What is wanted of a node."""

    data_directory: Path
    port: int = 0
    heap_megabytes: int = 512
    cache_directory: Path | None = None

    @property
    def log_file(self) -> Path:
        """Where the node's output goes."""
        return self.data_directory / "broker.log"

    @property
    def properties_file(self) -> Path:
        """The node's properties, written anew at each start."""
        return self.data_directory / "server.properties"

    @property
    def kafka_directory(self) -> Path:
        """Kafka's own data."""
        return self.data_directory / "kafka"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningNode:
    """A node's process and where clients reach it."""

    identity: ProcessIdentity
    ports: BrokerPorts


@contextlib.contextmanager
def data_directory_lock(data_directory: Path) -> Iterator[None]:
    """Let one process at a time start or stop the broker of a data directory.

    Raises:
        ConfigurationError: the directory cannot be made or written.
        TransientError: another process holds it for too long.
    """
    try:
        data_directory.mkdir(parents=True, exist_ok=True)
        lock = FileLock(data_directory / "broker.lock").acquire(
            timeout=START_PATIENCE_SECONDS + STOP_PATIENCE_SECONDS
        )
    except Timeout as error:
        raise TransientError(
            f"another process has been starting or stopping the broker in {data_directory} "
            "for too long"
        ) from error
    except OSError as error:
        raise ConfigurationError(
            f"the broker cannot keep its data in {data_directory}: {error.strerror or error}"
        ) from error
    with lock:
        yield


def spawn_node(request: NodeRequest, progress: Progress) -> RunningNode:
    """Format the data directory when it is new and start the node's process, without waiting.

    Raises:
        ConfigurationError: the port is taken, a directory is not writable, Java is missing.
        TransientError: the jars cannot be fetched now.
    """
    ports = _choose_ports(request.port)
    java = java_executable()
    class_path = kafka_class_path(request.cache_directory or default_cache_directory(), progress)
    _format_when_new(request, java=java, class_path=class_path)
    _write_properties(request.properties_file, ports=ports, log_directory=request.kafka_directory)
    _put_old_log_aside(request.log_file)
    command = java_command(
        java=java,
        class_path=class_path,
        heap_megabytes=request.heap_megabytes,
        main_class=SERVER_CLASS,
        arguments=[str(request.properties_file)],
    )
    return RunningNode(identity=spawn(command, log_file=request.log_file), ports=ports)


def wait_until_serving(request: NodeRequest, node: RunningNode) -> None:
    """Wait until the node serves clients; it is ended when it does not.

    Raises:
        TransientError: it stopped, or did not come up in time; with the end of its log.
    """
    wait_until(
        lambda: _says_ready(request.log_file) or not is_running(node.identity),
        seconds=START_PATIENCE_SECONDS,
    )
    if _says_ready(request.log_file) and is_running(node.identity):
        return
    what = "did not come up in time" if is_running(node.identity) else "stopped while starting"
    terminate(node.identity, grace_seconds=1.0)
    raise TransientError(
        f"the embedded broker {what}; {request.log_file} ends with: {_log_tail(request.log_file)}"
    )


def stop_node(identity: ProcessIdentity) -> None:
    """Stop the node: its clean shutdown, or its end when that takes too long."""
    terminate(identity, grace_seconds=STOP_PATIENCE_SECONDS)


def _choose_ports(port: int) -> BrokerPorts:
    client, controller = free_ports(LOOPBACK, 2)
    if port == 0:
        return BrokerPorts(client=client, controller=controller)
    if not is_port_free(LOOPBACK, port):
        raise ConfigurationError(
            f"port {port} on {LOOPBACK} is taken by another program; choose another one"
        )
    return BrokerPorts(client=port, controller=controller if controller != port else client)


def _format_when_new(request: NodeRequest, *, java: Path, class_path: str) -> None:
    """Format beside and rename: a half-formatted directory is never taken for a good one."""
    if (request.kafka_directory / "meta.properties").is_file():
        return
    unfinished = request.data_directory / "kafka.formatting"
    properties_file = request.data_directory / "format.properties"
    _write_properties(
        properties_file,
        ports=BrokerPorts(client=1, controller=2),  # formatting listens nowhere
        log_directory=unfinished,
    )
    result = subprocess.run(  # noqa: S603 - our own command line
        java_command(
            java=java,
            class_path=class_path,
            heap_megabytes=_HEAP_MEGABYTES_OF_FORMATTING,
            main_class=FORMAT_CLASS,
            arguments=[
                "format",
                f"--cluster-id={_random_cluster_id()}",
                f"--config={properties_file}",
                "--ignore-formatted",
            ],
        ),
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        raise ConfigurationError(
            f"the broker's storage in {request.data_directory} cannot be formatted: "
            + " | ".join((result.stdout + result.stderr).split("\n")[:_LOG_TAIL_LINES]).strip()
        )
    unfinished.rename(request.kafka_directory)
    properties_file.unlink()


def _write_properties(file: Path, *, ports: BrokerPorts, log_directory: Path) -> None:
    try:
        file.write_text(server_properties(ports=ports, log_directory=log_directory.absolute()))
    except OSError as error:
        raise ConfigurationError(f"cannot write {file}: {error.strerror or error}") from error


def _random_cluster_id() -> str:
    """Sixteen random bytes the way Kafka writes them."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode("ascii").rstrip("=")


def _put_old_log_aside(log_file: Path) -> None:
    """What is waited for must be said by this run; the run before stays readable."""
    with contextlib.suppress(FileNotFoundError):
        log_file.replace(log_file.with_name("broker.log.1"))


def _says_ready(log_file: Path) -> bool:
    return READY_LINE in _log_text(log_file)


def _log_tail(log_file: Path) -> str:
    lines = [line.strip() for line in _log_text(log_file).splitlines()]
    # Stack frames say where in Kafka's code; the lines between them say what is wrong.
    telling = [line for line in lines if line and not line.startswith("at ")]
    return " | ".join(telling[-_LOG_TAIL_LINES:]) or "(nothing)"


def _log_text(log_file: Path) -> str:
    try:
        return log_file.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""
