"""Claims of cases and notes on them in the table of Facedesk's own state."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pydantic import ValidationError

from core.adapters.aws.items import Item
from core.adapters.aws.state_table import StateTable, any_of, expiring, has, hashed_together, is_absent, is_over
from core.adapters.aws.table import TTL_ATTRIBUTE
from core.adapters.shared.cases import in_order_of_begin, in_order_of_time
from core.domain.cases import Claim, Note
from core.domain.clock import Clock
from core.domain.errors import Refused, Service
from core.domain.expiry import expires_at
from core.domain.records import isoformat
from core.flow.retry import Retry

SERVICE = Service.CASES
#: The part of all claims. It is one, so that a single query finds those that stand.
_CLAIMS = "claims"


class DynamoClaims:
    """``Claims`` in DynamoDB: an item for each case, of which conditional writes let one holder win."""

    def __init__(self, client: Any, table: str, retry: Retry, clock: Clock) -> None:
        self._state = StateTable(client, table, retry, clock, SERVICE)
        self._clock = clock

    def take(self, claim: Claim, instead_of: str) -> Claim:
        place = _place(claim.user_id, claim.registration_id)
        item = {
            "userId": {"S": claim.user_id},
            "holder": {"S": claim.holder},
            "until": {"S": isoformat(claim.until)},
            "claim": {"S": claim.to_json().decode()},
            **expiring(claim.until),
        }
        # A write fails only if somebody has the case. They may end their claim before it is read.
        while True:
            is_free = any_of(is_absent, is_over("until", self._clock()), has("holder", instead_of))
            if self._state.put(_CLAIMS, place, item, is_free):
                return claim
            stored = self._state.get(_CLAIMS, place)
            standing = _claim(stored) if stored else None
            if standing and standing.stands(self._clock()):
                return standing

    def release(self, user_id: str, registration_id: str, holder: str) -> None:
        self._state.delete(_CLAIMS, _place(user_id, registration_id), has("holder", holder))

    def release_all(self, holder: str) -> None:
        for claim in self.standing():
            if claim.holder == holder:
                self.release(claim.user_id, claim.registration_id, holder)

    def standing(self) -> list[Claim]:
        now = self._clock()
        claims = map(_claim, self._state.items(_CLAIMS))
        return in_order_of_begin(claim for claim in claims if claim.stands(now))

    def erase(self, user_id: str) -> int:
        return self._state.delete_all(_CLAIMS, has("userId", user_id))

    def ping(self) -> None:
        self._state.ping()

    def close(self) -> None:
        self._state.close()


class DynamoNotes:
    """``Notes`` in DynamoDB: the notes on all cases of a person are one part, so that an erasure finds them."""

    def __init__(self, client: Any, table: str, retry: Retry, clock: Clock) -> None:
        self._state = StateTable(client, table, retry, clock, SERVICE)

    def add(self, note: Note, ttl: timedelta) -> None:
        item = {"note": {"S": note.to_json().decode()}, TTL_ATTRIBUTE: {"N": str(expires_at(note.at, ttl))}}
        # If there is one, it is the same note: written before, or by an earlier try, whose answer was lost.
        self._state.put(_part(note.user_id), _note_place(note), item, is_absent)

    def take_back(self, note: Note) -> None:
        self._state.delete(_part(note.user_id), _note_place(note))

    def of(self, user_id: str, registration_id: str | None = None) -> list[Note]:
        start = "" if registration_id is None else _start(registration_id)
        return in_order_of_time(map(_note, self._state.items(_part(user_id), start)))

    def erase(self, user_id: str) -> int:
        return self._state.delete_all(_part(user_id))

    def ping(self) -> None:
        self._state.ping()

    def close(self) -> None:
        self._state.close()


def _place(user_id: str, registration_id: str) -> str:
    return hashed_together(user_id, registration_id)


def _part(user_id: str) -> str:
    return f"notes#{hashed_together(user_id)}"


def _start(registration_id: str) -> str:
    return f"{hashed_together(registration_id)}/"


def _note_place(note: Note) -> str:
    return _start(note.registration_id) + note.note_id


def _claim(item: Item) -> Claim:
    try:
        return Claim.model_validate_json(item["claim"]["S"])
    except (ValidationError, KeyError):
        raise Refused(SERVICE, "UnreadableClaim", "A stored claim of a case cannot be read.") from None


def _note(item: Item) -> Note:
    try:
        return Note.model_validate_json(item["note"]["S"])
    except (ValidationError, KeyError):
        raise Refused(SERVICE, "UnreadableNote", "A stored note on a case cannot be read.") from None
