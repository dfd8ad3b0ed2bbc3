"""The journal's promises that only a race would show through the store."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from candlecast.store.local.online_table import OnlineTable
from candlecast.testing.stored_candles import BTC, ETH, FOREVER, GROUP, make_rows, minutes_of


@pytest.fixture
def table(tmp_path: Path) -> Iterator[OnlineTable]:
    table = OnlineTable(tmp_path / "rows.sqlite", GROUP)
    yield table
    table.close()


def test_a_row_written_again_while_it_is_materialized_stays_pending(table: OnlineTable) -> None:
    table.upsert(make_rows(0, 2, close=1.0))
    revision = table.last_revision()
    being_moved = table.oldest_pending(revision, 10)
    table.upsert(make_rows(1, 1, close=2.0))
    table.mark_materialized(being_moved, revision)
    assert table.pending(BTC, *FOREVER)["close"].tolist() == [2.0]
    assert minutes_of(table.pending(BTC, *FOREVER)) == [1]


def test_rows_written_after_the_revision_are_left_for_the_next_time(table: OnlineTable) -> None:
    table.upsert(make_rows(0))
    revision = table.last_revision()
    table.upsert(make_rows(1))
    assert minutes_of(table.oldest_pending(revision, 10)) == [0]


def test_pending_rows_are_taken_in_parts_in_the_order_they_were_written(
    table: OnlineTable,
) -> None:
    for minute in (5, 3, 4):
        table.upsert(make_rows(minute))
    first = table.oldest_pending(table.last_revision(), 2)
    assert minutes_of(first) == [5, 3]
    table.mark_materialized(first, table.last_revision())
    assert minutes_of(table.oldest_pending(table.last_revision(), 2)) == [4]


def test_pruning_never_takes_a_pending_row(table: OnlineTable) -> None:
    table.upsert(make_rows(0))
    table.upsert(make_rows(10_000))
    table.prune([BTC, ETH], retention_ms=0)
    assert minutes_of(table.read(BTC, *FOREVER)) == [0, 10_000]


def test_a_batch_is_written_whole_or_not_at_all(tmp_path: Path, table: OnlineTable) -> None:
    """A reader on another connection never sees a part of a batch, however large it is."""
    reader = OnlineTable(tmp_path / "rows.sqlite", GROUP)
    table.upsert(make_rows(0, 10))
    with table._transaction():
        table._connection.execute("DELETE FROM rows WHERE timestamp_ms < 300000")
        assert len(reader.read(BTC, *FOREVER)) == 10
    assert len(reader.read(BTC, *FOREVER)) == 6
    reader.close()
