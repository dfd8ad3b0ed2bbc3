"""When something was seen: written by one process, read by another.

Times are CLOCK_MONOTONIC, which all processes of a machine share.
"""

import time
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

Key = tuple[str, int]
"""A product, and the trade id or the timestamp in ms of what was seen."""


class Sighting(msgspec.Struct, frozen=True, array_like=True):
    """Something was seen at a moment."""

    product_id: str
    number: int
    monotonic_seconds: float


class SightingLog:
    """Writes sightings to a file, line by line, so that nothing is lost with the process."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb", buffering=0)

    def note(self, product_id: str, number: int, monotonic_seconds: float | None = None) -> None:
        """Note that something is seen, now unless a moment is given."""
        moment = time.monotonic() if monotonic_seconds is None else monotonic_seconds
        line = msgspec.json.encode(Sighting(product_id, number, moment))
        self._file.write(line + b"\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()


def read_sightings(path: Path) -> dict[Key, float]:
    """Return when each thing was first seen."""
    first_seen: dict[Key, float] = {}
    for line in path.read_bytes().splitlines():
        sighting = msgspec.json.decode(line, type=Sighting)
        first_seen.setdefault((sighting.product_id, sighting.number), sighting.monotonic_seconds)
    return first_seen
