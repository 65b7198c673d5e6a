"""Claims and notes with sensible defaults; a test states only what it is about."""

from __future__ import annotations

from typing import Any

from core.domain.cases import LEASE, Claim, Note
from tests.support.clock import NOON


def a_claim(holder: str = "ada-1", **changes: Any) -> Claim:
    return Claim(
        **{
            "user_id": "user-1",
            "registration_id": "reg-1",
            "event_id": "event-1",
            "holder": holder,
            "name": "Ada",
            "since": NOON,
            "until": NOON + LEASE,
            **changes,
        }
    )


def a_note(note_id: str = "note-1", **changes: Any) -> Note:
    return Note(
        **{
            "note_id": note_id,
            "user_id": "user-1",
            "registration_id": "reg-1",
            "event_id": "event-1",
            "author": "Ada",
            "text": "They wrote that they will send another photo.",
            "at": NOON,
            **changes,
        }
    )
