from kafka_to_feature_store.commits import OffsetCommits


def test_offsets_are_asked_for_once_and_then_settled() -> None:
    commits = OffsetCommits()
    assert commits.is_settled
    commits.add({0: 5, 1: 7})
    assert not commits.is_settled
    assert commits.next_request(0.0) == {0: 5, 1: 7}
    assert not commits.is_settled
    assert commits.note_success() == {0: 5, 1: 7}
    assert commits.is_settled
    assert commits.next_request(0.0) == {}


def test_only_one_request_is_under_way() -> None:
    commits = OffsetCommits()
    commits.add({0: 5})
    commits.next_request(0.0)
    commits.add({0: 6, 1: 1})
    assert commits.next_request(100.0) == {}
    commits.note_success()
    assert commits.next_request(100.0) == {0: 6, 1: 1}


def test_what_failed_is_asked_again_a_little_later_and_never_over_something_newer() -> None:
    commits = OffsetCommits()
    commits.add({0: 5, 1: 7})
    commits.next_request(0.0)
    commits.add({0: 6})
    commits.note_failure()
    assert commits.next_request(0.0) == {}
    assert commits.next_request(10.0) == {0: 6, 1: 7}


def test_pauses_grow_while_it_fails_and_shrink_when_it_goes_through() -> None:
    commits = OffsetCommits()
    commits.add({0: 5})
    for _ in range(20):
        commits.next_request(1e6)
        commits.note_failure()
        commits._earliest_seconds -= 1e6
    assert 2.0 < commits._earliest_seconds <= 5.0
    commits.next_request(1e6)
    commits.note_success()
    commits.add({0: 6})
    assert commits.next_request(0.0) == {0: 6}


def test_a_partition_of_somebody_else_is_not_committed_even_after_a_failure() -> None:
    commits = OffsetCommits()
    commits.add({0: 5, 1: 7})
    commits.next_request(0.0)
    commits.add({1: 8})
    commits.forget({1})
    commits.note_failure()
    assert commits.next_request(10.0) == {0: 5}
    commits.forget({0})
    assert commits.note_success() == {}
    assert commits.is_settled
