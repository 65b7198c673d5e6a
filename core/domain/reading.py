"""Reads values that other services wrote, whatever their form; what cannot be read is absent, and listed.

A reader takes a value as JSON has it and returns what it means. It raises ``Unreadable`` where it means nothing of
the kind. None and blank text are absences, of which no reader is asked.
"""

from __future__ import annotations

import math
import re
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, NamedTuple, TypeAlias, Union, get_args, get_origin
from uuid import UUID

import orjson
from annotated_types import Interval
from pydantic import BaseModel

from core.domain.moments import FIRST_SECOND, MOST_SECONDS, in_utc, moment_of_text, since_epoch

#: How far beyond its limits a number with a fraction may lie: by rounding, not by meaning something else.
_ROUNDING = 0.05
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,3})?", re.ASCII | re.IGNORECASE)
Reader: TypeAlias = Callable[[Any], Any]


class Unreadable(ValueError):
    """The value means nothing of the kind that is wanted."""


class Unread(NamedTuple):
    """A field that could not be read, by its path with dots, and the kind of its value (``kind_of``)."""

    field: str
    kind: str

    def __str__(self) -> str:
        return f"{self.field}:{self.kind}"


class Binary(str):
    """Bytes that a store returned, in base64."""

    __slots__ = ()


@dataclass(frozen=True)
class ReadBy:
    """In a field's annotation: the reader for its values, if their type alone does not tell."""

    reader: Reader


def kind_of(value: Any) -> str:
    """What people call a value of JSON: ``text``, ``number``, ``truth-value``, ``list``, ``map`` or ``binary``."""
    match value:
        case bool():
            return "truth-value"
        case Binary() | bytes():
            return "binary"
        case str():
            return "text"
        case int() | float() | Decimal():
            return "number"
        case Mapping():
            return "map"
        case datetime():
            return "time"
        case _:
            return "list"


def is_absent(value: Any) -> bool:
    """Whether there is nothing: None, or text of blanks alone, if text is not what is wanted."""
    return value is None or (isinstance(value, str) and not value.strip())


def text(value: Any) -> str:
    """Text as it is; numbers, truth values and UUIDs as JSON writes them, whole numbers without a fraction."""
    match value:
        case Binary() | bytes():
            raise Unreadable
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int() | Decimal() | float():
            try:
                return str(int(value)) if value == int(value) else str(value)
            except (ArithmeticError, ValueError):  # not finite, or of thousands of digits
                raise Unreadable from None
        case UUID():
            return str(value)
        case _:
            raise Unreadable


def number(value: Any) -> float:
    """A finite number, also as text and with a percent sign."""
    match value:
        case bool() | Binary():
            raise Unreadable
        case int() | float() | Decimal():
            given: Any = value
        case str() if _NUMBER.fullmatch(bare := value.strip().removesuffix("%").rstrip()):
            given = bare
        case _:
            raise Unreadable
    try:
        read = float(given)
    except OverflowError:
        raise Unreadable from None
    if not math.isfinite(read):
        raise Unreadable
    return read


def integer(value: Any) -> int:
    """A whole number; a fraction is cut off towards the lesser one."""
    return value if type(value) is int else math.floor(number(value))


def truth(value: Any) -> bool:
    match value:
        case bool():
            return value
        case str() if (word := value.strip().casefold()) in ("true", "false"):
            return word == "true"
        case _:
            raise Unreadable


def moment(value: Any) -> datetime:
    """A time in UTC, in whole milliseconds: text as ``core.domain.moments`` reads it, or a number of seconds,
    milliseconds or finer since 1970. Without a zone it is UTC: the table's contract says so.
    """
    try:
        match value:
            case Binary():
                raise Unreadable
            case datetime():
                return in_utc(value)
            case str():
                return in_utc(moment_of_text(value))
            case _:
                return in_utc(since_epoch(number(value)))
    except (OverflowError, ValueError) as error:
        raise Unreadable from error


def epoch_seconds(value: Any) -> int:
    """Whole seconds since 1970 of whatever ``moment`` reads."""
    if type(value) is int and FIRST_SECOND <= value <= MOST_SECONDS:
        return value
    return math.floor(moment(value).timestamp())


def mapping(value: Any) -> Mapping[str, Any]:
    """A map, also as JSON text."""
    read = _from_json(value)
    if not isinstance(read, Mapping):
        raise Unreadable
    return read


def sequence(value: Any) -> list[Any]:
    """A list, also as JSON text."""
    read = _from_json(value)
    if isinstance(read, str | Mapping) or not isinstance(read, Iterable):
        raise Unreadable
    return list(read)


def texts(value: Any) -> tuple[str, ...]:
    """A list of texts, also as JSON text; one text alone is a list of one."""
    if isinstance(value, str) and not value.lstrip().startswith("["):
        return (text(value),)
    return tuple(text(each) for each in sequence(value) if not is_absent(each))


