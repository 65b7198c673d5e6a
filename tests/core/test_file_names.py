"""Downloads are named after their event, their date and what is in them, and a file system takes every name."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from email.message import Message

import pytest

from core.domain.file_names import content_disposition, file_name

#: Still the 25th in UTC.
AT = datetime(2026, 11, 26, 1, tzinfo=timezone(timedelta(hours=2)))


@pytest.mark.parametrize(
    ("event_id", "name"),
    [
        ("sample-event", "sample-event_2026-11-25_records.csv"),
        ("expo_26.b", "expo_26.b_2026-11-25_records.csv"),
        ("expo 26/b", "expo-26-b_2026-11-25_records.csv"),
        ("../../etc", "etc_2026-11-25_records.csv"),
        ('x"\r\nSet-Cookie: a', "x-Set-Cookie-a_2026-11-25_records.csv"),
        ("展示会", "展示会_2026-11-25_records.csv"),
        ("Ko\u0308ln", "K\u00f6ln_2026-11-25_records.csv"),
        ("???", "event_2026-11-25_records.csv"),
        ("", "event_2026-11-25_records.csv"),
        (None, "2026-11-25_records.csv"),
    ],
)
def test_a_name_has_event_date_and_what(event_id: str | None, name: str) -> None:
    assert file_name("records", "csv", AT, event_id) == name


@pytest.mark.parametrize("letter", ["a", "展", "\U0001d49c"])
def test_a_long_id_makes_no_name_that_is_too_long_for_a_file_system(letter: str) -> None:
    assert len(file_name("unreadable-registrations", "xlsx", AT, letter * 2000).encode()) <= 255


@pytest.mark.parametrize("name", ["expo_2026-11-25_records.csv", "展示会_2026-11-25_records.csv"])
def test_the_header_says_the_name_in_any_script(name: str) -> None:
    header = content_disposition(name)
    assert header.isascii()
    parsed = Message()
    parsed["Content-Disposition"] = header
    assert parsed.get_filename() == name
