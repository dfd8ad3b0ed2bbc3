"""Stands on the wire between the exchange and trade_producer, and notes when each trade passes.

The note is taken right before the bytes are given to the producer's socket, so latencies counted
from it contain the producer's whole work, its waking up included, and a few microseconds of this
process. Nothing in the service is changed for the measurement.

    python -m benchmarks.pipeline.relay SIGHTINGS_FILE UPSTREAM_URL PORT
"""

import asyncio
import socket
import sys
import time
from pathlib import Path

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from benchmarks.pipeline.sightings import SightingLog
from benchmarks.service_process import LOOPBACK
from candlecast.runtime.process import run_until_signal


class _Trade(msgspec.Struct):
    symbol: str
    trade_id: int


class _Frame(msgspec.Struct):
    channel: str = ""
    type: str = ""
    data: msgspec.Raw = msgspec.Raw(b"[]")


_frame_decoder = msgspec.json.Decoder(_Frame)
_trades_decoder = msgspec.json.Decoder(list[_Trade])


async def _relay(producer: ServerConnection, upstream_url: str, sightings: SightingLog) -> None:
    async with connect(upstream_url, compression=None, ping_interval=None) as exchange:
        _send_at_once(producer)
        _send_at_once(exchange)
        tasks = [
            asyncio.create_task(_forward_requests(producer, exchange)),
            asyncio.create_task(_forward_frames(exchange, producer, sightings)),
        ]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, Exception) and not isinstance(outcome, ConnectionClosed):
                raise outcome


def _send_at_once(connection: ClientConnection | ServerConnection) -> None:
    """Switch Nagle's algorithm off: a frame must not wait for an acknowledgement."""
    wire = connection.transport.get_extra_info("socket")
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


async def _forward_requests(producer: ServerConnection, exchange: ClientConnection) -> None:
    while True:
        await exchange.send(await producer.recv(decode=False), text=True)


async def _forward_frames(
    exchange: ClientConnection, producer: ServerConnection, sightings: SightingLog
) -> None:
    while True:
        message = await exchange.recv(decode=False)
        moment = time.monotonic()
        await producer.send(message, text=True)
        frame = _frame_decoder.decode(message)
        # A snapshot repeats what was traded before.
        if frame.channel == "trade" and frame.type == "update":
            for trade in _trades_decoder.decode(frame.data):
                sightings.note(trade.symbol, trade.trade_id, moment)


async def _serve(upstream_url: str, port: int, path: Path) -> None:
    server = serve(
        lambda producer: _relay(producer, upstream_url, sightings),
        LOOPBACK,
        port,
        compression=None,
        ping_interval=None,
    )
    async with server:
        with SightingLog(path) as sightings:  # there from when it listens
            await asyncio.Event().wait()


def main() -> None:
    """Relay until told to stop."""
    path, upstream_url, port = sys.argv[1:]
    asyncio.run(run_until_signal(_serve(upstream_url, int(port), Path(path))))


if __name__ == "__main__":
    main()
