"""What DynamoDB charges for each attempt of one registration, if its record lists all or if earlier ones move.

A person tries a hundred times. Units are those that the local server reports, those of the event index included, and
for comparison those that follow from the sizes of the items that changed. Run as ``python -m benchmarks.attempts``;
``FACEDESK_TEST_DYNAMODB`` chooses the server.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from statistics import fmean
from typing import Any
from unittest import mock

from benchmarks.results import publish, table
from core.adapters.aws import earlier_attempts
from core.adapters.aws.items import Item, size_of
from core.adapters.aws.records import DynamoRecords
from core.adapters.aws.table import INDEX_KEY
from core.domain.clock import utc_now
from core.domain.costs import write_units
from core.domain.policy import Policy, judge
from core.domain.records import EVENT_ATTRIBUTES, Outcome, Provenance
from core.flow.retry import Retry
from core.flow.tally import Tally, counted
from core.photos.keys import key_of
from tests.support.dynamodb import client_of, create_table, running_server

ATTEMPTS = 100
SHOWN = (1, 2, 5, 10, 20, 50)
USER, REGISTRATION = "5f0c1a52-7d43-4f0e-9c2b-0d6a3c1e8b11", "0b8f2a54-96a1-4a7e-8f55-2f1c7f3d9a20"
#: As Rekognition describes a face with all attributes.
BOX = {"Left": 0.312345678, "Top": 0.23456789, "Width": 0.41234567, "Height": 0.5123456}
FACE = {
    "BoundingBox": BOX,
    "Confidence": 99.98,
    "AgeRange": {"Low": 25, "High": 35},
    "Gender": {"Value": "Female", "Confidence": 99.1},
    "Pose": {"Roll": 1.23, "Yaw": -2.22, "Pitch": 3.33},
    "Quality": {"Brightness": 80.1, "Sharpness": 92.2},
    **{name: {"Value": False} for name in ("Smile", "Eyeglasses", "Sunglasses", "Beard", "Mustache")},
    "MouthOpen": {"Value": False},
    "FaceOccluded": {"Value": False},
    "EyesOpen": {"Value": True},
}
COMPARED = {"FaceMatches": [{"Similarity": 91.234, "Face": {"BoundingBox": BOX}}]}


@dataclass(frozen=True)
class Units:
    """Of one attempt: what the server said, and what the items' sizes say of its writes."""

    written: float
    computed: int
    read: float


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    with tempfile.TemporaryDirectory() as folder, running_server(Path(folder)) as url:
        client = client_of(url)
        with mock.patch.object(earlier_attempts, "UNITS", 400):
            before = list(attempts(client))
        after = list(attempts(client))
    rows = [
        [str(number), *cells(before[number - 1 : number]), *cells(after[number - 1 : number])] for number in SHOWN
    ]
    for first, last in ((1, 10), (41, 50), (91, 100)):
        part = slice(first - 1, last)
        rows.append([f"mean of {first} to {last}", *cells(before[part]), *cells(after[part])])
    head = ["attempt", *(f"{of}, {how}" for how in ("one item", "moved") for of in ("written", "by size", "read"))]
    publish(
        "Write units by attempt",
        f"""
One registration, whose {ATTEMPTS} attempts Rekognition judged: units of the table and its event index. "One item" is
a record that lists its newest 50 attempts itself; "moved" is one whose earlier attempts are in items of their own.
"By size" is computed from the items that changed.

{table(head, rows)}
""",
    )


def cells(some: Sequence[Units]) -> list[str]:
    means = (fmean(getattr(each, name) for each in some) for name in ("written", "computed", "read"))
    return [f"{mean:.1f}" for mean in means]


def attempts(client: Any) -> Iterator[Units]:
    """The units of each attempt, in a table of their own."""
    name = create_table(client)
    records = DynamoRecords(client, name, Retry(20, 4), utc_now)
    before = stored(client, name)
    for number in range(1, ATTEMPTS + 1):
        tally = Tally()
        with counted(tally):
            records.record_attempt(outcome(number), timedelta(days=30))
        after = stored(client, name)
        yield Units(tally.write_units, units_between(before, after), tally.read_units)
        before = after


def outcome(number: int) -> Outcome:
    verdict = judge(Policy(), {"FaceDetails": [FACE]}, (1000, 800), COMPARED)
    attempt_id = f"{number:08}-0000-4000-8000-000000000000"
    return Outcome(
        attempt_id=attempt_id,
        user_id=USER,
        registration_id=REGISTRATION,
        event_id="annual-meeting-2026",
        timestamp=utc_now(),
        face_image_key=key_of(REGISTRATION, attempt_id, b""),
        stored_face_key=f"reference/{REGISTRATION}.jpg",
        ip_address="203.0.113.17",
        provenance=Provenance(engine="rekognition", model="api-2016-06-27", rules="r0a1b2c3d"),
        **verdict.as_outcome(),
    )


def stored(client: Any, name: str) -> Mapping[str, Item]:
    """All items, by their sort key: there is one person."""
    return {item["registrationId"]["S"]: item for item in client.scan(TableName=name)["Items"]}


def units_between(before: Mapping[str, Item], after: Mapping[str, Item]) -> int:
    """The write units of the changes: of the larger state of each item, and of entries of the index."""
    units = 0
    for key in before.keys() | after.keys():
        old, new = before.get(key), after.get(key)
        if old == new:
            continue
        units += max(write_units(size_of(item)) for item in (old, new) if item)
        entries = [{n: v for n, v in item.items() if n in EVENT_ATTRIBUTES} for item in (old, new) if item]
        entries = [entry for entry in entries if entry.keys() >= set(INDEX_KEY)]
        units += sum(write_units(size_of(entry)) for entry in entries)
    return units


if __name__ == "__main__":
    main()
