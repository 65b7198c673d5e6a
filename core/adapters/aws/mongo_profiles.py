"""The profiles of events in MongoDB, where another system keeps them. They are only read."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import ValidationError
from pymongo.collection import Collection

from core.adapters.aws.mongodb import Calls, as_stored, is_path
from core.adapters.aws.registration_documents import at
from core.adapters.aws.registration_ids import Document, Ids
from core.domain import reading
from core.domain.errors import Service, SettingsError
from core.domain.moments import in_utc, moment_of_text
from core.domain.profiles import MAX_KEEP_DAYS, MAX_NAME, EventProfile, EventRules
from core.domain.reading import Unreadable

SERVICE = Service.PROFILES
#: Facedesk's name of a field -> its path in a document; ``MONGODB_EVENT_FIELDS`` overrides any of them.
DEFAULT_FIELDS: Mapping[str, str] = {
    "eventId": "_id",
    "name": "name",
    "timeZone": "timeZone",
    "startsAt": "startsAt",
    "endsAt": "endsAt",
    "photoDeadline": "photoDeadline",
    "keepDays": "keepDays",
    "similarityThreshold": "similarityThreshold",
    "reviewThreshold": "reviewThreshold",
}

_log = logging.getLogger(__name__)


class MongoProfiles:
    """``EventProfiles`` in a collection whose documents another system defines.

    Ids may be of any kind that ``Ids`` reads. What else of a document cannot be read is absent, and named in the
    profile and in the log; so are dates and thresholds that contradict each other. A time without a zone is one of
    the event's.
    """

    def __init__(
        self, collection: Collection[Document], fields: Mapping[str, str], deadline_seconds: float = 8
    ) -> None:
        """``fields`` maps names of ``DEFAULT_FIELDS`` to (dotted) paths. Raises ``SettingsError`` for others."""
        if unknown := sorted(fields.keys() - DEFAULT_FIELDS.keys()):
            known = ", ".join(DEFAULT_FIELDS)
            raise SettingsError(
                f"Bad setting MONGODB_EVENT_FIELDS: unknown field {unknown[0]!r}. The fields are {known}"
            )
        if bad := next((name for name, path in fields.items() if not is_path(path)), None):
            raise SettingsError(f"Bad setting MONGODB_EVENT_FIELDS: {bad} must be a field or a dotted path to one")
        self._ids = Ids(collection.codec_options.uuid_representation)
        self._collection = collection.with_options(as_stored(collection.codec_options))
        self._id_path = {**DEFAULT_FIELDS, **fields}["eventId"]
        self._paths = {name: path.split(".") for name, path in {**DEFAULT_FIELDS, **fields}.items()}
        # Whole top-level fields, because a projection accepts only one of two overlapping paths.
        self._projection = {path[0]: 1 for path in self._paths.values()} | {"_id": 1}
        self._call = Calls(SERVICE, deadline_seconds)

    def get(self, event_id: str) -> EventProfile | None:
        found = [each for each in self._find(self._ids.being(self._id_path, event_id)) if self._id(each) == event_id]
        # Several ids may read as the same text, such as 7 and "7": the text itself comes first.
        found.sort(key=lambda document: at(document, self._paths["eventId"]) != event_id)
        return self._profile(found[0]) if found else None

    def all(self) -> list[EventProfile]:
        """As the port says. Documents without an id that can be read are left out."""
        found = {self._id(document): document for document in self._find({})}
        return [self._profile(found[event_id]) for event_id in sorted(found) if event_id]

    def ping(self) -> None:
        # A read, because the command "ping" succeeds even without permission to read the collection.
        self._find({}, limit=1)

    def close(self) -> None:
        self._collection.database.client.close()

    def _find(self, query: Document, **options: Any) -> list[Document]:
        return self._call(lambda: list(self._collection.find(query, self._projection, **options)))

    def _id(self, document: Document) -> str:
        return self._ids.text(at(document, self._paths["eventId"]))

    def _profile(self, document: Document) -> EventProfile:
        unread: list[str] = []

        def value(name: str, read: Callable[[Any], Any]) -> Any:
            stored = at(document, self._paths[name])
            if reading.is_absent(stored) or stored == []:
                return None
            try:
                return read(stored)
            except (Unreadable, KeyError, ValueError, OverflowError, OSError):
                unread.append(name)
                return None

        zone = value("timeZone", _zone) or ZoneInfo("UTC")
        name, days = value("name", reading.text), value("keepDays", _days)
        thresholds = value("similarityThreshold", reading.number), value("reviewThreshold", reading.number)
        dates = {
            field: value(name, lambda stored: _moment(stored, zone))
            for field, name in (("starts_at", "startsAt"), ("ends_at", "endsAt"), ("photo_deadline", "photoDeadline"))
        }
        profile = EventProfile(
            event_id=self._id(document), name=name and name[:MAX_NAME], time_zone=zone.key, version=1
        )
        if days is not None:
            profile = profile.model_copy(update={"keep_days": days})
        try:
            rules = EventRules(similarity_threshold=thresholds[0], review_threshold=thresholds[1])
            profile = profile.model_copy(update={"rules": rules})
        except ValidationError:
            unread.append("similarityThreshold")
        try:
            profile = EventProfile(**{**dict(profile), **dates})
        except ValidationError:
            unread.append("endsAt")
        if unread:
            _log.warning("values of an event's profile cannot be used: %s", " ".join(unread))
        return profile.model_copy(update={"unreadable": " ".join(unread)})


def _days(stored: Any) -> int:
    days = reading.integer(stored)
    if not 0 <= days <= MAX_KEEP_DAYS:
        raise Unreadable
    return days


def _zone(stored: Any) -> ZoneInfo:
    return ZoneInfo(reading.text(stored))


def _moment(stored: Any, zone: ZoneInfo) -> datetime:
    """A time; text without a zone is one of the event's."""
    if isinstance(stored, str) and (typed := moment_of_text(stored)).tzinfo is None:
        return in_utc(typed.replace(tzinfo=zone))
    return reading.moment(stored)
