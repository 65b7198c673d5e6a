"""Attempts that have moved out of their record, because every write of a record costs a unit for each KB of it.

A record lists its newest attempts. If they make it too large, the oldest of them move into a *part*: an item in the
person's partition, with the record's sort key, ``#attempts#`` and a name as its own. The record's ``earlierAttempts``
names its latest part, and each part names the one before it. Nobody but the adapters of this table sees that:
``Stored.whole`` is the record as if nothing had moved.

A part is written before the record that names it, and its attempts never change. Its name follows from these and from
the state of the record for which it was made, which never comes back. So a write that is made again makes the same
part, and who dies, or loses a race, leaves a part that no record names. Such a part means nothing. A write that
changes a record may delete every part that it has seen before and that the record does not name afterwards: others
could name one only by a write that now fails. An erasure deletes whatever lies in the partition, and a part expires
some days after its record.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from typing import Any

from core.adapters.aws.items import Expression, Item, as_sent, size_of
from core.adapters.aws.pages import items_of, pages
from core.adapters.aws.photo_owners import NOTED, OUTLIVES, PhotoOwners, expiry_of
from core.adapters.aws.state_table import hashed
from core.adapters.aws.table import ATTEMPTS_OF, TTL_ATTRIBUTE
from core.domain.costs import WRITE_UNIT_BYTES
from core.domain.errors import Service, ServiceError, Unavailable
from core.domain.records import KEY_ATTRIBUTES, MAX_ATTEMPTS

#: The attribute of a record, and of a part, that names the part with the attempts before its own.
EARLIER = "earlierAttempts"
#: What is between the registration id and the name in the sort key of a part.
MARK = "#attempts#"
#: The write units that a record may take before attempts move; more if it takes more with its newest one alone.
UNITS = 2
#: The attributes that every writer changes with a record: a write requires that these are as they were read. Repairs,
#: and moves to another key of the event index, change none of them, and so hold up nobody.
VERSION = ("updatedAt", "timestamp", "verificationAttempt", "validationStatus", EARLIER)
#: Bytes of UTF-8 that DynamoDB takes as a sort key.
_LONGEST_KEY = 1024
_NAME_LENGTH = 16
_A_NAME = re.compile(rf"[0-9a-f]{{{_NAME_LENGTH}}}")


@dataclass(frozen=True)
class Stored:
    """A record as it is in the table: its ``item``, which is empty if there is none, and its parts, oldest first."""

    item: Item
    parts: tuple[Item, ...] = ()
    #: Parts of the registration that the record does not name.
    others: tuple[Item, ...] = ()
    #: False if a part that is named was not found.
    is_complete: bool = True

    @property
    def whole(self) -> Item:
        """The record with its newest attempts, as many as records list."""
        own = {name: value for name, value in self.item.items() if name != EARLIER or not _earlier(self.item)}
        if not self.parts or "L" not in own.get("attempts", {"L": ()}):
            return own
        listed = [attempt for each in (*self.parts, self.item) for attempt in _listed(each)]
        return {**own, "attempts": {"L": listed[-MAX_ATTEMPTS:]}}


@dataclass(frozen=True)
class Split:
    """How a record is to be stored."""

    #: The record's item.
    item: Item
    #: The part to be written before it.
    fresh: Item | None = None
    #: Parts that are of no use afterwards.
    dead: tuple[Item, ...] = ()


class RecordItems:
    """The items of records and their parts. Every call is a single try.

    A method that makes several calls starts none of them after ``until`` (``time.monotonic``), if it is given.

    ``client`` decodes answers with ``core.adapters.aws.answers``; ``errors`` translates those of a try.
    """

    def __init__(
        self,
        client: Any,
        table: str,
        errors: Callable[[], AbstractContextManager[None]],
        owners: PhotoOwners | None,
    ) -> None:
        """``owners`` forgets the photos that parts named when they are deleted."""
        self._client = client
        self._table = table
        self._errors = errors
        self._owners = owners

    def item(self, key: Item, until: float = math.inf) -> Item:
        """The record's own item; empty if there is none."""
        require_time(until)
        with self._errors():
            answer = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True)
        found: Item = answer.get("Item", {})
        return {} if is_part(found) else found

    def read(self, key: Item, until: float = math.inf) -> Stored:
        """The record, with one call if it names no part. If a part is gone, another process may have replaced it."""
        item = self.item(key)
        while _earlier(item):
            stored = joined(item, self._parts(key, until))
            if stored.is_complete:
                return stored
            again = self.item(key, until)
            if again.get(EARLIER) == item[EARLIER]:
                return stored
            item = again
        return Stored(item)

    def read_all(self, key: Item) -> Stored:
        """As ``read``, with every part of the registration that was there before."""
        before = self._parts(key)
        stored = self.read(key)
        named = set(map(_place, stored.parts))
        others = {_place(part): part for part in (*before, *stored.others) if _place(part) not in named}
        return replace(stored, others=tuple(others.values()))

    def put(self, part: Item) -> None:
        """Durable when it returns. Putting it again changes nothing."""
        used = Expression()
        values = (f"{used.name(n)} = {used.value(as_sent(v))}" for n, v in part.items() if n not in KEY_ATTRIBUTES)
        # No PutItem: the server's role may put nothing but the journal of erasures.
        update = "SET " + ", ".join(values)
        with self._errors():
            self._client.update_item(
                TableName=self._table,
                Key=_key(part),
                UpdateExpression=update,
                ExpressionAttributeNames=used.names,
                ExpressionAttributeValues=used.values,
            )

    def delete(self, part: Item) -> None:
        with self._errors():
            self._client.delete_item(TableName=self._table, Key=_key(part))
        if self._owners and NOTED in part:
            self._owners.forget(part["userId"]["S"], part["registrationId"]["S"])

    def tidy(self, parts: Iterable[Item]) -> None:
        """Delete parts that are of no use. What fails is left to the next write."""
        with suppress(ServiceError):
            for part in parts:
                self.delete(part)

    def _parts(self, key: Item, until: float = math.inf) -> list[Item]:
        """All parts of the registration, also such that the record does not name."""
        request = {
            "TableName": self._table,
            "KeyConditionExpression": "#userId = :userId AND begins_with(#registrationId, :start)",
            "ExpressionAttributeNames": {f"#{name}": name for name in KEY_ATTRIBUTES},
            "ExpressionAttributeValues": {
                ":userId": key["userId"],
                ":start": {"S": key["registrationId"]["S"] + MARK},
            },
            "ConsistentRead": True,
        }

        def ask(request: Mapping[str, Any]) -> Any:
            require_time(until)
            with self._errors():
                return self._client.query(**request)

        found = items_of(pages(ask, request))
        return [item for item in found if is_part(item) and item[ATTEMPTS_OF] == key["registrationId"]]


