"""Shows a report as tables and keeps it as JSON."""

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from benchmarks.figures import Figure, Report, Section, Statistic
from benchmarks.machine import Machine

RESULTS_DIRECTORY = Path(__file__).parent / "results"
_SAMPLES_OF_A_DISTRIBUTION = 100
_TABLE_WIDTH = 125
_SIGNIFICANT_DIGITS = 6


def wide_enough_console() -> Console:
    """A console whose tables are never squeezed: a narrow terminal wraps their lines."""
    return Console(width=max(Console().width, _TABLE_WIDTH), log_path=False)


def show(console: Console, report: Report) -> None:
    """Print one table a section."""
    for section in report.sections:
        console.print()
        console.print(_table(section))
        for remark in section.remarks:
            console.print(f"  {remark}", style="dim", highlight=False)


def _table(section: Section) -> Table:
    table = Table(title=section.title, title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    table.add_column("figure")
    for heading in ("median", "lowest", "highest", "p99", "values", "target", "met"):
        table.add_column(heading, justify="right", no_wrap=True)
    for figure in section.figures:
        table.add_row(*_cells(figure))
    return table


def _cells(figure: Figure) -> list[str]:
    is_distribution = len(figure.values) >= _SAMPLES_OF_A_DISTRIBUTION
    met = {None: "", True: "[green]yes", False: "[red]no"}[figure.is_target_met]
    return [
        f"{figure.name} ({figure.unit})",
        quantity(figure.statistic(Statistic.MEDIAN)),
        quantity(min(figure.values)),
        quantity(max(figure.values)),
        quantity(figure.statistic(Statistic.P99)) if is_distribution else "",
        str(len(figure.values)),
        _target_in_words(figure),
        met,
    ]


def _target_in_words(figure: Figure) -> str:
    target = figure.target
    if target is None:
        return ""
    return f"{target.statistic} {'≥' if target.is_minimum else '≤'} {quantity(target.limit)}"


def quantity(value: float) -> str:
    """A number in three digits or so."""
    for size, divisor, suffix in ((1e6, 1e6, " M"), (1e4, 1e3, " k")):
        if abs(value) >= size:
            return f"{value / divisor:.3g}{suffix}"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:.{digits}f}"


def write(
    report: Report,
    *,
    machine: Machine,
    load: dict[str, object],
    started_at: str,
    duration_seconds: float,
    is_quick: bool,
) -> Path:
    """Write the result file; one of a quick run never replaces one of a real run."""
    directory = RESULTS_DIRECTORY / "quick" if is_quick else RESULTS_DIRECTORY
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{report.benchmark}.json"
    content = {
        "benchmark": report.benchmark,
        "is_quick": is_quick,
        "started_at": started_at,
        "duration_seconds": round(duration_seconds),
        "machine": asdict(machine),
        "load": load,
        "sections": [_section_fields(section) for section in report.sections],
    }
    path.write_text(_readable_json(content), "utf-8")
    return path


def _section_fields(section: Section) -> dict[str, Any]:
    return {
        "title": section.title,
        "remarks": section.remarks,
        "figures": [_figure_fields(figure) for figure in section.figures],
    }


def _figure_fields(figure: Figure) -> dict[str, Any]:
    target = figure.target
    return {
        "name": figure.name,
        "unit": figure.unit,
        **{each.value: _rounded(figure.statistic(each)) for each in Statistic},
        "lowest": _rounded(min(figure.values)),
        "target": None if target is None else asdict(target),
        "is_target_met": figure.is_target_met,
        "value_count": len(figure.values),
        "values": [_rounded(value) for value in figure.values],
    }


def _rounded(value: float) -> float:
    return float(f"{value:.{_SIGNIFICANT_DIGITS}g}")


def _readable_json(content: dict[str, Any]) -> str:
    """Indented, but a list of numbers on one line."""
    text = json.dumps(content, indent=2, ensure_ascii=False)
    return re.sub(r"\[[-+\d.,e\s]+\]", lambda found: _on_one_line(found[0]), text) + "\n"


def _on_one_line(numbers: str) -> str:
    return " ".join(numbers.split()).replace("[ ", "[").replace(" ]", "]")
