"""When a record expires. From then on it is treated as absent, and its photos are deleted with it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

#: The share of its time after which a photo is renewed at the latest.
_LATEST_RENEWAL = 0.7


def expires_at(newest_attempt: datetime, ttl: timedelta, kept_until: datetime | None = None) -> int:
    """The attribute ``expiresAt`` of a record: epoch seconds, ``ttl`` after its newest attempt, but not before
    ``kept_until``.
    """
    own = int((newest_attempt + ttl).timestamp())
    return own if kept_until is None else max(own, int(kept_until.timestamp()))


def is_expired(expires_at: int | None, now: datetime) -> bool:
    """Whether that moment has come; a record without one never expires."""
    return expires_at is not None and expires_at <= now.timestamp()


def is_due_for_renewal(stored_at: datetime, kept_until: datetime, ttl: timedelta, now: datetime) -> bool:
    """Whether a photo must be stored again by now, so that it lasts until ``kept_until`` although its store deletes
    it ``ttl`` after it was stored.

    It is renewed as seldom as possible and at equal distances, the last time ``ttl`` before ``kept_until``, so that
    it is gone soon afterwards. Renewals may be late by three tenths of ``ttl``.
    """
    lacking = kept_until - stored_at - ttl
    if lacking <= timedelta(0):
        return False
    return now - stored_at >= lacking / math.ceil(lacking / (_LATEST_RENEWAL * ttl))


@dataclass(frozen=True)
class ExpiredRecord:
    """A record whose ``expires_at`` has passed, and the keys of the photos submitted in all its attempts."""

    user_id: str
    registration_id: str
    photo_keys: frozenset[str]
