import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

RECORDINGS = Path(__file__).parents[4] / "tests" / "data" / "kraken"


@pytest.fixture(scope="session")
def recording() -> Callable[[str], bytes]:
    def read(name: str) -> bytes:
        return (RECORDINGS / name).read_bytes()

    return read


@pytest.fixture(scope="session")
def websocket_frames(recording: Callable[[str], bytes]) -> list[bytes]:
    lines = [
        json.loads(line) for line in recording("ws_v2_frames_from_public_tests.jsonl").splitlines()
    ]
    received: list[dict[str, Any]] = [line for line in lines if line["dir"] == "in"]
    return [
        (line["raw"] if "raw" in line else json.dumps(line["frame"])).encode()
        for line in received
        if "rest" not in line
    ]


@pytest.fixture(scope="session")
def asset_pairs_answer(recording: Callable[[str], bytes]) -> bytes:
    """The body of the capture of 2021, without the line's address and receive time."""
    first_line = recording("rest_assetpairs_capture_20210417.txt").splitlines()[0]
    return first_line[first_line.index(b": {") + 2 :]
