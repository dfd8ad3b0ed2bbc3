"""The topic is the cursor: where the products stand, read from what was published last."""

from collections.abc import Sequence

from candlecast.errors import ConfigurationError, InvalidMessageError
from candlecast.messaging.connection import ClientConfig
from candlecast.messaging.headers import MARKET_DATA_SOURCE, header
from candlecast.messaging.tail import read_last_records
from candlecast.messaging.trades_record import TradesRecord, decode_trades_record


def read_cursors(
    config: ClientConfig, topic: str, product_ids: Sequence[str], *, market_data_source: str
) -> dict[str, TradesRecord]:
    """Return the last record of each product; products without one are left out.

    Raises:
        ConfigurationError: the topic holds the trades of another source, or no such records.
        TransientError: the broker does not answer.
    """
    keys = {product_id.encode() for product_id in product_ids}
    cursors: dict[str, TradesRecord] = {}
    for message in read_last_records(config, topic, keys).values():
        source = header(message.headers(), MARKET_DATA_SOURCE)
        if source is not None and source != market_data_source:
            raise ConfigurationError(
                f"topic {topic} holds trades from {source}, MARKET_DATA_SOURCE is "
                f"{market_data_source}; use another KAFKA_TOPIC"
            )
        try:
            record = decode_trades_record(message.value())
        except InvalidMessageError as error:
            raise ConfigurationError(
                f"topic {topic} holds something else than this service's records ({error}); "
                "use another KAFKA_TOPIC"
            ) from error
        cursors[record.product_id] = record
    return cursors
