"""The history of one feature group in a Delta Lake table, partitioned by product and month.

Writing happens under a lock between processes; reading needs none, because a reader sees one
committed version of the table whatever happens meanwhile.
"""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path

from deltalake import DeltaTable, write_deltalake
from deltalake import Schema as DeltaSchema
from deltalake.exceptions import CommitFailedError
from filelock import FileLock
from loguru import logger

from candlecast.errors import ConfigurationError, TransientError
from candlecast.store.feature_group import PRODUCT_ID, TIMESTAMP_MS, FeatureGroup
from candlecast.store.feature_rows import FeatureRows
from candlecast.store.local.arrow_rows import MONTH, arrow_schema, from_arrow, months_of, to_arrow
from candlecast.store.local.data_files import data_files
from candlecast.store.local.history_upkeep import TABLE_PROPERTIES, HistoryUpkeep
from candlecast.store.local.io_errors import (
    arrow_stream_errors,
    delta_read_errors,
    delta_write_errors,
)

LOCK_TIMEOUT_SECONDS = 60.0
COMMIT_ATTEMPTS = 5


class HistoryTable:
    """One Delta table; safe for several threads and processes."""

    def __init__(self, directory: Path, group: FeatureGroup) -> None:
        self._directory = directory
        self._group = group
        self._subject = f"history of {group.label} ({directory})"
        self._lock = FileLock(
            directory.with_name(directory.name + ".lock"), timeout=LOCK_TIMEOUT_SECONDS
        )
        self._upkeep = HistoryUpkeep()

    def exclusive(self) -> AbstractContextManager[object]:
        """Return the lock a writer holds; the operating system frees it when a process dies."""
        return self._lock

    def upsert(self, rows: FeatureRows) -> None:
        """Write rows, all or none. The caller holds the lock."""
        unique_rows = rows.last_of_each_key()
        if len(unique_rows) == 0:
            return
        table = self._open()
        with delta_write_errors(self._subject):
            if table is None:
                table = self._create()
            self._commit(table, unique_rows)
        try:
            with delta_write_errors(self._subject):
                self._upkeep.after_commit(table)
        except TransientError as error:
            # the rows are committed; upkeep can wait for the next commit
            logger.warning("history_upkeep_postponed", group=self._group.label, reason=str(error))

    def _commit(self, table: DeltaTable, rows: FeatureRows) -> None:
        """Commit against the newest version.

        The lock keeps our own writers apart. A tool of somebody else's, or a file system without
        working locks, can still commit first; then the work is done again on the new version.
        """
        for attempt in range(1, COMMIT_ATTEMPTS + 1):
            try:
                _append_or_merge(table, self._group, rows)
            except CommitFailedError:
                if attempt == COMMIT_ATTEMPTS:
                    raise
                table.update_incremental()
            else:
                return

    def read(self, product_id: str, start_ms: int, end_ms: int) -> FeatureRows:
        """Return rows of a product in a range, ordered by time."""
        table = self._open()
        if table is None:
            return FeatureRows.empty(self._group.columns)
        names = [column.name for column in self._group.columns]
        condition = (
            f"{PRODUCT_ID} = {_literal(product_id)}"
            f" AND {TIMESTAMP_MS} >= {start_ms:d} AND {TIMESTAMP_MS} < {end_ms:d}"
        )
        with delta_read_errors(self._subject):
            reader = table.scan(names, condition)
        with arrow_stream_errors(self._subject):
            found = reader.read_all()
        return from_arrow(self._group.columns, found).sorted_by_time()

    def product_ids(self) -> set[str]:
        """Return the products with history."""
        table = self._open()
        if table is None:
            return set()
        with delta_read_errors(self._subject):
            return {file.product_id for file in data_files(table)}

    def newest_timestamp_ms(self, product_id: str) -> int | None:
        """Return the time of a product's newest row; read from the log, no file is opened."""
        table = self._open()
        if table is None:
            return None
        with delta_read_errors(self._subject):
            newest_ms = [
                file.newest_timestamp_ms
                for file in data_files(table)
                if file.product_id == product_id
            ]
        return max(newest_ms, default=None)

    def _open(self) -> DeltaTable | None:
        """Open the newest version; None before the first write."""
        path = str(self._directory)
        with delta_read_errors(self._subject):
            if not DeltaTable.is_deltatable(path):
                return None
            table = DeltaTable(path)
            found = {(field.name, str(field.type.type)) for field in table.schema().fields}
        expected_schema = DeltaSchema.from_arrow(arrow_schema(self._group))
        expected = {(field.name, str(field.type.type)) for field in expected_schema.fields}
        if found != expected:
            raise ConfigurationError(
                f"{self._subject}: has columns {sorted(found)}, not {sorted(expected)}; new"
                " columns need a new FEATURE_GROUP_VERSION"
            )
        return table

    def _create(self) -> DeltaTable:
        return DeltaTable.create(
            str(self._directory),
            DeltaSchema.from_arrow(arrow_schema(self._group)),
            partition_by=[PRODUCT_ID, MONTH],
            configuration=dict(TABLE_PROPERTIES),
        )


def _append_or_merge(table: DeltaTable, group: FeatureGroup, rows: FeatureRows) -> None:
    """Append when no file can hold a row of this range, which the log tells; else merge.

    Live rows and a backfill in order of time are appends; repeated and repaired rows are merges.
    """
    place = _place_of(rows)
    arrow_rows = to_arrow(group, rows)
    if not table.file_uris(file_pruning_predicate=place):
        write_deltalake(table, arrow_rows, mode="append")
        return
    keys = " AND ".join(f"old.{name} = new.{name}" for name in (PRODUCT_ID, MONTH, TIMESTAMP_MS))
    # The place as literals is what lets the merge skip partitions and files.
    merger = table.merge(
        arrow_rows,
        f"{keys} AND {_place_of(rows, 'old.')}",
        source_alias="new",
        target_alias="old",
    )
    merger.when_matched_update_all().when_not_matched_insert_all().execute()


def _place_of(rows: FeatureRows, prefix: str = "") -> str:
    """Return a condition that holds for all the rows and prunes files that have none of them."""
    timestamps_ms = rows[TIMESTAMP_MS]
    return (
        f"{prefix}{PRODUCT_ID} IN ({_literals(rows[PRODUCT_ID])})"
        f" AND {prefix}{MONTH} IN ({_literals(months_of(timestamps_ms))})"
        f" AND {prefix}{TIMESTAMP_MS} >= {timestamps_ms.min():d}"
        f" AND {prefix}{TIMESTAMP_MS} <= {timestamps_ms.max():d}"
    )


def _literals(values: Iterable[str]) -> str:
    return ", ".join(_literal(value) for value in sorted(set(values)))


def _literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
