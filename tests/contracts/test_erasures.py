"""The contract of ``core.ports.ErasureStore``, held by every adapter."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from core.adapters.aws.erasures import JOURNAL, REMEMBERED, DynamoErasures
from core.adapters.aws.photo_owners import PhotoOwners
from core.adapters.embedded.erasures import SqliteErasures
from core.domain.erasures import Erasure, ErasureCounts, Receipt
from core.ports import ErasureStore, ValidationRecords
from tests.support.benches import bench_fixtures
from tests.support.clock import NOON
from tests.support.dynamodb import create_state_table
from tests.support.photo_owners import noting_pass
from tests.support.records import a_foreign_item, an_outcome
from tests.support.stores import PATIENT, dynamodb_bench, sqlite_bench

TTL, HOUR = timedelta(days=30), timedelta(hours=1)
USER = "5be9c59e30b67cf1"


#: The ways to find who else names a photo: each store, DynamoDB by a scan and by the index of photos.
NAMING_WAYS = ["sqlite", "dynamodb scan", "moto_dynamodb index", "dynamodb index"]


@dataclass
class Bench:
    store: ErasureStore
    records: ValidationRecords
    put: Callable[[dict[str, Any]], None]
    #: Makes what other services wrote known to the index of photos, if there is one.
    backfill: Callable[[], object] = lambda: None


def _bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    if request.param == "sqlite":
        of_records = sqlite_bench(tmp_path)
        store: ErasureStore = SqliteErasures(tmp_path / "facedesk.db")
        yield Bench(store, of_records.records, of_records.put)
        store.close()
        of_records.records.close()
    else:
        client = request.getfixturevalue(request.param)
        of_records = dynamodb_bench(client)
        store = DynamoErasures(client, of_records.records._table, PATIENT)  # type: ignore[attr-defined]
        yield Bench(store, of_records.records, of_records.put)


bench, race_bench = bench_fixtures(_bench)


@pytest.fixture(params=NAMING_WAYS)
def naming(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    request.param, _, way = request.param.partition(" ")
    yield from (_indexed_bench if way == "index" else _bench)(request, tmp_path)


def _indexed_bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """A bench whose store must not scan the table."""
    client = request.getfixturevalue(request.param)
    state_table = create_state_table(client)
    of_records = dynamodb_bench(client, state_table=state_table)
    table = of_records.records._table  # type: ignore[attr-defined]
    owners = PhotoOwners(client, state_table, PATIENT, of_records.clock)
    owners.complete(of_records.clock())

    def no_scan(**_: Any) -> None:
        raise AssertionError("The table was scanned.")

    store = DynamoErasures(SimpleNamespace(**_methods(client), scan=no_scan), table, PATIENT, owners)
    yield Bench(store, of_records.records, of_records.put, noting_pass(client, table, owners, tmp_path / "pass").run)


def _methods(client: Any) -> dict[str, Any]:
    return {name: getattr(client, name) for name in ("query", "get_item", "delete_item", "put_item", "exceptions")}


@pytest.fixture
def store(bench: Bench) -> ErasureStore:
    return bench.store


def an_erasure(**changes: Any) -> Erasure:
    given = {
        "erasure_id": "e1",
        "user_id": "user-1",
        "user": USER,
        "who": "ada",
        "began_at": NOON,
        "counts": ErasureCounts(),
    }
    return Erasure(**{**given, **changes})


def a_receipt(**changes: Any) -> Receipt:
    given = {
        "erasure_id": "e1",
        "user": USER,
        "who": "ada",
        "began_at": NOON,
        "ended_at": NOON,
        "counts": ErasureCounts(),
    }
    return Receipt(**{**given, **changes})


# Records


def test_everybody_with_a_record_is_named_and_the_journal_is_nobody(bench: Bench) -> None:
    for registration_id in ("a", "b"):
        bench.records.record_attempt(an_outcome("a1", user_id="ada", registration_id=registration_id), TTL)
    bench.put(a_foreign_item(userId="bob", expiresAt=1))
    bench.store.begin(an_erasure())
    assert set(bench.store.users()) == {"ada", "bob"}


def test_of_somebody_unknown_there_is_nothing(store: ErasureStore) -> None:
    assert store.records_of("user-1") == []


def test_a_record_tells_the_photos_of_all_its_attempts(bench: Bench) -> None:
    for number in (1, 2):
        bench.records.record_attempt(an_outcome(f"a{number}"), TTL)
    (found,) = bench.store.records_of("user-1")
    keys = {"face-images/a1.jpg", "face-images/a2.jpg"}
    assert (found.registration_id, found.attempts, found.photo_keys) == ("reg-1", 2, keys)


def test_a_record_of_many_attempts_is_one_record_with_all_of_their_photos(bench: Bench) -> None:
    for number in range(20):
        bench.records.record_attempt(an_outcome(f"a{number}"), TTL)
    (found,) = bench.store.records_of("user-1")
    assert (found.registration_id, found.attempts, len(found.photo_keys)) == ("reg-1", 20, 20)
    assert bench.store.erase_records("user-1") == 1
    assert bench.store.records_of("user-1") == []


def test_another_services_record_counts_as_one_attempt(bench: Bench) -> None:
    bench.put(a_foreign_item())
    (found,) = bench.store.records_of("user-1")
    assert (found.attempts, found.photo_keys) == (1, {"face-images/verify.jpg"})


def test_an_expired_record_is_there_to_be_erased(bench: Bench) -> None:
    bench.put(a_foreign_item(expiresAt=1))
    assert len(bench.store.records_of("user-1")) == 1
    assert bench.store.erase_records("user-1") == 1
    assert bench.store.records_of("user-1") == []


def test_a_record_that_cannot_be_read_is_there_to_be_erased(bench: Bench) -> None:
    bench.put(a_foreign_item(confidence="very", attempts="none"))
    assert [record.registration_id for record in bench.store.records_of("user-1")] == ["reg-1"]
    assert bench.store.erase_records("user-1") == 1


def test_all_records_of_the_user_go_and_no_other(bench: Bench) -> None:
    for number in range(30):
        bench.records.record_attempt(an_outcome(registration_id=f"reg-{number}"), TTL)
    bench.records.record_attempt(an_outcome(user_id="user-2"), TTL)
    assert bench.store.erase_records("user-1") == 30
    assert (bench.records.history("user-1"), len(bench.records.history("user-2"))) == ([], 1)


def test_erasing_again_takes_nothing_away(bench: Bench) -> None:
    bench.records.record_attempt(an_outcome(), TTL)
    bench.store.erase_records("user-1")
    assert bench.store.erase_records("user-1") == 0


@pytest.mark.parametrize(
    "named",
    [
        {"face_image_key": "face-images/theirs.jpg"},
        {"stored_face_key": "face-images/theirs.jpg"},
    ],
    ids=["as submitted", "as reference"],
)
def test_a_photo_that_another_users_record_names_is_told(naming: Bench, named: dict[str, str]) -> None:
    naming.records.record_attempt(an_outcome(user_id="user-2", **named), TTL)
    keys = {"face-images/theirs.jpg", "face-images/nobodys.jpg"}
    assert naming.store.named_elsewhere(keys, "user-1") == {"face-images/theirs.jpg"}


def test_a_photo_of_an_earlier_attempt_of_another_user_is_told(naming: Bench) -> None:
    for number in (1, 2):
        naming.records.record_attempt(an_outcome(f"a{number}", user_id="user-2"), TTL)
    assert naming.store.named_elsewhere({"face-images/a1.jpg"}, "user-1") == {"face-images/a1.jpg"}


def test_a_photo_of_the_first_of_many_attempts_of_another_user_is_told(naming: Bench) -> None:
    for number in range(20):
        naming.records.record_attempt(an_outcome(f"a{number}", user_id="user-2"), TTL)
    assert naming.store.named_elsewhere({"face-images/a0.jpg"}, "user-1") == {"face-images/a0.jpg"}


def test_the_users_own_records_name_nothing_elsewhere(naming: Bench) -> None:
    naming.records.record_attempt(an_outcome("a1"), TTL)
    assert naming.store.named_elsewhere({"face-images/a1.jpg"}, "user-1") == set()


def test_of_anybody_means_the_user_too(naming: Bench) -> None:
    naming.records.record_attempt(an_outcome("a1"), TTL)
    assert naming.store.named_elsewhere({"face-images/a1.jpg"}, None) == {"face-images/a1.jpg"}


@pytest.mark.parametrize("written", ["/face-images/a%20b.jpg", "face-images/a+b.jpg", "face-images%2Fa%20b.jpg"])
def test_a_photo_that_another_users_record_names_in_another_spelling_is_told(naming: Bench, written: str) -> None:
    naming.put(a_foreign_item(userId="user-2", faceImageKey=written))
    naming.backfill()
    assert naming.store.named_elsewhere({"face-images/a b.jpg"}, "user-1") == {"face-images/a b.jpg"}


def test_a_photo_that_another_services_record_names_is_told(naming: Bench) -> None:
    naming.put(a_foreign_item(userId="user-2"))
    naming.backfill()
    assert naming.store.named_elsewhere({"face-images/verify.jpg"}, "user-1") == {"face-images/verify.jpg"}


def test_a_photo_that_an_expired_record_of_another_user_names_is_told(naming: Bench) -> None:
    naming.put(a_foreign_item(userId="user-2", expiresAt=int(NOON.timestamp()) - 9 * 24 * 3600))
    naming.backfill()
    assert naming.store.named_elsewhere({"face-images/verify.jpg"}, "user-1") == {"face-images/verify.jpg"}


def test_a_photo_that_another_services_record_names_no_more_is_not_told(naming: Bench) -> None:
    naming.records.record_attempt(an_outcome("a1", user_id="user-2"), TTL)
    naming.records.take_back("user-2", "reg-1", "a1")
    naming.put(a_foreign_item(userId="user-3", registrationId="reg-3"))
    naming.backfill()
    assert naming.store.named_elsewhere({"face-images/a1.jpg"}, "user-1") == set()


def test_a_photo_of_an_erased_user_is_not_told(naming: Bench) -> None:
    naming.records.record_attempt(an_outcome("a1", user_id="user-2"), TTL)
    naming.store.erase_records("user-2")
    assert naming.store.named_elsewhere({"face-images/a1.jpg"}, "user-1") == set()


def test_of_several_users_who_name_a_photo_each_is_another(naming: Bench) -> None:
    for user_id in ("user-1", "user-2"):
        naming.records.record_attempt(an_outcome("a1", user_id=user_id), TTL)
    for user_id in ("user-1", "user-2"):
        assert naming.store.named_elsewhere({"face-images/a1.jpg"}, user_id) == {"face-images/a1.jpg"}


def test_records_that_are_written_while_they_are_erased_go_or_are_written_afterwards(race_bench: Bench) -> None:
    def write(number: int) -> None:
        race_bench.records.record_attempt(an_outcome(f"a{number}", registration_id=f"reg-{number % 5}"), TTL)

    with ThreadPoolExecutor(9) as threads:
        writing = [threads.submit(write, number) for number in range(40)]
        gone = threads.submit(race_bench.store.erase_records, "user-1")
        for each in writing:
            each.result()
        gone.result()
    race_bench.store.erase_records("user-1")
    assert race_bench.records.history("user-1") == []


def test_scrubbing_leaves_what_is_there(bench: Bench) -> None:
    bench.records.record_attempt(an_outcome(user_id="user-2"), TTL)
    bench.store.erase_records("user-1")
    bench.store.scrub()
    assert len(bench.records.history("user-2")) == 1


# Journal


def test_a_new_journal_has_no_entry(store: ErasureStore) -> None:
    assert (store.journal_entry(USER), store.unfinished()) == (None, [])


def test_what_has_begun_is_found_as_it_was(store: ErasureStore) -> None:
    erasure = an_erasure(
        photos=("face-images/a.jpg",), folders=("face-images/f/",), counts=ErasureCounts(records=1, photos=2)
    )
    store.begin(erasure)
    assert (store.journal_entry(USER), store.unfinished()) == (erasure, [erasure])


def test_a_receipt_takes_the_place_of_its_erasure(store: ErasureStore) -> None:
    store.begin(an_erasure())
    assert store.forget(a_receipt()) == a_receipt()
    assert (store.journal_entry(USER), store.unfinished()) == (a_receipt(), [a_receipt()])


def test_the_first_receipt_of_an_erasure_stays(store: ErasureStore) -> None:
    store.begin(an_erasure())
    store.forget(a_receipt())
    assert store.forget(a_receipt(ended_at=NOON + HOUR)) == a_receipt()


def test_what_is_finished_is_remembered_and_no_longer_unfinished(store: ErasureStore) -> None:
    store.begin(an_erasure())
    store.finish(store.forget(a_receipt()))
    assert (store.journal_entry(USER), store.unfinished()) == (a_receipt(finished=True), [])


def test_what_has_taken_all_away_has_ended_finished_or_not(store: ErasureStore) -> None:
    store.begin(an_erasure())
    store.begin(an_erasure(user="another", erasure_id="e2"))
    assert store.ended() == []
    receipt = store.forget(a_receipt())
    assert store.ended() == [receipt]
    store.finish(receipt)
    assert store.ended() == [a_receipt(finished=True)]


def test_a_person_can_be_erased_again(store: ErasureStore) -> None:
    store.begin(an_erasure())
    store.finish(store.forget(a_receipt()))
    again = an_erasure(erasure_id="e2")
    store.begin(again)
    assert store.unfinished() == [again]


def test_a_finished_entry_is_no_record_of_anybody(bench: Bench) -> None:
    bench.store.begin(an_erasure())
    assert bench.store.records_of(JOURNAL) == []
    assert bench.store.erase_records(JOURNAL) == 0
    assert len(bench.store.unfinished()) == 1


def test_a_store_that_is_set_up_answers_a_ping(store: ErasureStore) -> None:
    store.ping()


def test_a_finished_entry_stays_whatever_the_clock_of_a_later_erasure_says(store: ErasureStore) -> None:
    """An attempt that began before it may be under way still."""
    store.begin(an_erasure())
    store.finish(store.forget(a_receipt()))
    for days in (-400, 400):
        moment = NOON + timedelta(days=days)
        store.begin(an_erasure(erasure_id=f"e{days}", user=f"another{days}", began_at=moment))
    assert store.journal_entry(USER) == a_receipt(finished=True)


@pytest.mark.parametrize("finished", [False, True], ids=["begun", "taken away"])
def test_an_erasure_under_way_is_not_replaced_by_another(store: ErasureStore, finished: bool) -> None:
    there: Erasure | Receipt = store.begin(an_erasure())
    if finished:
        there = store.forget(a_receipt())
    assert store.begin(an_erasure(erasure_id="e2")) == there
    assert store.unfinished() == [there]


def test_an_erasure_that_begins_twice_is_one(store: ErasureStore) -> None:
    """As a write does whose first answer was lost."""
    assert store.begin(an_erasure()) == store.begin(an_erasure()) == an_erasure()


def test_of_erasures_that_begin_at_once_one_does(race_bench: Bench) -> None:
    with ThreadPoolExecutor(8) as threads:
        erasures = [an_erasure(erasure_id=f"e{number}") for number in range(8)]
        begun = list(threads.map(race_bench.store.begin, erasures))
    assert {each.erasure_id for each in begun} == {race_bench.store.unfinished()[0].erasure_id}


def test_a_receipt_never_takes_the_place_of_another_erasure(store: ErasureStore) -> None:
    store.begin(an_erasure())
    store.finish(store.forget(a_receipt()))
    again = store.begin(an_erasure(erasure_id="e2"))
    assert store.forget(a_receipt()) == a_receipt(finished=True)
    store.finish(a_receipt())
    assert store.unfinished() == [again]


def test_finished_entries_go_by_the_tables_ttl(dynamodb: Any) -> None:
    of_records = dynamodb_bench(dynamodb)
    table = of_records.records._table  # type: ignore[attr-defined]
    store = DynamoErasures(dynamodb, table, PATIENT)
    store.begin(an_erasure())
    store.finish(store.forget(a_receipt()))
    (item,) = dynamodb.scan(TableName=table)["Items"]
    assert int(item["expiresAt"]["N"]) == int((NOON + REMEMBERED).timestamp())
