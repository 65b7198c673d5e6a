"""Reads the registrations of an event of any size from MongoDB: page by page, and then what has changed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pymongo
from bson import Code, DBRef, Decimal128, MaxKey, MinKey, ObjectId, Timestamp
from bson.datetime_ms import DatetimeMS
from pymongo.collection import Collection

from core.adapters.aws.mongodb import Calls
from core.adapters.aws.registration_documents import Documents, at, document_key
from core.adapters.aws.registration_ids import Document, Ids, as_number
from core.domain.clock import Clock
from core.domain.errors import Refused
from core.ports import RegistrationChanges, RegistrationPage

#: The documents of a page where nobody says how many: about a megabyte, which is decoded in some 20 ms.
PAGE = 5000
#: The most changes that are taken from a change stream at once.
MAX_CHANGES = 5000
#: How long a change stream waits for news before it says that there are none.
_AWAIT_MS = 20
#: Documents that changed up to this long before the newest known change are read again: clocks of writers differ, and
#: a write may become visible after a later one.
LAG = timedelta(minutes=2)
#: Groups of BSON's types in MongoDB's order, each with Python's types. ``$gt`` compares within a group alone.
_BRACKETS: Sequence[tuple[tuple[str, ...], tuple[type, ...]]] = (
    (("minKey",), (MinKey,)),
    (("null",), (type(None),)),
    (("int", "long", "double", "decimal"), (int, float, Decimal128)),
    (("string", "symbol"), (str,)),
    (("object",), (dict, DBRef)),
    (("binData",), (bytes,)),
    (("objectId",), (ObjectId,)),
    (("bool",), (bool,)),
    (("date",), (datetime, DatetimeMS)),
    (("timestamp",), (Timestamp,)),
    (("javascript", "javascriptWithScope"), (Code,)),
    (("maxKey",), (MaxKey,)),
)
_BRACKET_OF = {kind: number for number, (_, kinds) in enumerate(_BRACKETS) for kind in kinds}
_CHANGES = ("insert", "update", "replace", "delete")


@dataclass(frozen=True)
class _Token:
    """A mark in the collection's change stream."""

    token: Mapping[str, Any]


@dataclass(frozen=True)
class _Place:
    """Behind ``last`` among the documents that the filter of this number finds.

    ``beyond`` says that all ids of the same bracket have been read.
    """

    number: int
    last: Any = None
    begun: bool = False
    beyond: bool = False

    def condition(self) -> Document:
        if not self.begun:
            return {}
        if self.beyond:
            later = [name for names, _ in _BRACKETS[_bracket(self.last) + 1 :] for name in names]
            return {"$or": [{"_id": {"$type": name}} for name in later]}
        if isinstance(self.last, float | Decimal128) and as_number(self.last).is_nan():
            return {"_id": {"$gte": float("-inf")}}  # it comes before all numbers, and no number is greater
        return {"_id": {"$gt": self.last}}

    def following(self, found: Sequence[Document], limit: int, filters: int) -> _Place | None:
        """The place behind ``found``, which is what there was here, at most ``limit``; None at the end."""
        # An id whose bytes are no UTF-8 cannot be asked for: the next page begins before it.
        last = next((each["_id"] for each in reversed(found) if _can_be_asked_for(each["_id"])), self.last)
        if len(found) == limit:
            return _Place(self.number, last, begun=True)
        if self.begun and not self.beyond and _bracket(last) + 1 < len(_BRACKETS):
            return _Place(self.number, last, begun=True, beyond=True)
        return _Place(self.number + 1) if self.number + 1 < filters else None


