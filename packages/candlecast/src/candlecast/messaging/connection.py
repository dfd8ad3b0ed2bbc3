"""How a service reaches Kafka."""

import logging
import re
from collections.abc import Callable
from typing import Annotated, Literal, Self

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from pydantic import Field, SecretStr, model_validator

from candlecast.errors import ConfigurationError
from candlecast.runtime.settings import ServiceSettings

ClientConfig = dict[str, str | int | float | bool]
"""Configuration of a librdkafka client."""

KafkaName = Annotated[str, Field(pattern=r"^[a-zA-Z0-9._-]{1,200}$")]
"""Of a topic or a consumer group. Kafka allows 249 characters; names are made of names."""

client_log = logging.getLogger("librdkafka")
"""Given to every client as `logger`; without it librdkafka writes to standard error itself."""


class KafkaSettings(ServiceSettings):
    """Settings of a service that talks to Kafka."""

    kafka_broker_address: str = Field(
        min_length=1, description="host:port of a broker, several separated by commas"
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(
        default=None, description="PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"
    )
    kafka_sasl_username: str | None = Field(default=None, description="user for SASL")
    kafka_sasl_password: SecretStr | None = Field(default=None, description="password for SASL")
    kafka_ssl_ca_location: str | None = Field(
        default=None, description="file of the certificates to trust; the system's without it"
    )
    kafka_ssl_certificate_location: str | None = Field(
        default=None, description="file of the client's own certificate"
    )
    kafka_ssl_key_location: str | None = Field(
        default=None, description="file of the client's private key"
    )
    kafka_ssl_key_password: SecretStr | None = Field(
        default=None, description="password of that key"
    )
    kafka_topic_partitions: int = Field(
        default=6,
        ge=1,
        description="partitions of a topic that has to be created; frozen from then on",
    )
    kafka_topic_replication_factor: int = Field(
        default=-1, ge=-1, description="copies of a topic's data; -1: as the broker is configured"
    )

    @model_validator(mode="after")
    def _sasl_has_what_it_needs(self) -> Self:
        if not self.kafka_security_protocol.startswith("SASL"):
            return self
        for name in ("kafka_sasl_mechanism", "kafka_sasl_username", "kafka_sasl_password"):
            if getattr(self, name) is None:
                raise ValueError(
                    f"{name.upper()} is not set; "
                    f"KAFKA_SECURITY_PROTOCOL={self.kafka_security_protocol} needs it"
                )
        return self

    def client_config(self) -> ClientConfig:
        """Return what every librdkafka client of this service shares."""
        optional: dict[str, str | SecretStr | None] = {
            "sasl.mechanism": self.kafka_sasl_mechanism,
            "sasl.username": self.kafka_sasl_username,
            "sasl.password": self.kafka_sasl_password,
            "ssl.ca.location": self.kafka_ssl_ca_location,
            "ssl.certificate.location": self.kafka_ssl_certificate_location,
            "ssl.key.location": self.kafka_ssl_key_location,
            "ssl.key.password": self.kafka_ssl_key_password,
        }
        config: ClientConfig = {
            "bootstrap.servers": self.kafka_broker_address,
            "security.protocol": self.kafka_security_protocol.lower(),
        }
        for name, value in optional.items():
            if isinstance(value, SecretStr):
                config[name] = value.get_secret_value()
            elif value is not None:
                config[name] = value
        return config


def admin_client(
    config: ClientConfig, *, on_error: Callable[[KafkaError], None] | None = None
) -> AdminClient:
    """Build a client; nothing is sent yet.

    Hold what this returns for as long as its futures are needed: a client that is not held ends.

    Args:
        config: how to reach Kafka.
        on_error: hears of failed attempts, from inside the client's `poll`, instead of the log.

    Raises:
        ConfigurationError: the client refuses its settings, for instance a file that is not there.
    """
    listening = {} if on_error is None else {"error_cb": on_error, "log_level": 0}
    try:
        return AdminClient({**config, **listening}, logger=client_log)
    except KafkaException as error:
        reason = _SETTING.sub(_variable_of, error.args[0].str())
        raise ConfigurationError(f"Kafka's client refuses its settings: {reason}") from error


_SETTING = re.compile(r"\b(?:sasl|ssl)(?:\.[a-z]+)+")


def _variable_of(setting: re.Match[str]) -> str:
    return "KAFKA_" + setting[0].upper().replace(".", "_")
