"""Shows a report as tables and keeps it as JSON."""

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.figures import Figure, Report, Section, Statistic
from benchmarks.machine import Machine

RESULTS_DIRECTORY = Path(__file__).parent / "results"
_SAMPLES_OF_A_DISTRIBUTION = 100
_SIGNIFICANT_DIGITS = 6


def show(console: Console, report: Report) -> None:
    """Print one table a section."""
    for section in report.sections:
        console.print()
        console.print(_table(section))
        for remark in section.remarks:
            console.print(f"  {remark}", style="dim", highlight=False)


def _table(section: Section) -> Table:
    table = Table(title=section.title, title_justify="left", title_style="bold")
    table.add_column("figure", overflow="fold")
    for heading in ("median", "lowest", "highest", "p99", "values", "target", "met"):
        table.add_column(heading, justify="right", no_wrap=True)
    for figure in section.figures:
        table.add_row(*_cells(figure))
    return table


def _cells(figure: Figure) -> list[str]:
    is_distribution = len(figure.values) >= _SAMPLES_OF_A_DISTRIBUTION
    met = {None: "", True: "[green]yes", False: "[red]no"}[figure.is_target_met]
    return [
        figure.name,
        quantity(figure.statistic(Statistic.MEDIAN), figure.unit),
        quantity(min(figure.values), figure.unit),
        quantity(max(figure.values), figure.unit),
        quantity(figure.statistic(Statistic.P99), figure.unit) if is_distribution else "",
        str(len(figure.values)),
        target_in_words(figure),
        met,
    ]


def target_in_words(figure: Figure) -> str:
    """The target as a phrase; empty without one."""
    target = figure.target
    if target is None:
        return ""
    sign = "≥" if target.is_minimum else "≤"
    return f"{target.statistic} {sign} {quantity(target.limit, figure.unit)}"


def quantity(value: float, unit: str) -> str:
    """A number with its unit, in three digits or so."""
    for size, suffix in ((1e6, " M"), (1e4, " k")):
        if abs(value) >= size:
            return f"{value / (1e6 if suffix == ' M' else 1e3):.3g}{suffix} {unit}"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:.{digits}f} {unit}"


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
