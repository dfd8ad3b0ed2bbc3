"""A historical run: the three services in historical mode, watched until each has ended well."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from candlecast.messaging.connection import ClientConfig
from candlecast.messaging.dead_letter import DEAD_LETTER_SUFFIX
from candlecast.messaging.tail import count_records
from candlecast.messaging.topics import delete_topics, existing_topics
from candlecast.runtime.operating_system import free_ports
from candlecast_tools.metrics_page import read_metrics
from candlecast_tools.pipeline import HistoricalRun, Pipeline
from candlecast_tools.supervisor import ProcessSpecification, Supervisor

_LOOK_SECONDS = 0.1
_STEPS = 1_000


def run_backfill(
    pipeline: Pipeline, run: HistoricalRun, *, supervisor: Supervisor, console: Console
) -> None:
    """Fill the store with the run's range; show how far it is.

    Raises:
        ConfigurationError: a setting is wrong, for instance a product that does not exist.
        TransientError: a service keeps failing.
    """
    services = pipeline.historical_services(run, free_ports("127.0.0.1", 3))
    names = [service.name for service in services]
    with _cleaned_up(pipeline, run, supervisor, names), _progress(console) as progress:
        supervisor.start(services)
        view = _BackfillView(progress, services, run)
        while not supervisor.all_done(*names):
            supervisor.tick()
            supervisor.require_progress(*names)
            view.refresh()
            time.sleep(_LOOK_SECONDS)
        view.complete()


def _progress(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[detail]}"),
        TimeElapsedColumn(),
        TextColumn("still to come:"),
        TimeRemainingColumn(),
        console=console,
        transient=False,
    )


class _BackfillView:
    """A bar for each product."""

    def __init__(
        self, progress: Progress, services: Sequence[ProcessSpecification], run: HistoricalRun
    ) -> None:
        self._progress = progress
        self._producer_port = services[0].metrics_port
        self._tasks: dict[str, TaskID] = {
            product_id: progress.add_task(f"backfill {product_id}", total=_STEPS, detail="")
            for product_id in run.product_ids
        }

    def refresh(self) -> None:
        """Ask the services how far they are."""
        page = read_metrics(self._producer_port)
        done = page.values("candlecast_trade_producer_backfill_progress_ratio", "product_id")
        trades = page.values("candlecast_trade_producer_trades_out_total", "product_id")
        for product_id, task in self._tasks.items():
            if product_id in done:
                self._progress.update(
                    task,
                    # The last step is the store's, and shown when it is done.
                    completed=min(done[product_id] * _STEPS, _STEPS - 1),
                    detail=f"{trades.get(product_id, 0):,.0f} trades",
                )

    def complete(self) -> None:
        """Show that everything is stored."""
        for task in self._tasks.values():
            self._progress.update(task, completed=_STEPS)


@contextmanager
def _cleaned_up(
    pipeline: Pipeline, run: HistoricalRun, supervisor: Supervisor, names: Sequence[str]
) -> Iterator[None]:
    """Stop the run's services and delete its topics, whatever happens; dead letters are kept."""
    try:
        yield
    finally:
        supervisor.stop(*names)
        config: ClientConfig = {"bootstrap.servers": pipeline.broker_address}
        delete_topics(config, _topics_of(config, run))


def _topics_of(config: ClientConfig, run: HistoricalRun) -> list[str]:
    mine = [
        name
        for name in existing_topics(config)
        if run.trades_topic in name or run.ohlc_topic in name
    ]
    return [
        name
        for name in mine
        if not name.endswith(DEAD_LETTER_SUFFIX) or count_records(config, name) == 0
    ]
