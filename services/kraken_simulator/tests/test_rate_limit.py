from kraken_simulator.rate_limit import RateLimiter


def test_one_call_a_second_always_passes() -> None:
    limiter = RateLimiter(calls_per_second=1.0, burst=1)
    assert all(limiter.admits("caller", float(second)) for second in range(100))


def test_a_rested_caller_may_make_a_small_burst() -> None:
    limiter = RateLimiter(calls_per_second=1.0, burst=3)
    assert [limiter.admits("caller", 10.0) for _ in range(4)] == [True, True, True, False]


def test_who_keeps_calling_stays_refused_and_who_waits_comes_back() -> None:
    limiter = RateLimiter(calls_per_second=1.0, burst=3)
    hammering = [limiter.admits("caller", 10.0 + step / 10) for step in range(50)]
    assert hammering[:3] == [True] * 3
    assert not any(hammering[3:])
    # The debt is bounded: some seconds of patience pay it off.
    assert not limiter.admits("caller", 16.0)
    assert limiter.admits("caller", 22.0)


def test_callers_and_pairs_do_not_share_a_bucket() -> None:
    limiter = RateLimiter(calls_per_second=1.0, burst=1)
    assert limiter.admits(("a", "Trades", "BTC/USD"), 0.0)
    assert limiter.admits(("a", "Trades", "ETH/USD"), 0.0)
    assert limiter.admits(("b", "Trades", "BTC/USD"), 0.0)
    assert not limiter.admits(("a", "Trades", "BTC/USD"), 0.0)


def test_zero_means_unlimited() -> None:
    limiter = RateLimiter(calls_per_second=0.0, burst=1)
    assert all(limiter.admits("caller", 0.0) for _ in range(1_000))
