"""Whose records name a photo that lies in no upload folder: an index in the table of Facedesk's own state.

A photo that was uploaded to Facedesk lies in the folder of its registration, which says whose it is. Other services
name photos such as ``face-images/user-photo.jpg``, which several people's records may name. The index leads from such
a key to the records that name it, so that an erasure need not read the whole table of records.

An entry is written before its record. It may be out of date, so whoever reads it looks into the record. Two items
make an entry: one is found by the key, and one by the person, which an erasure follows to delete both. The hash in a
record's ``photosNoted`` says which keys were noted, until when, and in which index. A pass over the table notes what
other services wrote, and says when it began. The index counts as complete for some time after that.
"""

from __future__ import annotations

import uuid
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from core.adapters.aws.items import Item
from core.adapters.aws.state_table import StateTable, has, hashed, is_absent
from core.adapters.aws.table import STATE_KEY, TTL_ATTRIBUTE
from core.domain.clock import Clock
from core.domain.errors import NotConfigured, Service
from core.domain.moments import MOST_SECONDS
from core.flow.retry import Retry
from core.photos.keys import SUBMITTED, spellings, upload_folder

SERVICE = Service.RECORDS
#: The attribute of a record that says what of it was noted.
NOTED = "photosNoted"
#: The attributes of a record that name photos.
NAMING = ("faceImageKey", "storedFaceKey", "attempts")
#: For how long after the beginning of a pass the index counts as complete. With the pace that a pass has by default,
#: it allows for two passes over 10 million records.
TRUSTED = timedelta(hours=3)
#: For how long an entry outlives its record: DynamoDB deletes what has expired within days, in any order, and another
#: service may keep a record for longer, which the next pass notes.
OUTLIVES = timedelta(days=3)
#: The item of the index itself: its id, and when the last pass over all records began.
_INDEX = ("photo-owners", "index")


@dataclass(frozen=True)
class Owner:
    """The key of a record that named a photo when it was noted."""

    user_id: str
    registration_id: str


