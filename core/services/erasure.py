"""Erases a person: records, attempts, photos and, if Facedesk stores them, the registrations.

Every erasure is written into the journal before it deletes anything. If it is interrupted, it continues at the next
start of Facedesk, or when it is requested again. While an erasure is under way the journal holds the user id;
afterwards it holds a receipt with the id's hash alone, which the audit trail has from the start.

An attempt may be recorded while an erasure is under way. The writer of an attempt therefore reads the journal before
it starts (``Erasures.generation``) and again after the write (``Erasures.overtook``). If an erasure is then under
way, or the journal names another erasure than before, the writer takes back its own attempt and photos. So the
erasure removes everything that was written before it read the stores, and the writer removes what it wrote later.
Writers of claims, notes and answers do the same (``written_unless_erased``). Only the ids of erasures are compared,
never times, so clocks may jump or differ. One gap is left: a writer that is killed during an erasure, between its
write and its second look. A second erasure finds what it wrote, and it expires as all records do.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TypeVar

from core.domain.audit import BEGUN, AuditEntry
from core.domain.clock import Clock
from core.domain.erasures import Erasure, ErasureCounts, Receipt
from core.domain.errors import InvalidInput, RegistrationNotFound, ServiceError
from core.domain.records import Registration
from core.domain.roles import Action, Principal
from core.photos.keys import SUBMITTED, folder_of, spellings, upload_folder
from core.ports import AuditTrail, ErasureStore, Photos, RegistrationImport, Registrations, StoredRecord
from core.services.hashing import IdHash
from core.services.photo_keys import used

T = TypeVar("T")

#: The message for a writer who wrote something of a person who was erased meanwhile, and took it back.
ERASED = "This person has been erased: nothing was stored."


@dataclass(frozen=True)
class Preview:
    """What an erasure of a person would delete. ``notes`` are sentences about what it would not reach."""

    user_id: str
    counts: ErasureCounts
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Places:
    """Where the photos of a person are: under the ``named`` keys, and in the ``folders`` of their uploads.

    Those folders that are ``own`` belong to no other person's registration.
    """

    named: set[str]
    folders: set[str]
    own: set[str]


class Erasures:
    """Erases people. Every step can be repeated safely."""

    def __init__(
        self,
        store: ErasureStore,
        registrations: Registrations,
        importer: RegistrationImport | None,
        photos: Photos,
        audit: AuditTrail,
        hashed: IdHash,
        clock: Clock,
        keepers: Sequence[Callable[[str], object]] = (),
        announce: Callable[[str], object] = lambda user_id: None,
        count_notes: Callable[[str], int] = lambda user_id: 0,
        count_pairs: Callable[[str], int] = lambda user_id: 0,
    ) -> None:
        """Without ``importer`` the registrations belong to another service: they and their photos stay.

        Each of ``keepers`` is called with the user id after the stores have erased the person, and deletes what it
        keeps of them: in memory, in files, or as claims, notes and answers. It may be called more than once.
        ``announce`` is called after them, and also when something was taken back, so that nothing continues to show
        it.
        ``count_notes`` says how many notes there are on the person's cases, ``count_pairs`` how many pairs with them
        have answers.
        """
        self._store = store
        self._registrations = registrations
        self._importer = importer
        self._photos = photos
        self._audit = audit
        self._hashed = hashed
        self._clock = clock
        self._keepers = keepers
        self._announce = announce
        self._count_notes = count_notes
        self._count_pairs = count_pairs

    def preview(self, user_id: str) -> Preview:
        """Counts what is stored; changes nothing. Raises ``ServiceError``, and ``InvalidInput`` for a blank id."""
        found = self._find(user_id, Principal(id="", name="", roles=frozenset()))
        return Preview(user_id, found.counts, self._notes(found.counts))

    def erase(self, user_id: str, confirmation: str, by: Principal) -> Receipt:
        """Erases the person; ``confirmation`` is their user id, typed once more.

        Raises ``InvalidInput`` if the confirmation differs; then nothing was erased. Raises ``ServiceError`` if a
        store failed. If the audit trail has no entry by then, nothing was erased; otherwise the erasure is under way
        and continues with the next call or with ``resume``.
        """
        if confirmation != user_id:
            raise InvalidInput("This is not the user id: nothing was erased.")
        under_way = self._store.journal_entry(self._hashed(user_id))
        if under_way is None or (isinstance(under_way, Receipt) and under_way.finished):
            found = self._find(user_id, by)
            self._append_entry(found, BEGUN, found.began_at)
            # If somebody else has begun an erasure meanwhile, that one is continued.
            under_way = self._store.begin(found)
        return self._carry_on(under_way)

    def returned(self, hashes: Collection[str], since: datetime) -> list[str]:
        """Returns the user ids of the people with these hashes who have records or registrations: those who were
        erased, and are back because the tables were restored to the moment ``since``.

        Whoever was erased again is left out for a day, so that a run that was cut off can be repeated. Reads all
        records and registrations. Raises ``ServiceError``.
        """
        again = {receipt.user for receipt in self._store.ended() if receipt.finished and receipt.began_at >= since}
        wanted = set(hashes) - again
        return sorted({user_id for user_id in self._everybody() if self._hashed(user_id) in wanted})

    def unfinished(self) -> list[Erasure | Receipt]:
        """Returns the erasures that are under way, oldest first."""
        return sorted(self._store.unfinished(), key=lambda entry: entry.began_at)

    def resume(self) -> list[Receipt]:
        """Continues every erasure that is under way. Raises the last ``ServiceError`` after all were tried."""
        receipts, failure = [], None
        for entry in self.unfinished():
            try:
                receipts.append(self._carry_on(entry))
            except ServiceError as error:
                failure = error
        if failure:
            raise failure
        return receipts

    def generation(self, user_id: str) -> str | None:
        """Returns the id of the person's last erasure; None if the journal has none.

        Raises ``RegistrationNotFound`` while the person is being erased, and ``ServiceError``.
        """
        entry = self._store.journal_entry(self._hashed(user_id))
        if isinstance(entry, Erasure):
            raise RegistrationNotFound("This person is being erased: nothing was stored.")
        return entry.erasure_id if entry else None

    def overtook(self, user_id: str, generation: str | None) -> bool:
        """Whether an erasure of the person is under way, or began since ``generation`` was read.

        If so, the caller must take back what it has written since, and then call ``scrub``.
        """
        entry = self._store.journal_entry(self._hashed(user_id))
        return isinstance(entry, Erasure) or (entry is not None and entry.erasure_id != generation)

    def scrub(self, user_id: str) -> None:
        """Removes what was taken back from memory and from the free space of the database files."""
        self._announce(user_id)
        self._store.scrub()

    def close(self) -> None:
        self._store.close()

    def _everybody(self) -> Iterator[str]:
        yield from self._store.users()
        for event_id in self._registrations.events():
            yield from self._registrations.event_frame(event_id)["userId"]

    def _find(self, user_id: str, by: Principal) -> Erasure:
        if not user_id.strip():
            raise InvalidInput("Name the person by their user id.")
        stored = self._store.records_of(user_id)
        registered = self._registrations.of_user(user_id)
        places = self._places(user_id, stored, registered)
        uploaded = {key for folder in places.folders for key in self._photos.under(folder)}
        shared = self._shared(places.named | uploaded, places, user_id)
        named = places.named - shared
        photos = (uploaded - shared) | {key for key in named if self._photos.exists(key)}
        return Erasure(
            erasure_id=uuid.uuid4().hex,
            user_id=user_id,
            user=self._hashed(user_id),
            who=by.id,
            ip_address=by.ip_address,
            began_at=self._clock(),
            counts=ErasureCounts(
                records=len(stored),
                attempts=sum(record.attempts for record in stored),
                photos=len(photos),
                registrations=len(registered) if self._importer else 0,
                shared_photos=len(shared),
                case_notes=self._count_notes(user_id),
                pairs=self._count_pairs(user_id),
            ),
            photos=tuple(sorted(named)),
            folders=tuple(sorted(places.folders)),
            kept=tuple(sorted(shared)),
        )

    def _places(
        self,
        user_id: str,
        stored: Sequence[StoredRecord],
        registered: Sequence[Registration],
        settled: Collection[str] = (),
    ) -> _Places:
        """Returns where the photos are that Facedesk may erase.

        ``settled`` are keys of which an earlier call has said so, or whose photos are kept.
        """
        theirs = {each.registration_id for each in registered}
        # A record of another service may name any registration, and a registration may have changed hands.
        unregistered = {record.registration_id for record in stored} - theirs
        anothers = {each for each in unregistered if self._is_anothers(each, user_id)}
        named = {key for record in stored for key in record.photo_keys}
        named |= {each.submitted_photo_key for each in registered if each.submitted_photo_key}
        ours = {key for key in self._with_used(named, settled) if key.startswith(SUBMITTED)}
        if self._importer:  # an import copied both photos into the photo store
            both = ((each.reference_photo_key, each.submitted_photo_key) for each in registered)
            ours |= self._with_used({key for keys in both for key in keys if key}, settled)
        own = theirs | unregistered - anothers
        return _Places(ours, set(map(folder_of, own | anothers)), set(map(folder_of, own)))

    def _is_anothers(self, registration_id: str, user_id: str) -> bool:
        registration = self._registrations.get(registration_id)
        return registration is not None and registration.user_id != user_id

    def _with_used(self, keys: set[str], settled: Collection[str]) -> set[str]:
        """Returns ``keys`` and those under which their photos really are, where another service wrote them otherwise.

        Once a photo is erased its key leads to the next spelling, which may be another person's photo. So a key is
        looked up only if none of its spellings is settled.
        """
        unsettled = {key for key in keys if set(settled).isdisjoint(spellings(key)) and len(spellings(key)) > 1}
        return keys | {found for key in unsettled if (found := used(self._photos, key))}

    def _shared(self, keys: set[str], places: _Places, user_id: str) -> set[str]:
        """Returns those of ``keys`` that another person's record or registration names.

        What lies in a folder of the person's own is theirs, whoever names it: no records are searched for it.
        """
        doubtful = {key for key in keys if upload_folder(key) not in places.own}
        if not doubtful:
            return set()
        shared = self._store.named_elsewhere(doubtful, user_id)
        return shared | (self._importer.named_elsewhere(doubtful, user_id) if self._importer else set())

    def _carry_on(self, entry: Erasure | Receipt) -> Receipt:
        if isinstance(entry, Erasure):
            for step in self._steps(entry):
                # Another process may continue the same erasure. Once that one has finished it, the person may have
                # registered again, and their new data must stay.
                there = self._store.journal_entry(entry.user)
                if not isinstance(there, Erasure) or there.erasure_id != entry.erasure_id:
                    break
                step()
            receipt = Receipt(
                **entry.model_dump(include={"erasure_id", "user", "who", "ip_address", "began_at"}),
                ended_at=self._clock(),
                counts=entry.counts,
                notes=self._notes(entry.counts),
            )
            # The stores no longer name the person. What remains is the free space of the database files.
            entry = self._store.forget(receipt)
        if not entry.finished:
            self._store.scrub()
            self._append_entry(entry, "ok", entry.ended_at)
            self._store.finish(entry)
        return entry.model_copy(update={"finished": True})

    def _steps(self, entry: Erasure) -> Iterator[Callable[[], object]]:
        """Yields the steps. Registrations are the last store: without a record, only they lead to the photos."""
        # Finds what was written between the first search and the journal's entry. Later writes are taken back by
        # their writers.
        settled = {*entry.photos, *entry.kept}
        user_id = entry.user_id
        places = self._places(user_id, self._store.records_of(user_id), self._registrations.of_user(user_id), settled)
        late = places.named - settled
        for key in sorted({*entry.photos, *(late - self._shared(late, places, user_id))}):
            yield partial(self._photos.erase, key)
        for folder in sorted({*entry.folders, *places.own}):
            yield partial(self._photos.erase_under, folder, entry.kept)
        yield partial(self._store.erase_records, user_id)
        if self._importer:
            yield partial(self._importer.erase, user_id)
        for forget in self._keepers:
            yield partial(forget, user_id)
        yield partial(self._announce, user_id)

    def _append_entry(self, entry: Erasure | Receipt, outcome: str, at: datetime) -> None:
        """Writes the audit entry. Its id is fixed, so writing it twice leaves one entry."""
        counts = entry.counts.model_dump()
        self._audit.append(
            AuditEntry(
                entry_id=f"{entry.erasure_id}-{outcome}",
                at=at,
                who=entry.who,
                action=Action.ERASE,
                user=entry.user,
                ip_address=entry.ip_address,
                outcome=outcome,
                details={name: str(number) for name, number in counts.items()},
            )
        )

    def _notes(self, counts: ErasureCounts) -> tuple[str, ...]:
        return tuple(_notes(counts, embedded=self._importer is not None))


def written_unless_erased(
    erasures: Erasures, users: Collection[str], write: Callable[[], T], take_back: Callable[[], object]
) -> T:
    """Writes something about these people, and returns what ``write`` returned.

    Raises ``RegistrationNotFound`` if one of them is being erased, or was erased meanwhile; then ``take_back`` was
    called, and nothing is left of what was written.
    """
    generations = {user_id: erasures.generation(user_id) for user_id in users}

    def take_back_if_erased() -> None:
        erased = [user_id for user_id in generations if erasures.overtook(user_id, generations[user_id])]
        if erased:
            take_back()
            for user_id in erased:
                erasures.scrub(user_id)
            raise RegistrationNotFound(ERASED)

    try:
        done = write()
    except ServiceError:
        # The write may have succeeded although its answer was lost.
        with suppress(ServiceError):
            take_back_if_erased()
        raise
    take_back_if_erased()
    return done


def _notes(counts: ErasureCounts, *, embedded: bool) -> Iterator[str]:
    if counts.shared_photos:
        yield "A photo that another person's record or registration also names is kept, because it is theirs as well."
    if embedded:
        yield "Copies made elsewhere, such as backups of this machine or downloaded CSVs, are not erased."
    else:
        yield (
            "Registrations and reference photos belong to another service (MongoDB, and the photos that it keeps "
            "outside of face-images/): they are kept, and must be erased there."
        )
        yield (
            "DynamoDB's point-in-time recovery can bring records back for up to 35 days: after restoring the table, "
            "erase the person again. Downloaded CSVs are not erased."
        )
