"""Excel workbooks: every value comes back as it was, and nothing that was typed is a formula."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import openpyxl
import pandas as pd
import pytest
from openpyxl.utils.escape import unescape
from openpyxl.worksheet.worksheet import Worksheet

from core.domain.frames import record_frame, registration_frame
from core.domain.records import Status, ValidationRecord
from core.services import workbook
from core.services.tables import REGISTRATION_EXPORT, Batch, Table, of_frame, outcomes
from core.services.workbook import as_xlsx
from tests.core.test_spreadsheet import HOSTILE
from tests.support.spreadsheet import Spreadsheet

MOMENT = datetime(2026, 11, 20, 12, 30, 5, 123000, tzinfo=UTC)
#: Ids, names and whatever else people and systems write, which a spreadsheet would like to take for something else.
TEXTS = [
    "000123",
    "12345678901234567890",
    "1e5",
    "=1+1",
    "'=1+1",
    "+49 30 1234",
    "-5",
    "@SUM(A1)",
    "{=1+1}",
    "TRUE",
    "2026-03-01",
    "1/2",
    "José",
    "山田太郎",
    "😀",
    "http://x/y.png",
    "mailto:a@example.com",
    "internal:Sheet1!A1",
    " a ",
    "a\nb",
    "a\tb",
    '<r><t>"&amp;"</t></r>',
    "<r>",
    "_x0041_",
    "#N/A",
]


def sheets(*parts: bytes) -> list[Worksheet]:
    return openpyxl.load_workbook(io.BytesIO(b"".join(parts))).worksheets


def written(*rows: tuple[object, ...]) -> list[tuple[Any, ...]]:
    """The cells of the rows that are written, as openpyxl reads them."""
    columns = [f"column{number}" for number in range(max(map(len, rows)))]
    (sheet,) = sheets(*as_xlsx(Table(columns, [list(rows)])))
    return [tuple(cell.value for cell in row) for row in list(sheet.iter_rows())[1:]]


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_is_that_text(text: str) -> None:
    (sheet,) = sheets(*as_xlsx(Table(["userId"], [[(text,)]])))
    cell = sheet["A2"]
    assert (unescape(cell.value), cell.data_type, cell.number_format, cell.hyperlink) == (text, "s", "@", None)


@pytest.mark.parametrize("sign", [*map(chr, range(9)), "\x0b", "\r", "\x1f", "\x7f", "\x85"])
def test_a_lone_control_character_is_kept(sign: str) -> None:
    (((found,)),) = written((sign,))
    assert unescape(found) == sign


@pytest.mark.parametrize("sign", ["\ufffe", "\uffff", "\ud800"])
def test_a_character_that_no_xml_has_is_replaced(sign: str) -> None:
    assert written((f"a{sign}b",)) == [("a\ufffdb",)]


def test_a_text_that_is_too_long_for_a_cell_is_cut() -> None:
    ((found,),) = written(("😀" * 20_000,))
    assert found == "😀" * 16_383


def test_numbers_truth_values_and_times_are_of_their_kind_and_nothing_is_an_empty_cell() -> None:
    ((*found,),) = written((99.5, -3, True, MOMENT, None, ""))
    assert found == [99.5, -3, True, MOMENT.replace(tzinfo=None), None, None]


def test_a_number_that_no_cell_holds_is_text() -> None:
    assert written((float("inf"),)) == [("inf",)]


@pytest.mark.parametrize(
    ("moment", "found"),
    [
        (MOMENT.astimezone(timezone(timedelta(hours=9))), MOMENT.replace(tzinfo=None)),
        (datetime(1900, 3, 1, tzinfo=UTC), datetime(1900, 3, 1)),
        (datetime(9999, 12, 31, 23, 59, 59, 999000, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999000)),
        # Spreadsheets do not agree on days before.
        (datetime(1900, 2, 28, 1, tzinfo=UTC), "1900-02-28T01:00:00.000Z"),
    ],
)
def test_a_time_is_a_date_in_utc(moment: datetime, found: object) -> None:
    assert written((moment,)) == [(found,)]


def test_the_header_is_bold_stays_in_sight_and_names_the_zone_of_times() -> None:
    (sheet,) = sheets(*as_xlsx(Table(["userId", "timestamp", "at", "=1+1"], [])))
    assert [cell.value for cell in sheet[1]] == ["userId", "timestamp (UTC)", "at (UTC)", "=1+1"]
    assert all(cell.font.bold and cell.data_type == "s" for cell in sheet[1])
    assert sheet.freeze_panes == "A2"


def test_a_column_is_as_wide_as_what_is_in_it() -> None:
    (sheet,) = sheets(*as_xlsx(Table(["a", "b", "c"], [[("x" * 30, 1, "y" * 500)]])))
    widths = [sheet.column_dimensions[letter].width for letter in "ABC"]
    assert widths[1] < 12 < 30 < widths[0] < widths[2] < 60


@pytest.mark.parametrize("batches", [[], [[]]])
def test_nothing_gives_the_header_alone(batches: list[Batch]) -> None:
    (sheet,) = sheets(*as_xlsx(Table(["a"], batches)))
    assert list(sheet.values) == [("a",)]


def test_more_rows_than_a_sheet_holds_go_on_on_further_sheets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook, "SHEET_ROWS", 3)
    found = sheets(*as_xlsx(Table(["n"], [[(1,), (2,)], [(3,), (4,), (5,), (6,)], [(7,)]])))
    assert [list(sheet.values) for sheet in found] == [
        [("n",), (1,), (2,), (3,)],
        [("n",), (4,), (5,), (6,)],
        [("n",), (7,)],
    ]
    assert [sheet.freeze_panes for sheet in found] == ["A2"] * 3


def test_the_most_rows_are_those_of_excel() -> None:
    assert workbook.SHEET_ROWS + 1 == 2**20


def test_a_frame_of_records_reads_back_as_it_was() -> None:
    row = {
        "userId": ["0012", "=1+1"],
        "registrationId": ["r1", "r2"],
        "eventId": ["e", "e"],
        "status": ["pending", "failed"],
        "confidence": [99.98765563964844, None],
        "attempts": [3, 1],
        "timestamp": ["2026-03-01T12:00:00.123Z", "2026-03-01T12:00:01Z"],
        "expiresAt": [1_780_000_000, None],
        "source": ["api", None],
        "smile": [True, None],
    }
    frame = record_frame(row)
    found = pd.read_excel(io.BytesIO(b"".join(as_xlsx(of_frame(frame)))), dtype={"userId": str})
    assert list(found["userId"]) == ["0012", "=1+1"]
    assert list(found["status"]) == ["pending", "failed"]
    assert found["confidence"][0] == 99.98765563964844
    assert list(found["attempts"]) == [3, 1]
    assert list(found["timestamp (UTC)"]) == list(frame["timestamp"].dt.tz_localize(None))
    assert found["expiresAt (UTC)"][0] == frame["expiresAt"].dt.tz_localize(None)[0]
    assert pd.isna(found["expiresAt (UTC)"][1])
    assert found["smile"][0] == 1
    assert found[["similarity", "threshold", "reasons", "age"]].isna().all(axis=None)


def test_outcomes_are_written_too() -> None:
    record = ValidationRecord(
        user_id="0007",
        registration_id="r",
        validation_status=Status.SUCCESS,
        timestamp=MOMENT,
        confidence=99.5,
    )
    (sheet,) = sheets(*as_xlsx(outcomes([record])))
    assert [cell.value for cell in sheet[2]][:7] == [
        "0007",
        "r",
        None,
        1,
        MOMENT.replace(tzinfo=None),
        "success",
        99.5,
    ]


def test_each_batch_is_a_place_to_stop_at() -> None:
    parts = list(as_xlsx(Table(["n"], [[(1,)], [], [(2,)]])))
    assert [bool(part) for part in parts] == [False, False, False, True]


def test_a_batch_that_cannot_be_read_fails_before_the_first_byte() -> None:
    def batches() -> Iterator[Batch]:
        yield [(1,)]
        raise ConnectionError

    found = bytearray()
    with pytest.raises(ConnectionError):
        found.extend(b"".join(as_xlsx(Table(["n"], batches()))))
    assert not found


class TestNothingIsLeftBehind:
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        return tmp_path

    def test_at_the_end(self, folder: Path) -> None:
        assert list(as_xlsx(Table(["n"], [[(1,)]])))
        assert not list(folder.iterdir())

    @pytest.mark.parametrize("taken", [1, 2, 3])
    def test_where_nobody_takes_the_rest(self, folder: Path, taken: int) -> None:
        parts = as_xlsx(Table(["n"], [[(1,)], [(2,)]]))
        for _ in range(taken):
            next(parts)
        assert list(folder.iterdir())
        parts.close()  # type: ignore[attr-defined]
        assert not list(folder.iterdir())

    def test_where_reading_fails(self, folder: Path) -> None:
        with pytest.raises(ZeroDivisionError):
            list(as_xlsx(Table(["n"], ([(1 // number,)] for number in (1, 0)))))
        assert not list(folder.iterdir())


def test_the_files_are_plain_workbooks() -> None:
    with ZipFile(io.BytesIO(b"".join(as_xlsx(Table(["n"], []))))) as file:
        assert file.testzip() is None
        assert "xl/worksheets/sheet1.xml" in file.namelist()


# As somebody's spreadsheet opens them


@pytest.mark.libreoffice
def test_libreoffice_finds_every_text_as_it_was(spreadsheet: Spreadsheet, tmp_path: Path) -> None:
    texts = [*TEXTS, *HOSTILE]
    people = registration_frame(dict.fromkeys(REGISTRATION_EXPORT, texts))
    file = tmp_path / "people.xlsx"
    file.write_bytes(b"".join(as_xlsx(of_frame(people, REGISTRATION_EXPORT))))
    cells = spreadsheet.opened([file])[file.name]
    assert {cell.kind for cell in cells if cell.text} == {"string"}
    assert not [cell.text for cell in cells if cell.formula is not None]
    shown = {cell.text for cell in cells}
    plain = [text for text in TEXTS if text == text.strip() and not set(text) & {"\n", "\t"}]
    assert set(plain) <= shown


@pytest.mark.libreoffice
def test_libreoffice_finds_numbers_and_times(spreadsheet: Spreadsheet, tmp_path: Path) -> None:
    file = tmp_path / "values.xlsx"
    file.write_bytes(b"".join(as_xlsx(Table(["a", "b", "c", "d"], [[(-5.25, 7, True, MOMENT)]]))))
    cells = [cell for cell in spreadsheet.opened([file])[file.name] if cell.kind]
    assert [(cell.kind, cell.text) for cell in cells[4:]] == [
        ("float", "-5.25"),
        ("float", "7"),
        ("float", "TRUE"),
        ("date", "2026-11-20 12:30:05.123"),
    ]
