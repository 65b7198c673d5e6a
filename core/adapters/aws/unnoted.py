"""Records whose photos are not in the index of ``core.adapters.aws.photo_owners``, looked for beside other things."""

from __future__ import annotations

from datetime import datetime

from core.adapters.aws.items import Expression, Item
from core.adapters.aws.photo_owners import NAMING, NOTED, PhotoOwners
from core.adapters.aws.repair import Finding, Search
from core.adapters.aws.table import TTL_ATTRIBUTE
from core.domain.errors import NotConfigured

KIND = "photo in no upload folder, noted for erasures"


class AlsoUnnoted:
    """A ``Search`` for what another one looks for, and for records of which ``owners`` has yet to note photos.

    It is the ``Keeper`` of its passes, too. Without a table of Facedesk's own state it is the other search alone.
    It reads every record whole: no filter can tell which of the photos of all attempts lie in upload folders.
    """

    def __init__(self, search: Search, owners: PhotoOwners) -> None:
        self._search = search
        self._owners = owners
        #: Whether there is a table to note anything in.
        self._notes = True
        self.name = search.name
        self.reads = tuple(dict.fromkeys((*search.reads, *NAMING, TTL_ATTRIBUTE, NOTED)))

    def condition(self, used: Expression) -> str:
        other = self._search.condition(used)
        return f"({other} OR {' OR '.join(f'attribute_exists({used.name(name)})' for name in NAMING)})"

    def finding(self, item: Item) -> Finding | None:
        needed = self._needed(item)
        found = self._search.finding(item)
        if not needed:
            return found
        if found is None:
            return Finding((KIND,), needed)
        return Finding((*found.kinds, KIND), {**found.values, **needed}, is_left=not found.values)

    def begin(self) -> str:
        try:
            index = self._owners.index_id()
        except NotConfigured:
            index = ""
        self._notes = bool(index)
        # A pass that began before the stream was followed must not end as one that began afterwards.
        return f"{index} followed" if self._owners.followed else index

    def prepare(self, item: Item) -> int:
        return self._owners.note(item) if self._needed(item) else 0

    def gone(self, item: Item) -> None:
        # Its person may have been erased since it was read: then nobody else would forget what was noted since.
        self._owners.forget(item["userId"]["S"], item["registrationId"]["S"])

    def completed(self, began: datetime) -> None:
        if self._notes:
            self._owners.complete(began)

    def _needed(self, item: Item) -> Item:
        return self._owners.needed(item) if self._notes else {}
