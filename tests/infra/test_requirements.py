"""Every package that is installed has one version and the hashes of its files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = sorted(ROOT.glob("requirements*.txt"))
#: What is installed for each list of direct requirements.
DIRECT = {path: path.with_suffix(".txt") for path in sorted(ROOT.glob("requirements*.in"))}
_HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}(?= |$)")


def entries(path: Path) -> list[str]:
    """The file's requirements with their options, one line each."""
    written = re.sub(r"(?m)^\s*#.*\n", "", path.read_text()).replace("\\\n", "")
    return [line for line in written.splitlines() if line.strip()]


def requirements(path: Path) -> list[Requirement]:
    """The file's requirements without their hashes, and without those of the files that it includes."""
    return [Requirement(line.split(" --hash")[0]) for line in entries(path) if not line.startswith("-r ")]


def pinned(path: Path) -> dict[str, str]:
    return {canonicalize_name(each.name): str(each.specifier) for each in requirements(path)}


def test_each_list_of_direct_requirements_has_its_lock() -> None:
    assert sorted(DIRECT.values()) == LOCKS
    assert LOCKS


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_each_requirement_has_one_version_and_a_hash(path: Path) -> None:
    for entry, requirement in zip(entries(path), requirements(path), strict=True):
        (specifier,) = requirement.specifier
        assert (specifier.operator, "*" in specifier.version) == ("==", False), entry
        assert _HASH.search(entry), entry


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_no_lock_names_where_packages_come_from(path: Path) -> None:
    assert not re.search(r"://|index-url|find-links|trusted-host", path.read_text())


@pytest.mark.parametrize(("direct", "lock"), DIRECT.items(), ids=lambda path: path.name)
def test_direct_requirements_are_locked_at_their_version(direct: Path, lock: Path) -> None:
    wanted = pinned(direct)
    assert all(version.startswith("==") for version in wanted.values())
    assert wanted.items() <= pinned(lock).items()


def test_tests_run_with_the_versions_that_the_server_runs_with() -> None:
    assert pinned(ROOT / "requirements.txt").items() <= pinned(ROOT / "requirements-dev.txt").items()
