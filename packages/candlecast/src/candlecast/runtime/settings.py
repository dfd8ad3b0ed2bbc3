"""Settings of a service, from environment variables and `.env`, checked once at the start."""

import json
import os
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import AliasChoices, BeforeValidator, Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError

from candlecast.errors import ConfigurationError

MarketDataSource = Literal["kraken", "simulator"]
"""Where trades come from. Everything stored or sent carries it, so that the two can never mix."""

LogLevel = Literal["TRACE", "DEBUG", "INFO", "WARNING", "ERROR"]


def _split_list(value: object) -> object:
    """Read a JSON list, or words separated by commas; a name given twice counts once."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    names = _json_list(text) if text.startswith("[") else [word.strip() for word in text.split(",")]
    names = [name for name in names if name != ""]
    if not names:
        raise ValueError("names nothing")
    return list(dict.fromkeys(names))


def _json_list(text: str) -> list[str]:
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"is not a JSON list ({error})") from error
    for value in values:
        if not isinstance(value, str):
            raise ValueError(f"holds {value!r}, which is not a text in quotes")  # noqa: TRY004
    return [value.strip() for value in values]


NameList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_list)]
"""A JSON list (`["BTC/USD", "ETH/USD"]`) or comma-separated words (`BTC/USD, ETH/USD`)."""


def _level_in_capitals(value: object) -> object:
    """`info` is understood; a word that is no level is complained of as it was written."""
    is_level = isinstance(value, str) and value.upper() in get_args(LogLevel)
    return str(value).upper() if is_level else value


class ServiceSettings(BaseSettings):
    """What every service can be told.

    Secrets may be given as files: point SECRETS_DIR at a folder whose files are named like the
    variables (`kafka_sasl_password`).
    """

    model_config = SettingsConfigDict(
        frozen=True,
        env_file=".env",
        extra="ignore",
        populate_by_name=True,
        env_ignore_empty=True,
        # A traceback prints the cause of an error too, and the cause would show a secret.
        hide_input_in_errors=True,
    )

    log_level: Annotated[LogLevel, BeforeValidator(_level_in_capitals)] = Field(
        default="INFO", description="TRACE, DEBUG, INFO, WARNING or ERROR"
    )
    metrics_port: int = Field(
        default=9090,
        ge=0,
        le=65535,
        description="port of /metrics and /health, 0 to 65535 (0: any free port)",
    )
    monitoring_host: str = Field(
        default="0.0.0.0",  # noqa: S104 - probes and scrapers come from outside the container
        description="address to serve /metrics and /health on",
    )


SettingsT = TypeVar("SettingsT", bound=BaseSettings)


def load_settings(settings_class: type[SettingsT], **overrides: Any) -> SettingsT:
    """Read the settings of a service.

    Raises:
        ConfigurationError: one line that names each wrong variable, its value (never a secret's)
            and what is allowed.
    """
    secrets_directory = os.environ.get("SECRETS_DIR")
    if secrets_directory:
        if not Path(secrets_directory).is_dir():
            raise ConfigurationError(f"SECRETS_DIR={secrets_directory!r}: is not a folder")
        overrides["_secrets_dir"] = secrets_directory
    try:
        return settings_class(**overrides)
    except ValidationError as error:
        complaints = [_complaint(settings_class, details) for details in error.errors()]
        raise ConfigurationError("; ".join(complaints)) from error
    except SettingsError as error:
        raise ConfigurationError(_one_line(f"{error}: {error.__cause__}")) from error


def _complaint(settings_class: type[BaseSettings], details: ErrorDetails) -> str:
    reason = _one_line(details["msg"].removeprefix("Value error, "))
    if not details["loc"]:
        return reason
    location = str(details["loc"][0])
    field = _field_at(settings_class, location)
    variable = location.upper()
    allowed = f"; allowed: {field.description}" if field and field.description else ""
    if details["type"] == "missing":
        return f"{variable} is not set{allowed}"
    value = "(secret)" if field and _is_secret(field) else repr(details["input"])
    return f"{variable}={value}: {reason}{allowed}"


def _field_at(settings_class: type[BaseSettings], location: str) -> FieldInfo | None:
    """The field that a variable sets, whichever of its names was used."""
    for name, field in settings_class.model_fields.items():
        if location.lower() in {name.lower(), *(alias.lower() for alias in _aliases(field))}:
            return field
    return None


def _aliases(field: FieldInfo) -> list[str]:
    alias = field.validation_alias
    choices = alias.choices if isinstance(alias, AliasChoices) else [alias]
    return [choice for choice in choices if isinstance(choice, str)]


def _is_secret(field: FieldInfo) -> bool:
    return SecretStr in (field.annotation, *get_args(field.annotation))


def _one_line(text: str) -> str:
    return " ".join(text.split())
