"""Items as DynamoDB's API has them, from and to validation records."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, TypeAlias

from boto3.dynamodb.types import TypeSerializer

from core.adapters.aws.answers import Item
from core.domain.errors import Refused, Service
from core.domain.records import ValidationRecord

SERVICE = Service.RECORDS

#: The name of an attribute, or the names that lead to one inside maps.
AttributePath: TypeAlias = tuple[str, ...]


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

    def projection(self, paths: Iterable[AttributePath]) -> str:
        return ", ".join(".".join(map(self.name, path)) for path in paths)


def key_of(user_id: str, registration_id: str) -> Item:
    return {"userId": {"S": user_id}, "registrationId": {"S": registration_id}}


def record_of(item: Item) -> ValidationRecord:
    """The record that is stored as ``item``. Raises ``Refused`` if it cannot be read."""
    try:
        return ValidationRecord.from_item(_plain({"M": item}))
    except ValueError as error:
        raise Refused(SERVICE, "UnreadableRecord", str(error)) from None


def serialised(values: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON ``values`` in the API's form."""
    # DynamoDB takes no floats. The Decimal of a float's shortest text is the number that was meant.
    exact = json.loads(json.dumps(values), parse_float=Decimal)
    serialise = TypeSerializer().serialize
    return {name: serialise(value) for name, value in exact.items()}


def _plain(typed: Mapping[str, Any]) -> Any:
    """A value of the API in JSON's types; a set becomes a sorted list, and bytes become base64 text."""
    ((kind, value),) = typed.items()
    match kind:
        case "M":
            return {name: _plain(inner) for name, inner in value.items()}
        case "L":
            return [_plain(inner) for inner in value]
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


def _base64(value: str | bytes) -> str:
    """Answers that were decoded past botocore have base64 text already; botocore gives bytes."""
    return value if isinstance(value, str) else b64encode(value).decode()