def require_time(until: float) -> None:
    """Raises ``Unavailable`` after that moment (``time.monotonic``): a call that starts now could end too late."""
    if time.monotonic() > until:
        raise Unavailable(Service.RECORDS, "DeadlineExceeded")


def is_part(item: Item) -> bool:
    """Whether the item holds attempts of a record. One without the mark is a record, whatever its sort key."""
    return ATTEMPTS_OF in item and item["registrationId"]["S"].startswith(item[ATTEMPTS_OF].get("S", "") + MARK)


def registration_of(item: Item) -> str:
    """The id of the registration to which the item belongs, be it a record or a part."""
    return str(item[ATTEMPTS_OF if is_part(item) else "registrationId"]["S"])


def joined(item: Item, parts: Iterable[Item]) -> Stored:
    """The record ``item`` with those of ``parts`` that it names."""
    there = {_place(part): part for part in parts}
    found: list[Item] = []
    listed = len(_listed(item))
    last: Item | None = item
    while last and (name := _earlier(last)) and listed < MAX_ATTEMPTS:
        last = there.pop(f"{item['registrationId']['S']}{MARK}{name}", None)
        if last:
            found.append(last)
            listed += len(_listed(last))
    return Stored(item, tuple(reversed(found)), tuple(there.values()), is_complete=last is not None)


def joined_by_registration(items: Iterable[Item]) -> Iterator[Stored]:
    """The records among a person's ``items``, each with its parts; an empty item where there are parts alone."""
    records: dict[str, Item] = {}
    parts: dict[str, list[Item]] = {}
    for item in items:
        if is_part(item):
            parts.setdefault(registration_of(item), []).append(item)
        else:
            records[registration_of(item)] = item
    for registration in {**records, **parts}:
        beside = parts.get(registration, [])
        yield joined(records[registration], beside) if registration in records else Stored({}, (), tuple(beside))


