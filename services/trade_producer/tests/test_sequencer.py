"""The contiguous prefix, out of trades that arrive in any manner."""

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from candlecast.errors import ConfigurationError
from candlecast.market.trade_batch import TradeBatch
from candlecast.messaging.trades_record import TradesRecord
from candlecast.testing.strategies import tapes
from candlecast.testing.trades import columns_of, make_batch
from trade_producer.sequencer import LARGEST_RECORD_TRADES, Gap, TradeSequencer
from trade_producer.testing.folding import require_sound, trades_of

NOW_MS = 1_790_000_000_000
MINUTE_MS = 60_000


def sequencer(last_trade_id: int = 10, watermark_ms: int = NOW_MS) -> TradeSequencer:
    return TradeSequencer(
        "BTC/USD", last_trade_id=last_trade_id, last_timestamp_ms=NOW_MS, watermark_ms=watermark_ms
    )


def trades(*ids: int, timestamp_ms: int = NOW_MS) -> TradeBatch:
    return make_batch(*((timestamp_ms, 100.0 + i) for i in ids), ids=ids)


def ids_of(records: Sequence[TradesRecord]) -> list[int]:
    return [int(i) for record in records for i in record.batch.trade_id]


def test_trades_that_follow_the_last_one_go_at_once() -> None:
    records = sequencer().offer(trades(11, 12, timestamp_ms=NOW_MS + 5))

    assert ids_of(records) == [11, 12]
    assert records[0].last_trade_id == 12
    assert records[0].last_timestamp_ms == NOW_MS + 5
    assert records[0].watermark_ms == NOW_MS + 5


def test_known_trades_are_dropped() -> None:
    subject = sequencer()

    assert subject.offer(trades(9, 10)) == []
    assert ids_of(subject.offer(trades(10, 11, 11, 10))) == [11]
    assert ids_of(subject.offer(trades(11, 12))) == [12]


def test_trades_after_a_gap_are_held_until_it_is_filled() -> None:
    subject = sequencer()

    assert ids_of(subject.offer(trades(11, 14, 15, timestamp_ms=NOW_MS + 9))) == [11]
    assert subject.gap == Gap(12, 14)
    assert subject.held_count == 2
    assert subject.watermark_ms == NOW_MS + 9
    assert ids_of(subject.offer(trades(13, timestamp_ms=NOW_MS + 9))) == []
    assert subject.gap == Gap(12, 13)
    assert ids_of(subject.offer(trades(12, timestamp_ms=NOW_MS + 9))) == [12, 13, 14, 15]
    assert subject.gap is None


def test_nothing_is_proven_while_trades_are_held() -> None:
    subject = sequencer()
    subject.offer(trades(12))

    assert not subject.prove_until(NOW_MS + 1000)
    assert subject.watermark_ms == NOW_MS


def test_a_proof_moves_the_watermark_forward_only() -> None:
    subject = sequencer()

    assert subject.prove_until(NOW_MS + 1000)
    assert not subject.prove_until(NOW_MS + 999)
    assert subject.tick().watermark_ms == NOW_MS + 1000


def test_a_skipped_gap_lets_the_held_trades_go_up_to_the_next_gap() -> None:
    subject = sequencer()
    subject.offer(trades(13, 14, 17))

    assert ids_of(subject.skip_to(13)) == [13, 14]
    assert subject.gap == Gap(15, 17)
    assert subject.skip_to(3) == []
    assert ids_of(subject.skip_to(17)) == [17]


def test_the_first_trade_of_a_product_waits_for_rest_to_say_which_one_it_is() -> None:
    subject = sequencer(last_trade_id=0)

    # WebSocket's first message may have been lost: what it shows first proves nothing.
    assert subject.offer(trades(4, 5)) == []
    assert ids_of(subject.skip_to(3)) == []
    assert ids_of(subject.offer(trades(3, 4))) == [3, 4, 5]


def test_a_first_trade_with_the_number_1_needs_nobody_to_say_so() -> None:
    assert ids_of(sequencer(last_trade_id=0).offer(trades(1, 2))) == [1, 2]


def test_trades_without_a_number_are_left_to_rest() -> None:
    subject = sequencer()

    assert subject.offer(trades(0, 0, timestamp_ms=NOW_MS + 3_600_000)) == []
    assert ids_of(subject.offer(trades(0, 11))) == [11]


def test_a_record_holds_a_thousand_trades_at_most_and_each_has_its_own_cursor() -> None:
    subject = sequencer()
    later = make_batch(*((NOW_MS + i, 1.0) for i in range(2_500)), first_id=12)
    subject.offer(later)

    records = subject.offer(trades(11))

    assert [len(record.batch) for record in records] == [1000, 1000, 501]
    assert LARGEST_RECORD_TRADES == 1000
    assert [record.last_trade_id for record in records] == [1010, 2010, 2511]
    # A consumer of the first record must not believe that the second has come, too.
    require_sound(records)


