"""What an error of SQLite, Delta Lake or the file system means for the caller.

Two answers only: TransientError (try again, nothing was lost) and ConfigurationError (this
directory is not, or no longer, a store of ours).
"""

import errno
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from deltalake.exceptions import (
    CommitFailedError,
    DeltaError,
    DeltaProtocolError,
    SchemaMismatchError,
    TableNotFoundError,
)
from filelock import Timeout

from candlecast.errors import CandlecastError, ConfigurationError, TransientError

_SQLITE_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_SQLITE_REFUSALS = frozenset(
    {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH, sqlite3.SQLITE_CANTOPEN}
)
_FILE_REFUSALS = frozenset(
    {
        errno.EACCES,
        errno.EEXIST,
        errno.EISDIR,
        errno.ENAMETOOLONG,
        errno.ENOTDIR,
        errno.EPERM,
        errno.EROFS,
    }
)


@contextmanager
def file_errors(subject: str) -> Iterator[None]:
    """Translate errors of the file system and of file locks."""
    try:
        yield
    except Timeout as error:
        raise TransientError(f"{subject}: another process holds the lock too long") from error
    except OSError as error:
        if error.errno in _FILE_REFUSALS:
            raise ConfigurationError(f"{subject}: {error}") from error
        raise TransientError(f"{subject}: {error}") from error


@contextmanager
def sqlite_errors(subject: str) -> Iterator[None]:
    """Translate errors of SQLite; a full disk and a busy database pass, damage does not."""
    try:
        yield
    except sqlite3.Error as error:
        # extended codes carry the primary one in their low byte
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if code in _SQLITE_DAMAGE:
            raise ConfigurationError(f"{subject}: damaged, or no store of ours? {error}") from error
        if code in _SQLITE_REFUSALS:
            raise ConfigurationError(f"{subject}: {error}") from error
        raise TransientError(f"{subject}: {error}") from error


@contextmanager
def delta_read_errors(subject: str) -> Iterator[None]:
    """Translate errors of opening a Delta table."""
    with file_errors(subject):
        try:
            yield
        except DeltaError as error:
            raise _native_error(subject, error, otherwise=ConfigurationError) from error


@contextmanager
def arrow_stream_errors(subject: str) -> Iterator[None]:
    """Translate errors of reading a table's data; wrap nothing but the reading of the stream."""
    try:
        yield
    except Exception as error:  # arro3 raises nothing more precise
        raise _native_error(subject, error, otherwise=ConfigurationError) from error


@contextmanager
def delta_write_errors(subject: str) -> Iterator[None]:
    """Translate errors of committing to a Delta table that could be opened before."""
    with file_errors(subject):
        try:
            yield
        except (SchemaMismatchError, DeltaProtocolError, TableNotFoundError) as error:
            raise ConfigurationError(f"{subject}: {_first_line(error)}") from error
        except CommitFailedError as error:
            raise TransientError(f"{subject}: commit conflict: {_first_line(error)}") from error
        except DeltaError as error:
            raise _native_error(subject, error, otherwise=TransientError) from error


def _native_error(
    subject: str, error: Exception, *, otherwise: type[CandlecastError]
) -> CandlecastError:
    """Tell errors of native code apart by the operating system's number in their text, if any."""
    line = _first_line(error)
    found = re.search(r"\(os error (\d+)\)", line)
    number = None if found is None else int(found.group(1))
    if number is None:
        return otherwise(f"{subject}: damaged, or no store of ours? {line}")
    if number == errno.ENOENT or number in _FILE_REFUSALS:
        return ConfigurationError(f"{subject}: damaged, or no store of ours? {line}")
    return TransientError(f"{subject}: {line}")


def _first_line(error: Exception) -> str:
    """Delta errors carry a native stack trace in their text."""
    return str(error).split("\n", maxsplit=1)[0]
