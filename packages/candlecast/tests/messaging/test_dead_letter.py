import os

import pytest

from candlecast.errors import ConfigurationError, TransientError
from candlecast.messaging.dead_letter import DeadLetterQuota, DeadLetterWriter
from candlecast.messaging.headers import DEAD_LETTER_REASON, header
from candlecast.testing.topics import make_topic, read_all


def count(quota: DeadLetterQuota, outcomes: str) -> None:
    """Count a good record for each dot, a rejected one for each x."""
    for outcome in outcomes:
        quota.count(rejected=outcome == "x", reason="no JSON")


class TestDeadLetterQuota:
    def test_bears_the_allowed_share(self) -> None:
        count(DeadLetterQuota(largest_share=0.25, at_least=4), "...x" * 1_000)

    def test_stops_the_service_beyond_it_and_says_why(self) -> None:
        quota = DeadLetterQuota(largest_share=0.25, at_least=4)
        count(quota, "..x")

        with pytest.raises(
            ConfigurationError,
            match=r"^2 of the latest 4 records .* DEAD_LETTER_SHARE=0\.25; .* reason: no JSON$",
        ):
            count(quota, "x")

    def test_does_not_judge_by_the_first_few(self) -> None:
        quota = DeadLetterQuota(largest_share=0.05)
        count(quota, "x" * 19)

        with pytest.raises(ConfigurationError, match="20 of the latest 20"):
            count(quota, "x")

    def test_forgets_what_is_long_past(self) -> None:
        quota = DeadLetterQuota(largest_share=0.1, of_latest=100, at_least=20)
        count(quota, "." * 100 + "x" * 10 + "." * 100)
        count(quota, "x" * 10)

        with pytest.raises(ConfigurationError, match="11 of the latest 100"):
            count(quota, "x")

    def test_a_good_record_never_stops_the_service(self) -> None:
        quota = DeadLetterQuota(largest_share=0.5, at_least=4)
        count(quota, "xxx.")
        with pytest.raises(ConfigurationError):
            count(quota, "x")
        count(quota, ".")

    @pytest.mark.parametrize(("share", "stops"), [(0.0, True), (1.0, False)])
    def test_may_bear_none_or_all(self, share: float, stops: bool) -> None:
        quota = DeadLetterQuota(largest_share=share, at_least=4)
        count(quota, "...")
        if stops:
            with pytest.raises(ConfigurationError):
                count(quota, "x")
        else:
            count(quota, "x" * 100)


@pytest.fixture
def dead_letters(broker_address: str, topic_name: str) -> DeadLetterWriter:
    make_topic(broker_address, f"{topic_name}_dead_letter")
    return DeadLetterWriter({"bootstrap.servers": broker_address}, input_topic=topic_name)


@pytest.mark.broker
@pytest.mark.parametrize(
    ("key", "value"), [(b"BTC/USD", b"{"), (None, b"{"), (b"BTC/USD", None), (b"", b"")]
)
def test_a_record_is_put_aside_as_it_is_with_the_reason_in_a_header(
    dead_letters: DeadLetterWriter, broker_address: str, key: bytes | None, value: bytes | None
) -> None:
    dead_letters.write(value, key=key, reason="side is 'ü'")

    [message] = read_all(broker_address, dead_letters.topic)
    assert (message.key(), message.value()) == (key, value)
    assert header(message.headers(), DEAD_LETTER_REASON) == "side is 'ü'"


@pytest.mark.broker
@pytest.mark.parametrize("size", [999_990, 1_048_400, 5_000_000])
def test_of_a_record_that_is_too_large_the_beginning_is_put_aside(
    dead_letters: DeadLetterWriter, broker_address: str, size: int
) -> None:
    value = os.urandom(size)
    dead_letters.write(value, key=b"BTC/USD", reason="not JSON")

    [message] = read_all(broker_address, dead_letters.topic)
    assert message.key() == b"BTC/USD"
    assert message.value() == value[:100_000]
    reason = header(message.headers(), DEAD_LETTER_REASON)
    assert reason == f"the first 100000 of {size} bytes; not JSON"


@pytest.mark.broker
def test_a_reason_of_any_length_fits(dead_letters: DeadLetterWriter, broker_address: str) -> None:
    dead_letters.write(b"{", key=None, reason="x" * 2_000_000)

    [message] = read_all(broker_address, dead_letters.topic)
    assert header(message.headers(), DEAD_LETTER_REASON) == "x" * 2_000


@pytest.mark.broker
def test_what_the_broker_does_not_take_is_a_transient_error(
    broker_address: str, topic_name: str
) -> None:
    """Nobody has made the topic."""
    writer = DeadLetterWriter(
        {"bootstrap.servers": broker_address, "topic.metadata.propagation.max.ms": 100},
        input_topic=topic_name,
    )

    with pytest.raises(TransientError, match=f"dead letters on {topic_name}_dead_letter: "):
        writer.write(b"{", key=None, reason="not JSON")
