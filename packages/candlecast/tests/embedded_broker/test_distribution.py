import subprocess
import sys
from pathlib import Path

import pytest

from candlecast.embedded_broker.distribution import (
    KAFKA_VERSION,
    expected_checksums,
    kafka_class_path,
    keep_expected_jars,
    say_nothing,
)
from candlecast.errors import ConfigurationError, TransientError


def refuse_progress(line: str) -> None:
    raise AssertionError(f"nothing should take long here: {line}")


def test_the_list_of_jars_holds_kafka_itself() -> None:
    checksums = expected_checksums()
    assert f"kafka_2.13-{KAFKA_VERSION}.jar" in checksums
    assert all(len(checksum) == 64 for checksum in checksums.values())


def test_a_jar_with_other_contents_is_refused(tmp_path: Path) -> None:
    jar = tmp_path / f"kafka_2.13-{KAFKA_VERSION}.jar"
    jar.write_bytes(b"not Kafka")
    with pytest.raises(ConfigurationError, match="not the one that Apache Kafka"):
        keep_expected_jars([jar], tmp_path / "checked")


def test_a_jar_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"came without .*kafka-clients"):
        keep_expected_jars([], tmp_path / "checked")


def test_an_unexpected_jar_does_not_get_on_the_class_path(tmp_path: Path) -> None:
    stranger = tmp_path / "stranger.jar"
    stranger.write_bytes(b"")
    with pytest.raises(ConfigurationError):
        keep_expected_jars([stranger], tmp_path / "checked")
    assert not (tmp_path / "checked" / "stranger.jar").exists()


def test_a_full_cache_is_used_without_a_word_and_without_a_network(tmp_path: Path) -> None:
    jars = tmp_path / f"kafka-{KAFKA_VERSION}"
    jars.mkdir()
    for name in expected_checksums():
        (jars / name).write_bytes(b"")
    assert kafka_class_path(tmp_path, refuse_progress) == f"{jars}/*"


def test_without_network_and_without_jars_one_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("M2_REPO", str(tmp_path / "empty"))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody listens on "discard"
    said: list[str] = []
    with pytest.raises(TransientError, match="needs a network") as raised:
        kafka_class_path(tmp_path / "cache", said.append)
    assert "\n" not in str(raised.value)
    assert len(said) == 1
    assert "only once" in said[0]


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="cannot keep Kafka's jars"):
        kafka_class_path(tmp_path / "file" / "cache", say_nothing)


def test_importing_the_package_warns_of_nothing_and_loads_no_resolver() -> None:
    program = (
        "import sys, candlecast.embedded_broker; assert 'jgo' not in sys.modules, 'jgo is slow'"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)
