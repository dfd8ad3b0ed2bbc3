"""Reads a service's /metrics and /health/ready, as a monitor would."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import httpx
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

_TIMEOUT_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class MetricsPage:
    """One look at a service's metrics; empty if nobody answered."""

    samples: Sequence[Sample] = ()

    def values(self, name: str, label: str | None = None) -> Mapping[str, float]:
        """Return a metric's values by one of its labels ("" without one)."""
        values: dict[str, float] = {}
        for sample in self.samples:
            if sample.name == name:
                key = "" if label is None else sample.labels[label]
                values[key] = values.get(key, 0.0) + sample.value
        return values


def read_metrics(port: int) -> MetricsPage:
    """Ask a service of this machine for its metrics."""
    try:
        page = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=_TIMEOUT_SECONDS).text
    except httpx.HTTPError:
        return MetricsPage()
    families = text_string_to_metric_families(page)
    return MetricsPage([sample for family in families for sample in family.samples])


def is_ready(port: int) -> bool:
    """Whether the service says that it does its work."""
    try:
        answer = httpx.get(f"http://127.0.0.1:{port}/health/ready", timeout=_TIMEOUT_SECONDS)
    except httpx.HTTPError:
        return False
    return answer.status_code == httpx.codes.OK
