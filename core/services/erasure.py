"""Forgetting a person: records, attempts, photos and, where they are ours, the registrations. It ends what it begins.

An erasure is written into the journal, step by step, before it does anything that cannot be undone; killed or cut off
at any moment it goes on at the next start, or when somebody asks again. While it is under way the journal holds the
user's id; then a receipt with the hash alone, which says no more than the audit trail, that has the hash from the
start.

An attempt may race with it. Whoever records one reads the journal before doing anything (``Erasures.generation``)
and again after the write (``Erasures.overtook``). If an erasure is under way then, or the journal names another
erasure than before, they take back what they wrote, and nothing else. So an erasure removes whatever was written
before it looked, and the writer removes what was written after that. Each erasure has an id, and only these are
compared: no clock decides, so it does not matter whether clocks jump or differ. What is left is a writer that is
killed between the write and the second look, during an erasure: a second erasure finds what was written, and it
expires as all records do.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from core.domain.audit import BEGUN, AuditEntry
from core.domain.clock import Clock
from core.domain.erasures import Erasure, ErasureCounts, Receipt
from core.domain.errors import InvalidInput, RegistrationNotFound, ServiceError
from core.domain.records import Registration
from core.domain.roles import Action, Principal
from core.photos.keys import SUBMITTED, folder_of
from core.ports import AuditTrail, ErasureStore, Photos, RegistrationImport, Registrations, StoredRecord
from core.services.hashing import IdHash


@dataclass(frozen=True)
class Preview:
    """What there is of a person, and what of it an erasure leaves to others."""

    user_id: str
    counts: ErasureCounts
    notes: tuple[str, ...]


class Erasures:
    """Erases persons, over the ports. Every step can be done again."""

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
    ) -> None:
        """Without ``importer`` the registrations are another service's: they and their photos stay.

        Each of ``keepers`` is told the user id of whoever goes, when the stores have nothing more of them: what it
        keeps of them, in memory or in files, goes as well. It may be told again. ``announce`` is told so too, and
        when an attempt was taken back, so that nobody goes on showing it.
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

    def preview(self, user_id: str) -> Preview:
        """What there is now; changes nothing. Raises ``ServiceError``, and ``InvalidInput`` for a blank id."""
        found = self._find(user_id, Principal(id="", name="", roles=frozenset()))
        return Preview(user_id, found.counts, self._notes(found.counts))

    def erase(self, user_id: str, confirmation: str, by: Principal) -> Receipt:
        """Erase the person; ``confirmation`` is their user id, typed once more.

        Raises ``InvalidInput`` where that differs; then nothing was done. Raises ``ServiceError`` where a store
        failed: before the audit trail had its entry nothing was done, after that the erasure is under way, and goes
        on when it is asked for again or by ``resume``.
        """
        if confirmation != user_id:
            raise InvalidInput("This is not the user id: nothing was erased.")
        under_way = self._store.journal_entry(self._hashed(user_id))
        if under_way is None or (isinstance(under_way, Receipt) and under_way.finished):
            found = self._find(user_id, by)
            self._tell(found, BEGUN, found.began_at)
            # Somebody else may have begun meanwhile: then theirs is carried on.
            under_way = self._store.begin(found)
        return self._carry_on(under_way)

    def unfinished(self) -> list[Erasure | Receipt]:
        """What is under way, oldest first."""
        return sorted(self._store.unfinished(), key=lambda entry: entry.began_at)

    def resume(self) -> list[Receipt]:
        """End whatever is under way, each as far as the stores let it; raises the last ``ServiceError`` of these."""
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
        """The id of the person's last erasure; None if the journal knows of none.

        Raises ``RegistrationNotFound`` while the person is being erased, and ``ServiceError``.
        """
        entry = self._store.journal_entry(self._hashed(user_id))
        if isinstance(entry, Erasure):
            raise RegistrationNotFound("This person is being erased: nothing was kept.")
        return entry.erasure_id if entry else None

    def overtook(self, user_id: str, generation: str | None) -> bool:
        """Whether an erasure of the person is under way, or began since ``generation`` was read.

        If so, whoever asks must take back what they wrote since, and then call ``scrub``.
        """
        entry = self._store.journal_entry(self._hashed(user_id))
        return isinstance(entry, Erasure) or (entry is not None and entry.erasure_id != generation)

    def scrub(self, user_id: str) -> None:
        """Leave nothing in memory or in our files of what was taken back."""
        self._announce(user_id)
        self._store.scrub()

    def close(self) -> None:
        self._store.close()

    def _find(self, user_id: str, by: Principal) -> Erasure:
        if not user_id.strip():
            raise InvalidInput("Name the person by their user id.")
        stored = self._store.records_of(user_id)
        registered = self._registrations.of_user(user_id)
        named, folders = self._places(stored, registered)
        uploaded = {key for folder in folders for key in self._photos.under(folder)}
        shared = self._shared(named | uploaded, user_id)
        photos = (uploaded - shared) | {key for key in named - shared if self._photos.exists(key)}
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
            ),
            photos=tuple(sorted(named - shared)),
            folders=tuple(sorted(folders)),
            kept=tuple(sorted(shared)),
        )

    def _places(
        self, stored: Sequence[StoredRecord], registered: Sequence[Registration]
    ) -> tuple[set[str], set[str]]:
        """The keys of the photos that these name and that are ours to erase, and the folders of their uploads."""
        ids = {record.registration_id for record in stored} | {each.registration_id for each in registered}
        named = {key for record in stored for key in record.photo_keys}
        named |= {each.submitted_photo_key for each in registered if each.submitted_photo_key}
        ours = {key for key in named if key.startswith(SUBMITTED)}
        if self._importer:  # both photos were copied here by an import
            both = ((each.reference_photo_key, each.submitted_photo_key) for each in registered)
            ours |= {key for keys in both for key in keys if key}
        return ours, set(map(folder_of, ids))

    def _shared(self, keys: set[str], user_id: str) -> set[str]:
        """Those of ``keys`` that another person's record or registration names."""
        if not keys:
            return set()
        shared = self._store.named_elsewhere(keys, user_id)
        return shared | (self._importer.named_elsewhere(keys, user_id) if self._importer else set())

    def _carry_on(self, entry: Erasure | Receipt) -> Receipt:
        if isinstance(entry, Erasure):
            for step in self._steps(entry):
                # Another process may carry on the same erasure. If it has ended it, the person may have registered
                # again, and what is there now stays.
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
            # From here on nothing names the person; what is left is to see that the files do not either.
            entry = self._store.forget(receipt)
        if not entry.finished:
            self._store.scrub()
            self._tell(entry, "ok", entry.ended_at)
            self._store.finish(entry)
        return entry.model_copy(update={"finished": True})

    def _steps(self, entry: Erasure) -> Iterator[Callable[[], object]]:
        """Registrations last of the stores: they lead to the photos of whoever has no record."""
        # What came between the look and the journal's entry; whatever came later is taken back by whoever wrote it.
        named, folders = self._places(
            self._store.records_of(entry.user_id), self._registrations.of_user(entry.user_id)
        )
        late = named.difference(entry.photos, entry.kept)
        for key in sorted({*entry.photos, *(late - self._shared(late, entry.user_id))}):
            yield partial(self._photos.erase, key)
        for folder in sorted({*entry.folders, *folders}):
            yield partial(self._photos.erase_under, folder, entry.kept)
        yield partial(self._store.erase_records, entry.user_id)
        if self._importer:
            yield partial(self._importer.erase, entry.user_id)
        for forget in self._keepers:
            yield partial(forget, entry.user_id)
        yield partial(self._announce, entry.user_id)

    def _tell(self, entry: Erasure | Receipt, outcome: str, at: datetime) -> None:
        """Into the audit trail; told again it stays one entry."""
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
        return tuple(_notes(counts, ours=self._importer is not None))


def _notes(counts: ErasureCounts, *, ours: bool) -> Iterator[str]:
    if counts.shared_photos:
        yield "A photo that another person's record or registration names too stays, as it is theirs as well."
    if ours:
        yield "Copies that others made, such as backups of this machine or downloaded CSVs, are not reached."
    else:
        yield (
            "Registrations and reference photos are another service's (MongoDB, and the photos that it keeps "
            "outside of face-images/): they stay, and have to be erased there."
        )
        yield (
            "DynamoDB's point-in-time recovery can bring records back for up to 35 days; nobody should restore "
            "the table without erasing anew. Downloaded CSVs are not reached."
        )
