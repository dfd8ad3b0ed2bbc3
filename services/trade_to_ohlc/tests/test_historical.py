from pathlib import Path

import pytest

from candlecast.market.candle import Candle
from candlecast.messaging.candle_record import EndOfStream
from candlecast.messaging.trades_record import TradesRecord
from candlecast.testing.recordings import recorded_kraken_market, values_of
from candlecast.testing.topics import publish_trades

KRAKEN = recorded_kraken_market(Path(__file__).parents[3] / "tests" / "data")


def page_records(size: int) -> list[TradesRecord]:
    """The recorded page as a producer's records of `size` trades, the last one with the end."""
    records = []
    for start in range(0, len(KRAKEN.trades), size):
        batch = KRAKEN.trades.select(slice(start, start + size))
        is_last = start + size >= len(KRAKEN.trades)
        records.append(
            TradesRecord(
                batch=batch,
                last_trade_id=int(batch.trade_id[-1]),
                last_timestamp_ms=int(batch.timestamp_ms[-1]),
                watermark_ms=KRAKEN.end_ms if is_last else int(batch.timestamp_ms[-1]),
                end_of_stream=is_last,
            )
        )
    return records


@pytest.mark.broker
def test_409_recorded_minutes_are_rebuilt_exactly_through_kafka(
    broker_address: str, input_topic: str, run_service, read_outputs
) -> None:
    publish_trades(broker_address, input_topic, page_records(250))
    with run_service(LIVE_OR_HISTORICAL="historical", PRODUCT_IDS="BTC/USDT") as service:
        code = service.wait()
        assert code == 0
    *candles, end = read_outputs()
    assert end == EndOfStream("BTC/USDT")
    assert [values_of(candle) for candle in candles if isinstance(candle, Candle)] == KRAKEN.candles
    assert len(candles) == 409
