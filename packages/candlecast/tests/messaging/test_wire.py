import msgspec
import pytest

from candlecast.errors import InvalidMessageError
from candlecast.messaging.wire import explain, parse_object, quote


class Example(msgspec.Struct):
    name: str
    rows: list[int] = []


def explanation(value: bytes) -> str:
    with pytest.raises(msgspec.ValidationError) as refused:
        msgspec.json.decode(value, type=Example)
    return explain(refused.value, parse_object(value))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (b'{"name": 5}', "name is 5: Expected `str`, got `int`"),
        (b'{"name": "x", "rows": [1, "2"]}', "rows[1] is '2': Expected `int`, got `str`"),
        (b"{}", "name is not given"),
        (b'{"name": "x", "rows": ["2"], "rows": []}', "rows[0] is ?: Expected `int`, got `str`"),
    ],
)
def test_a_complaint_names_the_field_and_the_value_it_has(value: bytes, said: str) -> None:
    assert explanation(value) == said


@pytest.mark.parametrize("value", [b"", b"{", b"\xff", b"[" * 10_000])
def test_what_is_not_json_is_refused(value: bytes) -> None:
    with pytest.raises(InvalidMessageError, match=r"^not JSON: "):
        parse_object(value)


@pytest.mark.parametrize("value", [b"[]", b"1", b"null", b'"x"'])
def test_what_is_not_an_object_is_refused(value: bytes) -> None:
    with pytest.raises(InvalidMessageError, match=r"is not a JSON object$"):
        parse_object(value)


def test_long_values_are_cut() -> None:
    assert quote("x" * 1_000) == "'" + "x" * 79 + "..."
    assert quote(5) == "5"
