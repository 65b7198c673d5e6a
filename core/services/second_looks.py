"""Blind second looks: which cases want one, and by whom; what was said; and what all of it shows.

A case is one attempt of a registration with two photos to compare: one that a person decided, or that passed by
itself. Nobody takes a second look at what they decided or submitted themselves.
"""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from core.domain.agreement import Agreements, agreements
from core.domain.clock import Clock, Stopwatch, elapsed
from core.domain.decisions import checked_reason
from core.domain.error_rates import ErrorRate, ErrorRates, error_rates, false_accepts_at
from core.domain.errors import Conflict
from core.domain.records import Decision, Status, ValidationRecord
from core.domain.second_looks import Kind, SecondLook, is_sampled, turn
from core.ports import SecondLooks, ValidationRecords
from core.services.hashing import ColumnHash, IdHash

if TYPE_CHECKING:  # half a second to load, and only frames need them
    import numpy as np
    import numpy.typing as npt
    from pandas import DataFrame

#: An event's looks that were read within this time are not read again; those of this process are known at once.
FRESH = timedelta(seconds=15)
#: Events whose looks and sampled cases are kept in memory. The least recently used ones are dropped first.
MAX_EVENTS = 64
_NEVER = timedelta(days=-1)
#: What is told of a case before the second look: neither what came first, nor any score.
_BLIND = ["userId", "registrationId", "eventId", "attempts", "timestamp", "turn"]


class Shares(NamedTuple):
    """The shares (0-1) of people's decisions, and of photos that passed by themselves, that are looked at again."""

    decisions: float
    passes: float

    def of(self, kind: Kind) -> float:
        return self.decisions if kind is Kind.DECISION else self.passes


class First(NamedTuple):
    """What came first in a case. A pass counts as approved."""

    kind: Kind
    decision: Decision
    reason: str | None
    reviewer: str | None


class _Known(NamedTuple):
    """The looks at an event's cases, by case, and when they were read."""

    read_at: timedelta
    looks: Mapping[str, SecondLook]


