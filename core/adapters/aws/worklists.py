"""The worklists of batches in the table of Facedesk's own state.

The batches of all events are one part, so that one query finds those that were abandoned. The items and results of a
batch are a part of their own, in chunks: an item of the table has some hundred items of the list, compressed, which
are written once, and another one has their results, a letter for each, which is small enough to be written with every
result.
Items are put into chunks by a hash of their user, so that an erasure finds a person's in one chunk of each batch.

Whoever opens a worklist keeps a lease on it and writes a higher ``term`` into the batch. Results are only written
over those of no later term, so a process that has lost its lease without noticing changes nothing.

A batch is stored before its items as one that ``begins``, and deleted after them as one that has ``ended``. The next
process that meets what a killed one left deletes what has ended, and begins anew what began.
"""

from __future__ import annotations

import math
import threading
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

from core.adapters.aws.items import Expression
from core.adapters.aws.items import Item as Stored
from core.adapters.aws.kept_lease import LEASE, KeptLease
from core.adapters.aws.leases import Leases
from core.adapters.aws.state_table import Condition, StateTable, any_of, has, has_expired, hashed, is_absent
from core.adapters.aws.table import STATE_KEY, TTL_ATTRIBUTE
from core.adapters.aws.worklist_chunks import (
    AVERAGE,
    Results,
    bucket_of,
    chunks,
    number_of,
    packed,
    position_of,
    unpacked,
)
from core.domain.clock import Clock
from core.domain.errors import Conflict, FacedeskError, Refused, Service, Unavailable
from core.domain.expiry import expires_at
from core.domain.worklists import Item, Mark, Run
from core.flow.retry import Retry

SERVICE = Service.BATCHES
#: A batch that nobody has finished or dropped by then is deleted.
KEPT = timedelta(days=14)

_BATCHES = "batches"
_BEGINS, _READY, _ENDED = "begins", "ready", "ended"
_ITEMS, _RESULTS = "items/", "results/"
#: What takes the place of an erased person's item. A batch finds no record of it and passes on.
_ERASED = Item("erased", "erased", seen="erased")
_RUNNING = "A batch of this event is running already."
_LOST = "Another process has taken over this batch."


class DynamoWorklists:
    """``Worklists`` in DynamoDB."""

    def __init__(self, client: Any, table: str, retry: Retry, clock: Clock, instance: str) -> None:
        """``instance`` names this process among all that use the table."""
        self._state = StateTable(client, table, retry, clock, SERVICE)
        self._leases = Leases(client, table, retry, clock, SERVICE)
        self._clock = clock
        self._instance = instance

    def open(self, event_id: str) -> DynamoWorklist:
        # Of one process, too, one at a time may hold a list.
        holder = f"{self._instance}/{uuid.uuid4().hex}"
        if not self._leases.take(_lease(event_id), holder, LEASE):
            raise Conflict(_RUNNING)
        lease = KeptLease(self._leases, _lease(event_id), holder)
        try:
            return DynamoWorklist(self._state, lease, self._clock, event_id, holder)
        except BaseException:
            lease.end()
            raise

    def unfinished(self, event_id: str) -> tuple[Run, Mapping[Mark | None, int]] | None:
        batch = self._state.get(_BATCHES, hashed(event_id))
        if batch is None or _text(batch, "state") != _READY:
            return None
        return _run(batch), _counted(batch, _results(self._state, batch).values())

    def abandoned(self) -> list[tuple[str, Run]]:
        found = []
        for batch in self._state.items(_BATCHES):
            event_id, state = _text(batch, "eventId"), _text(batch, "state")
            run = _run(batch)
            waits = run.rests or run.folder is not None
            if (state == _READY and waits) or self._leases.holder(_lease(event_id)):
                continue
            if state == _ENDED or waits:
                with suppress(Unavailable):
                    self._clear(event_id, whole=True)
            else:
                found.append((event_id, run))
        return found

    def forget(self, user_id: str) -> None:
        for batch in list(self._state.stored(_BATCHES)):
            if _text(batch, "state") == _BEGINS:
                self._clear(_text(batch, "eventId"))
                continue
            bucket = f"{_ITEMS}{bucket_of(user_id, int(batch['buckets']['N'])):06}/"
            for chunk in list(self._state.stored(_part(batch), bucket)):
                self._without(user_id, _part(batch), chunk)

    def close(self) -> None:
        self._state.close()

    def _clear(self, event_id: str, *, whole: bool = False) -> None:
        """Deletes the items that a killed process left of a batch that began or had ended, or the ``whole`` batch."""
        try:
            self.open(event_id).close(forget=whole)
        except Conflict:
            sentence = "The list of a batch is being made. Try again in a minute."
            raise Unavailable(SERVICE, "BatchBegins", sentence) from None

    def _without(self, user_id: str, part: str, chunk: Stored | None) -> None:
        """Replaces the person's items in a chunk, whose other items keep their positions."""
        while chunk is not None:
            before = unpacked(chunk["items"]["B"])
            after = [_ERASED if item.user_id == user_id else item for item in before]
            if after == before:
                return
            place, stored = chunk[STATE_KEY[1]]["S"], chunk["items"]

            def is_as_before(used: Expression, stored: Mapping[str, Any] = stored) -> str:
                return f"{used.name('items')} = {used.value(stored)}"

            if self._state.put(part, place, {**chunk, "items": {"B": packed(after)}}, is_as_before):
                return
            # Another person was erased from it at the same time, an earlier try came through, or the batch ended.
            chunk = self._state.get(part, place)


