"""`candlecast store check`: is every minute there, once, and what the exchange says it was?"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table

from candlecast.errors import ConfigurationError, TransientError
from candlecast.kraken.rest import KrakenRestClient
from candlecast.market.time_grid import DAY_MS, MINUTE_MS, floor_to_window
from candlecast.runtime.settings import MarketDataSource
from candlecast.store.check import (
    CompletenessReport,
    ReferenceCandles,
    check_completeness,
    timestamps_of_windows,
)
from candlecast.store.feature_group import FeatureGroup
from candlecast.store.feature_store import FeatureStore
from candlecast_tools.reference_candles import kraken_reference, simulator_reference


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRange:
    """What is checked: windows that start in [start_ms, end_ms); None: the last `days` stored."""

    start_ms: int | None = None
    end_ms: int | None = None
    days: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """Where the reference comes from."""

    source: MarketDataSource
    rest_url: str


def check_store(
    store: FeatureStore,
    group: FeatureGroup,
    product_ids: Sequence[str],
    wanted: CheckRange,
    exchange: Exchange,
    *,
    console: Console,
) -> dict[str, CompletenessReport]:
    """Check products; an exchange that does not answer leaves minutes checked for presence only.

    Raises:
        ConfigurationError: there is nothing stored of a product.
    """
    reports: dict[str, CompletenessReport] = {}
    for product_id in product_ids or store.product_ids(group):
        start_ms, end_ms = _bounds(store, group, product_id, wanted)
        rows = store.read_all(group, product_id, *timestamps_of_windows(start_ms, end_ms))
        reference: ReferenceCandles | None = None
        try:
            reference = _reference(exchange, product_id, start_ms, end_ms)
        except TransientError as error:
            console.print(f"[yellow]{product_id}: only presence is checked: {error}[/]")
        reports[product_id] = check_completeness(rows, start_ms, end_ms, reference=reference)
    if not reports:
        raise ConfigurationError("the store is empty; run `candlecast backfill` first")
    return reports


def _bounds(
    store: FeatureStore, group: FeatureGroup, product_id: str, wanted: CheckRange
) -> tuple[int, int]:
    end_ms = wanted.end_ms
    if end_ms is None:
        end_ms = store.newest_timestamp_ms(group, product_id)
    if end_ms is None:
        known = ", ".join(store.product_ids(group)) or "nothing"
        raise ConfigurationError(f"the store has no candles of {product_id}; it has {known}")
    start_ms = wanted.start_ms
    if start_ms is None:
        start_ms = end_ms - round(wanted.days * DAY_MS)
    return floor_to_window(start_ms, MINUTE_MS), floor_to_window(end_ms, MINUTE_MS)


def _reference(exchange: Exchange, product_id: str, start_ms: int, end_ms: int) -> ReferenceCandles:
    if exchange.source == "simulator":
        return simulator_reference(exchange.rest_url, product_id, start_ms, end_ms)
    return asyncio.run(_ask_kraken(exchange.rest_url, product_id))


async def _ask_kraken(rest_url: str, product_id: str) -> ReferenceCandles:
    async with KrakenRestClient(rest_url, give_up_after_seconds=15.0) as client:
        return await kraken_reference(client, product_id)


def print_reports(
    reports: Mapping[str, CompletenessReport], source: MarketDataSource, console: Console
) -> None:
    """Show the reports as a table, and the first few faults below it."""
    title = "Feature store against the exchange"
    if source == "simulator":
        title += " (SIMULATED market data)"
    ranges = {
        f"{utc_text(report.start_ms)} to {utc_text(report.end_ms)} UTC"
        for report in reports.values()
    }
    table = Table(title=title, caption=ranges.pop() if len(ranges) == 1 else "")
    table.add_column("product")
    for column in ("minutes", "missing", "duplicate", "different", "verified"):
        table.add_column(column, justify="right")
    table.add_column("")
    for product_id, report in reports.items():
        table.add_row(
            product_id,
            *_counts(report),
            _verdict(report),
        )
    console.print(table)
    for product_id, report in reports.items():
        if ranges:
            console.print(
                f"{product_id}: {utc_text(report.start_ms)} to {utc_text(report.end_ms)} UTC"
            )
        _print_faults(product_id, report, console)


def _verdict(report: CompletenessReport) -> str:
    if not report.is_clean:
        return "[red]INCOMPLETE[/]"
    is_verified = report.verified_minutes == report.expected_minutes
    return "[green]complete[/]" if is_verified else "[yellow]all there[/]"


def _counts(report: CompletenessReport) -> list[str]:
    counts = (
        report.expected_minutes,
        report.missing_minutes,
        report.duplicate_minutes,
        report.different_minutes,
        report.verified_minutes,
    )
    return [f"{count:,}" for count in counts]


def _print_faults(product_id: str, report: CompletenessReport, console: Console) -> None:
    for start_ms in report.missing_examples:
        console.print(f"[red]{product_id} missing {utc_text(start_ms)}[/]")
    for start_ms in report.duplicate_examples:
        console.print(f"[red]{product_id} duplicate {utc_text(start_ms)}[/]")
    for timestamp_ms in report.misaligned_examples:
        console.print(f"[red]{product_id} off the grid {utc_text(timestamp_ms)}[/]")
    for difference in report.different_examples:
        console.print(
            f"[red]{product_id} {utc_text(difference.start_ms)} {difference.column}: stored "
            f"{difference.stored!r}, the exchange has {difference.reference!r}[/]"
        )


def reports_as_json(reports: Mapping[str, CompletenessReport], source: MarketDataSource) -> str:
    """Return the reports for a program."""
    return json.dumps(
        {
            "market_data_source": source,
            "is_clean": all(report.is_clean for report in reports.values()),
            "products": {
                product_id: {**asdict(report), "is_clean": report.is_clean}
                for product_id, report in reports.items()
            },
        },
        indent=2,
    )


def utc_text(timestamp_ms: int) -> str:
    """Return a moment as people write it."""
    moment = datetime.fromtimestamp(timestamp_ms / 1000, tz=UTC)
    return moment.strftime("%Y-%m-%d %H:%M")
