"""One person twice: finds registrations of an event that show the same face, and keeps what people say about them.

Nothing is read or examined in an event until an admin has switched it on there for a reason (a legal basis). It ends
when a record would expire that was made when it was switched on.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from pydantic import TypeAdapter

from core.domain.audit import AuditEntry
from core.domain.clock import Clock, Stopwatch, elapsed
from core.domain.duplicates import (
    MAX_ANSWERS,
    MAX_TEXT,
    Answer,
    Candidate,
    Expected,
    JudgedPair,
    PairAnswer,
    Reference,
    Search,
    Side,
    Switch,
)
from core.domain.errors import Conflict, InvalidInput, RegistrationNotFound
from core.domain.expiry import expires_at, is_expired
from core.domain.face_pairs import comparisons_of
from core.domain.findings import Findings, Row
from core.domain.records import Registration
from core.domain.roles import Action
from core.domain.text import require_text
from core.flow.crew import Progress
from core.photos.sanitiser import CleanPhoto
from core.ports import AuditTrail, DuplicateStore, FaceSearch, FindingsStore, ReadPhoto, Registrations
from core.services.erased_meanwhile import Erased, ErasedMeanwhile
from core.services.erasure import written_unless_erased
from core.services.findings import KeptFindings

#: The kind of the findings.
KIND = "duplicates"
#: Who switched searches off when they had expired.
WHO = "retention"
_OFF = "Searches for duplicates are switched off in this event."


@dataclass(frozen=True)
class _Kept:
    """A search without its pairs, and when the switch that allowed it was set."""

    switched_at: datetime
    search: Search


#: The form in which it is kept.
_SUMMARY = TypeAdapter(_Kept)


class DuplicateService:
    """Searches an event for pairs of similar faces, and records answers to them. Changes no record."""

    def __init__(
        self,
        registrations: Registrations,
        store: DuplicateStore,
        findings: FindingsStore,
        faces: FaceSearch,
        read: ReadPhoto,
        photo: Callable[[str], CleanPhoto],
        erased: Erased,
        audit: AuditTrail,
        kept_until: Callable[[str], datetime | None],
        record_ttl: timedelta,
        threshold: float | None,
        clock: Clock,
        stopwatch: Stopwatch = elapsed,
    ) -> None:
        """``read`` reads photos for a search, ``photo`` those that somebody looks at. ``kept_until`` says until when
        an event's records are kept at least. ``threshold`` is the lowest similarity (0-100) of a pair; None stands
        for that of ``faces``.
        """
        self._registrations = registrations
        self._store = store
        self._faces = faces
        self._read = read
        self._photo = photo
        self._erased = erased
        self._audit = audit
        self._kept_until = kept_until
        self._record_ttl = record_ttl
        self._threshold = faces.default_threshold if threshold is None else threshold
        self._clock = clock
        self._stopwatch = stopwatch
        self._kept = KeptFindings(KIND, findings, clock, self._read_findings)

    def switch(self, event_id: str) -> Switch | None:
        """Returns the event's switch; None if it was never set."""
        return self._store.switch(event_id)

    def set_switch(self, event_id: str, on: bool, reason: str, who: str) -> Switch:
        """Switches searches of the event on or off, in the name of ``who``.

        Switching off deletes what is kept of the event's faces for searches, and the latest search; answers stay.
        Raises ``InvalidInput`` for a reason that is too long, or missing when searches are switched on. If a
        ``ServiceError`` says that something could not be deleted, ``tidy`` deletes it later.
        """
        reason = _checked(reason, "The reason")
        if on and not reason:
            raise InvalidInput("Give the reason for which these faces may be compared: the legal basis.")
        switch = Switch(on=on, reason=reason, by=who, at=self._clock())
        self._store.set_switch(event_id, switch)
        if not on:
            self._drop(event_id)
        return switch

    def search(
        self, event_id: str, stop: threading.Event, report: Callable[[Progress], None] = lambda progress: None
    ) -> Search:
        """Finds the event's pairs of similar faces.

        Once ``stop`` is set nothing new is begun, and the search says that it is not finished. Raises ``Conflict`` if
        searches are switched off, also meanwhile, and ``ServiceError``.
        """
        self._require_on(event_id)
        meanwhile = ErasedMeanwhile(self._erased, self._stopwatch)
        watch = _Watch(meanwhile, lambda: self._on(event_id) is not None, stop, report)
        registered = self._registrations.event_frame(event_id)
        sides = _sides(registered)
        references = [Reference(side.registration_id, side.user_id, side.photo_key) for side in sides.values()]
        try:
            found = self._faces.search(event_id, references, self._read, self._threshold, stop, watch.report)
        finally:
            # Their faces may have been added after the erasure, also if the search failed later.
            for user_id in meanwhile.among({side.user_id for side in sides.values()}):
                self._faces.forget(user_id)
        if not (switch := self._on(event_id)):
            self._drop(event_id)
            raise Conflict(_OFF)
        search = Search(
            at=self._clock(),
            compared=found.compared,
            without_face=found.without_face,
            without_photo=found.without_photo + len(registered) - len(sides),
            failed=found.failed,
            threshold=self._threshold,
            pairs=(),
            capped=found.capped,
            finished=found.finished,
            expected_false=self._expected_false(found.compared),
        )
        pairs = [Candidate(sides[pair.first], sides[pair.second], pair.similarity, None) for pair in found.pairs]
        kept = _SUMMARY.dump_json(_Kept(switch.at, search)).decode()
        erased = self._kept.keep(event_id, kept, list(map(_row, pairs)), meanwhile)
        left = (pair for pair in pairs if erased.isdisjoint(side.user_id for side in pair.sides))
        return self._answered(event_id, replace(search, pairs=tuple(left)))

    def latest(self, event_id: str) -> Search | None:
        """Returns the event's last search by any process, with the people as they are registered and the answers as
        they are now. Pairs with somebody who is registered no more are left out.

        None if there is none since searches were switched on the last time, if it has expired, or if searches are
        switched off.
        """
        search = self._known(event_id, self._kept.latest)
        return self._answered(event_id, search) if search else None

    def answer(self, event_id: str, first_id: str, second_id: str, answer: Answer, note: str, who: str) -> PairAnswer:
        """Records an answer to a pair of registrations, in any order, in the name of ``who``; the newest one counts.

        Raises ``Conflict`` if searches are switched off, ``RegistrationNotFound`` if one of the two is no
        registration of the event, and ``InvalidInput`` for a note that is too long, and for a registration paired
        with itself.
        """
        given = PairAnswer(answer=answer, by=who, at=self._clock(), note=_checked(note, "The note"))
        if first_id == second_id:
            raise InvalidInput("A pair is of two registrations.")
        self._require_on(event_id)
        first, second = (self._registration(event_id, each) for each in sorted((first_id, second_id)))
        pair = JudgedPair(
            event_id=event_id,
            first=first.registration_id,
            second=second.registration_id,
            first_user=first.user_id,
            second_user=second.user_id,
            answers=(given,),
            change=uuid.uuid4().hex,
        )
        until = expires_at(given.at, self._record_ttl, self._kept_until(event_id))
        written_unless_erased(
            self._erased.erasures,
            pair.users,
            lambda: self._add(pair, until),
            lambda: self._store.take_back(pair),
        )
        return given

    def photo(self, event_id: str, registration_id: str) -> CleanPhoto:
        """Returns the reference photo of a registration that is in a pair of the latest search.

        Raises ``RegistrationNotFound`` if it is in none, ``PhotoNotFound``, ``PhotoRefused``, and ``ServiceError``.
        """
        search = self._known(event_id, self._kept.remembered)
        for pair in search.pairs if search else ():
            for side in pair.sides:
                if side.registration_id == registration_id:
                    return self._photo(side.photo_key)
        raise RegistrationNotFound("This registration is in no pair that was found.")

    def tidy(self) -> None:
        """Switches searches off where they have expired, with an audit entry, and deletes what is left where they are
        off. Raises ``ServiceError``.
        """
        for event_id, switch in self._store.switches().items():
            if not switch.on:
                self._drop(event_id)
            elif is_expired(expires_at(switch.at, self._record_ttl, self._kept_until(event_id)), self._clock()):
                self.set_switch(event_id, on=False, reason="", who=WHO)
                self._append_entry(event_id)

    def forget_all(self) -> None:
        """Removes all searches from memory."""
        self._kept.forget_all()

    def close(self) -> None:
        self._store.close()
        self._faces.close()

    def _on(self, event_id: str) -> Switch | None:
        """The event's switch if it is on."""
        switch = self._store.switch(event_id)
        return switch if switch and switch.on else None

    def _require_on(self, event_id: str) -> None:
        if not self._on(event_id):
            raise Conflict(_OFF)

    def _known(self, event_id: str, read: Callable[[str], _Kept | None]) -> Search | None:
        """What ``read`` returns, unless searches are switched off or were so since."""
        switch = self._on(event_id)
        kept = read(event_id) if switch else None
        return kept.search if switch and kept and kept.switched_at == switch.at else None

    def _read_findings(self, event_id: str, findings: Findings) -> _Kept:
        rows = [json.loads(row.text) for row in findings.rows]
        registered = self._registrations.event_frame(event_id)
        wanted = {registration_id for row in rows for registration_id in row[:2]}
        sides = _sides(registered[registered["registrationId"].isin(wanted)])
        pairs = (
            Candidate(replace(sides[first], photo_key=one), replace(sides[second], photo_key=other), similarity, None)
            for first, second, one, other, similarity in rows
            if first in sides and second in sides
        )
        kept = _SUMMARY.validate_json(findings.summary)
        return replace(kept, search=replace(kept.search, pairs=tuple(pairs)))

    def _drop(self, event_id: str) -> None:
        """Deletes the event's latest search, and what is kept of its faces."""
        self._kept.drop(event_id)
        self._faces.drop(event_id)

    def _registration(self, event_id: str, registration_id: str) -> Registration:
        found = self._registrations.get(registration_id)
        if found is None or found.event_id != event_id:
            raise RegistrationNotFound("There is no such registration in this event: nothing was stored.")
        return found

    def _add(self, pair: JudgedPair, until: int) -> None:
        """Stores the pair's answer after those that it has."""
        while True:
            seen = next((each for each in self._store.judged(pair.event_id) if each.key == pair.key), None)
            if seen and seen.change == pair.change:
                return
            answers = (*(seen.answers if seen else ()), *pair.answers)[-MAX_ANSWERS:]
            if self._store.change(seen, pair.model_copy(update={"answers": answers}), until):
                return

    def _answered(self, event_id: str, search: Search) -> Search:
        answers = {pair.key: pair.answers[-1] for pair in self._store.judged(event_id)} if search.pairs else {}
        pairs = (replace(pair, answer=answers.get(pair.key)) for pair in search.pairs)
        return replace(search, pairs=tuple(pairs))

    def _expected_false(self, compared: int) -> Expected | None:
        rate = self._faces.false_match_rate(self._threshold)
        return Expected(*(comparisons_of(compared) * each for each in rate)) if rate else None

    def _append_entry(self, event_id: str) -> None:
        self._audit.append(
            AuditEntry(
                entry_id=uuid.uuid4().hex,
                at=self._clock(),
                who=WHO,
                action=Action.SWITCH_DUPLICATES,
                event_id=event_id,
                details={"on": "no"},
            )
        )


