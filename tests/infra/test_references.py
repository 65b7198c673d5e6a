"""Every name that Terraform's files use is declared, and every one that is declared is used."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.infra.terraform import FOLDERS, INFRA, declared, parsed

#: Arguments of a module block that are no inputs of the module.
_NO_INPUTS = {"source", "providers", "count", "for_each", "depends_on"}
#: Blocks that name what was there before.
_MOVED = re.compile(r"(?ms)^moved \{$.*?^\}$")


@cache
def text(folder: Path) -> str:
    """The folder's files without comments."""
    whole = "\n".join(path.read_text() for path in sorted(folder.glob("*.tf")))
    return _MOVED.sub("", re.sub(r"(?m)^\s*#.*$", "", whole))


def used(pattern: str, folder: Path) -> set[Any]:
    return set(re.findall(pattern, text(folder)))


def blocks(kind: str, folder: Path) -> set[tuple[str, str]]:
    """(type, name) of each resource or data source."""
    found = [block for path in folder.glob("*.tf") for block in parsed(path).get(kind, ())]
    return {(type_, name) for block in found for type_, named in block.items() for name in named}


def of_each(*, only_modules: bool = False) -> Any:
    folders = [folder for folder in FOLDERS if not only_modules or declared("module", folder=folder)]
    names = [str(folder.relative_to(INFRA.parent)) for folder in folders]
    return pytest.mark.parametrize("folder", folders, ids=names)


def modules(folder: Path) -> Mapping[str, Path]:
    """The folder of each module that is used, by its name there."""
    return {name: (folder / body["source"]).resolve() for name, body in declared("module", folder=folder).items()}


@of_each()
def test_the_variables_that_are_used_are_those_that_are_declared(folder: Path) -> None:
    assert used(r"\bvar\.(\w+)", folder) == set(declared("variable", folder=folder))


@of_each()
def test_the_locals_that_are_used_are_those_that_are_declared(folder: Path) -> None:
    values = [block for path in folder.glob("*.tf") for block in parsed(path).get("locals", ())]
    assert used(r"\blocal\.(\w+)", folder) == {name for block in values for name in block}


@of_each()
def test_every_resource_that_is_named_exists(folder: Path) -> None:
    assert used(r"(?<!data\.)\b(aws_\w+)\.(\w+)", folder) <= blocks("resource", folder)


@of_each()
def test_the_data_sources_that_are_named_are_those_that_exist(folder: Path) -> None:
    assert used(r"\bdata\.(aws_\w+)\.(\w+)", folder) == blocks("data", folder)


@of_each(only_modules=True)
def test_a_module_is_given_what_it_wants_and_nothing_else(folder: Path) -> None:
    for name, source in modules(folder).items():
        given = declared("module", folder=folder)[name].keys() - _NO_INPUTS
        wanted = declared("variable", folder=source)
        required = {variable for variable, body in wanted.items() if "default" not in body}
        assert required <= given <= wanted.keys(), name


@of_each(only_modules=True)
def test_every_output_of_a_module_that_is_used_exists(folder: Path) -> None:
    outputs = {
        (name, output) for name, source in modules(folder).items() for output in declared("output", folder=source)
    }
    assert used(r"\bmodule\.(\w+)\.(\w+)", folder) <= outputs


def test_every_module_is_used_by_an_example() -> None:
    examples = [folder for folder in FOLDERS if "examples" in folder.parts]
    assert {source for folder in examples for source in modules(folder).values()} == {
        folder for folder in FOLDERS if "modules" in folder.parts
    }
