"""The two tables, of the records and of the audit trail, as they should be: what ``provision`` makes, Terraform
declares and tests use.
"""

from __future__ import annotations

from typing import Any

from core.domain.records import EVENT_ATTRIBUTES, KEY_ATTRIBUTES

#: The index that finds an event's records by ``eventId``, oldest ``timestamp`` first.
EVENT_INDEX = "eventId-timestamp-index"
INDEX_KEY = ("eventId", "timestamp")
#: Records go by themselves some time after this attribute (epoch seconds) has passed.
TTL_ATTRIBUTE = "expiresAt"
#: What is said where the records' table is not there: the words of the service before this one.
RECORDS_NOT_CONFIGURED = "DynamoDB face validation table not configured"
#: The key of the audit trail's table: a day and one of its parts, then moment and entry id.
AUDIT_KEY = ("day", "place")


def key_schema(hash_key: str, range_key: str) -> list[Any]:
    return [
        {"AttributeName": hash_key, "KeyType": "HASH"},
        {"AttributeName": range_key, "KeyType": "RANGE"},
    ]


def attribute_definitions(*names: str) -> list[Any]:
    return [{"AttributeName": name, "AttributeType": "S"} for name in names]


def event_index() -> Any:
    """The index, as ``CreateTable`` and ``UpdateTable`` take it."""
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
    """What ``CreateTable`` takes: keys, on-demand billing, the event index, deletion protection.

    TTL and point-in-time recovery are calls of their own.
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
    """What ``CreateTable`` takes for the audit trail. It has no TTL: entries do not go by themselves."""
    return {
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": attribute_definitions(*AUDIT_KEY),
        "KeySchema": key_schema(*AUDIT_KEY),
        "DeletionProtectionEnabled": True,
    }