class SecondLookService:
    """Finds the cases that want a second look, records the looks, and makes figures of them."""

    def __init__(
        self,
        records: ValidationRecords,
        looks: SecondLooks,
        hashed: IdHash,
        shares: Shares,
        threshold: float,
        clock: Clock,
        stopwatch: Stopwatch = elapsed,
    ) -> None:
        """``threshold`` is the similarity (0-100) from which two faces match now."""
        self._records = records
        self._looks = looks
        self._hash = ColumnHash(hashed, "the key of cases")
        self._shares = shares
        self._threshold = threshold
        self._clock = clock
        self._stopwatch = stopwatch
        #: An event -> its frame, which is another one after each change, and the sampled cases in it.
        self._sampled: OrderedDict[str, tuple[weakref.ref[DataFrame], DataFrame]] = OrderedDict()
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._lock = threading.Lock()

    def wanted(self, event_id: str, reviewer: str) -> DataFrame:
        """The cases of the event that want a second look by this reviewer, in the order in which to look at them.

        Columns userId, registrationId, eventId, attempts (the attempt's number), timestamp, turn: they tell nothing
        of what came first. Cases of several events come by their ``turn``. Expired records want no look. The list may
        be some seconds old: ``wants`` tells of one record. If no case is sampled, no look is read.
        """
        sampled = self._sampled_of(event_id)
        if not sampled.empty:
            open_still = ~sampled["case"].isin(self._known_of(event_id).keys())
            sampled = sampled[open_still & (sampled["reviewer"] != _as_compared(reviewer))]
        return sampled[_BLIND]

    def wants(self, record: ValidationRecord, reviewer: str) -> bool:
        """Whether the record, as it is, wants a second look by this reviewer."""
        case = self._case_for(record, reviewer)
        return case is not None and record.event is not None and case not in self._known_of(record.event)

    def store(
        self, seen: ValidationRecord, decision: Decision, reviewer: str, reason: str | None = None
    ) -> SecondLook:
        """Records a reviewer's second look at the record that they saw; the record itself does not change.

        A rejection needs one of ``REJECTION_REASONS``. Raises ``Conflict`` if the record wants no second look by this
        reviewer, or has another one by now, and ``InvalidInput`` for a reason that is not allowed; then nothing is
        stored. The same answer by the same reviewer given again changes nothing.
        """
        reason = checked_reason(decision, reason)
        first, case = first_of(seen), self._case_for(seen, reviewer)
        if first is None or case is None or seen.event is None:
            raise Conflict("This case wants no second look by you, so your answer was not stored.")
        look = SecondLook(
            event_id=seen.event,
            case=case,
            kind=first.kind,
            share=self._shares.of(first.kind),
            similarity=seen.similarity,
            first=first.decision,
            first_reason=first.reason,
            first_reviewer=first.reviewer,
            second=decision,
            second_reason=reason,
            second_reviewer=reviewer,
            at=self._clock(),
        )
        stands = self._looks.add(look)
        self._keep(look.event_id, [stands])
        if _answer(stands) != _answer(look):
            raise Conflict("This case has been looked at already, so your answer was not stored.")
        return stands

    def error_rates(self, event_ids: Collection[str]) -> ErrorRates:
        """The error rates that the second looks at cases of these events show."""
        return error_rates(self._of(event_ids))

    def false_accepts_at(self, event_ids: Collection[str], threshold: float) -> ErrorRate:
        """The share of false accepts among those who would pass by themselves at this similarity (0-100)."""
        return false_accepts_at(self._of(event_ids), threshold, self._threshold)

    def agreements(self, event_ids: Collection[str]) -> Agreements:
        """How far first and second reviewers of these events agree."""
        return agreements(self._of(event_ids))

    def forget(self) -> None:
        """Keeps no list of people in memory any longer."""
        with self._lock:
            self._sampled.clear()

    def close(self) -> None:
        self._looks.close()

    def _of(self, event_ids: Collection[str]) -> list[SecondLook]:
        return [look for event_id in event_ids for look in self._known_of(event_id).values()]

    def _known_of(self, event_id: str) -> Mapping[str, SecondLook]:
        """The looks at the event's cases, by case; at most ``FRESH`` old."""
        now = self._stopwatch()
        with self._lock:
            known = self._known.get(event_id)
            if known and now - known.read_at < FRESH:
                self._known.move_to_end(event_id)
                return known.looks
        return self._keep(event_id, self._looks.of_event(event_id), read_at=now)

    def _keep(
        self, event_id: str, looks: Iterable[SecondLook], read_at: timedelta = _NEVER
    ) -> Mapping[str, SecondLook]:
        """Adds the looks to those that are known, and returns all: a look is never changed or deleted."""
        with self._lock:
            known = self._known.pop(event_id, _Known(_NEVER, {}))
            found = {**known.looks, **{look.case: look for look in looks}}
            self._known[event_id] = _Known(max(read_at, known.read_at), found)
            while len(self._known) > MAX_EVENTS:
                self._known.popitem(last=False)
            return found

    def _case_for(self, record: ValidationRecord, reviewer: str) -> str | None:
        """The record's case, if it is one of the sample that this reviewer has no part in."""
        from core.domain.frames import frame_of

        first = first_of(record)
        if first is None or record.is_expired(self._clock()):
            return None
        newest = record.outcomes[-1]
        involved = (first.reviewer, newest.operator, *(review.reviewer for review in newest.reviews))
        own = {_as_compared(name) for name in involved if name}
        (case,) = ColumnHash.digits(self._numbers(frame_of([record])))
        sampled = is_sampled(case, self._shares.of(first.kind))
        return case if sampled and _as_compared(reviewer) not in own else None

    def _numbers(self, records: DataFrame) -> npt.NDArray[np.uint64]:
        """The hashes of the records' cases."""
        users, registrations, attempts = (records[name] for name in ("userId", "registrationId", "attempts"))
        # With the length of the first id, so that no two cases are one text.
        lengths = users.str.len().astype("str")
        return self._hash.numbers(lengths + " " + users + " " + registrations + " " + attempts.astype("str"))

    def _sampled_of(self, event_id: str) -> DataFrame:
        """The sampled cases of the event, made once for each frame of it."""
        records = self._records.event_frame(event_id)
        with self._lock:
            made = self._sampled.pop(event_id, None)
        if made is None or made[0]() is not records:
            made = weakref.ref(records), self._sample(records)
        with self._lock:
            self._sampled[event_id] = made
            while len(self._sampled) > MAX_EVENTS:
                self._sampled.popitem(last=False)
        return made[1]

    def _sample(self, records: DataFrame) -> DataFrame:
        """The sampled cases of the frame by their turns, with the columns case, turn and reviewer: ``first_of`` for
        all rows at once.
        """
        import numpy as np

        passed, failed = records["status"] == Status.SUCCESS, records["status"] == Status.FAILED
        decision, reviewer = records["decision"], records["reviewer"]
        decided = (passed & (decision == Decision.APPROVED)) | (failed & (decision == Decision.REJECTED))
        kinds = [decided & reviewer.notna(), passed & decision.isna() & records["similarity"].notna()]
        two_photos = records["faceImageKey"].notna() & records["storedFaceKey"].notna()
        share = np.select([kind & two_photos for kind in kinds], self._shares, default=0.0)
        numbers = np.full(len(records), np.iinfo("uint64").max, dtype="uint64")
        numbers[share > 0] = self._numbers(records[share > 0])
        # Nearly exact, and fast; ``is_sampled`` is exact.
        near = (share > 0) & (numbers <= share * 2.0**64)
        shares, cases = share[near].tolist(), ColumnHash.digits(numbers[near]).tolist()
        exact = np.fromiter(map(is_sampled, cases, shares), dtype=bool, count=len(cases))
        found = records[near].assign(case=cases, turn=list(map(turn, cases, shares)))[exact]
        found["reviewer"] = found["reviewer"].map(_as_compared, na_action="ignore")
        return found.sort_values("turn", ignore_index=True)


def first_of(record: ValidationRecord) -> First | None:
    """What came first in the record's newest attempt; None if that is no case for a second look."""
    review, status = record.review, record.validation_status
    if not (record.face_image_key and record.stored_face_key):
        return None
    if review is None:
        is_pass = status is Status.SUCCESS and record.similarity is not None
        return First(Kind.PASS, Decision.APPROVED, None, None) if is_pass else None
    decided = {Decision.APPROVED: Status.SUCCESS, Decision.REJECTED: Status.FAILED}[review.decision]
    # Without a name nobody can be kept from their own decision; with another status another service wrote over it.
    if not review.reviewer or status is not decided:
        return None
    return First(Kind.DECISION, review.decision, review.reason, review.reviewer)


def _as_compared(name: str) -> str:
    """A reviewer's name as names are compared: typed by hand, they differ in case and spaces."""
    return " ".join(name.split()).casefold()


def _answer(look: SecondLook) -> tuple[Decision, str | None, str]:
    return look.second, look.second_reason, look.second_reviewer