@cache
def reader_of(kind: Any) -> Reader:
    """The reader for values of a field that is annotated so: ``float``, ``Status | None``, ``tuple[Attempt, ...]``.

    For a model it returns a map, and for a tuple of models a list, whose parts have yet to be read.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return reader_of(_present(kind))
    if origin is Annotated:
        return _annotated(arguments[0], arguments[1:])
    if origin is tuple:
        return texts if arguments[0] is str else sequence
    if origin is not None:
        return mapping
    if issubclass(kind, StrEnum):
        return _word_of(kind)
    if issubclass(kind, BaseModel):
        return mapping
    return {str: text, float: number, int: integer, bool: truth, datetime: moment}[kind]


def read_model(model: type[BaseModel], given: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[Unread, ...]]:
    """What is readable of ``given``, by alias as the model takes it, and what is not.

    Attributes that the model does not know are kept if it allows them. Required ones may be missing.
    """
    unread: list[Unread] = []
    return _read_fields(model, given, "", unread), tuple(unread)


@dataclass(frozen=True)
class _Field:
    alias: str
    read: Reader
    required: bool
    #: The model of the value, or of each of several.
    model: type[BaseModel] | None
    several: bool


@cache
def _fields_of(model: type[BaseModel]) -> tuple[_Field, ...]:
    fields = []
    for name, info in model.model_fields.items():
        kind = _present(Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation)
        several = get_origin(kind) is tuple
        inner = get_args(kind)[0] if several else kind
        is_model = isinstance(inner, type) and issubclass(inner, BaseModel)
        fields.append(
            _Field(info.alias or name, reader_of(kind), info.is_required(), inner if is_model else None, several)
        )
    return tuple(fields)


def _read_fields(model: type[BaseModel], given: Mapping[str, Any], path: str, unread: list[Unread]) -> dict[str, Any]:
    fields = _fields_of(model)
    read: dict[str, Any] = {}
    if model.model_config.get("extra") == "allow":
        read = {name: value for name, value in given.items() if value is not None}
        for field in fields:
            read.pop(field.alias, None)
    for field in fields:
        value = given.get(field.alias)
        if value is None or (field.read is not text and is_absent(value)):
            continue
        try:
            found = field.read(value)
        except Unreadable:
            unread.append(Unread(f"{path}{field.alias}", kind_of(value)))
            continue
        if field.model is None:
            read[field.alias] = found
        elif field.several:
            entries = (_entry(field, number, each, path, unread) for number, each in enumerate(found, 1))
            read[field.alias] = [entry for entry in entries if entry is not None]
        elif (part := _part(field, found, path, unread)) is not None:
            read[field.alias] = part
    return read


def _part(field: _Field, found: Mapping[str, Any], path: str, unread: list[Unread]) -> dict[str, Any] | None:
    """What is readable of a map; None if that is not enough for its model."""
    assert field.model is not None
    known = len(unread)
    part = _read_fields(field.model, found, f"{path}{field.alias}.", unread)
    if all(each.alias in part for each in _fields_of(field.model) if each.required):
        return part
    if found and len(unread) == known:
        unread.append(Unread(f"{path}{field.alias}", "map"))
    return None


def _entry(field: _Field, number: int, given: Any, path: str, unread: list[Unread]) -> dict[str, Any] | None:
    """What is readable of one of several, with its number; None if that is not enough for its model.

    Each attempt counts, and needs no more than its number, so one that is not readable at all is left empty.
    """
    assert field.model is not None
    known = len(unread)
    try:
        found = mapping(given)
    except Unreadable:
        unread.append(Unread(f"{path}{field.alias}", kind_of(given)))
        found = {}
    entry = {"number": number, **_read_fields(field.model, found, f"{path}{field.alias}.", unread)}
    if all(each.alias in entry for each in _fields_of(field.model) if each.required):
        return entry
    if len(unread) == known:
        unread.append(Unread(f"{path}{field.alias}", "map"))
    return None


def _present(kind: Any) -> Any:
    """The annotation without ``| None``."""
    if get_origin(kind) in (Union, types.UnionType):
        (kind,) = (each for each in get_args(kind) if each is not type(None))
    return kind


def _annotated(kind: Any, marks: tuple[Any, ...]) -> Reader:
    for mark in marks:
        if isinstance(mark, ReadBy):
            return mark.reader
    for mark in marks:
        if isinstance(mark, Interval):
            return _within(reader_of(kind), mark)
    return reader_of(kind)


def _within(read: Reader, limits: Interval) -> Reader:
    """A number beyond the limits by a rounding error is the limit itself."""
    low: Any = limits.ge
    high: Any = limits.le

    def within(value: Any) -> Any:
        found = read(value)
        if low <= found <= high:
            return found
        if isinstance(found, float) and low - _ROUNDING < found < high + _ROUNDING:
            return min(max(found, float(low)), float(high))
        raise Unreadable

    return within


def _word_of(words: type[StrEnum]) -> Reader:
    known = {word.value: word for word in words}

    def word(value: Any) -> StrEnum:
        if not isinstance(value, str):
            raise Unreadable
        found = known.get(value) or known.get(value.strip().casefold())
        if found is None:
            raise Unreadable
        return found

    return word


def _from_json(value: Any) -> Any:
    if not isinstance(value, str) or isinstance(value, Binary):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        raise Unreadable from None
