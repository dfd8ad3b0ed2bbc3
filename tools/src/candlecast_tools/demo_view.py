"""What a demo shows: where things are, and a live table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from candlecast.market.candle import Candle
from candlecast.runtime.settings import MarketDataSource
from candlecast.store.candle_rows import rows_to_candles
from candlecast.store.feature_group import FeatureGroup
from candlecast.store.feature_store import FeatureStore
from candlecast_tools.metrics_page import read_metrics
from candlecast_tools.pipeline import Pipeline
from candlecast_tools.store_check import utc_text
from candlecast_tools.supervisor import ProcessSpecification

_LABELS = {"kraken": "Kraken, the real exchange", "simulator": "SIMULATED market data"}


@dataclass(frozen=True, slots=True)
class ProductStatus:
    """One line of the live table."""

    candle: Candle | None
    behind_seconds: float | None
    missing_trades: float


def print_banner(source: MarketDataSource, asked_for: str, console: Console) -> None:
    """Say where the market data comes from, so that nobody takes one for the other."""
    if source == "kraken":
        console.print("[bold green]Market data: Kraken, the real exchange[/]")
        return
    reason = "as asked" if asked_for == "simulator" else "the real exchange does not answer here"
    console.print(
        f"[bold yellow]Market data: SIMULATED ({reason}).[/]\n"
        "Prices are invented; store and topics are separate from real ones."
    )


def print_addresses(
    pipeline: Pipeline, services: Sequence[ProcessSpecification], console: Console
) -> None:
    """Say where everything can be looked at."""
    table = Table(show_header=False, box=None)
    table.add_row("Kafka", pipeline.broker_address)
    table.add_row("exchange", pipeline.exchange.rest_url)
    for service in services:
        table.add_row(service.name, f"http://127.0.0.1:{service.metrics_port}/metrics")
    table.add_row("feature store", str(pipeline.store_directory))
    table.add_row("logs", str(pipeline.directory / "logs"))
    console.print(table)


def product_statuses(
    store: FeatureStore, group: FeatureGroup, product_ids: Sequence[str], producer_port: int
) -> Mapping[str, ProductStatus]:
    """Look at the newest candle of each product and at how current its trades are."""
    page = read_metrics(producer_port)
    watermarks = page.values("candlecast_trade_producer_watermark_seconds", "product_id")
    missing = page.values("candlecast_trade_producer_missing_trades_total", "product_id")
    exchange_time = page.values("candlecast_trade_producer_exchange_time_seconds").get("")
    statuses: dict[str, ProductStatus] = {}
    for product_id in product_ids:
        candles = rows_to_candles(store.read_online_latest(group, product_id, 1))
        behind = None
        if exchange_time is not None and product_id in watermarks:
            behind = max(exchange_time - watermarks[product_id], 0.0)
        statuses[product_id] = ProductStatus(
            candles[0] if candles else None, behind, missing.get(product_id, 0.0)
        )
    return statuses


def live_table(
    statuses: Mapping[str, ProductStatus],
    source: MarketDataSource,
    restarts: Mapping[str, int],
) -> Table:
    """Build the live table."""
    caption = "times in UTC; Ctrl-C stops everything"
    restarted = {name: count for name, count in restarts.items() if count > 0}
    if restarted:
        caption += f"; restarted: {restarted}"
    table = Table(title=f"Closed candles, {_LABELS[source]}", caption=caption, box=SIMPLE_HEAD)
    for column in ("product", "minute"):
        table.add_column(column, no_wrap=True)
    for column in ("open", "high", "low", "close", "volume", "trades", "behind", "missing"):
        table.add_column(column, justify="right", no_wrap=True)
    for product_id, status in statuses.items():
        behind = "-" if status.behind_seconds is None else f"{status.behind_seconds:.0f} s"
        missing = f"{status.missing_trades:.0f}"
        table.add_row(product_id, *_candle_cells(status.candle), behind, missing)
    return table


def _candle_cells(candle: Candle | None) -> list[str]:
    if candle is None:
        return ["...", *["-"] * 6]
    prices = (candle.open, candle.high, candle.low, candle.close)
    return [
        utc_text(candle.start_ms)[-len("00:00") :],
        *(f"{price:.10g}" for price in prices),
        f"{candle.volume:.4f}",
        str(candle.trade_count),
    ]


class LineOutput:
    """Prints new candles as lines where nobody watches a table (a pipe, a log)."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown: dict[str, int] = {}

    def show(self, statuses: Mapping[str, ProductStatus]) -> None:
        """Print each product's newest candle once."""
        for product_id, status in statuses.items():
            candle = status.candle
            if candle is None or self._shown.get(product_id) == candle.timestamp_ms:
                continue
            self._shown[product_id] = candle.timestamp_ms
            self._console.print(
                f"{utc_text(candle.start_ms)} {product_id:<8} close {candle.close:,.10g} "
                f"volume {candle.volume:.8f} trades {candle.trade_count}"
            )
