"""Packs a Lambda: ``python infra/lambda/package.py FOLDER_OF_PACKAGES ZIP``; ``make lambda`` fills the folder.

The same code and packages give the same bytes, so that Terraform sees whether anything has changed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

ROOT = Path(__file__).parents[2]


def contents(packages: Path) -> Iterator[tuple[str, Path]]:
    """The place in the package, and the path, of each file: the handler, ``core`` and what they import."""
    yield "handler.py", ROOT / "infra/lambda/handler.py"
    for path in (ROOT / "core").rglob("*.py"):
        yield str(path.relative_to(ROOT)), path
    for path in packages.rglob("*"):
        if path.is_file() and path.suffix != ".pyc" and path.relative_to(packages).parts[0] != "bin":
            yield str(path.relative_to(packages)), path


def pack(packages: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    with ZipFile(to, "w", ZIP_DEFLATED) as package:
        for place, path in sorted(contents(packages)):
            # A time and permissions that do not depend on when and where this is done.
            entry = ZipInfo(place)
            entry.external_attr = 0o644 << 16
            entry.compress_type = ZIP_DEFLATED
            package.writestr(entry, path.read_bytes())


if __name__ == "__main__":
    pack(Path(sys.argv[1]), Path(sys.argv[2]))
