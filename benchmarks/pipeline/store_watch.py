"""Asks the online store over and over for its newest rows, and notes when each is first there.

python -m benchmarks.pipeline.store_watch SIGHTINGS_FILE STORE_DIRECTORY
"""

import sys
from pathlib import Path

from benchmarks.pipeline.live_stack import PRODUCT_IDS
from benchmarks.pipeline.sightings import SightingLog
from candlecast.runtime.process import StopSignal
from candlecast.store.feature_group import TIMESTAMP_MS, ohlc_feature_group
from candlecast.store.local import LocalFeatureStore

POLL_SECONDS = 0.01
_NEWEST_ROWS = 5


def main() -> None:
    """Watch until told to stop."""
    sightings_path, store_directory = sys.argv[1:]
    stop = StopSignal()
    stop.install()
    group = ohlc_feature_group()
    newest_ms = dict.fromkeys(PRODUCT_IDS, 0)
    with (
        LocalFeatureStore(Path(store_directory), "simulator") as store,
        SightingLog(Path(sightings_path)) as sightings,
    ):
        while not stop.wait(POLL_SECONDS):
            for product_id in PRODUCT_IDS:
                rows = store.read_online_latest(group, product_id, _NEWEST_ROWS)
                for timestamp_ms in rows[TIMESTAMP_MS].tolist():
                    if timestamp_ms > newest_ms[product_id]:
                        newest_ms[product_id] = timestamp_ms
                        sightings.note(product_id, timestamp_ms)


if __name__ == "__main__":
    main()