def test_trades_dated_before_the_watermark_are_published_and_counted() -> None:
    subject = sequencer(watermark_ms=NOW_MS + 1000)

    records = subject.offer(make_batch((NOW_MS + 999, 1.0), (NOW_MS + 1000, 1.0), first_id=11))

    assert ids_of(records) == [11, 12]
    assert subject.late_count == 1
    assert subject.watermark_ms == NOW_MS + 1000


def test_an_exchange_that_counts_anew_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="trade 6 happened after trade 10"):
        sequencer().offer(trades(6, 7, timestamp_ms=NOW_MS + MINUTE_MS + 1))


def test_a_known_trade_may_be_dated_a_little_after_the_last_one() -> None:
    assert sequencer().offer(trades(9, timestamp_ms=NOW_MS + 1)) == []


def test_the_end_of_a_stream_is_where_its_range_ends() -> None:
    end = sequencer().end(NOW_MS + MINUTE_MS)

    assert end.end_of_stream
    assert (end.last_trade_id, end.watermark_ms) == (10, NOW_MS + MINUTE_MS)
    assert len(end.batch) == 0


def test_a_sequencer_goes_on_after_any_record_it_made() -> None:
    whole = trades(11, 12, 13, timestamp_ms=NOW_MS + 7)
    [first] = sequencer().offer(whole.select(slice(0, 2)))

    assert ids_of(TradeSequencer.resume(first).offer(whole)) == [13]


@st.composite
def arrivals(draw: st.DrawFn, tape: TradeBatch) -> list[TradeBatch]:
    """Draw how two sources bring a tape: cut, repeated, reordered, with losses.

    Nothing is lost by both: whatever one did not bring is among what the other brings last.
    """
    pieces = []
    for _ in range(2):
        cuts = sorted(draw(st.sets(st.integers(0, len(tape)), max_size=10)) | {0, len(tape)})
        pieces += [tape.select(slice(a, b)) for a, b in itertools.pairwise(cuts)]
    lost = draw(st.sets(st.integers(0, len(pieces) - 1), max_size=6)) if pieces else set()
    repeated = draw(st.lists(st.sampled_from(pieces), max_size=6)) if pieces else []
    brought = [piece for number, piece in enumerate(pieces) if number not in lost] + repeated
    shuffled = draw(st.permutations(brought))
    return [*shuffled, tape]


@given(data=st.data())
def test_any_arrival_of_two_sources_gives_every_trade_once_and_in_order(
    data: st.DataObject,
) -> None:
    tape = data.draw(tapes(max_size=60))
    if len(tape) == 0:
        return
    first_id = int(tape.trade_id[0])
    subject = TradeSequencer(
        tape.product_id,
        last_trade_id=first_id - 1,
        last_timestamp_ms=int(tape.timestamp_ms[0]),
        watermark_ms=0,
    )
    if first_id == 1:
        subject.skip_to(first_id)

    records = [record for batch in data.draw(arrivals(tape)) for record in subject.offer(batch)]

    require_sound(records)
    assert columns_of(trades_of(records, tape.product_id)) == columns_of(tape)
    assert (subject.gap, subject.held_count, subject.late_count) == (None, 0, 0)


@given(data=st.data())
def test_proofs_and_skips_in_between_keep_order_and_never_outrun_a_trade(
    data: st.DataObject,
) -> None:
    tape = data.draw(tapes(min_size=1, max_size=40))
    first_id = int(tape.trade_id[0])
    nobody_has = data.draw(st.sets(st.sampled_from(tape.trade_id.tolist()[:-1] or [0]), max_size=5))
    subject = TradeSequencer(
        tape.product_id,
        last_trade_id=first_id - 1,
        last_timestamp_ms=int(tape.timestamp_ms[0]),
        watermark_ms=0,
    )
    shown = tape.select(~np.isin(tape.trade_id, list(nobody_has)))
    records: list[TradesRecord] = []
    for batch in data.draw(arrivals(shown)):
        records += subject.offer(batch)
        # What REST proves: it has shown everything up to some trade, and nobody has the rest.
        seen_rows = data.draw(st.integers(0, len(tape)))
        records += subject.offer(shown.select(shown.trade_id < first_id + seen_rows))
        while (gap := subject.gap) is not None and gap.first_id in nobody_has:
            records += subject.skip_to(
                next(i for i in itertools.count(gap.first_id + 1) if i not in nobody_has)
            )
        if seen_rows < len(tape) and subject.last_trade_id >= first_id + seen_rows - 1:
            subject.prove_until(int(tape.timestamp_ms[seen_rows:].min()))
            records.append(subject.tick())

    ids = ids_of(records)
    assert ids == [int(i) for i in shown.trade_id]
    watermarks = [record.watermark_ms for record in records]
    assert watermarks == sorted(watermarks)
    assert subject.late_count == 0
