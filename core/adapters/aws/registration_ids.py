"""The ids of registration documents: each kind that other systems write, as text, and how to ask for it by that text.

An id may be text, an ObjectId, a whole number of any type, or a UUID; alone, as an ObjectId that was written as a map
(``{"$oid": "65f0…"}``), or in the document that it refers to, under ``_id``. Reading and asking agree: what a filter
finds either reads as the text that was asked for, or is a list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from bson import Binary, Decimal128, ObjectId
from bson.binary import OLD_UUID_SUBTYPE, UUID_SUBTYPE, UuidRepresentation

Document = Mapping[str, Any]

#: Maps with one of these keys alone are an ObjectId as exports and JSON libraries write it.
_WRITTEN_OUT = ("$oid", "oid")
#: Digits of a Decimal128.
_DIGITS = 34
#: A whole number as ``str`` writes it: "007" is another id than 7.
_WHOLE = re.compile(rf"0|-?[1-9][0-9]{{0,{_DIGITS - 1}}}")
_INT64 = range(-(2**63), 2**63)
#: BSON's types whose values are not, or not always, an id; null and absent fields are asked for by value.
_OTHER_TYPES = (
    *("double", "decimal", "object", "array", "binData", "bool", "date", "timestamp"),
    *("regex", "javascript", "javascriptWithScope", "dbPointer", "minKey", "maxKey"),
)


class Ids:
    """Reads ids, and asks for them. ``legacy`` is the order of bytes in UUIDs of the old subtype 3."""

    def __init__(self, legacy: int) -> None:
        orders = (UuidRepresentation.JAVA_LEGACY, UuidRepresentation.CSHARP_LEGACY)
        self._legacy = legacy if legacy in orders else UuidRepresentation.PYTHON_LEGACY

    def text(self, value: Any) -> str:
        """The id as text; empty if the value is none."""
        if isinstance(value, Mapping) and "_id" in value:
            value = value["_id"]
        if isinstance(value, Mapping):
            texts = [value[key] for key in _WRITTEN_OUT if key in value and len(value) == 1]
            return texts[0] if texts and is_text(texts[0]) else ""
        return self.plain(value)

    def texts(self, value: Any) -> set[str]:
        """The id as text, or those that a list has."""
        found = map(self.text, value) if isinstance(value, list) else [self.text(value)]
        return set(filter(None, found))

    def being(self, path: str, text: str) -> Document:
        """A filter for documents that have this id, or a list with it, at ``path``."""
        return {"$or": self.alternatives(path, text)}

    def alternatives(self, path: str, text: str) -> list[Document]:
        """The filters of which ``being`` consists: for plain ids, and for ids in maps.

        Both ask for the field itself, so that an index on it answers: maps are found by their type, and only they are
        read further. Fields that begin with a dollar sign cannot be reached by a path, so such a map is compared as a
        whole.
        """
        plain = {"$in": list(self._candidates(text))}
        written_out = [{"$eq": {key: text}} for key in _WRITTEN_OUT]
        inside = [*({path: each} for each in written_out), *({f"{path}._id": each} for each in (plain, *written_out))]
        return [{path: plain}, {path: {"$type": "object"}, "$or": inside}]

    def plain(self, value: Any) -> str:
        """As ``text``, but only of an id by itself."""
        match value:
            case bool():  # a kind of int in Python
                return ""
            case str():
                return value if is_text(value) else ""
            case ObjectId():
                return str(value)
            case int() | float() | Decimal128():
                return _whole(as_number(value))
            case Binary() if len(value) == 16 and value.subtype == UUID_SUBTYPE:
                return str(value.as_uuid(UuidRepresentation.STANDARD))
            case Binary() if len(value) == 16 and value.subtype == OLD_UUID_SUBTYPE:
                return str(value.as_uuid(self._legacy))
            case _:
                return ""

    def _candidates(self, text: str) -> Iterator[Any]:
        """Everything plain that reads as ``text``."""
        yield text
        # An ObjectId given in capitals comes out in lower case, which is another id than the one asked for.
        if ObjectId.is_valid(text) and str(ObjectId(text)) == text:
            yield ObjectId(text)
        if _WHOLE.fullmatch(text):
            # MongoDB compares numbers by value, whatever their types.
            yield int(text) if int(text) in _INT64 else Decimal128(text)
        if uuid := _uuid(text):
            yield Binary.from_uuid(uuid, UuidRepresentation.STANDARD)
            yield Binary.from_uuid(uuid, self._legacy)


def perhaps_none(path: str) -> Document:
    """A filter for documents that may have no id at ``path``; whoever asks looks at what is found.

    It asks for types and values, not for their absence, so that an index on the field answers.
    """
    folders = [path[: dot.start()] for dot in re.finditer(r"\.", path)]
    lists = [{folder: {"$type": "array"}} for folder in folders]
    return {"$or": [{path: {"$in": [None, ""]}}, *({path: {"$type": each}} for each in _OTHER_TYPES), *lists]}


def is_text(value: Any) -> bool:
    """Whether it is text with something in it. Bytes that are no UTF-8 were decoded to what no text has."""
    return type(value) is str and bool(value) and not re.search("[\ud800-\udfff]", value)


def as_number(value: float | Decimal128) -> Decimal:
    return value.to_decimal() if isinstance(value, Decimal128) else Decimal(value)


def _whole(number: Decimal) -> str:
    """The number as ``_WHOLE`` has it; empty if it has a fraction or more digits."""
    if not number.is_finite() or number.adjusted() >= _DIGITS:
        return ""
    return str(int(number)) if number == int(number) else ""


def _uuid(text: str) -> UUID | None:
    try:
        uuid = UUID(text)
    except ValueError:
        return None
    return uuid if str(uuid) == text else None
