import pytest

from candlecast.testing.waiting import eventually


def test_the_answer_is_returned_as_soon_as_it_is_true() -> None:
    answers = iter([0, "", [], "yes", "never asked for"])

    assert eventually(lambda: next(answers), "an answer") == "yes"


def test_what_does_not_come_is_an_error_with_the_last_answer() -> None:
    with pytest.raises(AssertionError, match=r"^a miracle: not within 0\.05 s; .* was \[\]$"):
        eventually(list, "a miracle", seconds=0.05)
