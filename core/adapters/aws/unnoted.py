"""Records whose photos are not in the index of ``core.adapters.aws.photo_owners``, looked for beside other things."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from core.adapters.aws.items import Expression, Item
from core.adapters.aws.photo_owners import NAMING, NOTED, PhotoOwners
from core.adapters.aws.table import TTL_ATTRIBUTE
from core.adapters.aws.table_pass import Finding, Search
from core.domain.errors import NotConfigured

KIND = "photo in no upload folder, noted for erasures"


class AlsoUnnoted:
    """A ``Search`` for what another one looks for, and for records of which ``owners`` has yet to note photos.

    It is the ``Keeper`` of its passes, too. Without a table of Facedesk's own state it is the other search alone.
    It reads every record whole: no filter can tell which of the photos of all attempts lie in upload folders.
    """

    def __init__(self, search: Search, owners: PhotoOwners) -> None:
        self._search = search
        #: None once it is known that there is no table to note anything in.
        self._owners: PhotoOwners | None = owners
        self.name = f"{search.name} with photos"
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

    def prepare(self, item: Item) -> int:
        return self._owners.note(item) if self._owners and self._needed(item) else 0

    def gone(self, item: Item) -> None:
        # Its person may have been erased since it was read: then nobody else would forget what was noted since.
        if self._owners:
            self._owners.forget(item["userId"]["S"], item["registrationId"]["S"])

    def completed(self, began: datetime) -> None:
        with suppress(NotConfigured):
            if self._owners:
                self._owners.complete(began)

    def _needed(self, item: Item) -> Item:
        if self._owners:
            try:
                return self._owners.needed(item)
            except NotConfigured:
                self._owners = None
        return {}
