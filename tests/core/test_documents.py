"""The documents: what they link to and name exists, and the version stands in one place."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

import core

ROOT = Path(__file__).parents[2]
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
#: A file or folder of the project, as text names it.
PATHS = re.compile(r"`((?:core|dashboard|pages|tests|docs|infra|benchmarks)/[\w./-]*)(?:::[\w:]+)?`")


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"(?m)^#+ (.*)$", page.read_text())
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match("[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        linked = (page.parent / name).resolve() if name else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target


@pytest.mark.parametrize(
    "page", [page for page in DOCUMENTS if page.name != "CHANGELOG.md"], ids=lambda page: str(page.relative_to(ROOT))
)
def test_every_file_that_is_named_exists(page: Path) -> None:
    assert [name for name in PATHS.findall(page.read_text()) if not (ROOT / name).exists()] == []


def test_the_readme_is_short_enough_to_be_read() -> None:
    assert len((ROOT / "README.md").read_bytes()) < 7_000


def test_twenty_questions_have_an_answer() -> None:
    _, _, table = (ROOT / "docs" / "architecture.md").read_text().partition("| where is ... | file |\n|---|---|\n")
    assert len(re.findall(r"(?m)^\| .+ \| `.+` \|$", table)) == 20


def test_the_version_stands_in_one_place() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["dynamic"] == ["version"]
    assert f"## {core.__version__} " in (ROOT / "CHANGELOG.md").read_text()
