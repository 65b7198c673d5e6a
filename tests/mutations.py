"""Renames every parameter of every wired method, one at a time, and shows that a test notices each.

Run as ``python -m tests.mutations``; exits with 1 if a renamed parameter went unnoticed. ``python -m tests.mutations
2/5`` does the second of five parts. Permissions must not hang on what a parameter is called: so each layer is held to
its port's signatures, and no name can be changed in one layer alone. Every mutant is a process of its own, in which
the mutated module takes the place of the real one; as many run at once as there are cores.
"""

from __future__ import annotations

import ast
import importlib.abc
import importlib.util
import inspect
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
RENAMED = "renamed"


class Mutant(NamedTuple):
    """A parameter that is renamed, and the module's source with its new name."""

    module: str
    method: str
    parameter: str
    source: str


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads the mutant in the place of its module."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def find_spec(self, name: str, _path: Any, _target: Any = None) -> Any:
        return importlib.util.spec_from_loader(name, self) if name == self._mutant.module else None

    def exec_module(self, module: Any) -> None:
        exec(compile(self._mutant.source, f"<{module.__name__}>", "exec"), module.__dict__)


def mutants() -> Iterator[Mutant]:
    for kind in _wired_classes():
        path = Path(inspect.getfile(kind))
        for method, function in inspect.getmembers(kind, inspect.isfunction):
            if method.startswith("_") or function.__qualname__ != f"{kind.__name__}.{method}":
                continue
            for parameter in list(inspect.signature(function).parameters)[1:]:
                source = _renamed(path.read_text(), kind.__name__, method, parameter)
                yield Mutant(kind.__module__, f"{kind.__name__}.{method}", parameter, source)


def _wired_classes() -> list[type]:
    """The classes of all layers, of both backends, and of the facades."""
    from core.domain.roles import local
    from core.runtime.facades.guard import Guard
    from tests.support.wiring import all_layers, wired

    found: dict[type, None] = {}
    with tempfile.TemporaryDirectory() as folder:
        for services in wired(Path(folder)):
            guarded = Guard(services).acting_as(local("Ada"))
            facades = [each for each in vars(guarded).values() if each is not None]
            for layer in (*all_layers(services), *facades):
                if type(layer).__module__.startswith("core.") and layer is not services.settings:
                    found |= dict.fromkeys(_with_bases(type(layer)))
            services.close()
    return [kind for kind in found if kind.__name__ not in ("Services", "Principal", "Permissions")]


def _with_bases(kind: type) -> list[type]:
    return [each for each in kind.__mro__ if each.__module__.startswith("core.")]


def _renamed(source: str, kind: str, method: str, parameter: str) -> str:
    """The source, with one parameter of one method renamed, in its signature and its body."""
    tree = ast.parse(source)
    (owner,) = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == kind]
    (function,) = [node for node in owner.body if isinstance(node, ast.FunctionDef) and node.name == method]
    for node in ast.walk(function):
        if isinstance(node, ast.arg) and node.arg == parameter:
            node.arg = RENAMED
        elif isinstance(node, ast.Name) and node.id == parameter:
            node.id = RENAMED
    return ast.unparse(tree)


def _is_noticed(mutant: Mutant) -> bool:
    sys.meta_path.insert(0, _Finder(mutant))
    try:
        from tests.support.wiring import differences, wired

        with tempfile.TemporaryDirectory() as folder:
            for services in wired(Path(folder)):
                if list(differences(services)):
                    return True
        import pytest

        return bool(pytest.main(["-q", "-x", "tests/core/test_guard.py"]))
    except TypeError:
        return True


def _started(mutant: Mutant) -> int:
    """Starts the process of the mutant and returns its number. It exits with 0 if a test notices."""
    if child := os.fork():
        return child
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(1, 2)
    noticed = False
    try:
        noticed = _is_noticed(mutant)
    finally:  # whatever happens, the child must not go on as its parent does
        os._exit(0 if noticed else 1)


def _part(named: str) -> slice:
    number, _, parts = named.partition("/")
    return slice(int(number) - 1, None, int(parts))


def main(part: str = "1/1") -> int:
    every = list(mutants())[_part(part)]
    for name in [name for name in sys.modules if name.partition(".")[0] in ("core", "tests")]:
        if name not in ("tests", __name__):
            del sys.modules[name]
    began, unnoticed = time.monotonic(), 0
    left = iter(every)
    running: dict[int, Mutant] = {}
    while True:
        for mutant in islice(left, (os.cpu_count() or 1) - len(running)):
            running[_started(mutant)] = mutant
        if not running:
            break
        child, status = os.wait()
        mutant = running.pop(child)
        if status:
            unnoticed += 1
            sys.stdout.write(f"Nothing notices {mutant.module}: {mutant.method}({mutant.parameter})\n")
            sys.stdout.flush()
    seconds = time.monotonic() - began
    sys.stdout.write(f"{len(every)} renamed parameters, {len(every) - unnoticed} noticed, in {seconds:.0f} s\n")
    return bool(unnoticed)


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main(*sys.argv[1:]))
