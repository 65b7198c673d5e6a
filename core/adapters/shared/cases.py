"""The order in which both stores list claims and notes."""

from __future__ import annotations

from collections.abc import Iterable

from core.domain.cases import Claim, Note


def in_order_of_begin(claims: Iterable[Claim]) -> list[Claim]:
    """Oldest ``since`` first, equal ones by their case."""
    return sorted(claims, key=lambda claim: (claim.since, claim.user_id, claim.registration_id))


def in_order_of_time(notes: Iterable[Note]) -> list[Note]:
    """Oldest first, those of the same time by ``note_id``."""
    return sorted(notes, key=lambda note: (note.at, note.note_id))