def erase_person(store: DuplicateStore, faces: FaceSearch, user_id: str) -> None:
    """Deletes the answers to the person's pairs, and what is kept of their faces for searches."""
    store.erase(user_id)
    if store.switches():  # else nothing was ever kept, and the permission to look may be missing
        faces.forget(user_id)


class _Watch:
    """Looks after a search while it runs: stops it once searches are switched off, and learns who is erased."""

    def __init__(
        self,
        meanwhile: ErasedMeanwhile,
        is_on: Callable[[], bool],
        stop: threading.Event,
        report: Callable[[Progress], None],
    ) -> None:
        self._meanwhile = meanwhile
        self._is_on = is_on
        self._stop = stop
        self._report = report

    def report(self, progress: Progress) -> None:
        if self._meanwhile.look() and not self._is_on():
            self._stop.set()
        self._report(progress)


def _row(pair: Candidate) -> Row:
    first, second = pair.sides
    found = [first.registration_id, second.registration_id, first.photo_key, second.photo_key, pair.similarity]
    return Row((first.user_id, second.user_id), json.dumps(found))


def _sides(registered: Any) -> dict[str, Side]:
    """The registrations that have a reference photo, of a frame of registrations, by id."""
    from core.domain.frames import optional  # loads pandas

    named = zip(
        registered["registrationId"],
        registered["userId"],
        optional(registered["name"]),
        optional(registered["referencePhotoKey"]),
        strict=True,
    )
    return {each: Side(each, user_id, name or "", key) for each, user_id, name, key in named if key}


def _checked(typed: str, what: str) -> str:
    """The text without the white space around it. Raises ``InvalidInput`` if it is too long or no valid Unicode."""
    require_text(typed)
    text = typed.strip()
    if len(text) > MAX_TEXT:
        raise InvalidInput(f"{what} can have at most {MAX_TEXT} characters.")
    return text