class DynamoWorklist:
    """``Worklist`` in DynamoDB."""

    def __init__(self, state: StateTable, lease: KeptLease, clock: Clock, event_id: str, holder: str) -> None:
        self._state = state
        self._lease = lease
        self._clock = clock
        self._event_id = event_id
        self._place = hashed(event_id)
        self._holder = holder
        self._batch: Stored | None = None
        self._results: dict[str, Results] = {}
        self._open()

    def run(self) -> Run | None:
        return _run(self._batch) if self._batch else None

    def begin(
        self, chosen: str, folder: str | None, items: Iterable[Item], operator: str | None, ip_address: str | None
    ) -> Run:
        self._delete()
        batch: dict[str, Any] = {
            "eventId": {"S": self._event_id},
            "run": {"S": str(uuid.uuid4())},
            "chosen": {"S": chosen},
            **_texts(folder=folder, operator=operator, ipAddress=ip_address),
            "state": {"S": _BEGINS},
            "rests": {"BOOL": False},
            "term": {"N": "1"},
            TTL_ATTRIBUTE: {"N": str(expires_at(self._clock(), KEPT))},
        }
        # Before the event is read: who is erased from now on is in no list that was made without noticing.
        self._write(batch, self._is_free)
        try:
            batch |= {"state": {"S": _READY}, **self._list(batch, items)}
            self._write(batch)
        except BaseException:
            # Whoever asked for it hears of the error, so no other process begins it anew.
            with suppress(FacedeskError):
                self._delete()
            raise
        return _run(batch)

    def resume(self, operator: str | None, ip_address: str | None) -> None:
        batch = {name: value for name, value in self._stored().items() if name not in ("operator", "ipAddress")}
        self._write({**batch, **_texts(operator=operator, ipAddress=ip_address), "rests": {"BOOL": False}})

    def stops(self, stop: threading.Event) -> None:
        self._lease.stops(stop)

    def rest(self) -> None:
        if not self._lease.lost.is_set():
            self._write({**self._stored(), "rests": {"BOOL": True}})

    def left(self) -> Iterator[Item]:
        for chunk in self._state.stored(_part(self._stored()), _ITEMS):
            results = self._results.get(_place_of(chunk))
            for number, item in enumerate(unpacked(chunk["items"]["B"])):
                if results is None or results.mark(number) is None:
                    yield replace(item, number=number_of(_place_of(chunk), number))

    def keep(self, item: Item, mark: Mark, why: str) -> None:
        place, number = position_of(item.number)
        results = self._results.setdefault(place, Results())
        results.add(number, mark, why)
        batch = self._stored()
        marks, whys = results.stored()
        stored = {**_texts(marks=marks, whys=whys), "term": batch["term"], TTL_ATTRIBUTE: batch[TTL_ATTRIBUTE]}

        def is_of_no_later_term(used: Expression) -> str:
            return f"{is_absent(used)} OR {used.name('term')} <= {used.value(batch['term'])}"

        if not self._state.put(_part(batch), _RESULTS + place, stored, is_of_no_later_term):
            raise Conflict(_LOST)

    def counts(self) -> Mapping[Mark | None, int]:
        return _counted(self._batch, self._results.values()) if self._batch and _run(self._batch).listed else {}

    def problems(self, limit: int) -> list[tuple[Item, str]]:
        found: list[tuple[Item, str]] = []
        for place, results in sorted(self._results.items()):
            whys = results.problems()
            if not whys or len(found) >= limit:
                continue
            chunk = self._state.get(_part(self._stored()), _ITEMS + place)
            items = unpacked(chunk["items"]["B"]) if chunk else []
            found += [
                (replace(items[at], number=number_of(place, at)), why) for at, why in whys if items[at] != _ERASED
            ]
        return found[:limit]

    def close(self, *, forget: bool = False) -> None:
        try:
            if forget:
                self._delete()
        finally:
            self._lease.end()

    def _open(self) -> None:
        found = self._state.get(_BATCHES, self._place)
        if found is None:
            return
        term = found["term"]

        def is_unchanged(used: Expression) -> str:
            # Or an earlier try, whose answer was lost, wrote it.
            return f"{used.name('term')} = {used.value(term)} OR {self._is_mine(used)}"

        self._write({**found, "term": {"N": str(int(term["N"]) + 1)}}, is_unchanged)
        state = _text(found, "state")
        if state == _READY:
            self._results = _results(self._state, found)
        elif state == _BEGINS:
            self._state.delete_all(_part(found))
        else:
            self._delete()

    def _list(self, batch: Stored, items: Iterable[Item]) -> Stored:
        """Stores the items of a batch; returns what the batch has to say of them."""
        latest = {item.registration_id: item for item in items}
        buckets = math.ceil(len(latest) / AVERAGE) or 1
        # One after the other: a part takes 1,000 write units a second.
        for place, chunk in chunks(latest.values(), buckets):
            item = {"items": {"B": chunk}, TTL_ATTRIBUTE: batch[TTL_ATTRIBUTE]}
            self._state.put(_part(batch), _ITEMS + place, item)
        return {"total": {"N": str(len(latest))}, "buckets": {"N": str(buckets)}}

    def _stored(self) -> Stored:
        if self._batch is None:
            raise Conflict("This batch is finished or was dropped.")
        return self._batch

    def _write(self, batch: Mapping[str, Any], when: Condition | None = None) -> None:
        batch = {**batch, "holder": {"S": self._holder}}
        if not self._state.put(_BATCHES, self._place, batch, when or self._is_mine):
            raise Conflict(_LOST)
        self._batch = batch

    def _delete(self) -> None:
        if self._batch is None:
            return
        self._write({**self._batch, "state": {"S": _ENDED}})
        self._state.delete_all(_part(self._batch))
        self._state.delete(_BATCHES, self._place, self._is_mine)
        self._batch, self._results = None, {}

    def _is_free(self, used: Expression) -> str:
        return any_of(is_absent, has_expired(self._clock()), self._is_mine)(used)

    def _is_mine(self, used: Expression) -> str:
        return has("holder", self._holder)(used)


