"""How attempts and decisions change a record."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from core.domain.errors import Conflict, RecordNotFound
from core.domain.expiry import expires_at
from core.domain.records import (
    MAX_ATTEMPTS,
    Attempt,
    ComparisonResult,
    Decision,
    Metadata,
    Outcome,
    Review,
    Status,
    ValidationRecord,
    Withdrawal,
)

#: Decisions that an attempt may have: each is kept, and a record must stay small.
MAX_DECISIONS = 20


def with_attempt(
    current: ValidationRecord | None, outcome: Outcome, ttl: timedelta, kept_until: datetime | None = None
) -> ValidationRecord:
    """``current`` after one more attempt; ``current`` itself where that attempt is already in it.

    The newest attempt speaks for the record, which expires ``ttl`` after it, but not before ``kept_until``. A record
    of another service that lists no attempts first gets its own state as an entry, so that no outcome is lost from
    the count.
    """
    if current is not None and current.attempt(outcome.attempt_id) is not None:
        return current
    timestamp = max(outcome.timestamp, current.order) if current else outcome.timestamp
    number = current.verification_attempt + 1 if current else 1
    entry = Attempt(
        attempt_id=outcome.attempt_id,
        number=number,
        timestamp=timestamp,
        status=outcome.status,
        confidence=outcome.confidence,
        quality=outcome.quality,
        similarity=outcome.comparison_result.similarity if outcome.comparison_result else None,
        reasons=outcome.reasons,
        face_image_key=outcome.face_image_key,
        source=outcome.source,
        operator=outcome.operator,
        provenance=outcome.provenance,
    )
    record = ValidationRecord(
        user_id=outcome.user_id,
        registration_id=outcome.registration_id,
        validation_status=outcome.status,
        confidence=outcome.confidence,
        quality=outcome.quality,
        face_image_key=outcome.face_image_key,
        stored_face_key=outcome.stored_face_key,
        comparison_result=outcome.comparison_result,
        attributes=outcome.attributes,
        verification_attempt=number,
        timestamp=timestamp,
        updated_at=_after(current, timestamp),
        expires_at=expires_at(timestamp, ttl, kept_until),
        metadata=Metadata(
            event_id=outcome.event_id,
            ip_address=outcome.ip_address,
            source=outcome.source,
            provenance=outcome.provenance,
        ),
        event_id=outcome.event_id,
        failure_reasons=outcome.reasons,
        attempts=((current.outcomes if current else ()) + (entry,))[-MAX_ATTEMPTS:],
        face_box=outcome.face_box,
        other_face_boxes=outcome.other_face_boxes,
        stored_face_box=outcome.stored_face_box,
    )
    return _keeping_unknown(record, current)


def without_attempt(current: ValidationRecord, attempt_id: str) -> ValidationRecord | None:
    """``current`` as if that attempt had never been; None if nothing is left then; ``current`` itself if it does not
    list the attempt.

    If the attempt speaks for the record, the newest of the others does afterwards, with what ``attempts`` has of it;
    the record still expires when it would have, because nobody knows how long its event wants it kept.
    What only a record has (attributes, boxes, threshold, reference photo, address) is then absent: it was that of the
    attempt that goes. An attempt with the same id is the same attempt.
    """
    entry = current.attempt(attempt_id)
    if entry is None:
        return current
    left = tuple(
        each.model_copy(update={"number": max(1, each.number - 1)}) if each.number > entry.number else each
        for each in current.attempts
        if each is not entry
    )
    changes: dict[str, Any] = {
        "attempts": left,
        "verification_attempt": max(1, current.verification_attempt - 1),
        "updated_at": _after(current, current.order),
    }
    # Another service may have written its own outcome over it since; then the record says that.
    speaks = (entry.number, entry.timestamp) == (current.verification_attempt, current.timestamp)
    if speaks and not left:
        return None
    return current.model_copy(update={**changes, **(_as_said_by(current, left[-1]) if speaks else {})})


def with_decision(current: ValidationRecord, review: Review) -> ValidationRecord:
    """``current`` decided by a person: its status, and that of its newest attempt, follow the decision.

    A decision that stood until now stays among the attempt's ``earlier_reviews``. Raises ``Conflict`` if there are
    ``MAX_DECISIONS`` already.
    """
    newest = current.outcomes[-1]
    if len(newest.reviews) >= MAX_DECISIONS:
        raise Conflict(f"This photo has been decided {MAX_DECISIONS} times. Validate a new photo instead.")
    earlier = (*(newest.earlier_reviews or ()), *((newest.review,) if newest.review else ()))
    return _reviewed(current, review.decision.status, review, earlier, review.decided_at)


def without_decision(current: ValidationRecord, withdrawal: Withdrawal) -> ValidationRecord:
    """``current`` as it was before the decision that stands, which moves to the attempt's ``earlier_reviews``.

    The decision that it had replaced, if any, stands again. Raises ``Conflict`` if there is no decision, or if
    nobody knows what was before it.
    """
    newest = current.outcomes[-1]
    if newest.review is None or newest.review.before is None:
        raise Conflict("There is no decision that can be undone.")
    withdrawn = newest.review.model_copy(update=dict(withdrawal))
    replaced = newest.earlier_reviews or ()
    stood = next((each for each in reversed(replaced) if each.withdrawn_at is None), None)
    earlier = (*(each for each in replaced if each is not stood), withdrawn)
    return _reviewed(current, newest.review.before, stood, earlier, withdrawal.withdrawn_at)


def decided(current: ValidationRecord | None, change: Review | Withdrawal, seen_version: str) -> ValidationRecord:
    """``with_decision`` or ``without_decision`` for a person who saw ``seen_version``; ``current`` itself if it has
    this change already.

    Raises ``RecordNotFound`` where there is no record and ``Conflict`` where it changed since.
    """
    if current is None:
        raise RecordNotFound()
    if current.version == seen_version:
        if isinstance(change, Review):
            return with_decision(current, change)
        return without_decision(current, change)
    if _has(current, change):  # a retried write whose first answer was lost
        return current
    raise Conflict(
        "The record changed since you opened it, so your decision was not saved. Open it again and decide."
    )


def redated(current: ValidationRecord, ttl: timedelta, kept_until: datetime | None) -> ValidationRecord:
    """``current`` so that it expires as if its newest attempt were recorded with these dates; ``current`` itself if
    it does already. Its version stays: nothing that people decide on changes.

    A record of another service keeps that service's date, unless ``kept_until`` is later. One that never expires
    stays so.
    """
    if current.attempts and current.timestamp:
        own: int | None = expires_at(current.timestamp, ttl)
    else:
        own = current.expires_at if current.own_expires_at is None else current.own_expires_at
    if own is None:
        return current
    wanted = own if kept_until is None else max(own, int(kept_until.timestamp()))
    if wanted == current.expires_at:
        return current
    theirs = None if current.attempts or wanted == own else own
    return current.model_copy(update={"expires_at": wanted, "own_expires_at": theirs})


def newest_first(records: Iterable[ValidationRecord], now: datetime, limit: int | None) -> list[ValidationRecord]:
    """Those that have not expired, newest ``timestamp`` first, equal ones by registration; at most ``limit``."""
    alive = sorted((record for record in records if not record.is_expired(now)), key=lambda r: r.registration_id)
    return sorted(alive, key=lambda record: record.order, reverse=True)[:limit]


def _keeping_unknown(record: ValidationRecord, current: ValidationRecord | None) -> ValidationRecord:
    """``record`` with the attributes of ``current`` that we do not know."""
    if current is None or not (current.model_extra or current.metadata.model_extra):
        return record
    item = record.to_dict()
    metadata = {**(current.metadata.model_extra or {}), **item["metadata"]}
    return ValidationRecord.from_item({**(current.model_extra or {}), **item, "metadata": metadata})


def _as_said_by(current: ValidationRecord, entry: Attempt) -> dict[str, Any]:
    """What the record says if ``entry`` is its newest attempt, by field."""
    similarity = entry.similarity
    return {
        "validation_status": entry.status,
        "confidence": entry.confidence,
        "quality": entry.quality,
        "face_image_key": entry.face_image_key,
        "stored_face_key": None,
        "comparison_result": None if similarity is None else ComparisonResult(similarity=similarity),
        "attributes": {},
        "timestamp": entry.timestamp,
        "metadata": current.metadata.model_copy(
            update={"source": entry.source, "ip_address": None, "provenance": entry.provenance}
        ),
        "failure_reasons": _reasons_after(entry.reasons, entry.review) if entry.review else entry.reasons,
        "review": entry.review,
        "face_box": None,
        "other_face_boxes": None,
        "stored_face_box": None,
    }


def _has(current: ValidationRecord, change: Review | Withdrawal) -> bool:
    if isinstance(change, Review):
        return current.review == change
    last = (current.outcomes[-1].earlier_reviews or ())[-1:]
    return bool(last) and dict(change).items() <= dict(last[0]).items()


def _reviewed(
    current: ValidationRecord, status: Status, review: Review | None, earlier: tuple[Review, ...], at: datetime | None
) -> ValidationRecord:
    """``current`` with this status and standing decision, and these decisions that no longer stand."""
    newest = current.outcomes[-1]
    found = newest.reasons or (current.failure_reasons if newest.review is None else ())
    changed = newest.model_copy(update={"status": status, "review": review, "earlier_reviews": earlier or None})
    return current.model_copy(
        update={
            "validation_status": status,
            "failure_reasons": _reasons_after(found, review) if review else found,
            "review": review,
            "attempts": (*current.outcomes[:-1], changed),
            "updated_at": _after(current, at or current.order),
        }
    )


def _reasons_after(found: tuple[str, ...], review: Review) -> tuple[str, ...]:
    """An approved record has no reason to fail; a rejected one has the reviewer's, else the ``found`` ones."""
    if review.decision is Decision.APPROVED:
        return ()
    return (review.reason,) if review.reason else found


def _after(current: ValidationRecord | None, moment: datetime) -> datetime:
    """``moment``, but later than the record's last change: two writes in one millisecond must differ."""
    if current is None or current.updated_at is None:
        return moment
    return max(moment, current.updated_at + timedelta(milliseconds=1))
