"""Text that no spreadsheet runs, and that can be had back as it was."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.domain.audit import AuditEntry
from core.domain.columns import REGISTRATION_DTYPES
from core.domain.formulas import neutral, restored
from core.domain.frames import record_frame, registration_frame
from core.domain.records import Status, ValidationRecord
from core.services.export import as_csv
from core.services.tables import REGISTRATION_EXPORT, audit_trail, of_frame, outcomes

NOW = datetime(2026, 11, 20, tzinfo=UTC)
SIGNS = ["=", "+", "-", "@", "\t", "\r", "\0", "＝", "＋", "－", "＠"]
BREAKS = [",", ";", "\t", " ", "|", "\n", "\r", "\r\n", "\v", "\f", '"']
#: Text of what a spreadsheet, a CSV or the neutralisation itself takes for its own.
_HOSTILE = st.text("=+-@\t\r\n\v\f\0\",;|' a＝", max_size=8)
_ANY = st.one_of(_HOSTILE, st.text())


@pytest.mark.parametrize("sign", SIGNS)
def test_text_that_begins_like_a_formula_gets_an_apostrophe_in_front(sign: str) -> None:
    assert neutral(f"{sign}HYPERLINK(1)") == f"'{sign}HYPERLINK(1)"


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("after", BREAKS)
def test_so_does_each_part_that_does(after: str, sign: str) -> None:
    assert neutral(f"Anna{after}{sign}1+1").endswith(f"{after}'{sign}1+1")


@pytest.mark.parametrize(
    "text", ["user-1", "a@example.com", "a=b", "1+1", "2026-11-20T12:00:00Z", "O'Brien", "'t Hooft"]
)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert neutral(text) == text
    assert restored(text) == text


@settings(max_examples=500)
@given(_ANY)
def test_any_text_is_restored(text: str) -> None:
    assert restored(neutral(text)) == text


@pytest.mark.parametrize("text", ["'=1", "''=1", "a;'=1", "'", "''", "'a", ";'", "\t'=", "='=", "' =1"])
def test_text_that_looks_neutralised_is_restored_too(text: str) -> None:
    assert restored(neutral(text)) == text


@given(st.lists(_ANY, unique=True, max_size=20))
def test_different_texts_stay_different(texts: list[str]) -> None:
    assert len(set(map(neutral, texts))) == len(texts)


# Files, as spreadsheets may split them


def cells(written: bytes) -> Iterator[str]:
    """What a spreadsheet may take for a cell: split by any of the separators that it offers, or several, with and
    without regard to quotes.
    """
    text = written.decode("utf-8-sig")
    for chosen in (",", ";", "\t", " ", "|", ",;", ",;\t", ",;\t |"):
        one = text.translate({ord(each): chosen[0] for each in chosen})
        for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_NONE):
            lines = csv.reader(io.StringIO(one, newline=""), delimiter=chosen[0], quoting=quoting)
            yield from (cell for line in lines for cell in line)


def begins_like_a_formula(cell: str) -> bool:
    """Whether a spreadsheet that drops white space in front of it takes it for a formula."""
    shown = cell.lstrip(" \t\r\n\v\f\0")
    return shown.startswith(tuple("=+-@＝＋－＠")) and not _is_number(shown)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


@settings(deadline=None, max_examples=300)
@given(st.lists(st.tuples(_HOSTILE, _HOSTILE, _HOSTILE), min_size=1, max_size=3))
def test_no_part_of_a_file_begins_like_a_formula(texts: list[tuple[str, str, str]]) -> None:
    names = ("registrationId", "name", "email")
    columns = dict.fromkeys(REGISTRATION_DTYPES, ["x"] * len(texts))
    frame = registration_frame({**columns, **dict(zip(names, map(list, zip(*texts, strict=True)), strict=True))})
    records = [
        ValidationRecord(
            user_id=f"u{first}",
            registration_id=f"r;{second}",
            validation_status=Status.SUCCESS,
            timestamp=NOW,
            confidence=99.5,
            face_image_key=third,
        )
        for first, second, third in texts
    ]
    entries = [
        AuditEntry(at=NOW, who=first, action="export", entry_id=second, details={third: first})
        for first, second, third in texts
    ]
    counted = record_frame(
        {
            "userId": [f"{first}u" for first, *_ in texts],
            "registrationId": [f"{second}r" for _, second, _ in texts],
            "status": ["failed"] * len(texts),
            "timestamp": ["2026-11-20T12:00:00Z"] * len(texts),
            "threshold": [-5.0] * len(texts),
            "faceImageKey": [third for *_, third in texts],
        }
    )
    tables = (of_frame(frame, REGISTRATION_EXPORT), outcomes(records), audit_trail(entries), of_frame(counted))
    assert not [cell for table in tables for cell in cells(b"".join(as_csv(table))) if begins_like_a_formula(cell)]
