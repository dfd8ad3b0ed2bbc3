import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AliasChoices, Field, SecretStr, TypeAdapter, model_validator

from candlecast.errors import ConfigurationError
from candlecast.runtime.settings import NameList, ServiceSettings, load_settings


class ExampleSettings(ServiceSettings):
    """Settings of every kind there is."""

    product_ids: NameList = Field(description='names like "BTC/USD"')
    window_seconds: int = Field(default=60, ge=1, description="1 or more")
    consumer_group: str = Field(
        default="example",
        min_length=3,
        validation_alias=AliasChoices("kafka_consumer_group", "consumer_group"),
    )
    nested: dict[str, int] = Field(default_factory=dict)
    api_key: SecretStr | None = Field(default=None, min_length=8)

    @model_validator(mode="after")
    def check_together(self) -> "ExampleSettings":
        if self.window_seconds == 13:
            raise ValueError("WINDOW_SECONDS=13 goes with no product")
        return self


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No `.env` but the test's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PRODUCT_IDS", "BTC/USD")


def complaint() -> str:
    with pytest.raises(ConfigurationError) as raised:
        load_settings(ExampleSettings)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_a_wrong_value_is_named_with_its_variable_and_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WINDOW_SECONDS", "sixty")
    assert complaint() == (
        "WINDOW_SECONDS='sixty': Input should be a valid integer, unable to parse string as an "
        "integer; allowed: 1 or more"
    )


def test_a_value_that_must_be_given_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PRODUCT_IDS")
    assert complaint() == 'PRODUCT_IDS is not set; allowed: names like "BTC/USD"'


def test_several_errors_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WINDOW_SECONDS", "0")
    monkeypatch.setenv("METRICS_PORT", "99999")
    monkeypatch.setenv("LOG_LEVEL", "loud")
    line = complaint()
    assert "WINDOW_SECONDS='0'" in line
    assert "METRICS_PORT='99999'" in line
    assert "LOG_LEVEL='loud'" in line


@pytest.mark.parametrize("variable", ["KAFKA_CONSUMER_GROUP", "CONSUMER_GROUP"])
def test_of_several_names_the_one_that_was_set_is_named(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "x")
    assert complaint().startswith(f"{variable}='x': ")


def test_what_two_settings_say_together_can_be_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WINDOW_SECONDS", "13")
    assert complaint() == "WINDOW_SECONDS=13 goes with no product"


def test_a_value_that_is_not_json_where_json_is_due_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NESTED", "{")
    assert "nested" in complaint()


def test_a_secret_is_never_shown_not_even_by_the_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", "hunter2")
    with pytest.raises(ConfigurationError) as raised:
        load_settings(ExampleSettings)
    assert str(raised.value).startswith("API_KEY=(secret): ")
    assert "hunter2" not in f"{raised.value} {raised.value.__cause__} {raised.value.__cause__!r}"


def test_a_good_secret_is_hidden_when_settings_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", "correct horse")
    settings = load_settings(ExampleSettings)
    assert settings.api_key is not None
    assert settings.api_key.get_secret_value() == "correct horse"
    assert "horse" not in repr(settings)


@pytest.mark.parametrize(
    "text",
    [
        '["BTC/USD", "ETH/USD"]',
        "BTC/USD,ETH/USD",
        " BTC/USD , ETH/USD, ",
        '[" BTC/USD", "ETH/USD", "BTC/USD"]',
    ],
)
def test_a_list_is_json_or_words_between_commas(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRODUCT_IDS", text)
    assert load_settings(ExampleSettings).product_ids == ("BTC/USD", "ETH/USD")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('["BTC/USD"', "is not a JSON list"),
        ('["BTC/USD", 5]', "holds 5, which is not a text in quotes"),
        ("[]", "names nothing"),
        (" , ", "names nothing"),
        ('[""]', "names nothing"),
    ],
)
def test_a_list_that_cannot_be_read_says_why(
    text: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRODUCT_IDS", text)
    line = complaint()
    assert line.startswith(f"PRODUCT_IDS={text!r}: ")
    assert reason in line


@given(st.lists(st.text(alphabet="ABC/ ", min_size=1).filter(str.strip), min_size=1))
def test_names_written_either_way_come_back_once_each_in_their_order(names: list[str]) -> None:
    stripped = tuple(dict.fromkeys(name.strip() for name in names))
    adapter = TypeAdapter(NameList)
    assert adapter.validate_python(json.dumps(names)) == stripped
    assert adapter.validate_python(",".join(names)) == stripped


def test_a_file_named_env_is_read_and_the_environment_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("WINDOW_SECONDS=5\nMETRICS_PORT=1\nOF_ANOTHER_SERVICE=x\n")
    monkeypatch.setenv("METRICS_PORT", "2")
    settings = load_settings(ExampleSettings)
    assert (settings.window_seconds, settings.metrics_port) == (5, 2)


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WINDOW_SECONDS", "")
    assert load_settings(ExampleSettings).window_seconds == 60


@pytest.mark.parametrize("name", ["api_key", "API_KEY"])
def test_a_secret_may_be_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / name).write_text("from a file\n")
    monkeypatch.setenv("SECRETS_DIR", str(secrets))
    settings = load_settings(ExampleSettings)
    assert settings.api_key is not None
    assert settings.api_key.get_secret_value() == "from a file"


def test_a_folder_of_secrets_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRETS_DIR", "/nowhere")
    assert complaint() == "SECRETS_DIR='/nowhere': is not a folder"


def test_a_level_may_be_written_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", "debug")
    assert load_settings(ExampleSettings).log_level == "DEBUG"


def test_settings_cannot_be_changed_later() -> None:
    settings = load_settings(ExampleSettings)
    with pytest.raises(ValueError, match="frozen"):
        settings.metrics_port = 1
