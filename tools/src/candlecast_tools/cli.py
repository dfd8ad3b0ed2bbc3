"""The command line of candlecast."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from candlecast.embedded_broker import broker_status, start_detached, stop_detached
from candlecast.errors import ConfigurationError
from candlecast.kraken.rest import PRODUCTION_BASE_URL
from candlecast.runtime.settings import MarketDataSource
from candlecast.store.feature_group import ohlc_feature_group
from candlecast.store.local import LocalFeatureStore
from candlecast.store.ohlc_reader import OhlcData, OhlcDataReader, View
from candlecast_tools.backfill_command import run_backfill_command
from candlecast_tools.demo import run_demo
from candlecast_tools.demo_check import run_demo_check
from candlecast_tools.local_stack import BROKER_DIRECTORY, DATA_DIRECTORY
from candlecast_tools.market_source import Source
from candlecast_tools.pipeline import DEFAULT_PRODUCT_IDS
from candlecast_tools.store_check import (
    CheckRange,
    Exchange,
    check_store,
    print_reports,
    reports_as_json,
    utc_text,
)
from candlecast_tools.supervisor import REGISTER, stop_registered

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__
)
broker_app = typer.Typer(no_args_is_help=True, help="A real Apache Kafka on this machine.")
ohlc_app = typer.Typer(no_args_is_help=True, help="Candles of the feature store.")
store_app = typer.Typer(no_args_is_help=True, help="The feature store.")
app.add_typer(broker_app, name="broker")
app.add_typer(ohlc_app, name="ohlc")
app.add_typer(store_app, name="store")

console = Console()
EXIT_NOT_CLEAN = 1
_CHECK_DAYS = 2.0
_CHECK_SPEED = 60.0

ProductOption = Annotated[
    list[str] | None, typer.Option("--product", help="For instance BTC/USD; may be repeated.")
]
SourceOption = Annotated[
    MarketDataSource, typer.Option("--source", help="Whose data: kraken or simulator.")
]
StoreOption = Annotated[
    Path | None,
    typer.Option("--store", help="Folder of the store; default: .data/<source>/feature_store."),
]


@app.command()
def demo(
    source: Annotated[
        Source, typer.Option(help="auto: Kraken where it answers, else the simulator.")
    ] = "auto",
    speed: Annotated[
        float | None, typer.Option(help="Of simulated time; default 1, with --check 60.")
    ] = None,
    days: Annotated[
        float | None, typer.Option(help="Of history; default 2 simulated, 0.3 real.")
    ] = None,
    product: ProductOption = None,
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Bounded and simulated; exit code 1 unless complete.")
    ] = False,
) -> None:
    """Run the whole pipeline on this machine: broker, live services, history, a live table."""
    product_ids = tuple(product) if product else DEFAULT_PRODUCT_IDS
    if not check:
        run_demo(
            product_ids,
            asked_source=source,
            speed=1.0 if speed is None else speed,
            days=days,
            console=console,
        )
    elif not run_demo_check(
        product_ids,
        days=_CHECK_DAYS if days is None else days,
        speed=_CHECK_SPEED if speed is None else speed,
        console=console,
    ):
        raise typer.Exit(EXIT_NOT_CLEAN)


@app.command()
def stop() -> None:
    """Stop what a demo or a broker left running."""
    stopped = sum(stop_registered(file.parent) for file in DATA_DIRECTORY.rglob(REGISTER))
    stopped += stop_detached(BROKER_DIRECTORY)
    console.print(f"stopped {stopped} processes" if stopped else "nothing was running")


@app.command()
def backfill(
    product: ProductOption = None,
    days: Annotated[float, typer.Option(min=0.001, help="Days of history before now.")] = 2.0,
    source: SourceOption = "kraken",
) -> None:
    """Fill the store with history, on topics of its own, by the same services as live."""
    product_ids = tuple(product) if product else DEFAULT_PRODUCT_IDS
    run_backfill_command(product_ids, source=source, days=days, console=console)


@broker_app.command("start")
def broker_start(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free port.")] = 0,
) -> None:
    """Start the broker; it stays when this command ends."""
    with console.status("starting Apache Kafka") as status:
        info = start_detached(BROKER_DIRECTORY, port, progress=status.update)
    console.print(f"Apache Kafka runs on {info.address} (process {info.pid})")
    console.print(f"export KAFKA_BROKER_ADDRESS={info.address}", highlight=False)


@broker_app.command("stop")
def broker_stop() -> None:
    """Stop the broker; its data stays."""
    console.print("stopped" if stop_detached(BROKER_DIRECTORY) else "it was not running")


@broker_app.command("status")
def broker_state() -> None:
    """Tell where the broker runs; exit code 1 if it does not."""
    info = broker_status(BROKER_DIRECTORY)
    if info is None:
        console.print("not running")
        raise typer.Exit(1)
    console.print(f"{info.address} (process {info.pid})")


@ohlc_app.command("read")
def ohlc_read(
    product: Annotated[str, typer.Option(help="For instance BTC/USD.")],
    days: Annotated[int, typer.Option(min=0, help="The last days.")] = 0,
    minutes: Annotated[int, typer.Option(min=0, help="The last minutes.")] = 0,
    start: Annotated[str | None, typer.Option(help="ISO 8601, UTC; with --end.")] = None,
    end: Annotated[str | None, typer.Option(help="ISO 8601, UTC; with --start.")] = None,
    source: SourceOption = "kraken",
    store: StoreOption = None,
    view: Annotated[View, typer.Option(help="all, offline or online.")] = "all",
    rows: Annotated[int, typer.Option(min=1, help="Rows to show of a table.")] = 20,
    csv: Annotated[Path | None, typer.Option(help="Write to a CSV file instead.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Show candles (or write them) by product and time."""
    with _open_store(source, store) as opened:
        data = _read(
            OhlcDataReader(opened, ohlc_feature_group()), product, days, minutes, start, end, view
        )
    if csv is not None:
        data.as_polars().write_csv(csv)
        console.print(f"{len(data)} candles written to {csv}")
    elif as_json:
        typer.echo(data.as_polars().write_ndjson(), nl=False)
    else:
        console.print(_candle_table(data, product, source, rows))


