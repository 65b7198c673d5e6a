"""Fixtures of contract suites: the same bench over every store of its kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

T = TypeVar("T")


def bench_fixtures(make: Callable[[pytest.FixtureRequest, Path], Iterator[T]]) -> tuple[Any, Any]:
    """The fixtures ``bench`` and ``race_bench`` of a module, of which ``make`` yields the bench of ``request.param``.

    Races are run without moto, which loses updates of threads and is no other process's.
    """

    @pytest.fixture(params=["sqlite", "moto_dynamodb", "dynamodb"])
    def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[T]:
        yield from make(request, tmp_path)

    @pytest.fixture(params=["sqlite", "dynamodb"])
    def race_bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[T]:
        yield from make(request, tmp_path)

    return bench, race_bench
