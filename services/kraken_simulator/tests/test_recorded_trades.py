import gzip
import json
from pathlib import Path

import pytest

from candlecast.errors import ConfigurationError
from kraken_simulator.recorded_trades import load_recorded_trades


def test_a_recorded_page_keeps_ids_and_the_exact_time_of_its_last_row(recorded_page: Path) -> None:
    recording = load_recorded_trades(recorded_page)
    assert recording.first_trade_id == 10_218_208
    trades = recording.trades(0, 10**12)
    assert len(trades) == 1_000
    assert int(trades.timestamp_ns[-1]) == 1_762_820_035_982_277_754
    assert recording.price_decimals == 1


def test_trades_are_found_by_time_and_by_id(recorded_page: Path) -> None:
    recording = load_recorded_trades(recorded_page)
    assert recording.id_at(0) == 10_218_208
    assert recording.id_at(1_762_795_433_971_744_501) == 10_218_209
    assert recording.id_at(2**62) == 10_219_208
    assert recording.trades(10_218_210, 10_218_212).trade_id.tolist() == [10_218_210, 10_218_211]
    assert len(recording.trades(10_218_200, 10_218_208)) == 0


def test_a_csv_with_a_header_is_read_by_its_column_names(recorded_csv: Path) -> None:
    recording = load_recorded_trades(recorded_csv)
    first = recording.trades(0, 3_071_245_455)
    assert first.trade_id.tolist() == [3_071_245_454]
    assert first.timestamp_ns.tolist() == [1_680_652_799_999_000_000]
    assert first.price.tolist() == [28_165.47]
    assert first.is_buy.tolist() == [False]
    assert recording.price_decimals == 2


def test_a_gzipped_csv_without_ids_gets_ids_from_one(tmp_path: Path) -> None:
    path = tmp_path / "trades.csv.gz"
    path.write_bytes(
        gzip.compress(b"timestamp_ms,price,volume,side\n1000,10.5,2,buy\n2000,10.6,1,sell\n")
    )
    trades = load_recorded_trades(path).trades(0, 10)
    assert trades.trade_id.tolist() == [1, 2]
    assert trades.is_buy.tolist() == [True, False]


def test_time_and_sales_without_a_header_is_read(tmp_path: Path) -> None:
    path = tmp_path / "BCHEUR.csv"
    path.write_text("1672531436,90.540000,1.10448420\n1672531471,90.450000,1.00000000\n")
    trades = load_recorded_trades(path).trades(0, 10)
    assert trades.timestamp_ns.tolist() == [1_672_531_436 * 10**9, 1_672_531_471 * 10**9]
    assert trades.quantity.tolist() == [1.1044842, 1.0]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "holds no trades"),
        ("timestamp_ms,price,volume\n1,2,3\n", "no column named taker_side or side"),
        (
            "trade_id,timestamp_ms,price,volume,side\n1,1,1,1,buy\n3,2,1,1,buy\n",
            "trade ids are not contiguous after 1",
        ),
        (
            "timestamp_ms,price,volume,side\n2,1,1,buy\n1,1,1,buy\n",
            "time goes backwards after trade 1",
        ),
        ("timestamp_ms,price,volume,side\n2,cheap,1,buy\n", "cheap"),
        ('{"error":["EQuery:Unknown asset pair"]}', "result"),
        ("{", "truncated"),
    ],
)
def test_a_useless_recording_is_a_configuration_error_that_says_why(
    tmp_path: Path, text: str, reason: str
) -> None:
    path = tmp_path / "trades.csv"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=reason) as failure:
        load_recorded_trades(path)
    assert str(path) in str(failure.value)
    assert "\n" not in str(failure.value)


def test_a_recording_that_is_not_there_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        load_recorded_trades(tmp_path / "nowhere.json")


def test_a_page_from_before_trades_had_ids_is_numbered(tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    page = {"XXBTZUSD": [["1.0", "2.0", 5.25, "b", "m", ""]], "last": "5250000001"}
    path.write_text(json.dumps({"error": [], "result": page}))
    trades = load_recorded_trades(path).trades(0, 10)
    assert trades.trade_id.tolist() == [1]
    assert trades.timestamp_ns.tolist() == [5_250_000_001]


def test_rows_that_share_the_last_row_s_shown_time_are_not_later_than_it(tmp_path: Path) -> None:
    # Shown as ...2779, which is after the exact time of the last row, ...277754.
    row = ["1.0", "2.0", 1762820035.9822779, "b", "m", ""]
    page = {"XBTUSDT": [[*row, 1], [*row, 2]], "last": "1762820035982277754"}
    path = tmp_path / "page.json"
    path.write_text(json.dumps({"error": [], "result": page}))
    trades = load_recorded_trades(path).trades(0, 10)
    assert trades.timestamp_ns.tolist() == [1_762_820_035_982_277_754] * 2
