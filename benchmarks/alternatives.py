"""What one would write without Facedesk: the work of each row, the usual way. Imports nothing of Facedesk."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

REGION = "ap-south-1"
Work = Callable[[], int]


def session() -> Any:
    """Of credentials that only a local server takes."""
    import boto3

    return boto3.session.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name=REGION)


def table_query(url: str, table: str, event_id: str) -> Work:
    """boto3's ``Table.query``, page by page, into a DataFrame."""
    import pandas as pd
    from boto3.dynamodb.conditions import Key

    resource = session().resource("dynamodb", endpoint_url=url).Table(table)
    asked = {"IndexName": "eventId-timestamp-index", "KeyConditionExpression": Key("eventId").eq(event_id)}

    def work() -> int:
        answer = resource.query(**asked)
        items = answer["Items"]
        while "LastEvaluatedKey" in answer:
            answer = resource.query(**asked, ExclusiveStartKey=answer["LastEvaluatedKey"])
            items += answer["Items"]
        return len(pd.DataFrame(items))

    return work


def wrangler(url: str, table: str, event_id: str) -> Work:
    """Measures awswrangler's ``dynamodb.read_items``, which makes the DataFrame itself."""
    import awswrangler
    from boto3.dynamodb.conditions import Key

    awswrangler.config.dynamodb_endpoint_url = url
    asked = {"index_name": "eventId-timestamp-index", "key_condition_expression": Key("eventId").eq(event_id)}

    def work() -> int:
        return len(awswrangler.dynamodb.read_items(table, **asked, boto3_session=session()))

    return work


def history(url: str, table: str, user_id: str, calls: int) -> Work:
    """boto3's ``Table.query`` of a user's records, newest first."""
    from boto3.dynamodb.conditions import Key

    resource = session().resource("dynamodb", endpoint_url=url).Table(table)

    def once() -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = resource.query(KeyConditionExpression=Key("userId").eq(user_id))["Items"]
        return sorted(items, key=lambda item: item["timestamp"], reverse=True)

    once()
    return lambda: sum(len(once()) for _ in range(calls))


def read_sql_to_csv(database: str, event_id: str, target: str) -> Work:
    """``pandas.read_sql`` of the columns that the CSV has, then ``to_csv``."""
    import pandas as pd

    columns = (
        "userId, registrationId, eventId, validationStatus, confidence, quality, similarity, threshold, "
        "verificationAttempt, timestamp, updatedAt, expiresAt, source, failureReasons, decision, reviewer, "
        "decidedAt, faceImageKey, storedFaceKey, age, gender, smile"
    )
    connection = sqlite3.connect(database)

    def work() -> int:
        query = f"SELECT {columns} FROM faceVerifications WHERE eventId = ?"
        frame = pd.read_sql(query, connection, params=(event_id,))
        frame.to_csv(target, index=False)
        return len(frame)

    return work
