"""Frames of records and registrations, made from plain dicts, one a row: an absent key is an absent value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from core.domain.columns import RECORD_DTYPES, REGISTRATION_DTYPES
from core.domain.frames import record_frame, registration_frame
from core.domain.records import isoformat

#: What no record is without.
_ALWAYS = {"userId": "u", "eventId": "e", "status": "success", "timestamp": datetime(2026, 11, 20, 12, tzinfo=UTC)}


def record_rows(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """A frame as ``ValidationRecords.event_frame`` gives it; times are given as datetimes,
    and what no record is without has a default.
    """
    whole = ({**_ALWAYS, "registrationId": f"r{number}", **row} for number, row in enumerate(rows))
    stored = [{name: _as_stored(name, value) for name, value in row.items()} for row in whole]
    return record_frame({name: [row.get(name) for row in stored] for name in RECORD_DTYPES})


def registration_rows(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """A frame as ``Registrations.event_frame`` gives it."""
    listed = list(rows)
    return registration_frame({name: [row.get(name) for row in listed] for name in REGISTRATION_DTYPES})


def _as_stored(name: str, value: Any) -> Any:
    if not isinstance(value, datetime):
        return value
    return int(value.timestamp()) if name == "expiresAt" else isoformat(value)
