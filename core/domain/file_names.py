"""How downloads are named: ``EVENT_DATE_what.csv``, so that a folder of them says what each is, and sorts by date."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime
from urllib.parse import quote

#: Characters of an event's id that are kept. A file system allows 255 bytes, and a character may take four.
_MOST = 50
_UNSAFE = re.compile(r"[^\w.-]+")


def file_name(what: str, ending: str, at: datetime, event_id: str | None = None) -> str:
    """The name of a file about ``what`` that was made ``at``, whose date it has in UTC.

    Letters of any script, digits, ``.``, ``_`` and ``-`` of the event's id stay; whatever else it has becomes ``-``.
    A file that belongs to no event begins with the date.
    """
    date = f"{at.astimezone(UTC):%Y-%m-%d}"
    event = [] if event_id is None else [_safe(event_id)]
    return f"{'_'.join([*event, date, what])}.{ending}"


def content_disposition(name: str) -> str:
    """The header that has a browser save an answer under ``name``, whatever script it is in (RFC 6266)."""
    encoded = f'filename="{name}"' if name.isascii() else f"filename*=UTF-8''{quote(name, safe='')}"
    return f"attachment; {encoded}"


def _safe(event_id: str) -> str:
    kept = _UNSAFE.sub("-", unicodedata.normalize("NFC", event_id))
    return kept.strip("-.")[:_MOST].rstrip("-.") or "event"
