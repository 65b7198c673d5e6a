"""Registrations in MongoDB, where another system keeps them. They are only read."""

from __future__ import annotations

from collections.abc import Collection as Several
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import pandas as pd
import pymongo
from pymongo.collection import Collection

from core.adapters.aws import search_patterns
from core.adapters.aws.mongodb import Calls, as_stored, is_path
from core.adapters.aws.registration_documents import IDS, Documents
from core.adapters.aws.registration_ids import Document, Ids, perhaps_none
from core.adapters.aws.registration_pages import PAGE, MongoRegistrationPages
from core.domain.clock import Clock, utc_now
from core.domain.errors import InvalidInput, Refused, Service, SettingsError, Unavailable
from core.domain.frames import registration_frame
from core.domain.records import Registration
from core.domain.registration_documents import document_frame, registrations_of
from core.domain.search import Found, Query, in_order

T = TypeVar("T")

SERVICE = Service.REGISTRATIONS
#: Facedesk's name of a field -> its path in a document; ``MONGODB_FIELDS`` overrides any of them.
DEFAULT_FIELDS: Mapping[str, str] = {
    "registrationId": "_id",
    "userId": "userId",
    "eventId": "eventId",
    "name": "name",
    "email": "email",
    "referencePhotoKey": "storedFaceKey",
    "submittedPhotoKey": "faceImageKey",
    "updatedAt": "updatedAt",
}

#: The most matches of a search that are read and counted.
_MAX_MATCHES = 1000


