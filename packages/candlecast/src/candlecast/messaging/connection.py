"""How a service reaches Kafka."""

import logging
from typing import Literal

from pydantic import Field, SecretStr

from candlecast.runtime.settings import ServiceSettings

ClientConfig = dict[str, str | int | float | bool]
"""Configuration of a librdkafka client."""

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
    kafka_sasl_mechanism: (
        Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] | None
    ) = Field(default=None, description="PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER")
    kafka_sasl_username: str | None = None
    kafka_sasl_password: SecretStr | None = None
    kafka_ssl_ca_location: str | None = None
    kafka_ssl_certificate_location: str | None = None
    kafka_ssl_key_location: str | None = None
    kafka_ssl_key_password: SecretStr | None = None
    kafka_topic_partitions: int = Field(
        default=6,
        ge=1,
        description="partitions of a topic that has to be created; frozen from then on",
    )
    kafka_topic_replication_factor: int = Field(
        default=-1, ge=-1, description="copies of a topic's data; -1: as the broker is configured"
    )

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
