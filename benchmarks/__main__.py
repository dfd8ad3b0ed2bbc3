"""Entry point: `python -m benchmarks [NAME ...] [--quick]`."""

import argparse
import logging
import signal
import sys
import time
from collections.abc import Callable, Mapping

from rich.console import Console

from benchmarks import candles, results
from benchmarks.figures import Report
from benchmarks.machine import Load, describe_machine
from benchmarks.options import Options
from benchmarks.pipeline import measure as pipeline

BENCHMARKS: Mapping[str, Callable[[Options], Report]] = {
    "candles": candles.measure,
    "pipeline": pipeline.measure,
}


def main() -> int:
    """Run benchmarks; the exit code is 1 when a real run missed a target."""
    arguments = _parse_arguments()
    # So that the broker and the services are stopped then, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    logging.basicConfig(level=logging.ERROR)
    console = results.wide_enough_console()
    has_missed = False
    for name in arguments.names or BENCHMARKS:
        report = _run(name, Options(is_quick=arguments.quick, say=console.log), console)
        has_missed = has_missed or bool(report.missed)
    return int(has_missed and not arguments.quick)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"what to measure, all unless given: {', '.join(BENCHMARKS)}",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="prove that everything runs, on little data; the numbers mean nothing",
    )
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; there are: {', '.join(BENCHMARKS)}")
    return arguments


def _run(name: str, options: Options, console: Console) -> Report:
    console.rule(f"{name}{' (quick)' if options.is_quick else ''}")
    started_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    start_seconds, load = time.monotonic(), Load()
    report = BENCHMARKS[name](options)
    results.show(console, report)
    path = results.write(
        report,
        machine=describe_machine(),
        load=load.describe(),
        started_at=started_at,
        duration_seconds=time.monotonic() - start_seconds,
        is_quick=options.is_quick,
    )
    console.print(f"\nwritten to {path}")
    return report


if __name__ == "__main__":
    sys.exit(main())
