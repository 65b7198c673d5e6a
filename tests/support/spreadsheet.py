"""LibreOffice Calc, which opens files as somebody's spreadsheet would."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree
from zipfile import ZipFile

import pytest

_PATIENCE_SECONDS = 120
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"


@dataclass(frozen=True)
class Cell:
    #: None of a cell that is none.
    formula: str | None
    #: "string", "float", ...; None of an empty cell.
    kind: str | None
    text: str


@dataclass(frozen=True)
class Splitting:
    """What a person may choose when a CSV file is opened."""

    separators: str
    #: The sign that cells are quoted with; none if empty.
    quote: str = '"'
    #: Whether a cell that is quoted is text, whatever it holds.
    quoted_is_text: bool = False
    formulas_run: bool = True

    def __str__(self) -> str:
        """The options of LibreOffice's import filter: UTF-8, from line 1, spaces around cells are dropped."""
        separators, quote = (
            "/".join(str(ord(sign)) for sign in self.separators),
            "".join(map(str, map(ord, self.quote))),
        )
        as_text, run = str(self.quoted_is_text).lower(), str(self.formulas_run).lower()
        return f"CSV:{separators},{quote},76,1,,0,{as_text},true,false,false,true,-1,{run}"


class Spreadsheet:
    """Opens files with a profile and a folder of its own."""

    def __init__(self, program: str, folder: Path) -> None:
        self._program = program
        self._folder = folder

    def opened(self, files: Sequence[Path], splitting: Splitting | None = None) -> dict[str, list[Cell]]:
        """The cells of each file, by its name, as they are when it was opened; ``splitting`` is for CSV files."""
        saved = self._folder / "saved"
        shutil.rmtree(saved, ignore_errors=True)
        subprocess.run(
            [
                self._program,
                f"-env:UserInstallation={(self._folder / 'profile').as_uri()}",
                "--headless",
                *([f"--infilter={splitting}"] if splitting else []),
                "--convert-to",
                "fods",
                "--outdir",
                str(saved),
                *map(str, files),
            ],
            check=True,
            capture_output=True,
            timeout=_PATIENCE_SECONDS,
        )
        return {file.name: _cells(saved / f"{file.stem}.fods") for file in files}


def text_of(file: bytes) -> str:
    """All that is in a CSV file or a workbook, as text."""
    if not file.startswith(b"PK"):
        return file.decode()
    with ZipFile(io.BytesIO(file)) as parts:
        return "".join(parts.read(name).decode() for name in parts.namelist())


def _cells(document: Path) -> list[Cell]:
    return [
        Cell(cell.get(f"{_TABLE}formula"), cell.get(f"{_OFFICE}value-type"), "".join(cell.itertext()).strip("\n "))
        for cell in ElementTree.parse(document).iter(f"{_TABLE}table-cell")
    ]


@pytest.fixture(scope="module")
def spreadsheet(tmp_path_factory: pytest.TempPathFactory) -> Spreadsheet:
    program = shutil.which("soffice") or shutil.which("libreoffice")
    if program is None:
        missing = "there is no LibreOffice on the PATH (Debian: libreoffice-calc-nogui)"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(missing)
    return Spreadsheet(program, tmp_path_factory.mktemp("spreadsheet"))
