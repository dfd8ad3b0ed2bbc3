"""Holds a service's README against its settings and metrics: what it can be told and what it tells.

A row of a table begins with the name in backticks; a setting's row has its default in it, in
backticks too.
"""

from pathlib import Path

from prometheus_client import CollectorRegistry
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings


def readme_gaps(
    readme: Path, *, settings: type[BaseSettings], registry: CollectorRegistry
) -> list[str]:
    """Return what the README does not say, or says wrongly; nothing when it keeps the contract.

    Args:
        readme: the service's page.
        settings: its settings, those it shares with others too.
        registry: a registry in which its metrics are.
    """
    rows = _rows_by_name(readme.read_text(encoding="utf-8"))
    metrics = _metric_names(registry)
    gaps = [f"metric {name} is not described" for name in metrics if name not in rows]
    for name, field in settings.model_fields.items():
        row = rows.get(name.upper())
        if row is None:
            gaps.append(f"setting {name.upper()} is not described")
        elif (default := _default_of(field)) is not None and f"`{default}`" not in row:
            gaps.append(f"setting {name.upper()} has the default {default}, which is not said")
    prefixes = {"_".join(name.split("_")[:2]) for name in metrics}
    gaps += [
        f"metric {name} does not exist"
        for name in rows
        if name.startswith(tuple(prefixes)) and name not in metrics
    ]
    return gaps


def _rows_by_name(text: str) -> dict[str, str]:
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    return {row.split("`")[1]: row.split("`", 2)[2] for row in rows}


def _metric_names(registry: CollectorRegistry) -> list[str]:
    return [
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in registry.collect()
    ]


def _default_of(field: FieldInfo) -> str | None:
    """The default as a person would write it; None where there is nothing to write."""
    default = None if field.is_required() else field.get_default(call_default_factory=True)
    if default is None or default == ():
        return None
    return f"{default:g}" if isinstance(default, float) else str(default)
