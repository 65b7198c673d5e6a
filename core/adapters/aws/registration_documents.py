"""Reads registration documents as other systems write them, and says what of them could not be read."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import pandas as pd
from bson import DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from bson.datetime_ms import DatetimeMS

from core.adapters.aws.photo_addresses import key_at
from core.adapters.aws.registration_ids import Document, Ids, is_text
from core.domain import reading
from core.domain.columns import DOCUMENT, REGISTRATION_DTYPES, UNREADABLE
from core.domain.frames import registration_frame
from core.domain.records import Registration

_log = logging.getLogger(__name__)

#: The fields without which a document is no registration.
IDS = ("registrationId", "userId", "eventId")
_PHOTOS = ("referencePhotoKey", "submittedPhotoKey")
_OTHERS = ("name", "email", *_PHOTOS)
MISSING = "missing"
#: The kinds of ids that most documents have, and how they become text: as ``Ids.plain`` reads them, but quickly.
_QUICKLY: Mapping[type, Callable[[Any], str]] = {str: str, ObjectId: str, int: str, Int64: str}


class Documents:
    """Reads documents by ``fields``: Facedesk's name of a field -> its path.

    What could not be read is said as ``field:kind``, in Facedesk's names: a kind of value that the field cannot have,
    ``missing``, or ``other-bucket`` for a photo that does not lie in ``bucket``.
    """

    def __init__(self, fields: Mapping[str, str], ids: Ids, bucket: str) -> None:
        self._paths = {name: path.split(".") for name, path in fields.items()}
        self._read_paths = {name: self._paths[name] for name in (*IDS, *_OTHERS)}
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

    def frame(self, documents: Sequence[Document], event_id: str) -> pd.DataFrame:
        """Those of the event, as ``core.domain.registration_documents`` has them.

        Most documents have the usual kinds of values, so whole columns are read at once, and only the other documents
        one by one.
        """
        columns = {name: _values(documents, path) for name, path in self._read_paths.items()}
        odd: set[int] = set()
        for name in IDS:
            columns[name] = [_QUICKLY.get(type(value), _nothing)(value) for value in columns[name]]
            odd.update(row for row, text in enumerate(columns[name]) if not text)
        for name in _OTHERS:
            odd.update(row for row, value in enumerate(columns[name]) if value is not None and type(value) is not str)
        for name in _PHOTOS:
            odd.update(row for row, value in enumerate(columns[name]) if type(value) is str and "://" in value)
        odd.update(row for row, text in enumerate(columns["eventId"]) if text != event_id)
        for name in (*IDS, *_OTHERS):
            odd.update(_undecodable(columns[name]))
        columns[UNREADABLE.name] = [""] * len(documents)
        columns[DOCUMENT.name] = [document_key(document["_id"]) for document in documents]
        self.log_left_out([documents[row] for row in odd])
        others = []
        for row in sorted(odd):
            if read := self._row(documents[row], event_id):
                for name in REGISTRATION_DTYPES:
                    columns[name][row] = read.get(name)
            else:
                others.append(row)
        if others:
            left = sorted({*range(len(documents))} - {*others})
            columns = {name: [values[row] for row in left] for name, values in columns.items()}
        return registration_frame(columns, document=True)

    def log_left_out(self, documents: Iterable[Document]) -> None:
        """Logs how many of the documents are no registrations, and what they lack."""
        lacking = [problems for document in documents if (problems := self.lacking(document))]
        if lacking:
            paths = ", ".join(sorted({path for problems in lacking for path in self.paths_of(problems)}))
            _log.warning("%d registration documents left out because they lack %s", len(lacking), paths)

    def paths_of(self, problems: Iterable[str]) -> list[str]:
        """The paths of the fields that problems name."""
        return [".".join(self._paths[problem.split(":")[0]]) for problem in problems]

    def _row(self, document: Document, event_id: str) -> dict[str, str | None] | None:
        """The document's row by column; None if it is not the event's."""
        if self.lacking(document):
            if event_id not in self.events(document):
                return None
            return {"registrationId": self.own_id(document), UNREADABLE.name: " ".join(self.unreadable(document))}
        return self.registration(document).to_dict() if self.id(document, "eventId") == event_id else None

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


def document_key(own_id: Any) -> str:
    """A text for a document's ``_id`` that no other document of the collection has."""
    if type(own_id) is ObjectId:  # most are
        return f"\0{own_id}"
    return own_id if is_text(own_id) else f"\0{type(own_id).__name__} {own_id!a}"


def _values(documents: Sequence[Document], path: Sequence[str]) -> list[Any]:
    if len(path) == 1:
        return [document.get(path[0]) for document in documents]
    return [at(document, path) for document in documents]


def at(value: Any, path: Sequence[str]) -> Any:
    """The value at the path; below a list, the values of its members, as MongoDB compares them."""
    if not path:
        return value
    if isinstance(value, list):
        return [at(member, path) for member in value]
    return at(value.get(path[0]), path[1:]) if isinstance(value, Mapping) else None


def _nothing(_: Any) -> str:
    return ""


def _undecodable(values: Iterable[Any]) -> list[int]:
    """The rows of texts whose bytes were no UTF-8."""
    listed = [value if type(value) is str else "" for value in values]
    try:
        "".join(listed).encode()
    except UnicodeEncodeError:
        return [row for row, text in enumerate(listed) if text and not is_text(text)]
    return []


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
