"""The local adapter of the feature store's port.

    <root>/feature_store.json              whose data this is (identity.py)
    <root>/online/<group>_<version>.sqlite online rows, and the journal of what is pending
    <root>/offline/<group>_<version>/      the history, a Delta Lake table

A row written online is in SQLite first and in Delta Lake later; it is marked as materialised only
after the Delta commit, and only if it was not written again in between. Whatever the moment of a
crash, a row is therefore in the journal or in the history, and materialising it twice is an upsert.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from candlecast.errors import InvariantError
from candlecast.market.time_grid import DAY_MS
from candlecast.runtime.settings import MarketDataSource
from candlecast.store.feature_group import PRODUCT_ID, FeatureGroup
from candlecast.store.feature_rows import FeatureRows
from candlecast.store.local.history_table import HistoryTable
from candlecast.store.local.identity import claim_directory, directory_lock
from candlecast.store.local.io_errors import file_errors
from candlecast.store.local.online_table import OnlineTable

DEFAULT_ONLINE_RETENTION_MS = 7 * DAY_MS
MATERIALIZATION_BATCH_ROWS = 10_000


class LocalFeatureStore:
    """A feature store in one directory; see the port `FeatureStore` for what its methods promise.

    Args:
        root: the directory; made when missing.
        source: where the data comes from; a store holds data of one source for ever.
        online_retention_ms: how much older than a product's newest row a materialised row may be
            before it leaves the online side.
    """

    def __init__(
        self,
        root: Path,
        source: MarketDataSource,
        *,
        online_retention_ms: int = DEFAULT_ONLINE_RETENTION_MS,
    ) -> None:
        self._root = root
        self._online_retention_ms = online_retention_ms
        self._lock = threading.Lock()
        self._online_tables: dict[FeatureGroup, OnlineTable] = {}
        self._history_tables: dict[FeatureGroup, HistoryTable] = {}
        self._is_closed = False
        claim_directory(root, source)

    def write_online(self, group: FeatureGroup, rows: FeatureRows) -> None:
        """Upsert rows online, at once."""
        rows.require_columns_of(group)
        if len(rows) == 0:
            return
        self._online(group).upsert(rows)

    def write_offline(self, group: FeatureGroup, rows: FeatureRows) -> None:
        """Upsert rows into the history; pending online rows of the same keys are outdated now."""
        rows.require_columns_of(group)
        if len(rows) == 0:
            return
        online = self._existing_online(group)
        with self._exclusive_history(group) as history:
            revision = online.last_revision() if online is not None else 0
            history.upsert(rows)
            if online is not None and online.has_pending():
                online.mark_materialized(rows, revision)

    def materialize(self, group: FeatureGroup) -> int:
        """Bring pending online rows into the history, then forget old online rows."""
        online = self._existing_online(group)
        if online is None:
            return 0
        moved_rows = 0
        product_ids: set[str] = set()
        with self._exclusive_history(group) as history:
            revision = online.last_revision()  # rows written from now on are for the next call
            while len(rows := online.oldest_pending(revision, MATERIALIZATION_BATCH_ROWS)):
                history.upsert(rows)
                online.mark_materialized(rows, revision)
                moved_rows += len(rows)
                product_ids.update(rows[PRODUCT_ID].tolist())
            online.prune(product_ids, self._online_retention_ms)
        return moved_rows

    def read_online(
        self, group: FeatureGroup, product_id: str, start_ms: int, end_ms: int
    ) -> FeatureRows:
        """Return online rows with start_ms <= timestamp_ms < end_ms, ordered by timestamp_ms."""
        online = self._existing_online(group)
        if online is None:
            return FeatureRows.empty(group.columns)
        return online.read(product_id, start_ms, end_ms)

    def read_online_latest(self, group: FeatureGroup, product_id: str, count: int) -> FeatureRows:
        """Return the newest `count` online rows, ordered by timestamp_ms."""
        online = self._existing_online(group)
        if online is None:
            return FeatureRows.empty(group.columns)
        return online.read_latest(product_id, count)

    def read_offline(
        self, group: FeatureGroup, product_id: str, start_ms: int, end_ms: int
    ) -> FeatureRows:
        """Return history with start_ms <= timestamp_ms < end_ms, ordered by timestamp_ms."""
        return self._history(group).read(product_id, start_ms, end_ms)

    def read_all(
        self, group: FeatureGroup, product_id: str, start_ms: int, end_ms: int
    ) -> FeatureRows:
        """Return the history as `materialize` would leave it: pending online rows included."""
        online = self._existing_online(group)
        if online is None:
            return self.read_offline(group, product_id, start_ms, end_ms)
        # Pending rows first: what is materialised in between is then seen twice, never missed.
        pending = online.pending(product_id, start_ms, end_ms)
        history = self.read_offline(group, product_id, start_ms, end_ms)
        if len(pending) == 0:
            return history
        return FeatureRows.concatenate(group.columns, [history, pending]).last_of_each_key()

    def product_ids(self, group: FeatureGroup) -> tuple[str, ...]:
        """Return the products that have rows on either side, sorted."""
        online = self._existing_online(group)
        product_ids = set() if online is None else online.product_ids()
        return tuple(sorted(product_ids | self._history(group).product_ids()))

    def newest_timestamp_ms(self, group: FeatureGroup, product_id: str) -> int | None:
        """Return the newest timestamp_ms of a product on either side; None without rows."""
        online = self._existing_online(group)
        newest_ms = (
            None if online is None else online.newest_timestamp_ms(product_id),
            self._history(group).newest_timestamp_ms(product_id),
        )
        return max((moment for moment in newest_ms if moment is not None), default=None)

    def close(self) -> None:
        """Close the files; calling it twice does no harm."""
        with self._lock:
            self._is_closed = True
            for table in self._online_tables.values():
                table.close()
            self._online_tables.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _online_path(self, group: FeatureGroup) -> Path:
        return self._root / "online" / f"{group.label}.sqlite"

    def _existing_online(self, group: FeatureGroup) -> OnlineTable | None:
        """Return the online table, or None before the first online write."""
        if group not in self._online_tables and not self._online_path(group).exists():
            self._require_open()
            return None
        return self._online(group)

    def _online(self, group: FeatureGroup) -> OnlineTable:
        with self._lock:
            self._require_open()
            if group not in self._online_tables:
                path = self._online_path(group)
                with file_errors(f"feature store {self._root}"), directory_lock(self._root):
                    path.parent.mkdir(exist_ok=True)
                    self._online_tables[group] = OnlineTable(path, group)
            return self._online_tables[group]

    def _history(self, group: FeatureGroup) -> HistoryTable:
        with self._lock:
            self._require_open()
            if group not in self._history_tables:
                directory = self._root / "offline" / group.label
                with file_errors(f"feature store {self._root}"):
                    directory.parent.mkdir(exist_ok=True)
                self._history_tables[group] = HistoryTable(directory, group)
            return self._history_tables[group]

    @contextmanager
    def _exclusive_history(self, group: FeatureGroup) -> Iterator[HistoryTable]:
        history = self._history(group)
        with file_errors(f"feature store {self._root}"), history.exclusive():
            yield history

    def _require_open(self) -> None:
        if self._is_closed:
            raise InvariantError("the feature store was used after it had been closed")
