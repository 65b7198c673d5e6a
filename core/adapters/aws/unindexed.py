"""Records that the event index does not have although they name an event, and what brings them into it.

DynamoDB leaves a record out of the index if ``eventId`` or ``timestamp`` is absent, or is anything but text.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from core.adapters.aws.event_keys import event_of_key
from core.adapters.aws.items import Expression, Item
from core.adapters.aws.odd_values import kind_at, moment_at, originals, plain
from core.adapters.aws.repair import Finding
from core.adapters.aws.table import ATTEMPTS_OF, INDEX_KEY
from core.domain.clock import Clock
from core.domain.reading import Unreadable, mapping, text
from core.domain.records import isoformat

#: The attribute that says where a repaired ``timestamp`` is from if the record said none: ``updatedAt``, or
#: ``backfill`` for the moment of the repair.
TIMESTAMP_SOURCE = "timestampSource"


class Unindexed:
    """A ``Search`` for records that are not in the event index; it brings those that name an event into it.

    ``eventId`` becomes the event's id as text. A ``timestamp`` that is absent or not text becomes the moment that it
    says, else that of ``updatedAt``, else that of the repair.
    """

    name = "backfill-index"
    reads = (*INDEX_KEY, "metadata", "updatedAt", ATTEMPTS_OF)

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def condition(self, used: Expression) -> str:
        return not_indexed(used)

    def finding(self, item: Item) -> Finding | None:
        if ATTEMPTS_OF in item:  # earlier attempts of a record, which the index is not to have
            return None
        lacking = _lacking(item)
        event = event_of(item)
        if not lacking or event is None:
            return Finding(()) if lacking else None
        kinds = [f"{name} {kind_at(item, name)}" for name in lacking]
        values: dict[str, Any] = originals(item, *lacking)
        if "eventId" in lacking:
            values["eventId"] = {"S": event}
        if "timestamp" in lacking:
            at, source = self._moment_of(item)
            values["timestamp"] = {"S": isoformat(at)}
            if source != "timestamp":
                values[TIMESTAMP_SOURCE] = {"S": source}
                kinds.append(f"timestamp taken from {source}")
        return Finding(tuple(kinds), values)

    def _moment_of(self, item: Item) -> tuple[datetime, str]:
        """The moment of the record's last attempt as far as it says, and where that is from."""
        for name in ("timestamp", "updatedAt"):
            if (found := moment_at(item, name)) is not None:
                return found, name
        return self._clock(), "backfill"


class RefusedByIndex:
    """A ``Search`` for records that could not be written as they are if the table had the event index.

    DynamoDB refuses such a write as a whole: a key of an index may be absent, but not null, empty or of another type.
    """

    name = "refused-by-index"
    reads = INDEX_KEY

    def condition(self, used: Expression) -> str:
        text_type, empty = used.value({"S": "S"}), used.value({"S": ""})
        return "({} OR {})".format(
            *(
                f"attribute_exists({name}) AND NOT (attribute_type({name}, {text_type}) AND {name} > {empty})"
                for name in map(used.name, INDEX_KEY)
            )
        )

    def finding(self, item: Item) -> Finding | None:
        kinds = [f"{name} {kind_at(item, name)}" for name in INDEX_KEY if name in item and not item[name].get("S")]
        return Finding(tuple(kinds)) if kinds else None


def not_indexed(used: Expression) -> str:
    """A condition: the index does not have the record."""
    text_type, empty = used.value({"S": "S"}), used.value({"S": ""})
    names = map(used.name, INDEX_KEY)
    return "NOT (" + " AND ".join(f"attribute_type({n}, {text_type}) AND {n} > {empty}" for n in names) + ")"


def may_name_event(used: Expression) -> str:
    """A condition that every record meets that names an event, in whatever form: a filter cannot read JSON text."""
    event, metadata, text_type = used.name("eventId"), used.name("metadata"), used.value({"S": "S"})
    either = f"attribute_exists({event}) OR attribute_exists({metadata}.{event})"
    return f"({either} OR attribute_type({metadata}, {text_type}))"


def is_missing(item: Item) -> bool:
    """Whether the record names an event but is not in the index."""
    return bool(_lacking(item)) and event_of(item) is not None


def event_of(item: Item) -> str | None:
    """The event that the record names, whatever the form: at the top level, perhaps by one of its shards, or else in
    ``metadata``. As for ``ValidationRecord.event`` blanks are an id like any other, and empty text is none.
    """
    key, named = _text_of(plain(item, "eventId")), _text_of(_event_in(plain(item, "metadata")))
    return event_of_key(key, named) if key else named


def _lacking(item: Item) -> list[str]:
    """The key attributes of the index for which the record is not in it."""
    return [name for name in INDEX_KEY if not item.get(name, {}).get("S")]


def _event_in(metadata: Any) -> Any:
    try:
        return mapping(metadata).get("eventId")
    except Unreadable:
        return None


def _text_of(value: Any) -> str | None:
    try:
        return None if value is None else text(value) or None
    except Unreadable:
        return None
