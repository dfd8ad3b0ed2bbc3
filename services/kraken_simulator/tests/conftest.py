"""Recorded samples; the tests never look outside the repository."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

_DATA = Path(__file__).parents[3] / "tests" / "data"


@pytest.fixture
def recorded_page() -> Path:
    """A recorded REST Trades page of 1,000 trades of BTC/USDT."""
    return _DATA / "kraken" / "rest_trades_XBTUSDT_20251110.json"


@pytest.fixture
def recorded_candles() -> Path:
    """Kraken's own candles of the same hours."""
    return _DATA / "kraken" / "rest_ohlc_XBTUSDT_1m_20251110.json"


@pytest.fixture
def recorded_asset_pairs() -> Path:
    """Kraken's AssetPairs entry of BTC/USDT."""
    return _DATA / "kraken" / "rest_assetpairs_sample_2025.json"


@pytest.fixture
def recorded_csv() -> Path:
    """200 trades of BTC/USDT recorded at Binance."""
    return _DATA / "binance" / "spot_btcusdt_202304_trades_sample.csv"


@dataclass(frozen=True)
class Answer:
    """What a REST call came back with."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


@pytest.fixture
def fetch() -> Callable[..., Answer]:
    """Call an URL; an HTTP error is an answer like any other."""

    def call(url: str, body: str | None = None) -> Answer:
        data = None if body is None else body.encode()
        request = urllib.request.Request(url, data)  # noqa: S310
        try:
            response = urllib.request.urlopen(request, timeout=30)  # noqa: S310
        except urllib.error.HTTPError as error:
            response = error
        with response:
            return Answer(response.status, dict(response.headers), response.read().decode())

    return call
