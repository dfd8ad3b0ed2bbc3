import pytest

from kraken_simulator.connection_timetable import ConnectionTimetable
from kraken_simulator.faults import Faults

NO_FAULTS = Faults()


def test_a_heartbeat_is_due_a_second_after_the_last_word() -> None:
    timetable = ConnectionTimetable(100.0)
    timetable.sent(100.5)
    assert not timetable.heartbeat_is_due(101.4)
    assert timetable.heartbeat_is_due(101.5)
    assert timetable.seconds_until_next(101.0, NO_FAULTS, trade_in_seconds=None) == 0.5


def test_a_trade_that_is_due_sooner_comes_first() -> None:
    timetable = ConnectionTimetable(100.0)
    assert timetable.seconds_until_next(100.0, NO_FAULTS, trade_in_seconds=0.25) == 0.25
    assert timetable.seconds_until_next(100.0, NO_FAULTS, trade_in_seconds=-3.0) == 0.0


def test_silence_begins_on_time_lasts_as_told_and_comes_again() -> None:
    faults = Faults(silence_every_seconds=10.0, silence_seconds=2.0)
    timetable = ConnectionTimetable(100.0)
    assert not timetable.starts_silence(109.9, faults)
    assert timetable.starts_silence(110.0, faults)
    assert timetable.is_silent(111.9)
    assert timetable.seconds_until_next(111.0, faults, trade_in_seconds=0.0) == 1.0
    assert not timetable.is_silent(112.0)
    assert not timetable.starts_silence(121.9, faults)
    assert timetable.starts_silence(122.0, faults)


def test_a_connection_closes_when_it_has_been_open_for_long_enough() -> None:
    faults = Faults(disconnect_every_seconds=5.0)
    timetable = ConnectionTimetable(100.0)
    assert timetable.must_close(104.9, faults, is_subscribed=True) is None
    assert timetable.must_close(105.0, faults, is_subscribed=True) == "disconnect"
    timetable.sent(104.5)
    wait = timetable.seconds_until_next(104.5, faults, trade_in_seconds=None)
    assert wait == pytest.approx(0.5)


def test_a_connection_without_subscription_closes_a_minute_after_its_last_request() -> None:
    timetable = ConnectionTimetable(100.0)
    timetable.heard(130.0)
    assert timetable.must_close(189.9, NO_FAULTS, is_subscribed=False) is None
    assert timetable.must_close(190.0, NO_FAULTS, is_subscribed=False) == "idle"
    assert timetable.must_close(190.0, NO_FAULTS, is_subscribed=True) is None
