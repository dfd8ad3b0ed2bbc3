"""The online rows of one feature group in SQLite; also the journal for materialisation.

A row is durable as soon as `upsert` returns and stays pending until its values are known to be
in the history, so a process may die at any moment in between.
"""

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from candlecast.errors import ConfigurationError
from candlecast.store.feature_group import PRODUCT_ID, TIMESTAMP_MS, ColumnType, FeatureGroup
from candlecast.store.feature_rows import FeatureRows
from candlecast.store.local.io_errors import sqlite_errors

BUSY_TIMEOUT_SECONDS = 30.0

_SQLITE_TYPES = {
    ColumnType.STRING: "TEXT",
    ColumnType.INT64: "INTEGER",
    ColumnType.FLOAT64: "REAL",
}


class OnlineTable:
    """One SQLite file with one table; safe for several threads and processes.

    Every write transaction has a revision, a number that only grows. It tells a row that was
    read for materialisation from the same row written again meanwhile.
    """

    def __init__(self, path: Path, group: FeatureGroup) -> None:
        self._group = group
        self._subject = f"online rows of {group.label} ({path})"
        self._names = ", ".join(f'"{column.name}"' for column in group.columns)
        self._lock = threading.RLock()
        with sqlite_errors(self._subject):
            self._connection = sqlite3.connect(
                path, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False
            )
        try:
            self._prepare()
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self) -> None:
        with sqlite_errors(self._subject):
            # NORMAL: a killed process loses nothing. A power cut never damages the file but may
            # take the last moments with it; `store check` finds them and a backfill brings them.
            self._connection.execute("PRAGMA journal_mode=WAL").fetchall()
            self._connection.execute("PRAGMA synchronous=NORMAL")
            with self._transaction():
                self._create()
        self._require_columns()

    def _create(self) -> None:
        definitions = ", ".join(
            f'"{column.name}" {_SQLITE_TYPES[column.type]} NOT NULL'
            for column in self._group.columns
        )
        for statement in (
            f"CREATE TABLE IF NOT EXISTS rows ({definitions}, revision INTEGER NOT NULL,"
            " is_pending INTEGER NOT NULL,"
            f" PRIMARY KEY ({PRODUCT_ID}, {TIMESTAMP_MS})) WITHOUT ROWID",
            "CREATE INDEX IF NOT EXISTS pending ON rows (revision) WHERE is_pending",
            "CREATE TABLE IF NOT EXISTS last_write (revision INTEGER NOT NULL)",
            "INSERT INTO last_write SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM last_write)",
        ):
            self._connection.execute(statement)

    def _require_columns(self) -> None:
        expected = [(column.name, _SQLITE_TYPES[column.type]) for column in self._group.columns]
        found = [(row[1], row[2]) for row in self._query("PRAGMA table_info(rows)")][:-2]
        if found != expected:
            raise ConfigurationError(
                f"{self._subject}: has columns {found}, not {expected}; new columns need a new"
                " FEATURE_GROUP_VERSION"
            )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock, sqlite_errors(self._subject):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def _query(self, statement: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        with self._lock, sqlite_errors(self._subject):
            return self._connection.execute(statement, parameters).fetchall()

    def _query_rows(self, condition: str, parameters: tuple[Any, ...]) -> FeatureRows:
        found = self._query(f"SELECT {self._names} FROM rows {condition}", parameters)  # noqa: S608
        return self._to_rows(found)

    def _to_rows(self, found: list[tuple[Any, ...]]) -> FeatureRows:
        columns = zip(*found, strict=True) if found else [()] * len(self._group.columns)
        names = [column.name for column in self._group.columns]
        return FeatureRows.from_columns(self._group.columns, dict(zip(names, columns, strict=True)))

    def upsert(self, rows: FeatureRows) -> None:
        """Write rows, all or none, and mark them pending."""
        marks = ", ".join("?" * len(self._group.columns))
        statement = (
            f"INSERT OR REPLACE INTO rows ({self._names}, revision, is_pending)"  # noqa: S608
            f" VALUES ({marks}, (SELECT revision FROM last_write), 1)"
        )
        with self._transaction():
            self._connection.execute("UPDATE last_write SET revision = revision + 1")
            self._connection.executemany(statement, rows.to_tuples())

    def last_revision(self) -> int:
        """Return the revision of the newest write."""
        return int(self._query("SELECT revision FROM last_write")[0][0])

    def oldest_pending(self, up_to_revision: int, limit: int) -> FeatureRows:
        """Return pending rows in the order they were written."""
        return self._query_rows(
            "WHERE is_pending AND revision <= ? ORDER BY revision LIMIT ?", (up_to_revision, limit)
        )

    def pending(self, product_id: str, start_ms: int, end_ms: int) -> FeatureRows:
        """Return the pending rows of a product in a range, ordered by time."""
        return self._query_rows(
            f"WHERE is_pending AND {_IN_RANGE} ORDER BY {TIMESTAMP_MS}",
            (product_id, start_ms, end_ms),
        )

    def mark_materialized(self, rows: FeatureRows, up_to_revision: int) -> None:
        """Note that the history holds these keys, except those written after `up_to_revision`."""
        keys = zip(rows[PRODUCT_ID].tolist(), rows[TIMESTAMP_MS].tolist(), strict=True)
        with self._transaction():
            self._connection.executemany(
                f"UPDATE rows SET is_pending = 0 WHERE {PRODUCT_ID} = ? AND {TIMESTAMP_MS} = ?"  # noqa: S608
                f" AND is_pending AND revision <= {up_to_revision:d}",
                keys,
            )

    def has_pending(self) -> bool:
        """Whether any row still waits for materialisation."""
        return bool(self._query("SELECT EXISTS (SELECT 1 FROM rows WHERE is_pending)")[0][0])

    def prune(self, product_ids: Iterable[str], retention_ms: int) -> None:
        """Forget materialised rows older than their product's newest row by more than that.

        Event time, never the wall clock: a replay or a simulator may run at any date and speed.
        """
        with self._transaction():
            self._connection.executemany(
                f"DELETE FROM rows WHERE {PRODUCT_ID} = ?1 AND NOT is_pending"  # noqa: S608
                f" AND {TIMESTAMP_MS} < (SELECT MAX({TIMESTAMP_MS}) FROM rows"
                f" WHERE {PRODUCT_ID} = ?1) - ?2",
                [(product_id, retention_ms) for product_id in sorted(product_ids)],
            )

    def read(self, product_id: str, start_ms: int, end_ms: int) -> FeatureRows:
        """Return rows of a product in a range, ordered by time."""
        return self._query_rows(
            f"WHERE {_IN_RANGE} ORDER BY {TIMESTAMP_MS}", (product_id, start_ms, end_ms)
        )

    def read_latest(self, product_id: str, count: int) -> FeatureRows:
        """Return the newest rows of a product, ordered by time."""
        newest_first = self._query_rows(
            f"WHERE {PRODUCT_ID} = ? ORDER BY {TIMESTAMP_MS} DESC LIMIT ?", (product_id, count)
        )
        return newest_first.sorted_by_time()

    def product_ids(self) -> set[str]:
        """Return the products with online rows."""
        return {row[0] for row in self._query(f"SELECT DISTINCT {PRODUCT_ID} FROM rows")}  # noqa: S608

    def newest_timestamp_ms(self, product_id: str) -> int | None:
        """Return the time of a product's newest row."""
        found = self._query(
            f"SELECT MAX({TIMESTAMP_MS}) FROM rows WHERE {PRODUCT_ID} = ?",  # noqa: S608
            (product_id,),
        )
        newest_ms = found[0][0]
        return None if newest_ms is None else int(newest_ms)

    def close(self) -> None:
        """Close the connection."""
        with self._lock, sqlite_errors(self._subject):
            self._connection.close()


_IN_RANGE = f"{PRODUCT_ID} = ? AND {TIMESTAMP_MS} >= ? AND {TIMESTAMP_MS} < ?"
