"""One person twice: finds registrations of an event that show the same face, and keeps what people say about them.

Nothing is read or examined in an event until an admin has switched it on there for a reason (a legal basis). It ends
when a record would expire that was made when it was switched on.
"""

from __future__ import annotations

import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

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
from core.domain.records import Registration
from core.domain.roles import Action
from core.domain.text import require_text
from core.flow.crew import Progress
from core.photos.sanitiser import CleanPhoto
from core.ports import AuditTrail, DuplicateStore, FaceSearch, ReadPhoto, Registrations
from core.services.erasure import Erasures, written_unless_erased
from core.services.forgetting import IsErased
from core.services.hashing import IdHash

if TYPE_CHECKING:
    from core.domain.erasures import Receipt

#: Events whose last search is kept in memory.
_REMEMBERED = 16
#: How often a search makes sure that it is still allowed.
_LOOK_EVERY = timedelta(seconds=10)
#: Who switched searches off when they had expired.
WHO = "retention"
_OFF = "Searches for duplicates are switched off in this event."


@dataclass(frozen=True)
class Erased:
    """How a search learns of erasures: those that have ``ended``, those that are under way, and the hash of ids that
    the journal names people by.
    """

    ended: Callable[[], Iterable[Receipt]]
    erasures: Erasures
    hashed: IdHash


class _Known(NamedTuple):
    """A search, and the switch that allowed it."""

    switch: Switch
    search: Search


class DuplicateService:
    """Searches an event for pairs of similar faces, and records answers to them. Changes no record."""

    def __init__(
        self,
        registrations: Registrations,
        store: DuplicateStore,
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
        self._latest: OrderedDict[str, _Known] = OrderedDict()
        self._lock = threading.Lock()

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
            self._latest.pop(event_id, None)
            self._faces.drop(event_id)
        return switch

    def search(
        self, event_id: str, stop: threading.Event, report: Callable[[Progress], None] = lambda progress: None
    ) -> Search:
        """Finds the event's pairs of similar faces.

        Once ``stop`` is set nothing new is begun, and the search says that it is not finished. Raises ``Conflict`` if
        searches are switched off, also meanwhile, and ``ServiceError``.
        """
        self._require_on(event_id)
        watch = _Watch(self._erased, lambda: self._on(event_id) is not None, stop, report, self._stopwatch)
        registered = self._registrations.event_frame(event_id)
        sides = _sides(registered)
        references = [Reference(side.registration_id, side.user_id, side.photo_key) for side in sides.values()]
        try:
            found = self._faces.search(event_id, references, self._read, self._threshold, stop, watch.report)
        finally:
            erased = watch.erased({side.user_id for side in sides.values()})
            # Their faces may have been added after the erasure, also if the search failed later.
            for user_id in erased:
                self._faces.forget(user_id)
        if not (switch := self._on(event_id)):
            self._faces.drop(event_id)
            raise Conflict(_OFF)
        pairs = (Candidate(sides[pair.first], sides[pair.second], pair.similarity, None) for pair in found.pairs)
        search = Search(
            at=self._clock(),
            compared=found.compared,
            without_face=found.without_face,
            without_photo=found.without_photo + len(registered) - len(sides),
            failed=found.failed,
            threshold=self._threshold,
            pairs=tuple(pair for pair in pairs if erased.isdisjoint(side.user_id for side in pair.sides)),
            capped=found.capped,
            finished=found.finished,
            expected_false=self._expected_false(found.compared),
        )
        self._remember(event_id, _Known(switch, search))
        return self._answered(event_id, search)

    def latest(self, event_id: str) -> Search | None:
        """Returns the event's last search by this process, with the answers as they are now.

        None if there is none since searches were switched on the last time, or if they are switched off.
        """
        search = self._known(event_id)
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
        search = self._known(event_id)
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
                self._faces.drop(event_id)
            elif is_expired(expires_at(switch.at, self._record_ttl, self._kept_until(event_id)), self._clock()):
                self.set_switch(event_id, on=False, reason="", who=WHO)
                self._append_entry(event_id)

    def forget(self, is_erased: IsErased) -> None:
        """Removes the pairs of erased people from the searches in memory."""
        with self._lock:
            for event_id, (switch, search) in self._latest.items():
                left = tuple(pair for pair in search.pairs if not any(is_erased(side.user_id) for side in pair.sides))
                self._latest[event_id] = _Known(switch, replace(search, pairs=left))

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

    def _known(self, event_id: str) -> Search | None:
        known = self._latest.get(event_id)
        return known.search if known and known.switch == self._on(event_id) else None

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

    def _remember(self, event_id: str, known: _Known) -> None:
        with self._lock:
            self._latest[event_id] = known
            self._latest.move_to_end(event_id)
            if len(self._latest) > _REMEMBERED:
                self._latest.popitem(last=False)

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
        erased: Erased,
        is_on: Callable[[], bool],
        stop: threading.Event,
        report: Callable[[Progress], None],
        stopwatch: Stopwatch,
    ) -> None:
        self._of = erased
        self._is_on = is_on
        self._stop = stop
        self._report = report
        self._stopwatch = stopwatch
        self._before = {receipt.erasure_id for receipt in erased.ended()}
        self._hashes: set[str] = set()
        self._looked = stopwatch()

    def report(self, progress: Progress) -> None:
        now = self._stopwatch()
        if now - self._looked >= _LOOK_EVERY:
            self._looked = now
            self._look()
            if not self._is_on():
                self._stop.set()
        self._report(progress)

    def erased(self, users: Iterable[str]) -> set[str]:
        """Those of the users whose erasure has ended since the search began, or is under way."""
        self._look()
        hashes = self._hashes | {entry.user for entry in self._of.erasures.unfinished()}
        return {user_id for user_id in users if self._of.hashed(user_id) in hashes} if hashes else set()

    def _look(self) -> None:
        # The journal keeps those that have ended for an hour at least, so that none is missed between two looks.
        self._hashes |= {each.user for each in self._of.ended() if each.erasure_id not in self._before}


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
