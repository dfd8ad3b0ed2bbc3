"""`candlecast demo --check`: the demo, bounded, and compared with the simulator's truth."""

import shutil
import time
import uuid
from pathlib import Path

from rich.console import Console

from candlecast.market.time_grid import DAY_MS, MINUTE_MS
from candlecast.messaging.connection import ClientConfig
from candlecast.messaging.topics import delete_topics, existing_topics
from candlecast.store.feature_group import ohlc_feature_group
from candlecast.store.local import LocalFeatureStore
from candlecast_tools.backfill import run_backfill
from candlecast_tools.demo_view import print_banner
from candlecast_tools.local_stack import (
    DATA_DIRECTORY,
    running_broker,
    running_exchange,
    start_live,
    wait_until,
)
from candlecast_tools.pipeline import HistoricalRun, Pipeline
from candlecast_tools.store_check import CheckRange, Exchange, check_store, print_reports
from candlecast_tools.supervisor import Supervisor

_LIVE_MINUTES = 15
_PATIENCE_SECONDS = 120.0


def run_demo_check(
    product_ids: tuple[str, ...], *, days: float, speed: float, console: Console
) -> bool:
    """Run on a fresh store for 15 live simulated minutes.

    Returns:
        Whether every minute is there and right.
    """
    started_seconds = time.monotonic()
    print_banner("simulator", "simulator", console)
    directory = DATA_DIRECTORY / "check"
    _remove_finished(directory)
    with (
        running_broker(console) as broker_address,
        Supervisor(directory) as supervisor,
        running_exchange("simulator", directory, supervisor, speed=speed) as exchange,
    ):
        pipeline = Pipeline(
            source="simulator",
            directory=directory,
            broker_address=broker_address,
            exchange=exchange,
            topic_prefix=f"check_{uuid.uuid4().hex[:8]}_",
            materialize_seconds=5.0,
        )
        try:
            is_clean = _check(pipeline, product_ids, days, supervisor, console)
        finally:
            supervisor.stop("trade_producer", "trade_to_ohlc", "kafka_to_feature_store")
            _delete_topics(pipeline)
    console.print(f"took {time.monotonic() - started_seconds:.0f} s")
    return is_clean


def _check(
    pipeline: Pipeline,
    product_ids: tuple[str, ...],
    days: float,
    supervisor: Supervisor,
    console: Console,
) -> bool:
    services = start_live(pipeline, product_ids, supervisor, console)
    live_from_ms = _first_live_minute_ms(pipeline, product_ids, supervisor)
    start_ms = live_from_ms - round(days * DAY_MS)
    end_ms = live_from_ms + _LIVE_MINUTES * MINUTE_MS
    run = HistoricalRun.new(
        product_ids, last_n_days=days, start_ms=start_ms, topic_prefix=pipeline.topic_prefix
    )
    run_backfill(pipeline, run, supervisor=supervisor, console=console)
    with console.status(f"waiting for {_LIVE_MINUTES} live simulated minutes"):
        _wait_for_candles(pipeline, product_ids, end_ms, supervisor)
    _print_processes(supervisor, console)
    supervisor.stop(*(service.name for service in services))
    group = ohlc_feature_group()
    with LocalFeatureStore(pipeline.store_directory, pipeline.source) as store:
        reports = check_store(
            store,
            group,
            product_ids,
            CheckRange(start_ms=start_ms, end_ms=end_ms),
            Exchange(source="simulator", rest_url=pipeline.exchange.rest_url),
            console=console,
        )
    print_reports(reports, pipeline.source, console)
    is_verified = all(
        report.verified_minutes == report.expected_minutes for report in reports.values()
    )
    if not is_verified:
        console.print("[red]not every minute could be compared with the simulator's truth[/]")
    return is_verified and all(report.is_clean for report in reports.values())


def _first_live_minute_ms(
    pipeline: Pipeline, product_ids: tuple[str, ...], supervisor: Supervisor
) -> int:
    """Wait until every product has a live candle; return the latest of their first minutes."""
    group = ohlc_feature_group()
    firsts: dict[str, int] = {}

    def has_first_candles() -> bool:
        with LocalFeatureStore(pipeline.store_directory, pipeline.source) as store:
            for product_id in product_ids:
                rows = store.read_online(group, product_id, 0, 2**62)
                if len(rows) > 0:
                    firsts[product_id] = int(rows["start_ms"][0])
        return len(firsts) == len(product_ids)

    wait_until(
        has_first_candles, _PATIENCE_SECONDS, supervisor, complaint=lambda: "no live candles"
    )
    return max(firsts.values())


def _wait_for_candles(
    pipeline: Pipeline, product_ids: tuple[str, ...], until_ms: int, supervisor: Supervisor
) -> None:
    group = ohlc_feature_group()

    def has_candles() -> bool:
        with LocalFeatureStore(pipeline.store_directory, pipeline.source) as store:
            newest = [store.newest_timestamp_ms(group, product_id) for product_id in product_ids]
        return all(moment is not None and moment >= until_ms for moment in newest)

    wait_until(has_candles, _PATIENCE_SECONDS, supervisor, complaint=lambda: "live candles stopped")


def _print_processes(supervisor: Supervisor, console: Console) -> None:
    memory = supervisor.highest_resident_megabytes
    shares = ", ".join(f"{name} {megabytes:.0f} MB" for name, megabytes in memory.items())
    console.print(f"highest memory seen: {shares}")
    for name, restarts in supervisor.restarts.items():
        if restarts > 0:
            console.print(
                f"[yellow]{name} was restarted {restarts} times; see {supervisor.log_file(name)}[/]"
            )


def _remove_finished(directory: Path) -> None:
    """Remove what an earlier check left, unless it still runs (the supervisor refuses then)."""
    with Supervisor(directory):
        shutil.rmtree(directory)
        directory.mkdir()


def _delete_topics(pipeline: Pipeline) -> None:
    config: ClientConfig = {"bootstrap.servers": pipeline.broker_address}
    delete_topics(
        config, [name for name in existing_topics(config) if pipeline.topic_prefix in name]
    )
