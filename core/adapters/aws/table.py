"""The tables of the records, of the audit trail and of Facedesk's own state as they should be: ``provision`` creates
them, Terraform declares them, and tests use them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.domain.records import EVENT_ATTRIBUTES, KEY_ATTRIBUTES

#: The index that finds an event's records by ``eventId``, oldest ``timestamp`` first.
EVENT_INDEX = "eventId-timestamp-index"
INDEX_KEY = ("eventId", "timestamp")
#: DynamoDB deletes a record some time after this attribute (epoch seconds) has passed.
TTL_ATTRIBUTE = "expiresAt"
#: What only an item has that holds earlier attempts of a record: the record's registration id
#: (``core.adapters.aws.earlier_attempts``).
ATTEMPTS_OF = "attemptsOf"
#: The message if the records' table does not exist; clients know it from the previous service.
RECORDS_NOT_CONFIGURED = "DynamoDB face validation table not configured"
#: The key of the audit trail's table: a day with the number of one of its shards, then a time with the entry's id.
AUDIT_KEY = ("day", "place")
#: The key of the table of Facedesk's own state: a part, then a place in it (``core.adapters.aws.state_table``).
STATE_KEY = ("part", "place")
#: The message if that table does not exist.
STATE_NOT_CONFIGURED = (
    "The table of Facedesk's own state (DYNAMODB_STATE_TABLE) is missing. Create it with `python -m core provision`."
)

#: The partition of the journal of erasures, which is stored with the records, in place of a user id.
JOURNAL = "facedesk-erasures"


def key_schema(hash_key: str, range_key: str) -> list[Any]:
    return [
        {"AttributeName": hash_key, "KeyType": "HASH"},
        {"AttributeName": range_key, "KeyType": "RANGE"},
    ]


def attribute_definitions(*names: str) -> list[Any]:
    return [{"AttributeName": name, "AttributeType": "S"} for name in names]


def index_in(description: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The event index in a table's description by ``DescribeTable``; None if the table lacks it."""
    indexes = description.get("GlobalSecondaryIndexes", ())
    found: Mapping[str, Any] | None = next((index for index in indexes if index["IndexName"] == EVENT_INDEX), None)
    return found


def event_index() -> Any:
    """The event index, as ``CreateTable`` and ``UpdateTable`` take it."""
    keys = {*KEY_ATTRIBUTES, *INDEX_KEY}
    return {
        "IndexName": EVENT_INDEX,
        "KeySchema": key_schema(*INDEX_KEY),
        "Projection": {
            "ProjectionType": "INCLUDE",
            "NonKeyAttributes": [name for name in EVENT_ATTRIBUTES if name not in keys],
        },
    }


def create_table(name: str) -> dict[str, Any]:
    """The request for ``CreateTable``: keys, on-demand billing, the event index, deletion protection.

    TTL and point-in-time recovery need calls of their own.
    """
    return {
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": attribute_definitions(*KEY_ATTRIBUTES, *INDEX_KEY),
        "KeySchema": key_schema(*KEY_ATTRIBUTES),
        "GlobalSecondaryIndexes": [event_index()],
        "DeletionProtectionEnabled": True,
    }


def create_audit_table(name: str) -> dict[str, Any]:
    """The request for ``CreateTable`` for the audit trail. It has no TTL: audit entries do not expire."""
    return _create_plain_table(name, AUDIT_KEY)


def create_state_table(name: str) -> dict[str, Any]:
    """The request for ``CreateTable`` for Facedesk's own state.

    TTL and point-in-time recovery need calls of their own.
    """
    return _create_plain_table(name, STATE_KEY)


def _create_plain_table(name: str, key: tuple[str, str]) -> dict[str, Any]:
    return {
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": attribute_definitions(*key),
        "KeySchema": key_schema(*key),
        "DeletionProtectionEnabled": True,
    }
