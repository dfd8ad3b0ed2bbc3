import contextlib
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from candlecast.errors import InvalidMessageError
from candlecast.kraken.timestamps import milliseconds_from_rfc3339, nanoseconds_from_seconds_text

PLAUSIBLE_SECONDS = st.floats(min_value=1.0e9, max_value=4.0e9)


def test_seconds_are_floored_and_never_rounded_into_the_next_minute() -> None:
    assert nanoseconds_from_seconds_text(b"1762820039.9996") // 1_000_000 == 1762820039999


def test_nineteen_digits_survive() -> None:
    assert nanoseconds_from_seconds_text(b"1762820035.982277754") == 1762820035982277754


def test_digits_after_the_ninth_are_cut_off() -> None:
    assert nanoseconds_from_seconds_text(b"1.9999999999999") == 1_999_999_999


@pytest.mark.parametrize("text", [b"1762820035", b"1762820035.0"])
def test_whole_seconds_may_come_without_a_fraction(text: bytes) -> None:
    assert nanoseconds_from_seconds_text(text) == 1762820035_000_000_000


@given(PLAUSIBLE_SECONDS)
def test_seconds_equal_the_decimal_of_the_text(seconds: float) -> None:
    text = repr(seconds)

    assert nanoseconds_from_seconds_text(text.encode()) == int(Decimal(text) * 10**9)


@pytest.mark.parametrize(
    "text",
    [b"", b".5", b"-1.5", b"1e9", b"1.5e3", b'"1.5"', b"1.2.3", b"1_0", b"nan", b"9" * 30, b"1. 5"],
)
def test_other_texts_are_not_times_in_seconds(text: bytes) -> None:
    with pytest.raises(InvalidMessageError):
        nanoseconds_from_seconds_text(text)


@pytest.mark.parametrize(
    ("text", "expected_ms"),
    [
        ("2024-05-27T12:33:10.826003Z", 1716813190826),
        ("2024-05-27T12:33:59.999999Z", 1716813239999),
        ("2024-05-27T12:33:59.9999999999Z", 1716813239999),
        ("2024-05-27T12:33:10Z", 1716813190000),
        ("2024-05-27T12:33:10.8Z", 1716813190800),
        ("2024-05-27T12:33:10.826003+00:00", 1716813190826),
        ("2016-12-31T23:59:60.500Z", 1483228800500),
        ("1970-01-01T00:00:00.000000Z", 0),
    ],
)
def test_rfc3339_is_floored_to_milliseconds(text: str, expected_ms: int) -> None:
    assert milliseconds_from_rfc3339(text) == expected_ms


@given(st.datetimes())
def test_rfc3339_equals_exact_arithmetic_on_the_parts(moment: datetime) -> None:
    elapsed = moment.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)

    text = moment.isoformat(timespec="microseconds") + "Z"

    assert milliseconds_from_rfc3339(text) == elapsed // timedelta(milliseconds=1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Z",
        "2024-05-27",
        "2024-05-27T12:33:10.826003",
        "2024-05-27T12:33:10.826003+02:00",
        "2024-05-27T12:33:10.Z",
        "2024-05-27T12:33:10.8_6Z",
        "2024-05-27T12:33:61.0Z",
        "2024-13-27T12:33:10.0Z",
        "2024-05-27 12:33:10.0Z",
        "2024-05-27T12:33:1٣Z",
        "24-05-0027T12:33:10.0Z",
    ],
)
def test_other_texts_are_not_rfc3339_in_utc(text: str) -> None:
    with pytest.raises(InvalidMessageError):
        milliseconds_from_rfc3339(text)


@given(st.text(alphabet="0123456789-:T.Z+ ", max_size=40))
def test_any_text_is_a_time_or_an_invalid_message(text: str) -> None:
    with contextlib.suppress(InvalidMessageError):
        milliseconds_from_rfc3339(text)
    with contextlib.suppress(InvalidMessageError):
        nanoseconds_from_seconds_text(text.encode())
