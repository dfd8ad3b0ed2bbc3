"""`candlecast demo`: the whole pipeline on this machine, live, with its history."""

import time
from collections.abc import Sequence

from rich.console import Console
from rich.live import Live

from candlecast.store.feature_group import ohlc_feature_group
from candlecast.store.local import LocalFeatureStore
from candlecast_tools.backfill import run_backfill
from candlecast_tools.demo_view import (
    LineOutput,
    live_table,
    print_addresses,
    print_banner,
    product_statuses,
)
from candlecast_tools.local_stack import (
    DATA_DIRECTORY,
    running_broker,
    running_exchange,
    start_live,
    topic_prefix,
)
from candlecast_tools.market_source import Source, choose_source
from candlecast_tools.pipeline import HistoricalRun, Pipeline
from candlecast_tools.supervisor import ProcessSpecification, Supervisor

_DEFAULT_DAYS = {"kraken": 0.3, "simulator": 2.0}
"""Kraken gives a thousand trades a second: a third of a day of BTC/USD takes about a minute."""

_REFRESH_SECONDS = 1.0


def run_demo(
    product_ids: tuple[str, ...],
    *,
    asked_source: Source,
    speed: float,
    days: float | None,
    console: Console,
) -> None:
    """Run until Ctrl-C; everything is stopped then, and what was stored is kept."""
    source = choose_source(asked_source)
    print_banner(source, asked_source, console)
    directory = DATA_DIRECTORY / source
    with (
        running_broker(console) as broker_address,
        Supervisor(directory) as supervisor,
        running_exchange(source, directory, supervisor, speed=speed) as exchange,
    ):
        pipeline = Pipeline(
            source=source,
            directory=directory,
            broker_address=broker_address,
            exchange=exchange,
            topic_prefix=topic_prefix(source),
        )
        services = start_live(pipeline, product_ids, supervisor, console)
        history_days = _DEFAULT_DAYS[source] if days is None else days
        run = HistoricalRun.new(
            product_ids, last_n_days=history_days, topic_prefix=pipeline.topic_prefix
        )
        run_backfill(pipeline, run, supervisor=supervisor, console=console)
        print_addresses(pipeline, services, console)
        console.print(
            "Check it:  .venv/bin/candlecast store check "
            f"--source {source} --days {history_days:g}    Stop it: Ctrl-C"
        )
        _show_live(pipeline, services, product_ids, supervisor, console)


def _show_live(
    pipeline: Pipeline,
    services: Sequence[ProcessSpecification],
    product_ids: Sequence[str],
    supervisor: Supervisor,
    console: Console,
) -> None:
    """Show closed candles until Ctrl-C."""
    group = ohlc_feature_group()
    lines = LineOutput(console)
    with (
        LocalFeatureStore(pipeline.store_directory, pipeline.source) as store,
        Live(console=console, auto_refresh=False) as live,
    ):
        while True:
            supervisor.tick()
            statuses = product_statuses(store, group, product_ids, services[0].metrics_port)
            if console.is_terminal:
                table = live_table(statuses, pipeline.source, supervisor.restarts)
                live.update(table, refresh=True)
            else:
                lines.show(statuses)
            time.sleep(_REFRESH_SECONDS)
