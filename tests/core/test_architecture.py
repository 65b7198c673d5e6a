"""Dependencies point downwards only."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ADAPTERS = ("core.stores", "core.registrations", "core.photos", "core.faces")
#: They lie beside adapters and are none.
NO_ADAPTERS = ("core.photos.sanitise", "core.stores.table")
#: The modules that put parts together: the services, and what the commands that look after the table need.
COMPOSITION_ROOTS = ("bootstrap.py", "maintenance.py")


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def modules(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


@pytest.mark.parametrize("path", modules("core"), ids=str)
def test_core_imports_nothing_above_it(path: Path) -> None:
    above = {"streamlit", "starlette", "dashboard", "pages", "plotly"}
    assert not above & {name.split(".")[0] for name in imports(path)}


@pytest.mark.parametrize("path", modules("dashboard", "pages"), ids=str)
def test_pages_and_dashboard_know_no_adapter(path: Path) -> None:
    below = ("boto3", "botocore", "pymongo", "apsw", "cv2", *ADAPTERS)
    assert not [name for name in imports(path) if name.startswith(below)]


@pytest.mark.parametrize(
    "path",
    [path for path in modules("core") if path.parent == ROOT / "core" and path.name not in COMPOSITION_ROOTS],
    ids=str,
)
def test_only_composition_roots_name_adapters(path: Path) -> None:
    assert not [name for name in imports(path) if name.startswith(ADAPTERS) and name not in NO_ADAPTERS]


def test_importing_core_loads_neither_streamlit_nor_starlette() -> None:
    program = (
        "import core.bootstrap, core.cli, sys; sys.exit('streamlit' in sys.modules or 'starlette' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize("path", modules("core", "dashboard", "pages"), ids=str)
def test_csv_is_written_by_the_one_module_that_neutralises_formulas(path: Path) -> None:
    writers = re.compile(r"csv\.(writer|DictWriter)|to_csv|write_csv|to_clipboard")
    assert not writers.search(path.read_text())
