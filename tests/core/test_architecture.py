"""The layers of the code, and what each may import."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: A room of core -> the rooms that it may import besides itself.
ROOMS = {
    "domain": set(),
    "flow": {"domain"},
    "files": {"domain"},
    "ports": {"domain", "flow"},
    "settings": {"domain"},
    "photos": {"domain", "flow", "files"},
    "services": {"domain", "flow", "files", "ports", "settings", "photos"},
    "adapters": {"domain", "flow", "files", "ports", "settings", "photos"},
    "runtime": {"domain", "flow", "files", "ports", "settings", "photos", "services", "adapters"},
    "cli": {"domain", "flow", "files", "ports", "settings", "photos", "services", "runtime"},
    "__main__": {"cli"},
}
#: Modules of the runtime that name adapters: each puts the parts of one thing together.
COMPOSITION_ROOTS = {"backends", "backup", "installation", "maintenance"}
BACKENDS = {"embedded": {"boto3", "botocore", "pymongo"}, "aws": {"apsw", "cv2"}}
#: What brings a library of the user interface or of a service into a module.
ABOVE_CORE = {"streamlit", "starlette", "uvicorn", "dashboard", "pages", "plotly"}
BELOW_PAGES = {"boto3", "botocore", "pymongo", "apsw", "cv2"}
#: The most lines of a module, and of a page's script, which only composes.
MODULE_LINES, PAGE_LINES = 400, 120


def modules(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def imports(path: Path) -> Iterator[str]:
    """The modules that ``path`` imports, wherever in it; ``from core import ports`` is ``core.ports``."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            for alias in node.names:
                named = f"{node.module}.{alias.name}"
                yield named if _is_module(named) else str(node.module)


def _is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").exists() or path.is_dir()


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if parts[0] == "core" and len(parts) > 1 else None


@pytest.mark.parametrize("path", modules("core"), ids=module_of)
def test_a_room_imports_only_what_lies_below_it(path: Path) -> None:
    room = room_of(module_of(path))
    if room is None:
        return
    others = {other for name in imports(path) if (other := room_of(name)) not in (None, room)}
    assert others <= ROOMS[room]


@pytest.mark.parametrize("path", modules("core"), ids=module_of)
def test_core_knows_no_user_interface(path: Path) -> None:
    assert not ABOVE_CORE & {name.split(".")[0] for name in imports(path)}


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_backends_never_meet(backend: str) -> None:
    (other,) = BACKENDS.keys() - {backend}
    for path in modules(f"core/adapters/{backend}"):
        found = set(imports(path))
        assert not {name for name in found if name.startswith(f"core.adapters.{other}")}, path
        assert not BACKENDS[backend] & {name.split(".")[0] for name in found}, path


@pytest.mark.parametrize("path", modules("core/runtime"), ids=module_of)
def test_only_composition_roots_name_adapters(path: Path) -> None:
    if path.stem not in COMPOSITION_ROOTS:
        assert not [name for name in imports(path) if name.startswith("core.adapters")]


@pytest.mark.parametrize("path", modules("dashboard", "pages"), ids=module_of)
def test_pages_and_dashboard_know_no_adapter(path: Path) -> None:
    found = set(imports(path))
    assert not [name for name in found if name.startswith("core.adapters")]
    assert not BELOW_PAGES & {name.split(".")[0] for name in found}


@pytest.mark.parametrize("path", modules("core/adapters/shared"), ids=module_of)
def test_what_the_backends_share_needs_neither(path: Path) -> None:
    found = set(imports(path))
    assert not [name for name in found if name.startswith(("core.adapters.aws", "core.adapters.embedded"))]
    assert not set().union(*BACKENDS.values()) & {name.split(".")[0] for name in found}


@pytest.mark.parametrize("path", modules("core"), ids=module_of)
def test_a_module_is_short_enough_to_be_read(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MODULE_LINES


def test_no_modules_import_each_other_in_a_circle() -> None:
    edges = {module_of(path): {*_at_import(path)} for path in modules("core", "dashboard", "pages")}
    ended: set[str] = set()

    def walk(module: str, under_way: tuple[str, ...]) -> None:
        assert module not in under_way, " -> ".join((*under_way[under_way.index(module) :], module))
        if module not in ended:
            for other in sorted(edges.get(module, ())):
                walk(other, (*under_way, module))
            ended.add(module)

    for module in sorted(edges):
        walk(module, ())


def _at_import(path: Path) -> Iterator[str]:
    """What is imported when the module is; not what only the type checker reads."""
    tree = ast.parse(path.read_text())
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                named = f"{node.module}.{alias.name}"
                yield named if _is_module(named) else str(node.module)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize("path", modules("dashboard", "pages"), ids=module_of)
def test_pages_only_compose_and_modules_stay_small(path: Path) -> None:
    most = PAGE_LINES if path.parent == ROOT / "pages" else MODULE_LINES
    assert len(path.read_text().splitlines()) <= most


def test_importing_core_loads_neither_streamlit_nor_starlette() -> None:
    program = (
        "import core.runtime.bootstrap, core.cli.main, sys;"
        " sys.exit('streamlit' in sys.modules or 'starlette' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize("path", modules("core", "dashboard", "pages"), ids=module_of)
def test_csv_is_written_by_the_one_module_that_neutralises_formulas(path: Path) -> None:
    writers = re.compile(r"csv\.(writer|DictWriter)|to_csv|write_csv|to_clipboard")
    assert not writers.search(path.read_text())
