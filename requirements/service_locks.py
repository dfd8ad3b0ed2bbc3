"""Derives each service's lock from the workspace's lock, and checks that none has drifted.

A service's lock is the part of `workspace.lock` that it reaches: its own requirements, those of the
extras of `candlecast` that it asks for, and what these need in turn, which uv notes in the lock as
`# via`. So this needs no network, and two services can never run different versions of one package.

    python requirements/service_locks.py            write them
    python requirements/service_locks.py --check    say what differs; exit 1 then
"""

import argparse
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

WORKSPACE = Path(__file__).resolve().parent.parent
LIBRARY = "candlecast"
_HEADER = "# Derived from workspace.lock by requirements/service_locks.py; see README.md here.\n"
_EXTRA = re.compile(r"extra == ['\"]([^'\"]+)")
_PINNED = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;\\]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """One pinned package: the lines of the lock, and the packages that need it."""

    name: str
    version: str
    lines: tuple[str, ...]
    needed_by: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A member of the workspace, as its pyproject.toml says."""

    name: str
    requirements: tuple[Requirement, ...]
    extras: Mapping[str, tuple[Requirement, ...]]

    def all_requirements(self) -> Iterator[Requirement]:
        """Its requirements with those of all its extras."""
        yield from self.requirements
        for requirements in self.extras.values():
            yield from requirements


def parse_lock(text: str) -> list[Pin]:
    """Read the pins of a lock that `uv pip compile` wrote."""
    blocks: list[list[str]] = []
    for line in text.splitlines():
        if _PINNED.match(line):
            blocks.append([])
        if blocks:
            blocks[-1].append(line)
    return [_pin(block) for block in blocks]


def _pin(block: list[str]) -> Pin:
    match = _PINNED.match(block[0])
    assert match is not None  # noqa: S101 - a block begins with such a line
    comments = [
        line.strip().removeprefix("#").strip() for line in block if line.startswith("    #")
    ]
    parents = [comment.removeprefix("via").strip().split(" ")[0] for comment in comments]
    return Pin(
        name=canonicalize_name(match["name"]),
        version=match["version"],
        lines=tuple(line for line in block if not line.startswith("    #")),
        needed_by=frozenset(canonicalize_name(parent) for parent in parents if parent),
    )


def read_member(directory: Path) -> Member:
    """Read what a member says of itself."""
    project: dict[str, Any] = tomllib.loads((directory / "pyproject.toml").read_text())["project"]
    return Member(
        name=canonicalize_name(project["name"]),
        requirements=tuple(map(Requirement, project.get("dependencies", []))),
        extras={
            extra: tuple(map(Requirement, requirements))
            for extra, requirements in project.get("optional-dependencies", {}).items()
        },
    )


Wanted = dict[str, set[str]]
"""Packages by name, with the extras that are wanted of them."""


def wanted_by(member: Member, library: Member) -> Wanted:
    """The packages that a member names, those of the library's extras it asks for included."""
    wanted: Wanted = {}
    for requirement in member.requirements:
        if canonicalize_name(requirement.name) != library.name:
            _want(wanted, requirement)
            continue
        asked = [*library.requirements]
        for extra in requirement.extras:
            asked += library.extras[extra]
        for needed in asked:
            _want(wanted, needed)
    return wanted


def _want(wanted: Wanted, requirement: Requirement) -> bool:
    """Add a requirement; whether that said anything new."""
    name = canonicalize_name(requirement.name)
    is_new = name not in wanted or not requirement.extras <= wanted[name]
    wanted.setdefault(name, set()).update(requirement.extras)
    return is_new


def reached_from(wanted: Wanted, pins: list[Pin]) -> set[str]:
    """Those packages and everything that they need, directly or not."""
    reached = {name: set(extras) for name, extras in wanted.items()}
    is_growing = True
    while is_growing:
        is_growing = False
        for pin in pins:
            for parent in pin.needed_by & reached.keys():
                for requirement in _requirements_on(pin.name, of=parent, extras=reached[parent]):
                    is_growing |= _want(reached, requirement)
    return set(reached)


def _requirements_on(name: str, *, of: str, extras: set[str]) -> Iterator[Requirement]:
    """What a package, with those extras, requires of another one.

    The lock does not say for which extra something is needed; the installed package does. Where it
    is silent (not installed on this system, or in another version) the lock is believed.
    """
    said = [
        requirement
        for requirement in _requirements_of_installed(of)
        if canonicalize_name(requirement.name) == name
    ]
    if not said:
        yield Requirement(name)
    for requirement in said:
        only_for = set(_EXTRA.findall(str(requirement.marker or "")))
        if not only_for or only_for & extras:
            yield requirement


@cache
def _requirements_of_installed(name: str) -> tuple[Requirement, ...]:
    try:
        return tuple(map(Requirement, metadata.requires(name) or ()))
    except metadata.PackageNotFoundError:
        return ()


def derive(member: Member, library: Member, pins: list[Pin]) -> str:
    """The text of a member's lock."""
    reached = reached_from(wanted_by(member, library), pins)
    return _HEADER + "".join("\n".join(pin.lines) + "\n" for pin in pins if pin.name in reached)


def unsatisfied(member: Member, pins: list[Pin], *, own: set[str]) -> Iterator[str]:
    """Requirements of a member that the workspace's lock does not satisfy."""
    for requirement in member.all_requirements():
        name = canonicalize_name(requirement.name)
        versions = [pin.version for pin in pins if pin.name == name]
        if name in own:
            continue
        if not versions:
            yield f"{member.name} needs {requirement}, which workspace.lock does not have"
        yield from (
            f"{member.name} needs {requirement}, but workspace.lock has {version}"
            for version in versions
            if not requirement.specifier.contains(version, prereleases=True)
        )


def lock_directories() -> dict[str, Path]:
    """The members that get a lock of their own, by the lock's file name."""
    directories = [*sorted((WORKSPACE / "services").glob("*/pyproject.toml"))]
    directories.append(WORKSPACE / "tools" / "pyproject.toml")
    return {f"{file.parent.name}.lock": file.parent for file in directories}


def _development_tools() -> Member:
    groups = tomllib.loads((WORKSPACE / "pyproject.toml").read_text())["dependency-groups"]
    return Member(
        name="the development tools",
        requirements=tuple(map(Requirement, groups["dev"])),
        extras={},
    )


def main(arguments: list[str] | None = None) -> int:
    """Write or check; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--check", action="store_true", help="change nothing, say what differs")
    check = parser.parse_args(arguments).check
    pins = parse_lock((WORKSPACE / "requirements" / "workspace.lock").read_text())
    library = read_member(WORKSPACE / "packages" / LIBRARY)
    members = {name: read_member(directory) for name, directory in lock_directories().items()}
    complaints = [
        complaint
        for member in (library, *members.values(), _development_tools())
        for complaint in unsatisfied(member, pins, own={LIBRARY})
    ]
    for file_name, member in members.items():
        file = WORKSPACE / "requirements" / file_name
        text = derive(member, library, pins)
        if not check:
            file.write_text(text)
        elif not file.is_file() or file.read_text() != text:
            complaints.append(f"requirements/{file_name} is not what workspace.lock gives")
    for complaint in complaints:
        sys.stderr.write(f"{complaint}; run `make lock`\n")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
