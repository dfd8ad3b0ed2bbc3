"""Entry point of the `candlecast` command: errors become one line and an exit code."""

import signal
import sys

from rich.console import Console

from candlecast.errors import CandlecastError, ConfigurationError, TransientError
from candlecast.runtime.process import EXIT_CONFIGURATION, EXIT_INVARIANT, EXIT_TRANSIENT
from candlecast_tools.cli import app

_EXIT_INTERRUPTED = 130


def main() -> None:
    """Run the command line."""
    # Whoever ends us politely gets the same cleaning up as Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(_EXIT_INTERRUPTED)
    except CandlecastError as error:
        Console(stderr=True).print(
            f"[bold red]candlecast:[/] {error}", highlight=False, soft_wrap=True
        )
        sys.exit(_exit_code(error))


def _exit_code(error: CandlecastError) -> int:
    if isinstance(error, ConfigurationError):
        return EXIT_CONFIGURATION
    return EXIT_TRANSIENT if isinstance(error, TransientError) else EXIT_INVARIANT


if __name__ == "__main__":
    main()
