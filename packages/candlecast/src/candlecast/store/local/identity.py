"""Whose directory this is: a store belongs to one market data source for its whole life.

The identity file is written once, whole, before anything else, and compared at every opening:
simulated and real candles look alike, so nothing else could tell a mixed store from a clean one.
"""

import json
import os
from contextlib import AbstractContextManager
from pathlib import Path

from filelock import FileLock

from candlecast.errors import ConfigurationError
from candlecast.runtime.settings import MarketDataSource
from candlecast.store.local.io_errors import file_errors

IDENTITY_FILE = "feature_store.json"
LOCK_FILE = ".lock"
LAYOUT_VERSION = 1
LOCK_TIMEOUT_SECONDS = 60.0

_UNFINISHED_FILE = IDENTITY_FILE + ".unfinished"
_HARMLESS_NAMES = frozenset({LOCK_FILE, _UNFINISHED_FILE, "lost+found"})


def directory_lock(root: Path) -> AbstractContextManager[object]:
    """Return the lock that guards the creation of the store and of its tables."""
    return FileLock(root / LOCK_FILE, timeout=LOCK_TIMEOUT_SECONDS)


def claim_directory(root: Path, source: MarketDataSource) -> None:
    """Make `root` a store of `source`, or make sure that it already is one.

    Raises:
        ConfigurationError: the directory holds a store of another source, or something else.
    """
    with file_errors(f"feature store {root}"):
        root.mkdir(parents=True, exist_ok=True)
        with directory_lock(root):
            if not (root / IDENTITY_FILE).exists():
                _require_unused(root)
                _write_identity(root, source)
            _require_identity(root, source)


def _require_unused(root: Path) -> None:
    foreign = sorted({entry.name for entry in root.iterdir()} - _HARMLESS_NAMES)
    if foreign:
        raise ConfigurationError(
            f"FEATURE_STORE_DIR={root}: is no feature store and not empty (it holds"
            f" {', '.join(foreign[:3])}); give an empty or new directory"
        )


def _write_identity(root: Path, source: MarketDataSource) -> None:
    unfinished = root / _UNFINISHED_FILE
    with unfinished.open("w", encoding="utf-8") as file:
        json.dump({"layout_version": LAYOUT_VERSION, "market_data_source": source}, file)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(root / IDENTITY_FILE)


def _require_identity(root: Path, source: MarketDataSource) -> None:
    try:
        identity = json.loads((root / IDENTITY_FILE).read_text(encoding="utf-8"))
        layout_version, stored_source = identity["layout_version"], identity["market_data_source"]
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"FEATURE_STORE_DIR={root}: {IDENTITY_FILE} is damaged; this is no feature store"
        ) from error
    if layout_version != LAYOUT_VERSION:
        raise ConfigurationError(
            f"FEATURE_STORE_DIR={root}: written with layout {layout_version}, this version reads"
            f" {LAYOUT_VERSION}"
        )
    if stored_source != source:
        raise ConfigurationError(
            f"FEATURE_STORE_DIR={root}: holds data of MARKET_DATA_SOURCE={stored_source} and is"
            f" opened for {source}; give each source a directory of its own"
        )
