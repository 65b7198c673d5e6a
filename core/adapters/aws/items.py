"""Items as DynamoDB's API has them, from and to validation records."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import TypeSerializer

from core.adapters.aws.event_keys import event_of_key
from core.adapters.aws.table import JOURNAL
from core.domain.errors import InvalidInput, Refused, Service
from core.domain.reading import Binary
from core.domain.records import ValidationRecord
from core.domain.rewriting import rewritten

SERVICE = Service.RECORDS

#: An item in the API's form: name -> ``{"S": "..."}``, ``{"N": "..."}``, ... ; binary values in base64.
Item = Mapping[str, Mapping[str, Any]]


class Expression:
    """Placeholders for the names and values of one request: an attribute may have any name, also a reserved one."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.values: dict[str, Mapping[str, Any]] = {}

    def name(self, name: str) -> str:
        placeholder = f"#n{len(self.names)}"
        self.names[placeholder] = name
        return placeholder

    def value(self, value: Mapping[str, Any]) -> str:
        placeholder = f":v{len(self.values)}"
        self.values[placeholder] = value
        return placeholder

    def projection(self, attributes: Iterable[str]) -> str:
        return ", ".join(map(self.name, attributes))

    def unchanged(self, stored: Item, attributes: Iterable[str]) -> str:
        """A condition: the item still has the ``attributes`` as they are in ``stored``."""
        return " AND ".join(
            f"{self.name(name)} = {self.value(as_sent(stored[name]))}"
            if name in stored
            else f"attribute_not_exists({self.name(name)})"
            for name in attributes
        )


def key_of(user_id: str, registration_id: str) -> Item:
    return {"userId": partition_of(user_id), "registrationId": {"S": registration_id}}


def partition_of(user_id: str) -> Mapping[str, Any]:
    """The key of a person's records. Raises ``InvalidInput`` for the partition that is nobody's."""
    if user_id == JOURNAL:
        raise InvalidInput(
            f"The user id {JOURNAL} is reserved for the journal of erasures. Give the person another id."
        )
    return {"S": user_id}


def of_records(used: Expression) -> str:
    """A condition: the item is a record, not an entry of the journal of erasures, which must stay until done."""
    return f"{used.name('userId')} <> {used.value({'S': JOURNAL})}"


def is_record(item: Item) -> bool:
    """What ``of_records`` asks the table, of an item that is at hand."""
    return item["userId"] != {"S": JOURNAL}


def record_of(item: Item) -> ValidationRecord:
    """The record that is stored as ``item``; where that is in a shard, it names the event nevertheless.

    Raises ``Refused`` if it cannot be read.
    """
    try:
        record = ValidationRecord.from_item(plain({"M": item}))
    except ValueError as error:
        raise Refused(SERVICE, "UnreadableRecord", str(error)) from None
    event = record.event_id and event_of_key(record.event_id, record.metadata.event_id)
    return record if event == record.event_id else record.model_copy(update={"event_id": event})


def serialised(value: Any) -> Mapping[str, Any]:
    """The JSON ``value`` in the API's form."""
    # DynamoDB takes no floats. The Decimal of a float's shortest text is the number that was meant.
    exact = json.loads(json.dumps(value), parse_float=Decimal)
    typed: Mapping[str, Any] = TypeSerializer().serialize(exact)
    return typed


def changed_values(stored: Item, before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes in which ``after`` differs from ``before``, in the API's form.

    What ``after`` leaves as it was inside of them is as it is stored.
    """
    return {
        name: rewritten(stored.get(name), before.get(name), value, _Typed)
        for name, value in after.items()
        if value != before.get(name)
    }


def as_sent(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """A value of a decoded answer as botocore takes it: with bytes instead of base64."""
    ((kind, inner),) = value.items()
    if kind == "B" and isinstance(inner, str):
        return {"B": b64decode(inner)}
    if kind == "BS":
        return {"BS": [b64decode(each) if isinstance(each, str) else each for each in inner]}
    if kind == "L":
        return {"L": [as_sent(each) for each in inner]}
    if kind == "M":
        return {"M": {name: as_sent(each) for name, each in inner.items()}}
    return value


def size_of(item: Item) -> int:
    """The bytes that DynamoDB counts for the item, and charges by: names and values. Of numbers an estimate."""
    return sum(len(name.encode()) + _size_of(value) for name, value in item.items())


def _size_of(value: Mapping[str, Any]) -> int:
    ((kind, inner),) = value.items()
    match kind:
        case "M":
            return 3 + sum(1 + len(name.encode()) + _size_of(each) for name, each in inner.items())
        case "L":
            return 3 + sum(1 + _size_of(each) for each in inner)
        case "SS" | "NS" | "BS":
            return 3 + sum(1 + _size_of({kind[0]: each}) for each in inner)
        case "N":
            return 2 + len(inner) // 2
        case "S" | "B":
            return len(inner.encode() if isinstance(inner, str) else inner)
        case _:
            return 1


class _Typed:
    """``core.domain.rewriting.Form`` of the API."""

    @staticmethod
    def parts(stored: Any) -> Mapping[str, Any] | list[Any] | None:
        match stored:
            case {"M": dict(inner)}:
                return inner
            case {"L": list(inner)}:
                return inner
            case _:
                return None

    @staticmethod
    def whole(parts: dict[str, Any] | list[Any]) -> Any:
        return {"M": parts} if isinstance(parts, dict) else {"L": parts}

    @staticmethod
    def new(value: Any) -> Any:
        return serialised(value)


def plain(typed: Mapping[str, Any]) -> Any:
    """A value of the API in JSON's types; a set becomes a sorted list, and bytes become ``Binary``."""
    ((kind, value),) = typed.items()
    match kind:
        case "M":
            return {name: plain(inner) for name, inner in value.items()}
        case "L":
            return [plain(inner) for inner in value]
        case "NULL":
            return None
        case "N":
            return _number(value)
        case "NS":
            return sorted(map(_number, value))
        case "B":
            return _base64(value)
        case "BS":
            return sorted(map(_base64, value))
        case "SS":
            return sorted(value)
        case _:
            return value


def _number(text: str) -> int | float:
    number = Decimal(text)
    return int(number) if number == number.to_integral_value() else float(number)


def _base64(value: str | bytes) -> Binary:
    """Answers that were decoded past botocore have base64 text already; botocore gives bytes."""
    return Binary(value if isinstance(value, str) else b64encode(value).decode())
