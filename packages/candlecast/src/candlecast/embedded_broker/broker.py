"""A broker that lives as long as a `with` block."""

from pathlib import Path
from types import TracebackType
from typing import Self

from candlecast.embedded_broker.distribution import Progress, say_nothing
from candlecast.embedded_broker.node import (
    NodeRequest,
    RunningNode,
    data_directory_lock,
    spawn_node,
    stop_node,
    wait_until_serving,
)
from candlecast.errors import InvariantError
from candlecast.runtime.operating_system import is_running, resident_bytes


class EmbeddedBroker:
    """One Apache Kafka node on loopback, stopped when the block is left.

    Args:
        data_directory: where it keeps everything; kept when it stops.
        port: the port for clients; 0 chooses a free one.
        heap_megabytes: the size of its Java heap.
        cache_directory: where Kafka's jars are kept; this user's cache unless given.
        progress: is told what takes long.
    """

    def __init__(
        self,
        data_directory: Path,
        port: int = 0,
        *,
        heap_megabytes: int = 512,
        cache_directory: Path | None = None,
        progress: Progress = say_nothing,
    ) -> None:
        self._request = NodeRequest(
            data_directory=data_directory,
            port=port,
            heap_megabytes=heap_megabytes,
            cache_directory=cache_directory,
        )
        self._progress = progress
        self._node: RunningNode | None = None

    def start(self) -> None:
        """Start it and wait until it serves; nothing happens when it runs.

        Raises:
            ConfigurationError: the port is taken, a directory is not writable, Java is missing.
            TransientError: the jars cannot be fetched now, or it does not come up.
        """
        if self.is_running:
            return
        with data_directory_lock(self._request.data_directory):
            node = spawn_node(self._request, self._progress)
            try:
                wait_until_serving(self._request, node)
            except BaseException:  # Ctrl-C while waiting must not leave it behind
                stop_node(node.identity)
                raise
        self._node = node

    def stop(self) -> None:
        """Stop it; nothing happens when it does not run."""
        if self._node is not None:
            stop_node(self._node.identity)
            self._node = None

    @property
    def is_running(self) -> bool:
        """Whether its process runs."""
        return self._node is not None and is_running(self._node.identity)

    @property
    def address(self) -> str:
        """Host and port for clients, as KAFKA_BROKER_ADDRESS takes it."""
        return self._running_node().ports.address

    @property
    def process_id(self) -> int:
        """Its process."""
        return self._running_node().identity.process_id

    @property
    def resident_bytes(self) -> int | None:
        """The memory it holds now, where the system tells it."""
        return resident_bytes(self._running_node().identity)

    def _running_node(self) -> RunningNode:
        if self._node is None:
            raise InvariantError("the embedded broker has not been started")
        return self._node

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop it."""
        self.stop()
