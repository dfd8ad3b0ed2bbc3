"""A real Apache Kafka on a packaged Java runtime, for laptops without Docker and for tests.

One node (broker and controller in one process), bound to loopback, without authentication: it is
for development and tests and refuses to be anything else.
"""

from candlecast.embedded_broker.broker import EmbeddedBroker
from candlecast.embedded_broker.detached import (
    BrokerInfo,
    broker_status,
    start_detached,
    stop_detached,
)

__all__ = ["BrokerInfo", "EmbeddedBroker", "broker_status", "start_detached", "stop_detached"]
