"""A process of its own for the tests that kill, starve or measure a writer of the local store.

    python store_process.py <job> <store directory> [<argument>]

It says on standard output what the store has acknowledged, one line each, as soon as it has.
"""

import itertools
import resource
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from candlecast.errors import TransientError
from candlecast.store.feature_rows import FeatureRows
from candlecast.store.feature_store import FeatureStore
from candlecast.store.local import LocalFeatureStore
from candlecast.testing.stored_candles import BTC, ETH, GROUP, make_rows

ONLINE_PRODUCTS = (BTC, ETH)
HISTORY_PRODUCT = "SOL/USD"
HISTORY_BATCH_ROWS = 500


def say(*words: object) -> None:
    """Write one line that survives whatever happens to this process next."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def write_for_ever(store: FeatureStore, first_minute: int) -> None:
    """Write online, materialise and backfill at once, until killed."""

    def materialize() -> None:
        while True:
            store.materialize(GROUP)

    def backfill() -> None:
        for batch in itertools.count():
            first = first_minute * HISTORY_BATCH_ROWS + batch * HISTORY_BATCH_ROWS
            rows = make_rows(first, HISTORY_BATCH_ROWS, product_id=HISTORY_PRODUCT)
            store.write_offline(GROUP, rows)
            say("offline", first)

    for job in (materialize, backfill):
        threading.Thread(target=job, daemon=True).start()
    for minute in itertools.count(first_minute):
        for product_id in ONLINE_PRODUCTS:
            store.write_online(GROUP, make_rows(minute, product_id=product_id, close=minute + 0.5))
        say("online", minute)


def fill_the_disk(store: FeatureStore, file_bytes: int) -> None:
    """Write until the store refuses; no file may grow beyond `file_bytes`."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
    jobs: tuple[tuple[str, Callable[[int], object]], ...] = (
        ("offline", lambda minute: store.write_offline(GROUP, make_rows(minute, 3000))),
        ("online", lambda minute: store.write_online(GROUP, make_rows(minute, 100))),
        ("materialize", lambda _: store.materialize(GROUP)),
    )
    for name, job in jobs:
        for number in range(200):
            try:
                job(number * 3000)
            except TransientError as error:
                say(name, "refused", str(error).replace("\n", " "))
                break
            say(name, number * 3000)


def write_as_a_service(store: FeatureStore, minutes: int) -> None:
    """Do what the live and the historical writer do, then report on memory."""
    products = (BTC, ETH, HISTORY_PRODUCT)
    for minute in range(100_000, 100_000 + minutes):
        rows = [make_rows(minute, product_id=product_id) for product_id in products]
        store.write_online(GROUP, FeatureRows.concatenate(GROUP.columns, rows))
        if minute % 20 == 19:
            store.materialize(GROUP)
    store.write_offline(GROUP, make_rows(0, 2_880))
    store.write_offline(GROUP, make_rows(1_440, 2_880))  # one half is new, the other a repetition
    say("peak_kilobytes", peak_kilobytes())
    say("heavy_imports", *sorted({"pyarrow", "pandas", "polars"} & sys.modules.keys()))


def peak_kilobytes() -> int:
    """Return the peak of resident memory; getrusage would count the parent before exec, too."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1])


def main() -> None:
    """Do the job named on the command line."""
    job, directory, *arguments = sys.argv[1:]
    with LocalFeatureStore(Path(directory), "simulator") as store:
        say("open")
        if job == "write_for_ever":
            write_for_ever(store, int(arguments[0]))
        elif job == "fill_the_disk":
            fill_the_disk(store, int(arguments[0]))
        elif job == "write_as_a_service":
            write_as_a_service(store, int(arguments[0]))
        else:
            raise SystemExit(f"unknown job {job}")


if __name__ == "__main__":
    main()
