"""Made-up events of any size, in the embedded database and in a local DynamoDB server."""

from __future__ import annotations

import gzip
import json
import random
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import apsw
import orjson

from core.adapters.aws import table as definition
from core.adapters.embedded.records import SqliteRecords
from core.adapters.embedded.registrations import SqliteRegistrations
from core.domain.clock import utc_now
from core.domain.records import Registration, isoformat
from core.files.disk import DATABASE

EVENT = "event-1"
TABLE = "face-verifications"
USER = "user-of-many"
#: Of a person with a history.
HISTORY = 20


def items(count: int, now: datetime, first: int = 0, user: str | None = None) -> Iterator[dict[str, Any]]:
    """Records as Facedesk writes them, of one attempt each, over the last 20 days; of one ``user``, in an event
    of its own, if given.
    """
    pick, event = random.Random(first), "event-2" if user else EVENT
    expires = int((now + timedelta(days=30)).timestamp())
    for number in range(first, first + count):
        # Odd steps: neighbours in time are no neighbours in number.
        moment = isoformat(now - timedelta(milliseconds=number * 7919 % 1_728_000_000))
        status = pick.choices(["success", "failed", "pending"], [8, 3, 1])[0]
        similarity, confidence = round(pick.uniform(20, 100), 6), round(pick.uniform(80, 100), 6)
        reasons = pick.choice([["FACE_MISMATCH"], ["TOO_DARK", "BLURRED"], ["EYES_CLOSED"]]) * (status == "failed")
        key, source = f"face-images/{number:08}-{pick.getrandbits(96):024x}.jpg", pick.choice(["api", "dashboard"])
        quality = pick.choice(["high", "medium", "low"])
        provenance = {"engine": "rekognition", "model": "api-2016-06-27", "rules": "r96d7f2a7"}
        yield {
            "userId": user or f"user-{number:08}",
            "registrationId": f"registration-{number:08}",
            "eventId": event,
            "validationStatus": status,
            "confidence": confidence,
            "quality": quality,
            "faceImageKey": key,
            "storedFaceKey": f"reference-faces/{number:08}-{pick.getrandbits(96):024x}.jpg",
            "comparisonResult": {"similarity": similarity, "threshold": 80, "isMatch": similarity >= 80},
            "attributes": {
                "age": f"{20 + number % 40}-{28 + number % 40}",
                "gender": pick.choice(["female", "male"]),
                "smile": number % 3 == 0,
                "eyesOpen": True,
                "yaw": 3.5,
                "pitch": -2.25,
            },
            "verificationAttempt": 1,
            "timestamp": moment,
            "updatedAt": moment,
            "expiresAt": expires,
            "metadata": {
                "eventId": event,
                "ipAddress": "203.0.113.7",
                "source": source,
                "provenance": provenance,
            },
            "failureReasons": reasons,
            "attempts": [
                {
                    "attemptId": f"{number:032x}",
                    "number": 1,
                    "timestamp": moment,
                    "status": status,
                    "confidence": confidence,
                    "quality": quality,
                    "similarity": similarity,
                    "reasons": reasons,
                    "faceImageKey": key,
                    "source": source,
                    "provenance": provenance,
                }
            ],
        }


def embedded(folder: Path, count: int, registered: int = 0) -> Path:
    """The database of a data folder, with an event of ``count`` records and as many registrations as asked for."""
    path = folder / DATABASE
    SqliteRecords(path, utc_now).close()
    add(path, items(count, utc_now()))
    if registered:
        store = SqliteRegistrations(path)
        store.import_many(
            Registration(
                registration_id=f"registration-{number:08}",
                user_id=f"user-{number:08}",
                event_id=EVENT,
                name=f"Person {number}",
                email=f"person-{number}@example.com",
                reference_photo_key=f"reference-faces/{number:08}.jpg",
            )
            for number in range(registered)
        )
        store.close()
    return path


def add(path: Path, made: Iterator[dict[str, Any]]) -> None:
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA synchronous=OFF")
    with connection:
        connection.executemany(
            "INSERT INTO faceVerifications (item) VALUES (?)", ((orjson.dumps(item).decode(),) for item in made)
        )
    connection.close()


@contextmanager
def dynamodb(folder: Path, count: int) -> Iterator[tuple[str, int]]:
    """The address and the process of a server whose table has an event of ``count`` records, and ``USER``."""
    # Not before they are needed: what a measured process imports is in its peak memory.
    from tests.support.dynamodb import server_binary, serving

    binary = server_binary()
    if binary is None:
        raise SystemExit("These figures need the DynamoDB server: npm install --no-save @dynoxide/linux-x64")
    now, export = utc_now(), folder / "export" / TABLE / "data"
    export.mkdir(parents=True)
    with gzip.open(export / "part.json.gz", "wb", compresslevel=1) as out:
        for made in (items(count, now), items(HISTORY, now, first=10**8, user=USER)):
            for item in made:
                out.write(orjson.dumps({"Item": in_the_apis_form(item)}) + b"\n")
    table = definition.create_table(TABLE)
    names = ("TableName", "KeySchema", "AttributeDefinitions", "GlobalSecondaryIndexes")
    schema = folder / "schema.json"
    schema.write_bytes(orjson.dumps({"Table": {name: table[name] for name in names}}))
    database = folder / "tables.db"
    subprocess.run(
        [binary, "import", "--source", folder / "export", "--schema", schema, "--output", database],
        check=True,
        capture_output=True,
    )
    with serving(binary, database) as (url, process):
        yield url, process


def in_the_apis_form(item: dict[str, Any]) -> dict[str, Any]:
    from boto3.dynamodb.types import TypeSerializer

    exact = json.loads(json.dumps(item), parse_float=Decimal)
    return {name: TypeSerializer().serialize(value) for name, value in exact.items()}
