import pytest

from candlecast.errors import TransientError
from candlecast.messaging.connection import ClientConfig
from candlecast.messaging.tail import read_last_records
from candlecast.testing.topics import make_topic, publish

pytestmark = pytest.mark.broker


def last_values(address: str, topic: str, *keys: bytes) -> dict[bytes, bytes]:
    config: ClientConfig = {"bootstrap.servers": address}
    return {key: message.value() for key, message in read_last_records(config, topic, keys).items()}


def numbered(key: bytes, count: int) -> list[tuple[bytes, bytes]]:
    return [(key, b"%d" % number) for number in range(count)]


def test_the_last_record_of_each_key_is_found_over_several_partitions(
    broker_address: str, topic_name: str
) -> None:
    make_topic(broker_address, topic_name, partitions=3)
    keys = [b"key %d" % number for number in range(20)]
    for value in (b"first", b"second", b"last"):
        publish(broker_address, topic_name, [(key, value) for key in keys])

    assert last_values(broker_address, topic_name, *keys) == dict.fromkeys(keys, b"last")


def test_keys_that_were_never_written_are_left_out(broker_address: str, topic_name: str) -> None:
    make_topic(broker_address, topic_name, partitions=2)
    publish(broker_address, topic_name, [(b"a", b"1"), (None, b"2"), (b"c", b"3")])

    assert last_values(broker_address, topic_name, b"a", b"b") == {b"a": b"1"}
    assert last_values(broker_address, topic_name) == {}


def test_a_key_that_fell_silent_is_found_however_deep(broker_address: str, topic_name: str) -> None:
    """Deeper than the first step of 500 records and than the second of 4,000."""
    make_topic(broker_address, topic_name)
    publish(broker_address, topic_name, [(b"deepest", b"old"), (b"deepest", b"last")])
    publish(broker_address, topic_name, numbered(b"deep", 3_000))
    publish(broker_address, topic_name, numbered(b"busy", 2_000))

    assert last_values(broker_address, topic_name, b"busy", b"deep", b"deepest", b"none") == {
        b"busy": b"1999",
        b"deep": b"2999",
        b"deepest": b"last",
    }


@pytest.mark.parametrize("size", [499, 500, 501, 4_500, 4_501])
def test_no_record_falls_between_two_steps(broker_address: str, topic_name: str, size: int) -> None:
    make_topic(broker_address, topic_name)
    publish(broker_address, topic_name, [(b"first", b"found"), *numbered(b"other", size - 1)])

    assert last_values(broker_address, topic_name, b"first") == {b"first": b"found"}


def test_a_topic_without_records_has_no_last_one(broker_address: str, topic_name: str) -> None:
    make_topic(broker_address, topic_name, partitions=4)

    assert last_values(broker_address, topic_name, b"a") == {}


def test_a_record_without_a_value_is_a_record(broker_address: str, topic_name: str) -> None:
    make_topic(broker_address, topic_name)
    publish(broker_address, topic_name, [(b"a", b"1"), (b"a", None)])

    message = read_last_records({"bootstrap.servers": broker_address}, topic_name, [b"a"])[b"a"]
    assert message.value() is None


def test_a_topic_that_is_not_there_is_no_empty_topic(broker_address: str, topic_name: str) -> None:
    """A producer that took it for one would start its stream anew."""
    with pytest.raises(TransientError, match=f"reading the end of topic {topic_name}"):
        last_values(broker_address, topic_name, b"a")
