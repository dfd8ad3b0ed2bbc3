import pytest
from pydantic import SecretStr

from candlecast.errors import ConfigurationError
from candlecast.messaging.connection import KafkaSettings, admin_client
from candlecast.runtime.settings import load_settings

ADDRESS = {"KAFKA_BROKER_ADDRESS": "broker:9092"}
SASL = {
    **ADDRESS,
    "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
    "KAFKA_SASL_USERNAME": "alice",
    "KAFKA_SASL_PASSWORD": "wonderland",
    "KAFKA_SSL_CA_LOCATION": "/certificates/ca.pem",
    "KAFKA_SSL_CERTIFICATE_LOCATION": "/certificates/own.pem",
    "KAFKA_SSL_KEY_LOCATION": "/certificates/own.key",
    "KAFKA_SSL_KEY_PASSWORD": "looking-glass",
}


def settings_of(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> KafkaSettings:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return load_settings(KafkaSettings)


def complaint(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> str:
    with pytest.raises(ConfigurationError) as refused:
        settings_of(monkeypatch, variables)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_an_address_is_all_that_must_be_given(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings_of(monkeypatch, ADDRESS).client_config() == {
        "bootstrap.servers": "broker:9092",
        "security.protocol": "plaintext",
    }


def test_tls_and_sasl_are_handed_to_the_client_under_its_own_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert settings_of(monkeypatch, SASL).client_config() == {
        "bootstrap.servers": "broker:9092",
        "security.protocol": "sasl_ssl",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "alice",
        "sasl.password": "wonderland",
        "ssl.ca.location": "/certificates/ca.pem",
        "ssl.certificate.location": "/certificates/own.pem",
        "ssl.key.location": "/certificates/own.key",
        "ssl.key.password": "looking-glass",
    }


def test_secrets_are_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of(monkeypatch, SASL)

    assert isinstance(settings.kafka_sasl_password, SecretStr)
    for shown in (repr(settings), str(settings), settings.model_dump_json()):
        assert "alice" in shown
        assert "wonderland" not in shown
        assert "looking-glass" not in shown


def test_a_secret_is_not_shown_when_another_setting_is_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = complaint(monkeypatch, {**SASL, "KAFKA_TOPIC_PARTITIONS": "0"})

    assert said.startswith("KAFKA_TOPIC_PARTITIONS='0'")
    assert "wonderland" not in said


@pytest.mark.parametrize(
    "name", ["KAFKA_SASL_MECHANISM", "KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD"]
)
def test_sasl_without_all_it_needs_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    variables = {key: SASL[key] for key in SASL if key != name}

    assert complaint(monkeypatch, variables) == (
        f"{name} is not set; KAFKA_SECURITY_PROTOCOL=SASL_SSL needs it"
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KAFKA_SECURITY_PROTOCOL", "TLS"),
        ("KAFKA_SASL_MECHANISM", "GSSAPI"),
        ("KAFKA_TOPIC_PARTITIONS", "0"),
        ("KAFKA_TOPIC_PARTITIONS", "many"),
        ("KAFKA_TOPIC_REPLICATION_FACTOR", "-2"),
    ],
)
def test_a_wrong_value_is_named_with_its_variable_and_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    said = complaint(monkeypatch, {**ADDRESS, name: value})

    assert said.startswith(f"{name}='{value}': ")
    assert "allowed: " in said


def test_an_address_that_is_not_given_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert complaint(monkeypatch, {}) == (
        "KAFKA_BROKER_ADDRESS is not set; allowed: host:port of a broker, several separated by "
        "commas"
    )


def test_a_file_that_is_not_there_is_named_by_its_variable() -> None:
    with pytest.raises(ConfigurationError, match=r"its settings: .*KAFKA_SSL_CA_LOCATION failed"):
        admin_client(
            {
                "bootstrap.servers": "broker:9092",
                "security.protocol": "ssl",
                "ssl.ca.location": "/nowhere/ca.pem",
            }
        )
