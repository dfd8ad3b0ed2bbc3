import threading

from kraken_simulator.testing import running_simulator


def test_a_simulator_in_the_test_s_own_process_leaves_no_thread_behind() -> None:
    before = set(threading.enumerate())
    with running_simulator(products=("QNT/USD",)) as simulator:
        assert simulator.websocket_url.startswith("ws://127.0.0.1:")
        end_ms = simulator.server_ms // 60_000 * 60_000
        assert len(simulator.truth("QNT/USD", end_ms - 60_000, end_ms)) == 1
    assert set(threading.enumerate()) == before


def test_two_simulators_with_the_same_seed_and_anchors_have_the_same_truth() -> None:
    truths = []
    for _ in range(2):
        with running_simulator(seed=9, clock_anchor_server_ms=1_700_000_000_000) as simulator:
            truths.append(simulator.truth("SOL/USD", 1_699_999_200_000, 1_699_999_980_000))
    assert truths[0] == truths[1]
    assert len(truths[0]) == 13
