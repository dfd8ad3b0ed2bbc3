import socket

import pytest

from candlecast.errors import ConfigurationError
from kraken_simulator.server import bind_socket
from kraken_simulator.testing import running_simulator


def test_a_taken_port_is_a_configuration_error() -> None:
    with bind_socket("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"SIMULATOR_PORT={port}: cannot listen"):
            bind_socket("127.0.0.1", port)


def test_an_address_of_another_machine_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match=r"cannot listen on 192\.0\.2\.1"):
        bind_socket("192.0.2.1", 0)


def test_connections_are_known_to_be_tcp_so_that_frames_never_wait_for_acknowledgements() -> None:
    # asyncio sets TCP_NODELAY on a socket only if its protocol says TCP.
    with bind_socket("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP


def test_a_port_can_be_used_again_at_once() -> None:
    with running_simulator(products=("QNT/USD",)) as simulator:
        port = int(simulator.rest_url.rpartition(":")[2])
    with running_simulator(products=("QNT/USD",), simulator_port=port) as simulator:
        assert simulator.rest_url.endswith(f":{port}")
        assert simulator.truth("QNT/USD", 0, 0) == []
