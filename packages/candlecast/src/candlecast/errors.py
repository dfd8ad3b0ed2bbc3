"""Errors, named by what the caller should do.

CandlecastError
├── ConfigurationError    stop now: a person has to change a setting (exit code 78)
├── TransientError        back off and try again: the world may recover
├── InvalidMessageError   put the input aside (dead letter), count it, go on
└── InvariantError        crash: our own reasoning is wrong, going on would corrupt data
"""


class CandlecastError(Exception):
    """The root of every error this project raises on purpose."""


class ConfigurationError(CandlecastError):
    """A setting, a name or an installation is wrong; trying again cannot help."""


class TransientError(CandlecastError):
    """Something outside is away or busy; the same call may go through later.

    Attributes:
        retry_after_seconds: how long the other side asked to be left alone, if it said so.
    """

    def __init__(self, message: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class InvalidMessageError(CandlecastError):
    """One input cannot be understood; it is put aside and the next one is read."""


class InvariantError(CandlecastError):
    """Something that cannot happen has happened."""
