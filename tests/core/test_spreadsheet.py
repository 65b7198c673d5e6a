"""Every CSV, opened in LibreOffice in whatever way a person may choose: no cell is a formula, numbers are numbers."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.domain.audit import AuditEntry
from core.domain.columns import REGISTRATION_DTYPES
from core.domain.frames import record_frame, registration_frame
from core.domain.records import Decision, Review, Status, ValidationRecord
from core.domain.roles import Action
from core.services.export import as_csv
from core.services.reference_check import Person, ReferenceProblem
from core.services.tables import Table, audit_trail, of_frame, outcomes, references
from tests.support.spreadsheet import Splitting, Spreadsheet

pytestmark = pytest.mark.libreoffice

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
FORMULA = '=HYPERLINK("http://x")'
_BREAKS = [",", ";", "\t", " ", "|", "\n", "\r\n", '"', ',"', ';"', ';""', '\t"', "\n;", "';", '"; ', ";'", ";''"]
#: What people may have typed: formulas at the start of a cell and of whatever a spreadsheet may make a cell of.
HOSTILE = ["=1+1", "'=1+1", " =1+1", FORMULA, f" {FORMULA}", f'"{FORMULA}', "+1+1", "-1+1", "@SUM(1)", "\t=1+1"] + [
    f"{start}{each}{formula}" for start in ("Anna", "") for each in _BREAKS for formula in ("=1+1", FORMULA)
]
SPLITTINGS = [
    *map(Splitting, (",", ";", "\t", " ", "|")),
    # What LibreOffice proposes, and all that it offers.
    Splitting(",;\t"),
    Splitting(",;\t |"),
    *(Splitting(separator, quote="") for separator in (",", ";", "\t")),
    Splitting(",;\t |", quote=""),
    Splitting(";", quoted_is_text=True),
    Splitting(";", formulas_run=False),
]


def exports() -> dict[str, Table]:
    """Every kind of table that Facedesk writes, with ``HOSTILE`` in each column of text."""
    count = len(HOSTILE)
    records = {
        **dict.fromkeys(("userId", "registrationId", "eventId", "reasons", "reviewer", "source", "age"), HOSTILE),
        **dict.fromkeys(("faceImageKey", "storedFaceKey"), HOSTILE),
        "status": ["pending"] * count,
        "timestamp": [NOW.isoformat()] * count,
        "threshold": [-5.25] * count,
    }
    people = registration_frame(dict.fromkeys(REGISTRATION_DTYPES, HOSTILE))
    return {
        "records": of_frame(record_frame(records)),
        "registrations": of_frame(people),
        "columns": Table(HOSTILE, []),
        "outcomes": outcomes(map(_record, HOSTILE)),
        "references": references(
            ReferenceProblem(Person(text, text, text, text, text), (text,), text) for text in HOSTILE
        ),
        "audit": audit_trail(map(_entry, HOSTILE)),
    }


def _record(text: str) -> ValidationRecord:
    return ValidationRecord(
        user_id=text,
        registration_id=text,
        event_id=text,
        validation_status=Status.FAILED,
        timestamp=NOW,
        failure_reasons=(text,),
        face_image_key=text,
        review=Review(decision=Decision.REJECTED, reason=text, reviewer=text, decided_at=NOW),
    )


def _entry(text: str) -> AuditEntry:
    return AuditEntry(
        entry_id=text,
        at=NOW,
        who=text,
        action=Action.EXPORT,
        user=text,
        registration=text,
        event_id=text,
        ip_address=text,
        outcome=text,
        details={text: text},
    )


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("exports")
    for name, exported in exports().items():
        (folder / f"{name}.csv").write_bytes(b"".join(as_csv(exported)))
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def unsafe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same text as any other program would write it."""
    file = tmp_path_factory.mktemp("unsafe") / "unsafe.csv"
    with file.open("w", newline="") as out:
        csv.writer(out).writerows(["Anna", text, text] for text in HOSTILE)
    return file


@pytest.mark.parametrize("splitting", SPLITTINGS, ids=str)
def test_no_cell_is_a_formula(
    spreadsheet: Spreadsheet, files: list[Path], unsafe: Path, splitting: Splitting
) -> None:
    opened = spreadsheet.opened([*files, unsafe], splitting)
    as_written_elsewhere = opened.pop(unsafe.name)
    found = {
        name: [(cell.formula, cell.text) for cell in cells if cell.formula is not None]
        for name, cells in opened.items()
    }
    assert not {name: formulas[:3] for name, formulas in found.items() if formulas}
    # The text is one that this spreadsheet runs if nothing is done about it.
    assert any(cell.formula for cell in as_written_elsewhere) == splitting.formulas_run


def test_numbers_are_numbers(spreadsheet: Spreadsheet, files: list[Path]) -> None:
    cells = spreadsheet.opened(files, Splitting(","))["records.csv"]
    assert [cell.kind for cell in cells if cell.text == "-5.25"] == ["float"] * len(HOSTILE)
