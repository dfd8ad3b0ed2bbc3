"""A feature store in memory, for tests of what uses one; kept honest by the contract suite."""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self

from candlecast.store.feature_group import PRODUCT_ID, TIMESTAMP_MS, FeatureGroup
from candlecast.store.feature_rows import FeatureRows

_Key = tuple[str, int]
_Table = dict[_Key, tuple[Any, ...]]


class _GroupTables:
    """Both sides of one feature group, and what is online but not in the history yet."""

    def __init__(self) -> None:
        self.online: _Table = {}
        self.pending: _Table = {}
        self.offline: _Table = {}


class InMemoryFeatureData:
    """What outlives an `InMemoryFeatureStore`, as a directory outlives a process."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.groups: defaultdict[FeatureGroup, _GroupTables] = defaultdict(_GroupTables)


class InMemoryFeatureStore:
    """A feature store whose data lives in `data`; give the same one to open it again."""

    def __init__(self, data: InMemoryFeatureData | None = None) -> None:
        self._data = InMemoryFeatureData() if data is None else data

    def write_online(self, group: FeatureGroup, rows: FeatureRows) -> None:
        """Upsert rows online; they are pending until `materialize`."""
        rows.require_columns_of(group)
        with self._data.lock:
            keyed_rows = _by_key(rows)
            self._data.groups[group].online.update(keyed_rows)
            self._data.groups[group].pending.update(keyed_rows)

    def write_offline(self, group: FeatureGroup, rows: FeatureRows) -> None:
        """Upsert rows into the history; pending rows of the same keys are outdated now."""
        rows.require_columns_of(group)
        with self._data.lock:
            tables = self._data.groups[group]
            for key, row in _by_key(rows).items():
                tables.offline[key] = row
                tables.pending.pop(key, None)

    def materialize(self, group: FeatureGroup) -> int:
        """Bring pending rows into the history."""
        with self._data.lock:
            tables = self._data.groups[group]
            moved_rows = len(tables.pending)
            tables.offline.update(tables.pending)
            tables.pending.clear()
            return moved_rows

    def read_online(
        self, group: FeatureGroup, product_id: str, start_ms: int, end_ms: int
    ) -> FeatureRows:
        """Return online rows with start_ms <= timestamp_ms < end_ms, ordered by timestamp_ms."""
        with self._data.lock:
            return _range(group, self._data.groups[group].online, product_id, start_ms, end_ms)

    def read_online_latest(self, group: FeatureGroup, product_id: str, count: int) -> FeatureRows:
        """Return the newest `count` online rows, ordered by timestamp_ms."""
        with self._data.lock:
            rows = _select(group, self._data.groups[group].online, lambda key: key[0] == product_id)
            return rows.select(slice(max(len(rows) - count, 0), None))

    def read_offline(
        self, group: FeatureGroup, product_id: str, start_ms: int, end_ms: int
    ) -> FeatureRows:
        """Return history with start_ms <= timestamp_ms < end_ms, ordered by timestamp_ms."""
        with self._data.lock:
            return _range(group, self._data.groups[group].offline, product_id, start_ms, end_ms)

    def read_all(
        self, group: FeatureGroup, product_id: str, start_ms: int, end_ms: int
    ) -> FeatureRows:
        """Return the history as `materialize` would leave it."""
        with self._data.lock:
            tables = self._data.groups[group]
            return _range(group, tables.offline | tables.pending, product_id, start_ms, end_ms)

    def product_ids(self, group: FeatureGroup) -> tuple[str, ...]:
        """Return the products that have rows on either side, sorted."""
        return tuple(sorted({product_id for product_id, _ in self._keys(group)}))

    def newest_timestamp_ms(self, group: FeatureGroup, product_id: str) -> int | None:
        """Return the newest timestamp_ms of a product on either side; None without rows."""
        moments_ms = [moment for name, moment in self._keys(group) if name == product_id]
        return max(moments_ms, default=None)

    def _keys(self, group: FeatureGroup) -> Iterable[_Key]:
        with self._data.lock:
            tables = self._data.groups[group]
            return {*tables.online, *tables.offline}

    def close(self) -> None:
        """Do nothing: there is nothing to give back."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _by_key(rows: FeatureRows) -> _Table:
    keys = zip(rows[PRODUCT_ID].tolist(), rows[TIMESTAMP_MS].tolist(), strict=True)
    return dict(zip(keys, rows.to_tuples(), strict=True))


def _range(
    group: FeatureGroup, table: _Table, product_id: str, start_ms: int, end_ms: int
) -> FeatureRows:
    return _select(group, table, lambda key: key[0] == product_id and start_ms <= key[1] < end_ms)


def _select(group: FeatureGroup, table: _Table, is_wanted: Callable[[_Key], bool]) -> FeatureRows:
    chosen = [table[key] for key in sorted(filter(is_wanted, table))]
    columns = zip(*chosen, strict=True) if chosen else [()] * len(group.columns)
    names = [column.name for column in group.columns]
    return FeatureRows.from_columns(group.columns, dict(zip(names, columns, strict=True)))
