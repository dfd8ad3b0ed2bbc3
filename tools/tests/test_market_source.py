"""The simulator's clock over several runs, and the choice of the exchange."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from candlecast_tools.market_source import (
    SimulatorClock,
    choose_source,
    continue_clock,
    stop_clock,
)


@given(
    wall_ms=st.integers(0, 2**41),
    server_ms=st.integers(0, 2**41),
    speed=st.floats(0.1, 1000),
    later_ms=st.integers(0, 10**9),
)
def test_server_time_never_runs_backwards(
    wall_ms: int, server_ms: int, speed: float, later_ms: int
) -> None:
    clock = SimulatorClock(wall_ms=wall_ms, server_ms=server_ms, speed=speed)
    assert clock.server_ms_at(wall_ms + later_ms) >= server_ms


def test_a_second_run_goes_on_where_a_fast_first_one_stopped(tmp_path: Path) -> None:
    first = continue_clock(tmp_path, speed=1000.0)
    stop_clock(tmp_path)
    second = continue_clock(tmp_path, speed=1.0)
    assert second.server_ms >= first.server_ms_at(first.wall_ms)
    assert second.server_ms >= second.wall_ms
    assert second.server_ms_at(second.wall_ms) >= first.server_ms_at(second.wall_ms) - 1000 * (
        second.wall_ms - first.wall_ms
    )


def test_a_run_after_a_crash_is_not_behind_what_the_crashed_one_may_have_seen(
    tmp_path: Path,
) -> None:
    first = continue_clock(tmp_path, speed=1000.0)
    second = continue_clock(tmp_path, speed=1.0)
    assert second.server_ms >= first.server_ms_at(second.wall_ms)


def test_a_damaged_clock_file_is_a_new_clock(tmp_path: Path) -> None:
    (tmp_path / "simulator_clock.json").write_text("{", encoding="utf-8")
    clock = continue_clock(tmp_path, speed=1.0)
    assert clock.server_ms == clock.wall_ms


def test_a_source_that_is_asked_for_is_not_probed() -> None:
    assert choose_source("kraken") == "kraken"
    assert choose_source("simulator") == "simulator"
