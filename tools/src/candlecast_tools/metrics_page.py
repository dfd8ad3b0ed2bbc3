"""Reads a service's /metrics and /health/ready, as a monitor would."""

from collections.abc import Mapping

import httpx
from prometheus_client.parser import text_string_to_metric_families

_TIMEOUT_SECONDS = 2.0


def read_metric(port: int, name: str, label: str | None = None) -> Mapping[str, float]:
    """Return a metric's values by one of its labels ("" without one); empty if nobody answers."""
    try:
        page = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=_TIMEOUT_SECONDS).text
    except httpx.HTTPError:
        return {}
    values: dict[str, float] = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            if sample.name == name:
                key = "" if label is None else sample.labels[label]
                values[key] = values.get(key, 0.0) + sample.value
    return values


def is_ready(port: int) -> bool:
    """Whether the service says that it does its work."""
    try:
        answer = httpx.get(f"http://127.0.0.1:{port}/health/ready", timeout=_TIMEOUT_SECONDS)
    except httpx.HTTPError:
        return False
    return answer.status_code == httpx.codes.OK