@store_app.command("check")
def store_check(
    product: ProductOption = None,
    days: Annotated[float, typer.Option(min=0.001, help="The last days stored.")] = 2.0,
    start: Annotated[str | None, typer.Option(help="ISO 8601, UTC, instead of --days.")] = None,
    end: Annotated[str | None, typer.Option(help="ISO 8601, UTC; default: newest.")] = None,
    source: SourceOption = "kraken",
    store: StoreOption = None,
    exchange: Annotated[
        str | None, typer.Option(help="Address of the exchange's REST API.")
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Check every minute of a range: missing, duplicate, or not what the exchange has."""
    default_url = PRODUCTION_BASE_URL if source == "kraken" else "http://127.0.0.1:8766"
    remarks = Console(stderr=True)
    with _open_store(source, store) as opened:
        reports = check_store(
            opened,
            ohlc_feature_group(),
            product or (),
            CheckRange(start_ms=_moment_ms(start), end_ms=_moment_ms(end), days=days),
            Exchange(source=source, rest_url=exchange or default_url),
            console=remarks,
        )
    if as_json:
        typer.echo(reports_as_json(reports, source))
    else:
        print_reports(reports, source, console)
    if not all(report.is_clean for report in reports.values()):
        raise typer.Exit(EXIT_NOT_CLEAN)


def _open_store(source: MarketDataSource, directory: Path | None) -> LocalFeatureStore:
    path = DATA_DIRECTORY / source / "feature_store" if directory is None else directory
    if not path.exists():
        raise ConfigurationError(f"there is no store at {path}; run `candlecast backfill` first")
    return LocalFeatureStore(path, source)


def _read(
    reader: OhlcDataReader,
    product: str,
    days: int,
    minutes: int,
    start: str | None,
    end: str | None,
    view: View,
) -> OhlcData:
    start_ms, end_ms = _moment_ms(start), _moment_ms(end)
    if start_ms is not None and end_ms is not None:
        return reader.read_range(product, start_ms, end_ms, view=view)
    if start_ms is not None:
        raise ConfigurationError("--start needs --end")
    if days == 0 and minutes == 0:
        minutes = 60
    return reader.read_last(product, days=days, minutes=minutes, end_ms=end_ms, view=view)


def _moment_ms(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigurationError(f"{text!r} is not a time like 2026-11-23T22:00") from error
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return round(moment.timestamp()) * 1000


def _candle_table(data: OhlcData, product: str, source: MarketDataSource, rows: int) -> Table:
    label = " (SIMULATED)" if source == "simulator" else ""
    candles = data.as_candles()
    title = f"{product}{label}: {len(candles):,} candles"
    if len(candles) > rows:
        title += f", the last {rows}"
    table = Table(title=title)
    table.add_column("minute (UTC)")
    for name in ("open", "high", "low", "close", "volume", "vwap", "trades"):
        table.add_column(name, justify="right")
    for candle in candles[-rows:]:
        prices = (candle.open, candle.high, candle.low, candle.close)
        table.add_row(
            utc_text(candle.start_ms),
            *(f"{price:,.10g}" for price in prices),
            f"{candle.volume:.8f}",
            f"{candle.vwap:,.10g}",
            str(candle.trade_count),
        )
    return table
