"""What the local store makes of the directory it is given."""

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from candlecast.errors import ConfigurationError, InvariantError
from candlecast.market.time_grid import DAY_MS, MINUTE_MS
from candlecast.store.feature_group import Column, ColumnType, FeatureGroup
from candlecast.store.feature_rows import FeatureRows
from candlecast.store.local import LocalFeatureStore
from candlecast.store.local.history_upkeep import MAXIMUM_FILES_OF_PARTITION
from candlecast.testing.stored_candles import BTC, ETH, FOREVER, GROUP, make_rows, minutes_of

DAY_MINUTES = DAY_MS // MINUTE_MS


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


def open_store(root: Path) -> LocalFeatureStore:
    return LocalFeatureStore(root, "simulator")


def filled(root: Path) -> Path:
    with open_store(root) as store:
        store.write_offline(GROUP, make_rows(0, 3))
        store.write_online(GROUP, make_rows(3, 3))
    return root


# ---- whose directory it is


def test_a_store_of_another_source_is_refused_in_one_clear_line(root: Path) -> None:
    filled(root)
    with pytest.raises(ConfigurationError) as raised:
        LocalFeatureStore(root, "kraken")
    assert str(raised.value) == (
        f"FEATURE_STORE_DIR={root}: holds data of MARKET_DATA_SOURCE=simulator and is opened for"
        " kraken; give each source a directory of its own"
    )


def test_a_directory_with_other_files_is_refused_and_left_alone(root: Path) -> None:
    root.mkdir()
    (root / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigurationError, match=r"not empty \(it holds thesis.txt\)"):
        open_store(root)
    assert not (root / "feature_store.json").exists()


def test_an_empty_volume_with_lost_and_found_is_taken(root: Path) -> None:
    (root / "lost+found").mkdir(parents=True)
    open_store(root).close()


def test_a_creation_that_was_killed_is_finished_by_the_next_one(root: Path) -> None:
    root.mkdir()
    (root / "feature_store.json.unfinished").write_text('{"layout_ver')
    (root / ".lock").touch()
    open_store(root).close()
    open_store(root).close()


@pytest.mark.parametrize("content", ["", "{}", "[]", "not json", '{"layout_version": 1}'])
def test_a_damaged_identity_is_refused(root: Path, content: str) -> None:
    (filled(root) / "feature_store.json").write_text(content)
    with pytest.raises(ConfigurationError, match="damaged"):
        open_store(root)


def test_a_layout_of_another_version_is_refused(root: Path) -> None:
    identity = filled(root) / "feature_store.json"
    identity.write_text(identity.read_text().replace("1", "2"))
    with pytest.raises(ConfigurationError, match="written with layout 2, this version reads 1"):
        open_store(root)


def test_a_file_in_place_of_the_directory_is_refused(root: Path) -> None:
    root.write_text("a file")
    with pytest.raises(ConfigurationError, match="exists"):
        open_store(root)


# ---- damage


def damage_online(root: Path) -> None:
    path = root / "online" / "ohlc_feature_group_1.sqlite"
    path.write_bytes(b"no database at all" * 500)


def damage_log(root: Path) -> None:
    log = root / "offline" / "ohlc_feature_group_1" / "_delta_log"
    (log / "00000000000000000001.json").write_text("no log entry")


def damage_data(root: Path) -> None:
    for path in (root / "offline").rglob("*.parquet"):
        path.write_bytes(b"no parquet at all")


def lose_data(root: Path) -> None:
    for path in (root / "offline").rglob("product_id=*"):
        shutil.rmtree(path)


@pytest.mark.parametrize("damage", [damage_online, damage_log, damage_data])
def test_damage_is_a_configuration_error(root: Path, damage: Callable[[Path], None]) -> None:
    damage(filled(root))
    with open_store(root) as store, pytest.raises(ConfigurationError, match="damaged"):
        store.read_all(GROUP, BTC, *FOREVER)


def test_lost_data_files_are_an_error_not_an_empty_answer(root: Path) -> None:
    lose_data(filled(root))
    with open_store(root) as store, pytest.raises(ConfigurationError, match="damaged"):
        store.read_offline(GROUP, BTC, *FOREVER)


def test_columns_changed_without_a_new_version_are_refused_on_both_sides(root: Path) -> None:
    filled(root)
    changed = FeatureGroup(GROUP.name, 1, (*GROUP.columns, Column("rsi", ColumnType.FLOAT64)))
    rows = make_rows(0)
    changed_rows = FeatureRows.from_columns(changed.columns, {**rows.values, "rsi": [50.0]})
    with open_store(root) as store:
        for write in (store.write_online, store.write_offline):
            with pytest.raises(ConfigurationError, match="new columns need a new"):
                write(changed, changed_rows)


def test_a_closed_store_refuses_to_work(root: Path) -> None:
    store = open_store(root)
    store.close()
    with pytest.raises(InvariantError, match="after it had been closed"):
        store.write_online(GROUP, make_rows(0))


# ---- retention


def test_old_online_rows_leave_only_when_they_are_in_the_history(root: Path) -> None:
    with LocalFeatureStore(root, "simulator", online_retention_ms=2 * DAY_MS) as store:
        store.write_online(GROUP, make_rows(0, 3))
        store.write_online(GROUP, make_rows(2 * DAY_MINUTES + 1))
        assert minutes_of(store.read_online(GROUP, BTC, *FOREVER))[:3] == [0, 1, 2]
        store.materialize(GROUP)
        kept = [1, 2, 2 * DAY_MINUTES + 1]
        assert minutes_of(store.read_online(GROUP, BTC, *FOREVER)) == kept
        assert minutes_of(store.read_all(GROUP, BTC, *FOREVER)) == [0, *kept]


def test_a_quiet_product_keeps_its_rows_however_late_others_are(root: Path) -> None:
    with open_store(root) as store:
        store.write_online(GROUP, make_rows(0, product_id=ETH))
        store.write_online(GROUP, make_rows(100 * DAY_MINUTES))
        store.materialize(GROUP)
        assert len(store.read_online(GROUP, ETH, *FOREVER)) == 1


# ---- upkeep


def test_small_files_are_compacted_and_nothing_changes_for_readers(root: Path) -> None:
    with open_store(root) as store:
        for minute in range(MAXIMUM_FILES_OF_PARTITION + 5):
            store.write_offline(GROUP, make_rows(minute))
        table = store._history(GROUP)._open()
        assert table is not None
        assert len(table.file_uris()) < 10
        expected = list(range(MAXIMUM_FILES_OF_PARTITION + 5))
        assert minutes_of(store.read_offline(GROUP, BTC, *FOREVER)) == expected


def test_a_commit_of_somebody_else_in_between_is_taken_in(root: Path) -> None:
    """A tool that knows nothing of our lock commits between our opening and our commit."""
    with open_store(root) as store:
        store.write_offline(GROUP, make_rows(0, 10, close=1.0))
        history = store._history(GROUP)
        outdated = history._open()
        assert outdated is not None
        store.write_offline(GROUP, make_rows(3, 4, close=2.0))
        history._commit(outdated, make_rows(5, 2, close=3.0).last_of_each_key())
        closes = store.read_offline(GROUP, BTC, *FOREVER)["close"].tolist()
        assert closes == [1.0, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 1.0, 1.0, 1.0]


def test_the_online_side_is_an_ordinary_sqlite_file(root: Path) -> None:
    filled(root)
    with sqlite3.connect(root / "online" / "ohlc_feature_group_1.sqlite") as connection:
        assert connection.execute("SELECT count(*), min(close) FROM rows").fetchone() == (3, 1.5)
    connection.close()
