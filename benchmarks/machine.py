"""What a result was measured on, and how busy the machine was meanwhile."""

import os
import platform
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Self

import confluent_kafka

from candlecast.embedded_broker.distribution import KAFKA_VERSION

_PACKAGES = ("numpy", "orjson", "msgspec", "quixstreams", "confluent-kafka", "websockets", "httpx")
_STEAL_FIELD = 8
_BYTES_PER_GIGABYTE = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The machine and the software on it."""

    cores: int
    cpu_model: str
    memory_gigabytes: float
    operating_system: str
    python: str
    versions: Mapping[str, str]
    commit: str


def describe_machine() -> Machine:
    """Look at this machine."""
    return Machine(
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else _all_cores(),
        cpu_model=_cpu_model(),
        memory_gigabytes=round(_memory_bytes() / _BYTES_PER_GIGABYTE, 1),
        operating_system=platform.platform(),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        versions={
            **{name: metadata.version(name) for name in _PACKAGES},
            "librdkafka": confluent_kafka.libversion()[0],
            "Apache Kafka": KAFKA_VERSION,
        },
        commit=_commit(),
    )


def _all_cores() -> int:
    return os.cpu_count() or 1


def _memory_bytes() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _cpu_model() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _commit() -> str:
    git = shutil.which("git")
    if git is None:
        return "unknown"
    answer = subprocess.run(
        [git, "describe", "--always", "--dirty"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return answer.stdout.strip() or "unknown"


@dataclass(frozen=True, slots=True)
class CpuTimes:
    """Ticks of all cores since the machine started; stolen ones went to other machines."""

    total: int
    idle: int
    stolen: int

    @classmethod
    def now(cls) -> Self | None:
        """Read them, where the system tells them (Linux)."""
        statistics = Path("/proc/stat")
        if not statistics.exists():
            return None
        fields = statistics.read_text("ascii").split("\n", 1)[0].split()
        ticks = [int(value) for value in fields[1 : _STEAL_FIELD + 1]]
        return cls(total=sum(ticks), idle=ticks[3] + ticks[4], stolen=ticks[-1])


class Load:
    """How busy the machine was before and during a benchmark."""

    def __init__(self) -> None:
        self._before = os.getloadavg()
        self._start = CpuTimes.now()

    def describe(self) -> dict[str, object]:
        """Say it, in words for the result file."""
        description: dict[str, object] = {
            "load_average_before": [round(value, 2) for value in self._before],
            "load_average_after": [round(value, 2) for value in os.getloadavg()],
        }
        end = CpuTimes.now()
        if self._start is not None and end is not None and end.total > self._start.total:
            total = end.total - self._start.total
            description["busy_share"] = round(1 - (end.idle - self._start.idle) / total, 3)
            description["stolen_share"] = round((end.stolen - self._start.stolen) / total, 4)
        return description
