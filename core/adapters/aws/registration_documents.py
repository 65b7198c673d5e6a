"""Reads registration documents as other systems write them, and says what of them could not be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from bson import DBRef, Decimal128, MaxKey, MinKey, Regex, Timestamp
from bson.datetime_ms import DatetimeMS

from core.adapters.aws.photo_addresses import key_at
from core.adapters.aws.registration_ids import Document, Ids
from core.domain import reading
from core.domain.records import Registration

#: The fields without which a document is no registration.
IDS = ("registrationId", "userId", "eventId")
_PHOTOS = ("referencePhotoKey", "submittedPhotoKey")
_OTHERS = ("name", "email", *_PHOTOS)
MISSING = "missing"


class Documents:
    """Reads documents by ``fields``: Facedesk's name of a field -> its path.

    What could not be read is said as ``field:kind``, in Facedesk's names: a kind of value that the field cannot have,
    ``missing``, or ``other-bucket`` for a photo that does not lie in ``bucket``.
    """

    def __init__(self, fields: Mapping[str, str], ids: Ids, bucket: str) -> None:
        self._paths = {name: path.split(".") for name, path in fields.items()}
        self._ids = ids
        self._bucket = bucket

    def id(self, document: Document, name: str) -> str:
        """One of ``IDS`` as text; empty if the document has none."""
        return self._ids.text(self.value(document, name))

    def value(self, document: Document, name: str) -> Any:
        return at(document, self._paths[name])

    def own_id(self, document: Document) -> str:
        """What MongoDB itself tells the document by, as text."""
        return self._ids.text(document["_id"]) or str(document["_id"])

    def events(self, document: Document) -> set[str]:
        """The events that the document names: one, none, or those of a list."""
        return self._ids.texts(self.value(document, "eventId"))

    def lacking(self, document: Document) -> list[str]:
        """Those of ``IDS`` that could not be read; without any the document is a registration."""
        return [f"{name}:{_kind(self.value(document, name))}" for name in IDS if not self.id(document, name)]

    def unreadable(self, document: Document) -> list[str]:
        """Everything of the document that could not be read."""
        return [*self.lacking(document), *(problem for name in _OTHERS if (problem := self._read(document, name)[1]))]

    def registration(self, document: Document) -> Registration:
        """The registration; the document must not lack an id."""
        read = {name: self._read(document, name)[0] for name in _OTHERS}
        return Registration(
            **{name: self.id(document, name) for name in IDS}, **read, unreadable=" ".join(self.unreadable(document))
        )

    def _read(self, document: Document, name: str) -> tuple[str | None, str]:
        """The field's text, if it has any, and what could not be read."""
        value = self.value(document, name)
        text = self._ids.plain(value) or _text(value)
        if not text:
            kind = _kind(value)
            return None, "" if kind == MISSING else f"{name}:{kind}"
        if name not in _PHOTOS:
            return text, ""
        key = key_at(text, self._bucket)
        return key, "" if key else f"{name}:other-bucket"


def at(value: Any, path: Sequence[str]) -> Any:
    """The value at the path; below a list, the values of its members, as MongoDB compares them."""
    if not path:
        return value
    if isinstance(value, list):
        return [at(member, path) for member in value]
    return at(value.get(path[0]), path[1:]) if isinstance(value, Mapping) else None


def _text(value: Any) -> str:
    """A number with a fraction, or a truth value, as text; empty if it is something else."""
    if isinstance(value, Decimal128):
        value = value.to_decimal()
    with suppress(ValueError):  # also for a number of too many digits
        return "" if isinstance(value, str) else reading.text(value)
    return ""


def _kind(value: Any) -> str:
    match value:
        case None | "" | []:
            return MISSING
        case Decimal128():
            return reading.kind_of(value.to_decimal())
        case DBRef():
            return "map"
        case DatetimeMS() | Timestamp():
            return "time"
        case Regex() | MinKey() | MaxKey():
            return "other"
        case _:
            return reading.kind_of(value)
