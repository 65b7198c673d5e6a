"""A table of other services brought over while they and we keep writing; the backfill is killed twice on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from core.adapters.aws.earlier_attempts import is_part
from core.adapters.aws.photo_owners import NOTED
from core.adapters.aws.records import DynamoRecords
from core.adapters.aws.table import EVENT_INDEX
from core.domain.clock import utc_now
from core.domain.expiry import expires_at
from core.flow.retry import Retry
from tests.core.test_provision import table_with_keys_alone
from tests.support.dynamodb import put_item, put_items, stored_item
from tests.support.records import a_foreign_item, an_outcome
from tests.support.servers import CREDENTIALS, REGION

ROOT = Path(__file__).parents[2]
RECORDS = 1200
#: Of these the other service moves one after another to another event; on the next ones both of us write.
MOVED, SHARED = range(0, 200), range(200, 400)
#: The other service adds so many besides, and then writes them again and again.
MORE = 300
PHOTOS = ("faceImageKey", "storedFaceKey")
#: For the next step to be seen, on a busy machine, seconds.
PATIENCE = 180
#: So few write units a second that a backfill is seen half-way even by a test that gets its turn late.
SLOWLY = 300
TTL = timedelta(days=30)
RETRY = Retry(deadline=30, call_timeout=4)

Key = tuple[str, str]


def foreign(number: int, **changes: Any) -> dict[str, Any]:
    """Only some have photos: noting these takes more writes than the record itself.

    None has expired: the table deletes what has.
    """
    ids = {"userId": f"user-{number}", "registrationId": f"reg-{number}"}
    item = a_foreign_item(**ids, expiresAt=expires_at(utc_now(), TTL), **changes)
    return item if number % 10 == 0 else {name: value for name, value in item.items() if name not in PHOTOS}


@dataclass
class Table:
    #: Another service's. It tries again by itself: DynamoDB Local refuses some writes while it builds an index.
    client: Any
    name: str

    def scanned(self) -> Iterator[Any]:
        """The records, without the items of earlier attempts beside them."""
        pages = self.client.get_paginator("scan").paginate(TableName=self.name, ConsistentRead=True)
        return (item for page in pages for item in page["Items"] if not is_part(item))

    def recount(self) -> dict[Key, str]:
        """Which event each record names, by a scan of everything."""
        return {key_of(item): item["metadata"]["M"]["eventId"]["S"] for item in self.scanned()}

    def indexed(self) -> dict[Key, str]:
        """Which event the index has each record under."""
        pages = self.client.get_paginator("scan").paginate(TableName=self.name, IndexName=EVENT_INDEX)
        return {key_of(item): item["eventId"]["S"] for page in pages for item in page["Items"]}


def key_of(item: Any) -> Key:
    return item["userId"]["S"], item["registrationId"]["S"]


@dataclass
class Writers:
    """The other service and ourselves, writing until told to stop; each keeps what was acknowledged."""

    table: Table
    records: DynamoRecords
    stop: threading.Event = field(default_factory=threading.Event)
    #: The other service's last state of each record that it alone writes.
    put: dict[int, dict[str, Any]] = field(default_factory=dict)
    #: How often the other service counted an attempt in a shared record.
    counted: Counter[int] = field(default_factory=Counter)
    #: Our attempts in each shared record.
    attempts: dict[int, list[str]] = field(default_factory=dict)
    failures: list[BaseException] = field(default_factory=list)

    @contextmanager
    def writing(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._until_stopped, args=(turn,)) for turn in (self._theirs, self._ours)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.stop.set()
            for thread in threads:
                thread.join()
        assert self.failures == []

    def _until_stopped(self, turn: Callable[[int], None]) -> None:
        number = 0
        try:
            while not self.stop.wait(0.02):
                turn(number)
                number += 1
        except BaseException as error:  # noqa: BLE001 - told in the test's own thread
            self.failures.append(error)

    def _theirs(self, turn: int) -> None:
        moved, new, shared = MOVED[turn % len(MOVED)], RECORDS + turn % MORE, SHARED[turn % len(SHARED)]
        for number, event in ((moved, f"event-{turn % 2 + 1}"), (new, "event-1")):
            item = foreign(number, metadata={"eventId": event}, serial=turn)
            put_item(self.table.client, self.table.name, item)
            self.put[number] = item
        # The condition fails where an earlier try of this call came through without an answer.
        with suppress(self.table.client.exceptions.ConditionalCheckFailedException):
            self.table.client.update_item(
                TableName=self.table.name,
                Key={"userId": {"S": f"user-{shared}"}, "registrationId": {"S": f"reg-{shared}"}},
                UpdateExpression="ADD verificationAttempt :one SET turn = :turn",
                ConditionExpression="attribute_not_exists(turn) OR turn <> :turn",
                ExpressionAttributeValues={":one": {"N": "1"}, ":turn": {"N": str(turn)}},
            )
        self.counted[shared] += 1

    def _ours(self, turn: int) -> None:
        number = SHARED[turn * 7 % len(SHARED)]
        ids = {"user_id": f"user-{number}", "registration_id": f"reg-{number}"}
        outcome = an_outcome(f"attempt-{turn}", timestamp=utc_now(), **ids)
        self.records.record_attempt(outcome, TTL)
        self.attempts.setdefault(number, []).append(outcome.attempt_id)


@dataclass
class Commands:
    """``python -m core`` in processes of their own, with the settings that the table needs and no others."""

    url: str
    table: Table
    folder: Path

    @property
    def state(self) -> Path:
        return self.folder / "data" / f"backfill-{self.table.name}.json"

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "FACEDESK_BACKEND": "aws",
            "FACEDESK_AUTH": "off",
            "FACEDESK_DATA_DIR": str(self.folder / "data"),
            "DYNAMODB_FACE_VALIDATION_TABLE": self.table.name,
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL_DYNAMODB": self.url,
            **CREDENTIALS,
        }
        return subprocess.Popen(
            [sys.executable, "-m", "core", *arguments],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # Whoever runs the tests in the background has them, and what they start, ignore Ctrl-C.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def backfill(self, *options: str, write_units: int) -> subprocess.Popen[str]:
        return self.start("backfill-index", "--segments", "2", "--write-units", str(write_units), *options)


def until(happened: Callable[[], bool], process: subprocess.Popen[str], pause: float = 0.02) -> None:
    give_up = time.monotonic() + PATIENCE
    while not happened():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < give_up, "it does not happen"
        time.sleep(pause)


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL


@pytest.fixture
def table(dynamodb: Any, dynamodb_url: str, passing_tables: None) -> Table:
    session = boto3.session.Session(*CREDENTIALS.values(), region_name=REGION)
    retrying = Config(retries={"total_max_attempts": 12, "mode": "standard"})
    theirs = session.client("dynamodb", endpoint_url=dynamodb_url, config=retrying)
    table = Table(theirs, table_with_keys_alone(dynamodb))
    put_items(theirs, table.name, map(foreign, range(RECORDS)))
    return table


def test_a_table_is_migrated_while_everybody_writes_and_the_backfill_is_killed(
    table: Table, dynamodb: Any, dynamodb_url: str, tmp_path: Path
) -> None:
    commands = Commands(dynamodb_url, table, tmp_path)
    records = DynamoRecords(dynamodb, table.name, RETRY, utc_now)
    writers = Writers(table, records)
    with writers.writing():
        provision = commands.start("provision", "--add-index")
        assert (provision.communicate()[0].count("added"), provision.returncode) == (1, 0)

        first = commands.backfill(write_units=SLOWLY)
        until(commands.state.exists, first)
        kill(first)

        reached, state = len(table.indexed()), commands.state.read_bytes()
        second = commands.backfill(write_units=SLOWLY)
        until(lambda: len(table.indexed()) > reached + 200 and commands.state.read_bytes() != state, second)
        kill(second)

        # Goes on where the second was; the passes after it find what was written behind its back.
        third = commands.backfill("--watch", "--every", "0.1", write_units=10 * SLOWLY)
        until(lambda: not commands.state.exists(), third)
    # Each look reads the whole table, beside the pass that is looked at.
    until(lambda: table.indexed() == table.recount(), third, pause=2)
    third.send_signal(signal.SIGINT)
    said = third.communicate()[0].splitlines()
    assert (third.returncode, said[-1]) == (0, "Stopped.")

    for event in ("event-1", "event-2"):
        frame = records.event_frame(event)
        assert set(zip(frame["userId"], frame["registrationId"], strict=True)) == {
            key for key, named in table.recount().items() if named == event
        }
    assert_nothing_lost(table, records, writers)


def assert_nothing_lost(table: Table, records: DynamoRecords, writers: Writers) -> None:
    for number, item in writers.put.items():
        stored = stored_item(table.client, table.name, f"user-{number}", f"reg-{number}")
        assert stored.pop("eventId") == {"S": item["metadata"]["eventId"]}
        assert stored["serial"] == {"N": str(item["serial"])}
        stored.pop(NOTED, None)  # of the photo that it names
        assert stored.keys() == item.keys()
    for number in SHARED:
        record = records.get(f"user-{number}", f"reg-{number}")
        assert record is not None
        ours = writers.attempts.get(number, [])
        assert {entry.attempt_id for entry in record.attempts} >= set(ours)
        before = a_foreign_item()["verificationAttempt"]
        assert record.verification_attempt == before + len(ours) + writers.counted[number]
