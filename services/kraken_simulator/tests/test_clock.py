from hypothesis import given
from hypothesis import strategies as st

from kraken_simulator.clock import ServerClock, ServerTimeLine

moments_ns = st.integers(10**18, 3 * 10**18)


def make_line(speed: float = 60.0) -> ServerTimeLine:
    return ServerTimeLine(anchor_wall_ns=2 * 10**18, anchor_server_ns=10**18, speed=speed)


def test_server_time_runs_at_its_speed_from_its_anchor() -> None:
    line = make_line(speed=60.0)
    assert line.server_ns(2 * 10**18) == 10**18
    assert line.server_ns(2 * 10**18 + 10**9) == 10**18 + 60 * 10**9
    assert line.wall_seconds(60 * 10**9) == 1.0


@given(first_ns=moments_ns, second_ns=moments_ns, speed=st.floats(0.01, 1_000.0))
def test_later_on_the_wall_is_never_earlier_on_the_server(
    first_ns: int, second_ns: int, speed: float
) -> None:
    earlier, later = sorted((first_ns, second_ns))
    line = make_line(speed)
    assert line.server_ns(earlier) <= line.server_ns(later)


def test_the_clock_never_goes_backwards_and_starts_at_the_wall_s_time_by_default() -> None:
    clock = ServerClock(speed=1_000.0, anchor_wall_ms=None, anchor_server_ms=None)
    readings = [clock.now_ns() for _ in range(1_000)]
    assert readings == sorted(readings)
    assert readings[0] >= clock.line.anchor_wall_ns == clock.line.anchor_server_ns


def test_two_clocks_with_the_same_anchors_agree_however_much_later_one_starts() -> None:
    anchors = {"anchor_wall_ms": 1_700_000_000_000, "anchor_server_ms": 1_600_000_000_000}
    first = ServerClock(speed=60.0, **anchors)
    before_ns = first.now_ns()
    restarted = ServerClock(speed=60.0, **anchors)
    assert restarted.line == first.line
    # Both read the wall within this test: a second of it is a minute of server time.
    assert before_ns <= restarted.now_ns() + 10**6 * 60
    assert restarted.now_ns() - before_ns < 600 * 10**9


def test_an_anchor_of_the_server_alone_is_where_time_starts() -> None:
    clock = ServerClock(speed=1.0, anchor_wall_ms=None, anchor_server_ms=1_600_000_000_000)
    assert 0 <= clock.now_ns() - 1_600_000_000_000 * 10**6 < 10**10
