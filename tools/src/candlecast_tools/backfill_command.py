"""`candlecast backfill`: history without a demo around it."""

from rich.console import Console

from candlecast.runtime.settings import MarketDataSource
from candlecast_tools.backfill import run_backfill
from candlecast_tools.demo_view import print_banner
from candlecast_tools.local_stack import (
    DATA_DIRECTORY,
    running_broker,
    running_exchange,
    topic_prefix,
)
from candlecast_tools.pipeline import HistoricalRun, Pipeline
from candlecast_tools.supervisor import Supervisor


def run_backfill_command(
    product_ids: tuple[str, ...], *, source: MarketDataSource, days: float, console: Console
) -> None:
    """Fill the source's store; a broker and a simulator are started where none runs."""
    print_banner(source, source, console)
    directory = DATA_DIRECTORY / source
    run = HistoricalRun.new(product_ids, last_n_days=days, topic_prefix=topic_prefix(source))
    with (
        running_broker(console) as broker_address,
        # A folder of its own, because a demo may run in the source's.
        Supervisor(directory / "backfills" / run.run_id) as supervisor,
        running_exchange(source, directory, supervisor) as exchange,
    ):
        pipeline = Pipeline(
            source=source,
            directory=directory,
            broker_address=broker_address,
            exchange=exchange,
            topic_prefix=topic_prefix(source),
        )
        run_backfill(pipeline, run, supervisor=supervisor, console=console)
    console.print(
        f"stored in {pipeline.store_directory}; check it:  .venv/bin/candlecast store check "
        f"--source {source} --days {days:g}"
    )
