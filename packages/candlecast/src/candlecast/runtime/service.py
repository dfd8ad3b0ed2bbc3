"""What every service's main function sets up first."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from loguru import logger
from prometheus_client import CollectorRegistry

from candlecast.runtime.logging import configure_logging
from candlecast.runtime.monitoring import Heartbeat, MonitoringServer, Readiness
from candlecast.runtime.settings import ServiceSettings


@dataclass(frozen=True, slots=True)
class ServiceContext:
    """How a running service says how it is."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    heartbeat: Heartbeat = field(default_factory=Heartbeat)
    readiness: Readiness = field(default_factory=Readiness)


@contextmanager
def monitored_service(name: str, settings: ServiceSettings) -> Iterator[ServiceContext]:
    """Configure logs and serve metrics and health while the service runs."""
    configure_logging(name, settings.log_level)
    context = ServiceContext()
    with MonitoringServer(
        host=settings.monitoring_host,
        port=settings.metrics_port,
        registry=context.registry,
        heartbeat=context.heartbeat,
        readiness=context.readiness,
    ) as monitoring:
        logger.info("started", metrics_port=monitoring.port)
        yield context
        logger.info("stopped")
