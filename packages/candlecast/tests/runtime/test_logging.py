import json
import subprocess
import sys
from typing import Any

PROLOGUE = """
import logging, math, threading, warnings
from loguru import logger
from candlecast.runtime.logging import configure_logging
configure_logging("example", "INFO")
"""


def lines_of(program: str) -> list[dict[str, Any]]:
    """What a process with these statements logs, each line read as JSON."""
    result = subprocess.run(
        [sys.executable, "-c", PROLOGUE + program], capture_output=True, text=True, check=True
    )
    assert result.stdout == ""
    return [json.loads(line, parse_constant=refuse_constant) for line in result.stderr.splitlines()]


def refuse_constant(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


def test_an_event_is_one_json_line_with_its_fields() -> None:
    [line] = lines_of('logger.info("batch_published", trades=3, product_id="BTC/USD")')
    assert line.pop("time").startswith("20")
    assert line == {
        "level": "INFO",
        "event": "batch_published",
        "service": "example",
        "trades": 3,
        "product_id": "BTC/USD",
    }


def test_what_is_below_the_level_is_not_written() -> None:
    assert lines_of('logger.debug("detail"); logging.getLogger("library").debug("detail")') == []


def test_logs_of_libraries_go_the_same_way() -> None:
    [line] = lines_of('logging.getLogger("library").warning("%d%% {full}", 80)')
    assert (line["event"], line["level"], line["logger"]) == ("80% {full}", "WARNING", "library")
    assert line["service"] == "example"


def test_the_chatter_of_http_clients_is_left_out() -> None:
    assert lines_of('logging.getLogger("httpx").info("GET /")') == []


def test_warnings_go_the_same_way() -> None:
    [line] = lines_of('warnings.warn("old", UserWarning)')
    assert line["logger"] == "py.warnings"
    assert "old" in line["event"]


def test_an_exception_stays_one_line_and_shows_no_variables() -> None:
    program = """
password = "hunter2"
try:
    raise ValueError("several\\nlines")
except ValueError:
    logger.exception("crashed\\nbadly", reason="x")
"""
    [line] = lines_of(program)
    assert line["event"] == "crashed\nbadly"
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("ValueError: several\nlines")
    assert "hunter2" not in line["exception"]


def test_an_exception_of_a_library_stays_one_line() -> None:
    program = """
try:
    1 / 0
except ZeroDivisionError:
    logging.getLogger("library").exception("failed")
"""
    [line] = lines_of(program)
    assert "ZeroDivisionError" in line["exception"]


def test_what_ends_a_thread_is_logged() -> None:
    program = """
thread = threading.Thread(target=lambda: 1 / 0, name="worker")
thread.start()
thread.join()
"""
    [line] = lines_of(program)
    assert (line["event"], line["thread"]) == ("thread_crashed", "worker")
    assert "ZeroDivisionError" in line["exception"]


def test_values_that_json_has_no_word_for_are_still_one_json_line() -> None:
    lines = lines_of('logger.info("odd", ratio=math.nan); logger.info("odd", kind=ValueError)')
    assert [line["event"] for line in lines] == ["odd", "odd"]
    assert lines[0]["ratio"] == "nan"


def test_a_field_cannot_take_the_place_of_the_event() -> None:
    [line] = lines_of('logger.bind(event="false", level="false").info("true")')
    assert (line["event"], line["level"]) == ("true", "INFO")
