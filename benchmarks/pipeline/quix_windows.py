"""The program that throughput is compared with: one trade a record, library windows.

This is how the public courses build the same step with Quix Streams: JSON records of one trade,
`tumbling_window(60 s).reduce(...).final()`, candles to a topic. The reducer keeps a list, the
fastest of the forms measured. All settings are the library's defaults.

    python -m benchmarks.pipeline.quix_windows BROKER INPUT_TOPIC OUTPUT_TOPIC STATE_DIR WINDOWS
"""

import sys
import warnings
from datetime import timedelta
from typing import Any

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # a dependency of a dependency warns about itself
    from quixstreams import Application

_Window = list[Any]


def start_window(trade: dict[str, Any]) -> _Window:
    """Begin a candle with its first trade: open, high, low, close, volume, trade count."""
    price = trade["price"]
    return [price, price, price, price, trade["quantity"], 1]


def add_trade(window: _Window, trade: dict[str, Any]) -> _Window:
    """Add a trade to a candle."""
    price = trade["price"]
    if price > window[1]:
        window[1] = price
    elif price < window[2]:
        window[2] = price
    window[3] = price
    window[4] += trade["quantity"]
    window[5] += 1
    return window


def to_candle(result: dict[str, Any]) -> dict[str, Any]:
    """Name the parts of a closed window."""
    open_, high, low, close, volume, trade_count = result["value"]
    return {
        "start_ms": result["start"],
        "open": open_,
        "high": high,
        "low": low,
        "close": close,
        "volume": volume,
        "trade_count": trade_count,
    }


def timestamp_of(trade: Any, _headers: Any, _timestamp: float, _type: Any) -> int:
    """The time that decides about a trade's window."""
    return int(trade["timestamp_ms"])


def main() -> None:
    """Run until so many windows have closed."""
    broker_address, input_topic, output_topic, state_directory, window_count = sys.argv[1:]
    application = Application(
        broker_address=broker_address,
        consumer_group=output_topic,
        auto_offset_reset="earliest",
        state_dir=state_directory,
        loglevel="WARNING",
    )
    trades = application.topic(
        input_topic, value_deserializer="json", timestamp_extractor=timestamp_of
    )
    candles = application.topic(output_topic, value_serializer="json")
    unclosed = int(window_count)

    def stop_after_the_last(_candle: object) -> None:
        nonlocal unclosed
        unclosed -= 1
        if unclosed == 0:
            application.stop()

    stream = application.dataframe(trades)
    stream = (
        stream.tumbling_window(timedelta(seconds=60))
        .reduce(reducer=add_trade, initializer=start_window)
        .final()
    )
    stream.apply(to_candle).update(stop_after_the_last).to_topic(candles)
    application.run()


if __name__ == "__main__":
    main()