def _results(state: StateTable, batch: Stored) -> dict[str, Results]:
    found = {}
    for item in state.stored(_part(batch), _RESULTS):
        found[_place_of(item)] = Results(_text(item, "marks"), _text(item, "whys"))
    return found


def _counted(batch: Stored, results: Iterable[Results]) -> Mapping[Mark | None, int]:
    counts: Counter[Mark | None] = Counter()
    for each in results:
        counts.update(each.counts())
    if left := int(batch["total"]["N"]) - counts.total():
        counts[None] = left
    return counts


def _place_of(chunk: Stored) -> str:
    return str(chunk[STATE_KEY[1]]["S"]).partition("/")[2]


def _run(batch: Stored) -> Run:
    operator, ip_address, folder = (batch.get(name, {}).get("S") for name in ("operator", "ipAddress", "folder"))
    rests, listed = bool(batch["rests"]["BOOL"]), _text(batch, "state") == _READY
    return Run(uuid.UUID(_text(batch, "run")), _text(batch, "chosen"), folder, operator, ip_address, rests, listed)


def _part(batch: Stored) -> str:
    return f"batch#{_text(batch, 'run')}"


def _lease(event_id: str) -> str:
    return f"batch#{hashed(event_id)}"


def _texts(**texts: str | None) -> Stored:
    return {name: {"S": text} for name, text in texts.items() if text is not None}


def _text(item: Stored, name: str) -> str:
    if "S" not in item.get(name, {}):
        raise Refused(SERVICE, "UnreadableBatch", "A stored batch cannot be read.")
    return str(item[name]["S"])