class MongoRegistrationPages:
    """``RegistrationPages`` in a collection whose documents another system defines.

    Pages are in the order of ``_id``, for which MongoDB wants an index on the event and ``_id``. Changes come from
    the collection's change stream if the server has one. Otherwise they are the documents with a later time in
    ``updated_path``, and their number tells whether some were deleted; for that MongoDB wants an index on the event
    and this field.
    """

    def __init__(
        self,
        collection: Collection[Document],
        documents: Documents,
        ids: Ids,
        paths: tuple[str, str],
        projection: Document,
        call: Calls,
        clock: Clock,
    ) -> None:
        """``paths`` are those of the event's id and of the time of the last change."""
        self._collection = collection
        self._documents = documents
        self._ids = ids
        self._event_path, self._updated_path = paths
        self._projection = projection
        self._call = call
        self._clock = clock

    def event_count(self, event_id: str) -> int:
        return sum(map(self._count, self._filters(event_id)))

    def event_mark(self, event_id: str) -> Any:
        return self._token() or self._newest(event_id)

    def event_page(self, event_id: str, after: Any, limit: int) -> RegistrationPage:
        found, following = self._page(self._filters(event_id), after, limit)
        return RegistrationPage(self._documents.frame(found, event_id), following)

    def event_changes(self, event_id: str, mark: Any) -> RegistrationChanges:
        return self._streamed(event_id, mark) if isinstance(mark, _Token) else self._updated(event_id, mark)

    def all_of(self, filters: Sequence[Document]) -> Iterator[Document]:
        """The documents that any of the filters finds, page by page; one may come twice."""
        place: _Place | None = _Place(0)
        while place:
            found, place = self._page(filters, place, PAGE)
            yield from found

    def _filters(self, event_id: str) -> list[Document]:
        # One after the other: of one filter with both MongoDB could not read pages in the order of an index.
        return self._ids.alternatives(self._event_path, event_id)

    def _page(
        self, filters: Sequence[Document], after: _Place | None, limit: int
    ) -> tuple[list[Document], _Place | None]:
        place = after or _Place(0)
        conditions = [filters[place.number], place.condition()]
        query = {"$and": [each for each in conditions if each]}
        order = [("_id", pymongo.ASCENDING)]
        found = self._find(query, sort=order, limit=limit, batch_size=limit)
        return found, place.following(found, limit, len(filters))

    def _find(self, query: Document, **options: Any) -> list[Document]:
        return self._call(lambda: list(self._collection.find(query, self._projection, **options)))

    def _count(self, query: Document) -> int:
        return self._call(lambda: self._collection.count_documents(query))

    def _token(self) -> _Token | None:
        """Where the change stream is now; None if the server has none, or refuses it."""
        try:
            _, token = self._call(lambda: self._drained(None, 0))
        except Refused:
            return None
        return token

    def _drained(self, token: _Token | None, limit: int) -> tuple[list[Document], _Token | None]:
        """At most ``limit`` changes since the token, and where they end."""
        wanted = ("operationType", "documentKey", *(f"fullDocument.{name}" for name in self._projection))
        found: list[Document] = []
        with self._collection.watch(
            [{"$project": dict.fromkeys(wanted, 1)}],
            full_document="updateLookup",
            resume_after=token.token if token else None,
            max_await_time_ms=_AWAIT_MS,
            batch_size=MAX_CHANGES,
        ) as stream:
            while len(found) < limit and (change := stream.try_next()) is not None:
                found.append(change)
                if change["operationType"] not in _CHANGES:
                    break
            end = stream.resume_token
        return found, _Token(end) if end else None

    def _streamed(self, event_id: str, mark: _Token) -> RegistrationChanges:
        try:
            changes, token = self._call(lambda: self._drained(mark, MAX_CHANGES))
        except Refused:  # the server no longer has what happened since the mark
            changes, token = [], None
        if changes and changes[-1]["operationType"] not in _CHANGES:  # the collection was dropped or renamed
            changes, token = [], None
        latest = {
            document_key(change["documentKey"]["_id"]): (
                None if change["operationType"] == "delete" else change.get("fullDocument")
            )
            for change in changes
        }
        frame = self._documents.frame([document for document in latest.values() if document], event_id)
        gone = frozenset(latest) - {*frame["document"]}
        return RegistrationChanges(frame, gone, token, more=len(changes) == MAX_CHANGES)

    def _newest(self, event_id: str) -> datetime | None:
        """The time of the event's newest change; None if it has no such times."""
        order = [(self._updated_path, pymongo.DESCENDING)]
        found = [
            document
            for query in self._filters(event_id)
            for document in self._find(query, sort=order, limit=1, batch_size=1)
        ]
        return self._latest(found)

    def _latest(self, documents: Sequence[Document]) -> datetime | None:
        path = self._updated_path.split(".")
        values = [value for each in documents if isinstance(value := at(each, path), datetime)]
        times = [value.replace(tzinfo=UTC) if value.tzinfo is None else value for value in values]
        # A time in the future must not hide the changes until then.
        return min(max(times), self._clock()) if times else None

    def _updated(self, event_id: str, mark: datetime) -> RegistrationChanges:
        newer = {self._updated_path: {"$gt": mark - LAG}}
        found = list(self.all_of([{"$and": [each, newer]} for each in self._filters(event_id)]))
        newest = max(mark, self._latest(found) or mark)
        frame = self._documents.frame(found, event_id)
        return RegistrationChanges(frame, frozenset(), newest, count=self.event_count(event_id))


def _bracket(own_id: Any) -> int:
    return next(_BRACKET_OF[kind] for kind in type(own_id).__mro__ if kind in _BRACKET_OF)


def _can_be_asked_for(own_id: Any) -> bool:
    return not isinstance(own_id, str) or own_id.isascii() or not re.search("[\ud800-\udfff]", own_id)