class MongoRegistrations:
    """``Registrations`` in a collection whose documents another system defines.

    Ids may be of any kind that ``Ids`` reads; here they are text. A document without an id, a user or an event is
    unusable: ``get`` raises ``Refused`` with its id. Lists leave it out, and log the number of such documents and the
    missing fields; ``unreadable`` gives them. A list of events is no event, since a registration is for one.
    """

    def __init__(
        self,
        collection: Collection[Document],
        fields: Mapping[str, str],
        deadline_seconds: float = 8,
        *,
        bucket: str = "",
        clock: Clock = utc_now,
    ) -> None:
        """``fields`` maps names of ``DEFAULT_FIELDS`` to (dotted) paths. Raises ``SettingsError`` for others.

        ``bucket`` is that of the photos: addresses of it are read as keys.
        """
        unknown = sorted(fields.keys() - DEFAULT_FIELDS.keys())
        if unknown:
            known = ", ".join(DEFAULT_FIELDS)
            raise SettingsError(f"Bad setting MONGODB_FIELDS: unknown field {unknown[0]!r}. The fields are {known}")
        bad = next((name for name, path in fields.items() if not is_path(path)), None)
        if bad:
            raise SettingsError(f"Bad setting MONGODB_FIELDS: {bad} must be a field or a dotted path to one")
        self._ids = Ids(collection.codec_options.uuid_representation)
        self._collection = collection.with_options(as_stored(collection.codec_options))
        self._fields = {**DEFAULT_FIELDS, **fields}
        # Whole top-level fields, because a projection accepts only one of two overlapping paths.
        self._projection = {path.split(".")[0]: 1 for path in self._fields.values()} | {"_id": 1}
        self._documents = Documents(self._fields, self._ids, bucket)
        self._call = Calls(SERVICE, deadline_seconds)
        #: The same registrations, event by event, for those who keep them.
        self.pages = MongoRegistrationPages(
            self._collection,
            self._documents,
            self._ids,
            (self._fields["eventId"], self._fields["updatedAt"]),
            self._projection,
            self._call,
            clock,
        )

    def get(self, registration_id: str) -> Registration | None:
        found = self._with("registrationId", registration_id)
        # Several ids may read as the same text, such as 7 and "7": the text itself comes first.
        found.sort(key=lambda document: self._documents.value(document, "registrationId") != registration_id)
        return self._registration(found[0]) if found else None

    def of_user(self, user_id: str) -> list[Registration]:
        found = self._usable(self._with("userId", user_id))
        return sorted(found, key=lambda registration: registration.registration_id)

    def search(self, text: str, limit: int = 20, events: Several[str] | None = None) -> Found:
        """As the port says. Indexes answer for ids and addresses as they are typed; all else reads the whole
        collection, within the deadline. Counts up to ``_MAX_MATCHES``.
        """
        query = Query.of(_require_text(text))
        if query is None or limit < 1:
            return Found([], 0)
        found = self._matching(self._exactly(query), _MAX_MATCHES, events)
        loosely = list(self._loosely(query))
        try:
            matches = self._matching({"$or": loosely}, _MAX_MATCHES + 1, events) if loosely else []
        except Unavailable:  # the collection may be too large for the deadline
            if not found:
                raise
            found = in_order(query, found)
            return Found(found[:limit], len(found), more=True)
        if len(matches) <= _MAX_MATCHES:
            found = in_order(query, _unique(found + matches))
            return Found(found[:limit], len(found))
        # They are the first by name: the best of all may not be among them.
        for step in self._steps(query):
            found += self._matching(step, limit, events)
            if len(in_order(query, _unique(found))) >= limit:
                break
        return Found(in_order(query, _unique(found + matches))[:limit], _MAX_MATCHES, more=True)

    def event_frame(self, event_id: str) -> pd.DataFrame:
        """As the port says: all pages, one after the other."""
        _require_text(event_id)
        page = self.pages.event_page(event_id, None, PAGE)
        pages = [page.documents]
        while page.next:
            page = self.pages.event_page(event_id, page.next, PAGE)
            pages.append(page.documents)
        return registrations_of(document_frame(pages))

    def being_read(self, event_id: str) -> None:
        """As the port says: nothing is read in the background here."""

    def unreadable(self, event_id: str | None) -> pd.DataFrame:
        """As the port says. The server picks the documents that may be such, so that the others are not read."""
        if event_id is None:
            queries = [perhaps_none(self._fields["eventId"])]
        else:
            odd = {"$or": [perhaps_none(self._fields[name]) for name in IDS]}
            theirs = self._ids.alternatives(self._fields["eventId"], _require_text(event_id))
            queries = [{"$and": [each, odd]} for each in theirs]
        listed = sorted(
            {
                (self._documents.own_id(document), " ".join(self._documents.unreadable(document)))
                for document in self.pages.all_of(queries)
                if self._documents.lacking(document) and self._is_of(document, event_id)
            }
        )
        ids, problems = ([row[column] for row in listed] for column in range(2))
        return registration_frame({"registrationId": ids, "unreadable": problems})

    def events(self) -> list[str]:
        """As the port says. An event that only unusable documents name is listed too; its frame is empty."""
        # An index on the field answers this. Leaving out unusable documents would read the whole collection.
        found = self._call(lambda: self._collection.distinct(self._fields["eventId"]))
        return sorted(self._ids.texts(found))

    def is_empty(self) -> bool:
        return not self._find({}, limit=1)

    def ping(self) -> None:
        # A read, because the command "ping" succeeds even without permission to read the collection.
        self._find({}, limit=1)

    def close(self) -> None:
        self._collection.database.client.close()

    def _is(self, name: str, text: str) -> Document:
        """A filter for an id by its text."""
        return self._ids.being(self._fields[name], _require_text(text))

    def _with(self, name: str, text: str) -> list[Document]:
        """The documents that have this id themselves, not in a list."""
        return [each for each in self._find(self._is(name, text)) if self._documents.id(each, name) == text]

    def _is_of(self, document: Document, event_id: str | None) -> bool:
        events = self._documents.events(document)
        return event_id in events if event_id is not None else not events

    def _exactly(self, query: Query) -> Document:
        """A filter for the ids and the address, in the cases that people mostly type and indexes answer for."""
        texts = dict.fromkeys((query.text, query.text.lower(), query.text.upper()))
        ids = [self._is(name, text) for name in ("registrationId", "userId") for text in texts]
        return {"$or": [*ids, {self._fields["email"]: {"$in": list(texts)}}]}

    def _loosely(self, query: Query) -> Iterator[Document]:
        """Filters for ids and addresses in any case, and for all words."""
        if query.key:
            equal = {"$regex": search_patterns.whole(query.key)}
            yield from ({self._fields[name]: equal} for name in ("registrationId", "userId", "email"))
        if query.words:
            yield self._with_words(query, begun=False)

    def _steps(self, query: Query) -> Iterator[Document]:
        """Filters for names that begin with the words, and for words at their beginnings."""
        if query.words:
            yield {self._fields["name"]: {"$regex": search_patterns.beginning(query.words)}}
            yield self._with_words(query, begun=True)

    def _with_words(self, query: Query, *, begun: bool) -> Document:
        patterns = [{"$regex": search_patterns.word(word, begun=begun)} for word in dict.fromkeys(query.words)]
        fields = [self._fields[name] for name in ("name", "email")]
        return {"$and": [{"$or": [{field: pattern} for field in fields]} for pattern in patterns]}

    def _matching(self, query: Document, limit: int, events: Several[str] | None) -> list[Registration]:
        """The first ``limit`` by name and id in the database's order."""
        if events is not None:
            if not events:
                return []
            query = {"$and": [{"$or": [self._is("eventId", event_id) for event_id in events]}, query]}
        by = [(self._fields["name"], pymongo.ASCENDING), (self._fields["registrationId"], pymongo.ASCENDING)]
        found = self._usable(self._find(query, limit=limit, sort=by))
        return [each for each in found if events is None or each.event_id in events]

    def _find(self, query: Document, **options: Any) -> list[Document]:
        return self._call(lambda: list(self._collection.find(query, self._projection, **options)))

    def _usable(self, documents: list[Document]) -> list[Registration]:
        self._documents.log_left_out(documents)
        return [self._registration(document) for document in documents if not self._documents.lacking(document)]

    def _registration(self, document: Document) -> Registration:
        lacking = self._documents.lacking(document)
        if lacking:
            paths = ", ".join(self._documents.paths_of(lacking))
            raise Refused(
                SERVICE,
                "IncompleteDocument",
                f"The registration {self._documents.own_id(document)} lacks {paths} in MongoDB. "
                "Complete the document, or correct the setting MONGODB_FIELDS.",
            )
        return self._documents.registration(document)


def _require_text(value: str) -> str:
    """Raises ``InvalidInput`` if ``value`` is not text: a mapping would be an operator, and may match everything."""
    if not isinstance(value, str):
        raise InvalidInput("An id or a search must be text.")
    return value


def _unique(registrations: list[Registration]) -> list[Registration]:
    return list({registration.registration_id: registration for registration in registrations}.values())
