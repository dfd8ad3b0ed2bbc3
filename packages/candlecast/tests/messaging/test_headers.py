import pytest

from candlecast.errors import InvalidMessageError
from candlecast.messaging.headers import (
    MARKET_DATA_SOURCE,
    Headers,
    header,
    require_market_data_source,
)


@pytest.mark.parametrize(
    ("headers", "text"),
    [
        (None, None),
        ([], None),
        ([("other", b"x")], None),
        ([("name", None)], None),
        ([("name", b"value")], "value"),
        ([("name", "value")], "value"),
        ([("name", None), ("name", b"value")], "value"),
        ([("name", b"first"), ("name", b"second")], "first"),
        ([("name", b"\xff")], "\ufffd"),
    ],
)
def test_a_headers_text_is_found_by_its_name(headers: Headers, text: str | None) -> None:
    assert header(headers, "name") == text


@pytest.mark.parametrize("headers", [None, [], [(MARKET_DATA_SOURCE, b"kraken")]])
def test_records_of_the_right_source_and_of_none_are_accepted(headers: Headers) -> None:
    require_market_data_source(headers, "kraken")


@pytest.mark.parametrize("source", [b"simulator", b"", b"\xff"])
def test_records_of_another_source_are_refused(source: bytes) -> None:
    with pytest.raises(InvalidMessageError, match=r"comes from .*, MARKET_DATA_SOURCE is kraken"):
        require_market_data_source([(MARKET_DATA_SOURCE, source)], "kraken")
