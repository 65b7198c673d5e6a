"""The stream of a table: its records as Lambda gets them, made by hand or read from a server's own stream."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import boto3
from botocore.config import Config

from core.adapters.aws import table as definition
from core.domain.records import KEY_ATTRIBUTES
from tests.support.dynamodb import made
from tests.support.servers import REGION, fresh_name

Image = Mapping[str, Any]


def batch(*changes: Mapping[str, Any]) -> Any:
    """What Lambda is given: ``changes`` as JSON, with binary values in base64."""
    return json.loads(json.dumps({"Records": changes}, default=lambda value: b64encode(value).decode()))


def change(new: Image | None, old: Image | None = None, number: int = 1) -> dict[str, Any]:
    """The record of a write of ``new`` in place of ``old``, both in the API's form; without ``new`` of a deletion."""
    images = {name: image for name, image in (("NewImage", new), ("OldImage", old)) if image}
    of = new or old or {}
    return {
        "eventName": "REMOVE" if new is None else "MODIFY" if old else "INSERT",
        "dynamodb": {"Keys": {name: of[name] for name in KEY_ATTRIBUTES}, "SequenceNumber": str(number), **images},
    }


def writes(items: Sequence[Image]) -> Any:
    """The batch in which each of ``items`` was written for the first time."""
    return batch(*(change(item, number=number) for number, item in enumerate(items)))


def table_with_stream(client: Any, *, index: bool = True) -> str:
    """Make a table whose stream has both images, and return its name, a fresh one."""
    request = definition.create_table(fresh_name("face-verifications"))
    if not index:
        del request["GlobalSecondaryIndexes"]
        request["AttributeDefinitions"] = definition.attribute_definitions(*KEY_ATTRIBUTES)
    return made(
        client, **request, StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    )


def stream_of(client: Any, table: str) -> Iterator[list[dict[str, Any]]]:
    """What is new in the table's stream, as Lambda gets it, each time; perhaps nothing. Moto has no streams."""
    arn = client.describe_table(TableName=table)["Table"]["LatestStreamArn"]
    # The ids of the everyday server's shards are shorter than AWS's.
    streams = boto3.client(
        "dynamodbstreams",
        REGION,
        endpoint_url=client.meta.endpoint_url,
        config=Config(parameter_validation=False),
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    shards = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
    places = [
        streams.get_shard_iterator(StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")
        for shard in shards
    ]
    iterators = [place["ShardIterator"] for place in places]
    while True:
        answers = [streams.get_records(ShardIterator=iterator) for iterator in iterators]
        iterators = [answer["NextShardIterator"] for answer in answers]
        yield [_plain(record) for answer in answers for record in answer["Records"]]


def _plain(record: Mapping[str, Any]) -> dict[str, Any]:
    inner = {name: value for name, value in record["dynamodb"].items() if name != "ApproximateCreationDateTime"}
    return {"eventName": record["eventName"], "dynamodb": inner}
