import json
from pathlib import Path

from candlecast.market.candle import Candle
from kraken_simulator.bootstrap import build_exchange
from kraken_simulator.exchange import Market
from kraken_simulator.listings import listing_of
from kraken_simulator.plain_candles import candles_of_range
from kraken_simulator.recorded_trades import load_recorded_trades
from kraken_simulator.settings import Settings

MINUTE_MS = 60_000


def make_recorded_market(tmp_path: Path, rows: str) -> Market:
    path = tmp_path / "trades.csv"
    path.write_text("trade_id,timestamp_ms,price,quantity,side\n" + rows)
    return Market(listing_of("BTC/USDT"), load_recorded_trades(path))


def test_kraken_s_own_candles_come_out_exactly(recorded_page: Path, recorded_candles: Path) -> None:
    market = Market(listing_of("BTC/USDT"), load_recorded_trades(recorded_page))
    official = json.loads(recorded_candles.read_text())["result"]["XBTUSDT"]
    # Full minutes: not the one the page begins in, nor those after its last trade.
    start_ms = 1_762_795_433_971 // MINUTE_MS * MINUTE_MS + MINUTE_MS
    end_ms = 1_762_820_035_982 // MINUTE_MS * MINUTE_MS
    candles = list(candles_of_range(market, start_ms, end_ms, MINUTE_MS))
    expected = [row for row in official if start_ms <= row[0] * 1_000 < end_ms]
    assert len(candles) == len(expected) == 409
    for candle, row in zip(candles, expected, strict=True):
        time_s, open_, high, low, close, vwap, volume, count = row
        assert candle.start_ms == time_s * 1_000
        assert candle.timestamp_ms == candle.start_ms + MINUTE_MS
        prices = (candle.open, candle.high, candle.low, candle.close)
        assert prices == (float(open_), float(high), float(low), float(close))
        assert candle.volume == float(volume)
        assert candle.trade_count == count
        # Kraken shows its vwap with the pair's one decimal.
        assert abs(candle.vwap - float(vwap)) <= 0.1


def test_the_last_nanosecond_of_a_minute_belongs_to_it_and_the_next_one_does_not(
    tmp_path: Path,
) -> None:
    market = make_recorded_market(
        tmp_path, "7,59999.999999,10,1,buy\n8,60000,11,2,sell\n9,119999,12,3,buy\n"
    )
    first, second = candles_of_range(market, 0, 2 * MINUTE_MS, MINUTE_MS)
    assert (first.first_trade_id, first.last_trade_id, first.trade_count) == (7, 7, 1)
    assert (second.first_trade_id, second.last_trade_id, second.trade_count) == (8, 9, 2)
    assert second.volume == 5.0
    assert second.buy_volume == 3.0
    assert second.vwap == (11 * 2 + 12 * 3) / 5


def test_a_silent_minute_repeats_the_close_of_the_last_trade_however_long_ago(
    tmp_path: Path,
) -> None:
    market = make_recorded_market(tmp_path, "1,0,10,1,buy\n2,1,12.5,1,buy\n")
    hour_ms = 60 * MINUTE_MS
    (candle,) = candles_of_range(market, 300 * hour_ms, 300 * hour_ms + MINUTE_MS, MINUTE_MS)
    assert candle == Candle(
        product_id="BTC/USDT",
        timestamp_ms=300 * hour_ms + MINUTE_MS,
        start_ms=300 * hour_ms,
        open=12.5,
        high=12.5,
        low=12.5,
        close=12.5,
        volume=0.0,
        vwap=0.0,
        trade_count=0,
        buy_volume=0.0,
        first_trade_id=0,
        last_trade_id=0,
    )


def test_there_is_no_candle_before_the_first_trade(tmp_path: Path) -> None:
    market = make_recorded_market(tmp_path, "1,150000,10,1,buy\n")
    starts = [c.start_ms for c in candles_of_range(market, 0, 4 * MINUTE_MS, MINUTE_MS)]
    assert starts == [2 * MINUTE_MS, 3 * MINUTE_MS]


def test_volume_is_the_correctly_rounded_sum(tmp_path: Path) -> None:
    rows = "".join(f"{number},{number},10,0.1,buy\n" for number in range(1, 11))
    market = make_recorded_market(tmp_path, rows)
    (candle,) = candles_of_range(market, 0, MINUTE_MS, MINUTE_MS)
    assert candle.volume == 1.0
    assert candle.buy_volume == 1.0


def test_a_range_in_parts_gives_the_candles_of_the_whole() -> None:
    market = build_exchange(Settings()).markets["QNT/USD"]
    day_ms = 86_400_000
    start_ms, middle_ms, end_ms = 20_000 * day_ms, 20_001 * day_ms - 7 * MINUTE_MS, 20_002 * day_ms
    whole = list(candles_of_range(market, start_ms, end_ms, MINUTE_MS))
    parts = [
        *candles_of_range(market, start_ms, middle_ms, MINUTE_MS),
        *candles_of_range(market, middle_ms, end_ms, MINUTE_MS),
    ]
    assert whole == parts
    assert len(whole) == 2 * 1_440
    assert any(candle.is_flat for candle in whole)


def test_windows_longer_than_a_day_are_computed_too() -> None:
    market = build_exchange(Settings()).markets["QNT/USD"]
    week_ms = 7 * 86_400_000
    start_ms = 20_000 * 86_400_000 // week_ms * week_ms
    (week,) = candles_of_range(market, start_ms, start_ms + week_ms, week_ms)
    days = list(candles_of_range(market, start_ms, start_ms + week_ms, week_ms // 7))
    assert week.trade_count == sum(day.trade_count for day in days)
    assert week.close == days[-1].close
