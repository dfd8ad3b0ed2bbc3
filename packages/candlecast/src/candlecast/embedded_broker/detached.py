"""A broker that outlives the command that started it, found again by its data directory."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from candlecast.embedded_broker.configuration import BrokerPorts
from candlecast.embedded_broker.distribution import Progress, say_nothing
from candlecast.embedded_broker.node import (
    NodeRequest,
    RunningNode,
    data_directory_lock,
    spawn_node,
    stop_node,
    wait_until_serving,
)
from candlecast.errors import ConfigurationError
from candlecast.runtime.operating_system import ProcessIdentity, is_running

DEFAULT_DATA_DIRECTORY = Path(".data/broker")


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerInfo:
    """A running detached broker."""

    pid: int
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Record:
    """What `broker.json` says: written when the process exists, marked when it serves."""

    process_id: int
    started: str
    client_port: int
    controller_port: int
    serving: bool

    @property
    def identity(self) -> ProcessIdentity:
        return ProcessIdentity(process_id=self.process_id, started=self.started)

    @property
    def info(self) -> BrokerInfo:
        ports = BrokerPorts(client=self.client_port, controller=self.controller_port)
        return BrokerInfo(pid=self.process_id, address=ports.address)


def start_detached(
    data_directory: Path = DEFAULT_DATA_DIRECTORY,
    port: int = 0,
    *,
    heap_megabytes: int = 512,
    cache_directory: Path | None = None,
    progress: Progress = say_nothing,
) -> BrokerInfo:
    """Start a broker that stays when this process ends; the one that runs already, if one does.

    Raises:
        ConfigurationError: it runs on another port than the one asked for, the port is taken, the
            directory is not writable, Java is missing.
        TransientError: the jars cannot be fetched now, or it does not come up.
    """
    with data_directory_lock(data_directory):
        running = _running_record(data_directory)
        if running is not None and running.serving:
            return _checked_port(running, port)
        if running is not None:  # whoever started it was ended before it served
            stop_node(running.identity)
        request = NodeRequest(
            data_directory=data_directory,
            port=port,
            heap_megabytes=heap_megabytes,
            cache_directory=cache_directory,
        )
        node = spawn_node(request, progress)
        _write_record(data_directory, node, serving=False)
        try:
            wait_until_serving(request, node)
        except BaseException:  # Ctrl-C while waiting must not leave it behind
            stop_node(node.identity)
            _record_file(data_directory).unlink(missing_ok=True)
            raise
        return _write_record(data_directory, node, serving=True).info


def stop_detached(data_directory: Path = DEFAULT_DATA_DIRECTORY) -> bool:
    """Stop the detached broker of a data directory; whether there was one.

    Raises:
        TransientError: another process is starting or stopping it and does not finish.
    """
    if not _record_file(data_directory).is_file():
        return False
    with data_directory_lock(data_directory):
        running = _running_record(data_directory)
        if running is not None:
            stop_node(running.identity)
        _record_file(data_directory).unlink(missing_ok=True)
        return running is not None


def broker_status(data_directory: Path = DEFAULT_DATA_DIRECTORY) -> BrokerInfo | None:
    """The detached broker that serves from a data directory, or None."""
    running = _running_record(data_directory)
    return running.info if running is not None and running.serving else None


def _checked_port(running: _Record, port: int) -> BrokerInfo:
    if port not in (0, running.client_port):
        raise ConfigurationError(
            f"the broker already runs on {running.info.address}, not on port {port}; "
            "stop it first or use that address"
        )
    return running.info


def _record_file(data_directory: Path) -> Path:
    return data_directory / "broker.json"


def _running_record(data_directory: Path) -> _Record | None:
    """The record of a process that really runs; a stale or broken file is as good as none."""
    try:
        record = _Record(**json.loads(_record_file(data_directory).read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return None
    return record if is_running(record.identity) else None


def _write_record(data_directory: Path, node: RunningNode, *, serving: bool) -> _Record:
    record = _Record(
        process_id=node.identity.process_id,
        started=node.identity.started,
        client_port=node.ports.client,
        controller_port=node.ports.controller,
        serving=serving,
    )
    file = _record_file(data_directory)
    beside = file.with_name("broker.json.new")
    beside.write_text(json.dumps(asdict(record)), encoding="utf-8")
    beside.replace(file)
    return record
