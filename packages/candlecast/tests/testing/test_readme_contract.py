from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge
from pydantic_settings import BaseSettings

from candlecast.testing.readme_contract import readme_gaps

PAGE = """
| variable | default | meaning |
| --- | --- | --- |
| `WINDOW_SECONDS` | `60` | length |
| `SHARE` | `0.05` | share |
| `ADDRESS` | | where |
| `NAMES` | none | which |

| metric | meaning |
| --- | --- |
| `candlecast_example_records_total` | read |
| `candlecast_example_lag_records` | not read |
"""


class ExampleSettings(BaseSettings):
    address: str
    window_seconds: int = 60
    share: float = 0.05
    names: tuple[str, ...] = ()


def gaps_of(page: str, directory: Path) -> list[str]:
    registry = CollectorRegistry()
    Counter("candlecast_example_records_total", "Read", registry=registry)
    Gauge("candlecast_example_lag_records", "Not read", registry=registry)
    readme = directory / "README.md"
    readme.write_text(page)
    return readme_gaps(readme, settings=ExampleSettings, registry=registry)


def test_a_page_that_says_everything_has_no_gaps(tmp_path: Path) -> None:
    assert gaps_of(PAGE, tmp_path) == []


@pytest.mark.parametrize(
    ("was", "becomes", "gap"),
    [
        ("| `ADDRESS` |", "| ADDRESS |", "setting ADDRESS is not described"),
        ("| `60` |", "| 60 |", "setting WINDOW_SECONDS has the default 60, which is not said"),
        ("0.05", "0.5", "setting SHARE has the default 0.05, which is not said"),
        ("lag_records` |", "` |", "metric candlecast_example_lag_records is not described"),
        (
            "| `ADDRESS`",
            "| `candlecast_example_old` | gone |\n| `ADDRESS`",
            "metric candlecast_example_old does not exist",
        ),
    ],
)
def test_what_is_missing_or_wrong_is_said(tmp_path: Path, was: str, becomes: str, gap: str) -> None:
    assert gap in gaps_of(PAGE.replace(was, becomes), tmp_path)
