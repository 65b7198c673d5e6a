"""When a record expires. From then on it is treated as absent, and its photos are deleted with it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


def expires_at(newest_attempt: datetime, ttl: timedelta, kept_until: datetime | None = None) -> int:
    """The attribute ``expiresAt`` of a record: epoch seconds, ``ttl`` after its newest attempt, but not before
    ``kept_until``.
    """
    own = int((newest_attempt + ttl).timestamp())
    return own if kept_until is None else max(own, int(kept_until.timestamp()))


def is_expired(expires_at: int | None, now: datetime) -> bool:
    """Whether that moment has come; a record without one never expires."""
    return expires_at is not None and expires_at <= now.timestamp()


@dataclass(frozen=True)
class ExpiredRecord:
    """A record whose ``expires_at`` has passed, and the keys of the photos submitted in all its attempts."""

    user_id: str
    registration_id: str
    photo_keys: frozenset[str]