def split(stored: Stored, parts: Sequence[Item], whole: Item) -> Split:
    """How ``whole``, which lists all attempts, is to be stored in place of ``stored``.

    ``parts`` are those of ``stored`` that still count. What they hold stays there; but if one of them would expire
    before the record, or much later than it, all that they hold moves into a new one.
    """
    if "L" not in whole.get("attempts", {}):  # none, or another service's form, of which nothing moves
        named = {EARLIER: stored.item[EARLIER]} if parts else {}
        return Split({**whole, **named})
    listed = _listed(whole)
    kept, count = _holding(parts, listed)
    moved, own = [], listed[count:]
    if not all(_expires_with(whole, part) for part in kept):
        kept, moved = (), listed[:count]
    record = {**whole, **({EARLIER: _name(kept[-1])} if kept else {})}
    going = _going(record, own)
    moved, own = [*moved, *own[:going]], own[going:]
    fresh = _part(stored, record, moved) if moved else None
    record = {**record, "attempts": {"L": own}, **({EARLIER: _name(fresh)} if fresh else {})}
    named_now = {_place(part) for part in (*kept, fresh) if part}
    dead = tuple(part for part in (*stored.parts, *stored.others) if _place(part) not in named_now)
    return Split(record, fresh, dead)


def _holding(parts: Sequence[Item], listed: Sequence[Any]) -> tuple[tuple[Item, ...], int]:
    """The latest of the parts that hold the oldest of the ``listed`` attempts, and how many of these they hold.

    The newest attempt is never among them: the record itself lists it.
    """
    held = [attempt for part in parts for attempt in _listed(part)]
    most = min(len(held), len(listed) - 1)
    count = next((n for n in range(most, 0, -1) if held[-n:] == listed[:n]), 0)
    kept: list[Item] = []
    lacking = count
    for part in reversed(parts):
        if lacking <= 0:
            break
        kept.insert(0, part)
        lacking -= len(_listed(part))
    return tuple(kept), count


def _going(record: Item, own: Sequence[Any]) -> int:
    """How many of the oldest of its ``own`` attempts the record has no room for, and what fits into a part with them.

    At least the newest one stays. A part takes as many as one write unit has room for, if not more must go.
    """
    key = record["registrationId"]["S"]
    if len(f"{key}{MARK}".encode()) + _NAME_LENGTH > _LONGEST_KEY or (EARLIER in record and not _earlier(record)):
        return 0
    sizes = [size_of({"": attempt}) + 1 for attempt in own]
    size = size_of({**record, "attempts": {"L": []}, EARLIER: {"S": "x" * _NAME_LENGTH}})
    room = WRITE_UNIT_BYTES * max(UNITS, math.ceil((size + sum(sizes[-1:])) / WRITE_UNIT_BYTES))
    size += sum(sizes)
    going = 0
    if size <= room:
        return going
    part = size_of(_part(Stored({}), record, []))
    while going < len(own) - 1 and (size > room or part + sizes[going] <= WRITE_UNIT_BYTES):
        size -= sizes[going]
        part += sizes[going]
        going += 1
    return going


def _part(stored: Stored, record: Item, attempts: Sequence[Any]) -> Item:
    """A part with these attempts, before those that ``record`` names; made for the record as it is ``stored``."""
    expires = expiry_of(record)
    content: dict[str, Any] = {
        "userId": record["userId"],
        ATTEMPTS_OF: record["registrationId"],
        "attempts": {"L": list(attempts)},
        **({EARLIER: record[EARLIER]} if EARLIER in record else {}),
    }
    if expires is not None:
        content[TTL_ATTRIBUTE] = {"N": str(expires + int(OUTLIVES.total_seconds()))}
    state = [stored.item.get(name) for name in VERSION]
    name = hashed(json.dumps([state, content], sort_keys=True, default=str))[:_NAME_LENGTH]
    return {**content, "registrationId": {"S": f"{record['registrationId']['S']}{MARK}{name}"}}


def _expires_with(record: Item, part: Item) -> bool:
    """Whether the part expires after the record, but not much later."""
    record_expires, part_expires = expiry_of(record), expiry_of(part)
    if record_expires is None or part_expires is None:
        return record_expires is part_expires
    return record_expires <= part_expires <= record_expires + OUTLIVES.total_seconds()


def _listed(item: Item) -> list[Any]:
    """The attempts in the item, in the API's form."""
    return list(item.get("attempts", {}).get("L", ()))


def _earlier(item: Item) -> str:
    """The name of the part with the attempts before those of the item; empty if it names none.

    An attribute of another service may be called so, too. It stays, and no attempts of that record move.
    """
    name = str(item.get(EARLIER, {}).get("S", ""))
    return name if _A_NAME.fullmatch(name) else ""


def _name(part: Item) -> Mapping[str, str]:
    """What names the part, as an attribute."""
    return {"S": part["registrationId"]["S"][-_NAME_LENGTH:]}


def _key(part: Item) -> dict[str, Any]:
    return {name: part[name] for name in KEY_ATTRIBUTES}


def _place(part: Item) -> str:
    return str(part["registrationId"]["S"])
