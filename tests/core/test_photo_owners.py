"""Who else names a photo in no upload folder: when the index is asked, when the table is scanned, and what stays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core.adapters.aws.erasures import DynamoErasures
from core.adapters.aws.photo_owners import NOTED, OUTLIVES, TRUSTED, PhotoOwners
from core.adapters.aws.records import DynamoRecords
from core.adapters.aws.repair import PassCounts
from core.domain.errors import Refused
from core.photos.keys import folder_of
from tests.support.clock import NOON, FakeClock
from tests.support.dynamodb import Proxy, client_of, create_state_table, create_table, put_item, stored_item
from tests.support.photo_owners import noting_pass
from tests.support.records import a_foreign_item, an_outcome
from tests.support.stores import PATIENT

TTL, DAY = timedelta(days=30), timedelta(days=1)
FAR = NOON + timedelta(days=400)
KEY = "face-images/a1.jpg"


@dataclass
class Bench:
    client: Any
    proxy: Proxy
    table: str
    state_table: str
    clock: FakeClock
    file: Path

    def owners(self, **changes: Any) -> PhotoOwners:
        """As another process has it."""
        return PhotoOwners(self.client, self.state_table, PATIENT, self.clock, **changes)

    def records(self) -> DynamoRecords:
        return DynamoRecords(self.client, self.table, PATIENT, self.clock, self.clock.elapsed, owners=self.owners())

    def store(self, **changes: Any) -> DynamoErasures:
        return DynamoErasures(self.client, self.table, PATIENT, self.owners(**changes))

    def backfill(self, *, followed: bool = False, **changes: Any) -> PassCounts:
        return noting_pass(self.client, self.table, self.owners(followed=followed), self.file, **changes).run()

    def begin_backfill_of_8(self) -> None:
        """Puts eight records, and begins a pass over them that breaks off in between."""
        for number in range(8):
            put_item(self.client, self.table, a_foreign_item(userId=f"user-{number}", faceImageKey=KEY))
        answers = iter([None, None, None, ("AccessDeniedException", 400)])
        self.proxy.fault = lambda operation: next(answers, None) if operation == "UpdateItem" else None
        with pytest.raises(Refused):
            self.backfill(page=1, segments=1)

    def asked(self, keys: set[str], user_id: str = "user-1", **changes: Any) -> tuple[set[str], bool]:
        """Which of the keys another names, and whether the table was scanned for them."""
        self.proxy.seen.clear()
        found = self.store(**changes).named_elsewhere(keys, user_id)
        return found, "Scan" in self.proxy.seen

    def forget_everything(self) -> None:
        """As if the state table had been restored as it was before there was an index."""
        for item in self.client.scan(TableName=self.state_table)["Items"]:
            self.client.delete_item(TableName=self.state_table, Key={name: item[name] for name in ("part", "place")})

    def noted(self) -> list[Any]:
        """The items of the index, but the one of the index itself."""
        items = self.client.scan(TableName=self.state_table)["Items"]
        return [item for item in items if item["part"]["S"] != "photo-owners"]


@pytest.fixture
def bench(dynamodb_proxy: Proxy, tmp_path: Path) -> Iterator[Bench]:
    client = client_of(dynamodb_proxy.url)
    tables = create_table(client), create_state_table(client)
    yield Bench(client, dynamodb_proxy, *tables, FakeClock(), tmp_path / "pass.json")
    client.close()


# When the table is scanned


def test_after_a_pass_nothing_is_scanned(bench: Bench) -> None:
    put_item(bench.client, bench.table, a_foreign_item(userId="user-2", faceImageKey=KEY))
    assert bench.asked({KEY}) == ({KEY}, True)
    bench.backfill()
    assert bench.asked({KEY}) == ({KEY}, False)


def test_what_facedesk_writes_after_the_pass_is_known_at_once(bench: Bench) -> None:
    bench.backfill()
    bench.records().record_attempt(an_outcome("a1", user_id="user-2"), TTL)
    assert bench.asked({KEY}) == ({KEY}, False)


@pytest.mark.parametrize(("age", "scanned"), [(TRUSTED, False), (TRUSTED + timedelta(seconds=1), True)])
def test_a_pass_counts_for_some_hours(bench: Bench, age: timedelta, scanned: bool) -> None:
    bench.backfill()
    bench.clock.advance(age)
    assert bench.asked({KEY}) == (set(), scanned)


def test_if_only_facedesk_writes_a_pass_counts_for_ever(bench: Bench) -> None:
    bench.backfill()
    bench.clock.advance(400 * DAY)
    assert bench.asked({KEY}, trusted=None) == (set(), False)


@pytest.mark.parametrize("since", [True, False], ids=["since the stream is followed", "before that"])
def test_where_the_stream_is_followed_a_pass_since_then_counts_for_ever(bench: Bench, since: bool) -> None:
    bench.backfill(followed=since)
    bench.clock.advance(400 * DAY)
    assert bench.asked({KEY}, followed=True) == (set(), not since)


def test_where_the_stream_is_followed_no_more_a_pass_counts_for_some_hours(bench: Bench) -> None:
    bench.backfill(followed=True)
    bench.clock.advance(TRUSTED + timedelta(seconds=1))
    assert bench.asked({KEY}) == (set(), True)


def test_a_pass_that_began_before_the_stream_was_followed_is_not_continued(bench: Bench) -> None:
    bench.begin_backfill_of_8()
    assert bench.backfill(followed=True, page=1, segments=1).scanned == 8


def test_a_key_in_an_upload_folder_that_is_not_the_persons_is_looked_for_in_the_table(bench: Bench) -> None:
    """Of its own person nothing is noted."""
    bench.backfill()
    key = f"{folder_of('reg-1')}a.jpg"
    bench.records().record_attempt(an_outcome(user_id="user-2", face_image_key=key), TTL)
    assert bench.asked({key, KEY}) == ({key}, True)


def test_a_pass_that_does_not_end_does_not_count(bench: Bench) -> None:
    put_item(bench.client, bench.table, a_foreign_item(userId="user-2", faceImageKey=KEY))
    bench.proxy.fault = lambda operation: ("AccessDeniedException", 400) if operation == "UpdateItem" else None
    with suppress(Refused):
        bench.backfill()
    assert bench.asked({KEY}) == ({KEY}, True)


def test_a_pass_counts_from_when_it_began_though_another_run_ended_it(bench: Bench) -> None:
    bench.begin_backfill_of_8()
    bench.clock.advance(TRUSTED)
    bench.backfill(page=1, segments=1)
    assert bench.asked({KEY}) == ({KEY}, False)
    bench.clock.advance(timedelta(seconds=1))
    assert bench.asked({KEY}) == ({KEY}, True)


def test_a_pass_that_began_with_another_index_is_not_continued(bench: Bench) -> None:
    bench.begin_backfill_of_8()
    bench.forget_everything()
    assert bench.backfill(page=1, segments=1).set == 8


# What is noted


def test_an_owner_is_noted_before_the_record_is_written(bench: Bench) -> None:
    records = bench.records()
    bench.proxy.seen.clear()
    records.record_attempt(an_outcome("a1"), TTL)
    *_, before, last = [each for each in bench.proxy.seen if each in ("PutItem", "UpdateItem")]
    assert (before, last) == ("PutItem", "UpdateItem")


def test_a_write_whose_answers_are_lost_is_noted_once(bench: Bench) -> None:
    records = bench.records()
    lost = {"PutItem", "UpdateItem"}
    bench.proxy.fault = lambda operation: Proxy.LOSE if operation in lost and not lost.discard(operation) else None
    records.record_attempt(an_outcome("a1", user_id="user-2"), TTL)
    bench.backfill()
    assert (len(bench.noted()), bench.asked({KEY})) == (2, ({KEY}, False))


def test_for_a_photo_in_the_registrations_own_folder_nothing_is_noted(bench: Bench) -> None:
    records = bench.records()
    bench.proxy.seen.clear()
    records.record_attempt(an_outcome(face_image_key=f"{folder_of('reg-1')}a.jpg"), TTL)
    assert (bench.noted(), bench.proxy.seen[:2]) == ([], ["GetItem", "UpdateItem"])


def test_a_decision_notes_nothing_again(bench: Bench) -> None:
    records = bench.records()
    record = records.record_attempt(an_outcome("a1"), TTL)
    bench.proxy.seen.clear()
    records.redate([(record.user_id, record.registration_id)], TTL, None)
    assert "PutItem" not in bench.proxy.seen


def test_a_second_pass_writes_nothing(bench: Bench) -> None:
    bench.records().record_attempt(an_outcome("a1"), TTL)
    put_item(bench.client, bench.table, a_foreign_item(userId="user-2", faceImageKey=KEY))
    assert [bench.backfill().set for _ in range(2)] == [1, 0]


def test_the_units_of_notes_are_counted_and_paced(bench: Bench) -> None:
    put_item(bench.client, bench.table, a_foreign_item(eventId="event-1", faceImageKey=KEY, storedFaceKey=None))
    assert bench.backfill().write_units >= 3


@pytest.mark.parametrize(
    "change",
    [
        lambda item: {**item, "faceImageKey": {"S": "face-images/b.jpg"}},
        lambda item: {**item, "expiresAt": {"N": str(int(item["expiresAt"]["N"]) + 9)}},
        lambda item: {name: value for name, value in item.items() if name != NOTED},
    ],
    ids=["another photo", "kept for longer", "replaced"],
)
def test_a_record_that_another_service_changed_is_noted_again(
    bench: Bench, change: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    bench.records().record_attempt(an_outcome("a1"), TTL)
    changed = change(stored_item(bench.client, bench.table))
    bench.client.put_item(TableName=bench.table, Item=changed)
    assert bench.backfill().set == 1
    keys = {changed["faceImageKey"]["S"]}
    assert bench.asked(keys, "user-2") == (keys, False)


def test_an_entry_expires_some_days_after_its_record(bench: Bench) -> None:
    record = bench.records().record_attempt(an_outcome("a1"), TTL)
    expected = str((record.expires_at or 0) + int(OUTLIVES.total_seconds()))
    assert {item["expiresAt"]["N"] for item in bench.noted()} == {expected}


@pytest.mark.parametrize("expires_at", ["never", 1e15, None], ids=["text", "milliseconds and more", "null"])
def test_an_entry_of_a_record_that_never_expires_does_not_either(bench: Bench, expires_at: Any) -> None:
    put_item(bench.client, bench.table, a_foreign_item(faceImageKey=KEY, expiresAt=expires_at))
    bench.backfill()
    assert {"expiresAt" in item for item in bench.noted()} == {False}


def test_with_a_new_index_every_record_is_noted_again(bench: Bench) -> None:
    bench.records().record_attempt(an_outcome("a1", user_id="user-2"), TTL)
    bench.backfill()
    bench.forget_everything()
    assert bench.asked({KEY}) == ({KEY}, True)
    bench.backfill()
    assert bench.asked({KEY}) == ({KEY}, False)


# What stays


def test_an_erasure_leaves_nothing_of_the_person_in_the_index(bench: Bench) -> None:
    for number in range(3):
        bench.records().record_attempt(an_outcome(f"a{number}", registration_id=f"reg-{number % 2}"), TTL)
    bench.store().erase_records("user-1")
    assert bench.noted() == []


def test_an_attempt_that_is_taken_back_leaves_the_other_photos_noted(bench: Bench) -> None:
    for attempt in ("a1", "a2"):
        bench.records().record_attempt(an_outcome(attempt, user_id="user-2"), TTL)
    bench.records().take_back("user-2", "reg-1", "a1")
    bench.backfill()
    assert bench.asked({KEY, "face-images/a2.jpg"}) == ({"face-images/a2.jpg"}, False)
    assert len(bench.noted()) == 2


@pytest.mark.parametrize("writer", ["pass", "redate"])
def test_what_is_noted_of_a_person_who_is_erased_meanwhile_is_forgotten(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, writer: str
) -> None:
    put_item(bench.client, bench.table, a_foreign_item(eventId="event-1", expiresAt=int(FAR.timestamp())))
    note = PhotoOwners.note

    def overtaken(self: PhotoOwners, item: Any) -> int:
        bench.store().erase_records("user-1")
        return note(self, item)

    monkeypatch.setattr(PhotoOwners, "note", overtaken)
    if writer == "pass":
        assert bench.backfill().changed == 1
    else:
        assert bench.records().redate([("user-1", "reg-1")], TTL, FAR + DAY) == 0
    assert bench.noted() == []


def test_the_index_names_no_photo(bench: Bench) -> None:
    bench.records().record_attempt(an_outcome("a1"), TTL)
    assert "a1.jpg" not in str(bench.noted())


def test_without_a_state_table_records_are_written_and_the_table_is_scanned(bench: Bench) -> None:
    bench.client.delete_table(TableName=bench.state_table)
    bench.records().record_attempt(an_outcome("a1", user_id="user-2"), TTL)
    assert NOTED not in stored_item(bench.client, bench.table, "user-2")
    assert bench.backfill().scanned == 1