class PhotoOwners:
    """The index in DynamoDB. ``client`` makes one attempt per call (``core.adapters.aws.clients.client``).

    ``trusted`` is how long a pass counts; with None for ever, which is right if only Facedesk writes records. If the
    stream of their table is ``followed`` (``core.adapters.aws.stream``), so does a pass that began since.
    """

    def __init__(
        self,
        client: Any,
        table: str,
        retry: Retry,
        clock: Clock,
        trusted: timedelta | None = TRUSTED,
        *,
        followed: bool = False,
    ) -> None:
        self._state = StateTable(client, table, retry, clock, SERVICE)
        self._clock = clock
        self._trusted = trusted
        self.followed = followed
        self._id: str | None = None

    def is_complete(self) -> bool:
        """Whether every record is noted, but those that other services wrote since the last pass began."""
        index = self._state.get(*_INDEX) or {}
        began = index.get("asOf")
        if began is None:
            return False
        if self._trusted is None or (self.followed and "followed" in index):
            return True
        return int(began["N"]) >= (self._clock() - self._trusted).timestamp()

    def complete(self, began: datetime) -> None:
        """A pass that began then has noted all records. The clocks of machines may differ by minutes."""
        index = self.index_id()
        item: dict[str, Any] = {"id": {"S": index}, "asOf": {"N": str(int(began.timestamp()))}}
        if self.followed:
            item["followed"] = {"BOOL": True}
        if not self._state.put(*_INDEX, item, has("id", index)):
            # Somebody has deleted the item meanwhile, so that all records are noted again: by the next pass.
            self._id = None

    def of(self, key: str) -> list[Owner]:
        """The records that may name the photo, even expired ones; ``is_noted`` holds for its key."""
        entries = self._state.stored(_of_key(key))
        return [Owner(entry["userId"]["S"], entry["registrationId"]["S"]) for entry in entries]

    def needed(self, item: Item) -> Item:
        """What must be set in the record ``item`` with the next write of it, once it was noted; empty if nothing."""
        keys = _noted(item)
        if not keys:
            return {}
        noted = {"S": hashed("\0".join([self.index_id(), str(expiry_of(item) or ""), *keys]))[:16]}
        return {} if item.get(NOTED) == noted else {NOTED: noted}

    def note(self, item: Item) -> int:
        """Note the photos that the record ``item`` names; returns how many items were written. Durable then."""
        user_id, registration_id = item["userId"]["S"], item["registrationId"]["S"]
        expires = expiry_of(item)
        until = {TTL_ATTRIBUTE: {"N": str(expires + int(OUTLIVES.total_seconds()))}} if expires else {}
        owner = {"userId": {"S": user_id}, "registrationId": {"S": registration_id}}
        keys = _noted(item)
        for key in keys:
            # The one that an erasure follows comes first, so that it finds all.
            self._state.put(_of_person(user_id), _place(registration_id, key), until)
            self._state.put(_of_key(key), _place(user_id, registration_id), {**owner, **until})
        return 2 * len(keys)

    def noted(self, item: Item) -> Item:
        """Note the record that is about to be written as ``item``, and return what must be set in it.

        Nothing is noted if there is no table for it: no index is complete then.
        """
        try:
            needed = self.needed(item)
            if needed:
                self.note(item)
        except NotConfigured:
            return {}
        return needed

    def forget(self, user_id: str, registration_id: str = "", item: Item | None = None) -> None:
        """Delete the person's entries, or those of a registration, but what the record ``item`` names."""
        kept = set(map(hashed, _noted(item or {})))
        start = f"{hashed(registration_id)}/" if registration_id else ""
        with suppress(NotConfigured):  # without the table nothing was noted
            for entry in list(self._state.stored(_of_person(user_id), start)):
                place = entry[STATE_KEY[1]]["S"]
                registration, _, key = place.partition("/")
                if key not in kept:
                    self._state.delete(f"photo-owners#{key}", f"{hashed(user_id)}/{registration}")
                    self._state.delete(_of_person(user_id), place)

    def index_id(self) -> str:
        """The id of the index: a new one makes every record be noted again. Made if there is none."""
        while self._id is None:
            stored = self._state.get(*_INDEX)
            if stored:
                self._id = stored["id"]["S"]
            else:
                self._state.put(*_INDEX, {"id": {"S": uuid.uuid4().hex}}, is_absent)
        return self._id

    def close(self) -> None:
        self._state.close()


def named(item: Item) -> set[str]:
    """The keys of all photos that the record names, in every spelling that may be meant."""
    keys = submitted(item) | _texts(item, "storedFaceKey")
    return {spelling for key in keys for spelling in spellings(key)}


def submitted(item: Item) -> set[str]:
    """The keys of the photos submitted in all attempts, as written; values of unexpected types are ignored."""
    attempts = item.get("attempts", {}).get("L", ())
    return _texts(item, "faceImageKey").union(*(_texts(attempt.get("M", {}), "faceImageKey") for attempt in attempts))


def is_noted(key: str) -> bool:
    """Whether the index has the photo: it may be erased with its record, and lies in no upload folder."""
    return key.startswith(SUBMITTED) and upload_folder(key) is None


def _noted(item: Item) -> list[str]:
    return sorted(filter(is_noted, named(item)))


def _texts(item: Item, name: str) -> set[str]:
    return {value for kind, value in item.get(name, {}).items() if kind == "S"}


def expiry_of(item: Item) -> int | None:
    """The second in which DynamoDB deletes the record; None if it never does."""
    number = item.get(TTL_ATTRIBUTE, {}).get("N")
    seconds = int(Decimal(number)) if number else 0
    return seconds if 0 < seconds <= MOST_SECONDS else None


def _of_key(key: str) -> str:
    return f"photo-owners#{hashed(key)}"


def _of_person(user_id: str) -> str:
    return f"owned-photos#{hashed(user_id)}"


def _place(*parts: str) -> str:
    return "/".join(map(hashed, parts))
