"""Logs: one JSON line per event where a program reads, colour where a person looks."""

import json
import logging
import sys
import threading
from typing import TYPE_CHECKING

from loguru import logger

if TYPE_CHECKING:
    from loguru import Message, Record


def configure_logging(service: str, level: str) -> None:
    """Send this process's logs, and those of its libraries, to standard error.

    Warnings and what kills a thread become log lines too: a program that reads the lines must not
    meet one that is not JSON.
    """
    logger.remove()
    logger.configure(extra={"service": service}, patcher=None)
    # `diagnose` would write the values of variables into tracebacks, and secrets are variables.
    if sys.stderr.isatty():
        logger.add(sys.stderr, level=level, format=_terminal_line, colorize=True, diagnose=False)
    else:
        logger.add(_write_json_line, level=level, format=_exception_only, diagnose=False)
    logging.basicConfig(handlers=[_ToLoguru()], level=_level_of_libraries(level), force=True)
    logging.captureWarnings(capture=True)
    threading.excepthook = _log_end_of_thread
    # These two tell of every request at INFO; a service tells of what it asked for itself.
    for chatty in ("httpx", "httpcore"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _log_end_of_thread(ended: threading.ExceptHookArgs) -> None:
    if ended.exc_value is not None:
        name = ended.thread.name if ended.thread is not None else "?"
        logger.opt(exception=ended.exc_value).error("thread_crashed", thread=name)


def _level_of_libraries(level: str) -> int:
    return logging.DEBUG if level in ("TRACE", "DEBUG") else logging.INFO


def _terminal_line(record: "Record") -> str:
    fields = "".join(
        f" <dim>{key}=</dim>{{extra[{key}]}}" for key in record["extra"] if key != "service"
    )
    return (
        "<dim>{time:HH:mm:ss.SSS}</dim> <level>{level: <7}</level> "
        "<cyan>{extra[service]}</cyan> {message}" + fields + "\n{exception}"
    )


def _exception_only(_record: "Record") -> str:
    """The rest of the line is made from the record's fields, not from text."""
    return "{exception}"


def _write_json_line(message: "Message") -> None:
    record = message.record
    line: dict[str, object] = {
        "time": record["time"].isoformat(timespec="milliseconds"),
        "level": record["level"].name,
        "event": record["message"],
    }
    for name, value in record["extra"].items():
        line.setdefault(name, value)
    if record["exception"] is not None:
        line["exception"] = str(message).strip()
    sys.stderr.write(_json(line) + "\n")


def _json(line: dict[str, object]) -> str:
    try:
        return json.dumps(line, default=str, allow_nan=False)
    except (TypeError, ValueError):  # a NaN or a key JSON has no word for: still one line of JSON
        return json.dumps({str(name): str(value) for name, value in line.items()})


class _ToLoguru(logging.Handler):
    """Hands records of the standard library's logging to loguru."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            level: str | int = logger.level(record.levelname).name
        except ValueError:
            level = record.levelno
        logger.opt(exception=record.exc_info).bind(logger=record.name).log(
            level, "{}", record.getMessage()
        )
