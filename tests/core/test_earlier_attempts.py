"""Attempts that have moved out of their record: what is stored, who meets them, and what faults and races leave."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core.adapters.aws.earlier_attempts import EARLIER, MARK, is_part
from core.adapters.aws.erasures import DynamoErasures
from core.adapters.aws.expiry import DynamoExpiryCheck
from core.adapters.aws.items import plain, record_of, serialised, size_of
from core.adapters.aws.photo_owners import OUTLIVES, PhotoOwners
from core.adapters.aws.records import DynamoRecords
from core.adapters.embedded.records import SqliteRecords
from core.domain.attempts import with_attempt
from core.domain.errors import Conflict, Refused
from core.domain.records import MAX_ATTEMPTS, Decision, ValidationRecord, Withdrawal
from tests.support.clock import NOON, FakeClock
from tests.support.dynamodb import (
    Proxy,
    client_of,
    create_state_table,
    create_table,
    first,
    put_item,
    stored_item,
)
from tests.support.photo_owners import noting_pass
from tests.support.records import a_foreign_item, a_review, an_outcome
from tests.support.stores import PATIENT

TTL, DAY, SECOND = timedelta(days=30), timedelta(days=1), timedelta(seconds=1)
DENIED = ("AccessDeniedException", 400)
#: Attempts after which there are two parts, and the next one makes a third.
SOME = 12


@dataclass
class Bench:
    client: Any
    proxy: Proxy
    table: str
    state_table: str
    clock: FakeClock
    #: Whose calls the proxy sees.
    records: DynamoRecords
    #: Another process.
    other: DynamoRecords

    def owners(self) -> PhotoOwners:
        return PhotoOwners(self.client, self.state_table, PATIENT, self.clock)

    def erasures(self, owners: PhotoOwners | None = None) -> DynamoErasures:
        return DynamoErasures(self.client, self.table, PATIENT, owners)

    def items(self) -> list[Any]:
        items: list[Any] = self.client.scan(TableName=self.table)["Items"]
        return sorted(items, key=lambda item: item["registrationId"]["S"])

    def parts(self) -> list[Any]:
        return list(filter(is_part, self.items()))

    def attempt(self, number: int, **changes: Any) -> ValidationRecord:
        return self.other.record_attempt(_outcome(number, **changes), TTL)

    def read(self) -> ValidationRecord:
        found = self.other.get("user-1", "reg-1")
        assert found is not None
        assert self.other.history("user-1") == [found]
        return found

    def listed(self) -> list[str | None]:
        """The ids of the attempts, as both ways to read a record find them."""
        return [each.attempt_id for each in self.read().attempts]


def _outcome(number: int, **changes: Any) -> Any:
    return an_outcome(f"a{number}", timestamp=NOON + number * SECOND, **changes)


def _ids(numbers: Any) -> list[str]:
    return [f"a{number}" for number in numbers]


@pytest.fixture(scope="module")
def tables(dynamodb: Any) -> tuple[str, str]:
    return create_table(dynamodb), create_state_table(dynamodb)


@pytest.fixture
def bench(dynamodb: Any, dynamodb_proxy: Proxy, tables: tuple[str, str]) -> Iterator[Bench]:
    table, state_table = tables
    client = client_of(dynamodb_proxy.url)
    clock = FakeClock()
    seen, other = (DynamoRecords(each, table, PATIENT, clock, clock.elapsed) for each in (client, dynamodb))
    yield Bench(dynamodb, dynamodb_proxy, table, state_table, clock, seen, other)
    client.close()
    for name, key in ((table, ("userId", "registrationId")), (state_table, ("part", "place"))):
        for item in dynamodb.scan(TableName=name)["Items"]:
            dynamodb.delete_item(TableName=name, Key={each: item[each] for each in key})


@pytest.fixture
def tried(bench: Bench) -> Bench:
    """A record with ``SOME`` attempts."""
    for number in range(SOME):
        bench.attempt(number)
    return bench


# What is stored


def test_a_record_stays_small_whatever_the_number_of_attempts(bench: Bench) -> None:
    for number in range(MAX_ATTEMPTS + 5):
        bench.attempt(number)
        assert size_of(stored_item(bench.client, bench.table)) <= 2048


def test_a_record_with_few_attempts_has_no_part_and_names_none(bench: Bench) -> None:
    bench.attempt(0)
    bench.attempt(1)
    (item,) = bench.items()
    assert EARLIER not in item


def test_parts_hold_what_the_record_does_not_list(tried: Bench) -> None:
    held = [attempt["M"]["attemptId"]["S"] for item in tried.items() for attempt in item["attempts"]["L"]]
    assert sorted(held) == sorted(_ids(range(SOME)))
    assert len(tried.parts()) > 1


def test_a_part_has_nothing_but_attempts_and_what_leads_to_them(tried: Bench) -> None:
    names = {name for part in tried.parts() for name in part}
    assert names == {"userId", "registrationId", "attemptsOf", "attempts", EARLIER, "expiresAt"}


def test_attempts_beyond_those_that_records_list_are_deleted(bench: Bench) -> None:
    for number in range(2 * MAX_ATTEMPTS):
        bench.attempt(number)
    held = [attempt["M"]["attemptId"]["S"] for item in bench.items() for attempt in item["attempts"]["L"]]
    assert bench.listed() == _ids(range(MAX_ATTEMPTS, 2 * MAX_ATTEMPTS))
    assert len(held) <= MAX_ATTEMPTS + 2


def test_a_large_record_of_an_earlier_version_becomes_small(bench: Bench) -> None:
    attempts = [{"attemptId": f"a{number}", "number": number + 1, "note": "x" * 100} for number in range(20)]
    put_item(bench.client, bench.table, a_foreign_item(attempts=attempts, verificationAttempt=20))
    bench.attempt(20)
    assert bench.listed() == _ids(range(21))
    assert size_of(stored_item(bench.client, bench.table)) <= 2048


def test_attempts_keep_what_we_do_not_know_of_them(bench: Bench) -> None:
    odd = {"attemptId": "a0", "number": 1, "bytes": b"\x00\xff", "texts": {"a", "b"}, "padding": "x" * 2000}
    put_item(bench.client, bench.table, a_foreign_item(attempts=[odd], verificationAttempt=1))
    before = plain(stored_item(bench.client, bench.table)["attempts"])
    for number in range(1, 4):
        bench.attempt(number)
    bench.other.redate([("user-1", "reg-1")], TTL, NOON + 90 * DAY)
    moved = [attempt for part in bench.parts() for attempt in plain(part["attempts"])]
    assert before[0] in moved


def test_a_registration_id_that_leaves_no_room_in_the_key_keeps_its_attempts(bench: Bench) -> None:
    long = "r" * 1020
    for number in range(SOME):
        bench.attempt(number, registration_id=long)
    found = bench.other.get("user-1", long)
    assert found is not None
    assert ([each.attempt_id for each in found.attempts], bench.parts()) == (_ids(range(SOME)), [])


# Who reads them


def test_a_record_without_parts_is_read_by_one_call(bench: Bench) -> None:
    bench.attempt(0)
    bench.records.get("user-1", "reg-1")
    assert bench.proxy.seen == ["GetItem"]


def test_a_record_with_parts_is_read_by_two_calls(tried: Bench) -> None:
    tried.records.get("user-1", "reg-1")
    assert tried.proxy.seen == ["GetItem", "Query"]


def test_a_part_is_no_record(tried: Bench) -> None:
    for part in tried.parts():
        assert tried.other.get("user-1", part["registrationId"]["S"]) is None


@pytest.mark.parametrize("way", ["index", "scan"])
def test_events_have_no_parts(tried: Bench, way: str) -> None:
    if way == "scan":
        put_item(tried.client, tried.table, a_foreign_item(userId="user-2"))
    assert set(tried.other.event_frame("event-1")["registrationId"]) == {"reg-1"}
    assert [each.registration_id for each in tried.other.event_records("event-1", 10)] == ["reg-1"]


def test_parts_are_nothing_that_a_pass_or_a_count_finds(tried: Bench, tmp_path: Path) -> None:
    found = noting_pass(tried.client, tried.table, tried.owners(), tmp_path / "pass.json")
    found.run()  # notes the photos
    again = noting_pass(tried.client, tried.table, tried.owners(), tmp_path / "pass.json").run()
    assert (again.set, again.left, dict(again.kinds)) == (0, 0, {})
    assert DynamoExpiryCheck(tried.client, tried.table, PATIENT, tried.clock).count_ignored() == 0


@pytest.mark.parametrize("theirs", [["x"], {"a": "x"}, 7, "their own text", "3CE8078435443AE7"], ids=repr)
def test_an_attribute_of_another_service_that_is_called_so_stays(bench: Bench, theirs: Any) -> None:
    put_item(bench.client, bench.table, a_foreign_item(earlierAttempts=theirs))
    before = stored_item(bench.client, bench.table)[EARLIER]
    for number in range(SOME):
        bench.attempt(number)
    assert stored_item(bench.client, bench.table)[EARLIER] == before
    assert bench.listed()[-SOME:] == _ids(range(SOME))


def test_a_record_of_another_service_at_such_a_key_is_left_alone(tried: Bench) -> None:
    theirs = f"reg-1{MARK}0123456789abcdef"
    put_item(tried.client, tried.table, a_foreign_item(registrationId=theirs))
    before = stored_item(tried.client, tried.table, registration_id=theirs)
    tried.attempt(SOME)
    tried.other.take_back("user-1", "reg-1", "a0")
    assert [each.registration_id for each in tried.other.history("user-1")] == ["reg-1", theirs]
    assert stored_item(tried.client, tried.table, registration_id=theirs) == before


def test_a_part_that_somebody_deleted_leaves_the_rest_readable(tried: Bench) -> None:
    gone = tried.parts()[0]
    tried.client.delete_item(TableName=tried.table, Key={n: gone[n] for n in ("userId", "registrationId")})
    left = tried.listed()
    assert left == _ids(range(SOME))[-len(left) :]
    tried.attempt(SOME)
    assert tried.listed() == [*left, f"a{SOME}"]


def test_a_reader_whom_a_change_of_the_parts_overtakes_sees_all_attempts(tried: Bench) -> None:
    def overtake() -> None:
        tried.other.redate([("user-1", "reg-1")], TTL, NOON + 90 * DAY)

    tried.proxy.fault = first(1, "Query", overtake)
    found = tried.records.get("user-1", "reg-1")
    assert found is not None
    assert [each.attempt_id for each in found.attempts] == _ids(range(SOME))


# Expiry


def test_parts_expire_some_days_after_their_record(tried: Bench) -> None:
    first_to_expire = int((NOON + TTL).timestamp())
    for part in tried.parts():
        assert 0 <= int(part["expiresAt"]["N"]) - first_to_expire - OUTLIVES.total_seconds() <= SOME


def test_parts_of_a_slow_person_never_expire_before_their_record(bench: Bench) -> None:
    for day in range(12):
        record = bench.other.record_attempt(an_outcome(f"a{day}", timestamp=NOON + day * DAY), TTL)
        for part in bench.parts():
            assert int(part["expiresAt"]["N"]) >= (record.expires_at or 0)
    assert bench.listed() == _ids(range(12))


@pytest.mark.parametrize("kept", [90 * DAY, 60 * DAY, None], ids=["for longer", "a little sooner", "sooner"])
def test_parts_are_dated_again_with_their_record(bench: Bench, kept: timedelta | None) -> None:
    for number in range(SOME):
        bench.other.record_attempt(_outcome(number), TTL, NOON + 70 * DAY)
    bench.other.redate([("user-1", "reg-1")], TTL, kept and NOON + kept)
    record = bench.read()
    for part in bench.parts():
        lives_longer = int(part["expiresAt"]["N"]) - (record.expires_at or 0)
        assert 0 <= lives_longer <= OUTLIVES.total_seconds()
    assert bench.listed() == _ids(range(SOME))


def test_attempts_of_an_expired_record_do_not_come_back(tried: Bench) -> None:
    tried.clock.advance(TTL + timedelta(minutes=1))
    for number in range(100, 100 + SOME):
        tried.other.record_attempt(an_outcome(f"a{number}", timestamp=tried.clock()), TTL)
    assert tried.listed() == _ids(range(100, 100 + SOME))


# Kills, races and lost answers


def test_a_process_that_dies_between_the_two_writes_leaves_the_record_as_it_was(tried: Bench) -> None:
    before = tried.read()
    _die_between_the_writes(tried)
    assert tried.read() == before


def test_after_such_a_death_nothing_is_lost_and_nothing_remains(tried: Bench) -> None:
    _die_between_the_writes(tried)
    for number in range(SOME, SOME + 4):
        tried.attempt(number)
    assert tried.listed() == _ids(range(SOME + 4))
    held = [attempt["M"]["attemptId"]["S"] for item in tried.items() for attempt in item["attempts"]["L"]]
    assert len(held) == len(set(held))


def _die_between_the_writes(bench: Bench) -> None:
    updates = iter(range(1, 100))
    bench.proxy.fault = lambda call: DENIED if call == "UpdateItem" and next(updates) == 2 else None
    with pytest.raises(Refused):
        bench.records.record_attempt(_outcome(50), TTL)
    assert len(bench.parts()) == 3


@pytest.mark.parametrize("fault", [Proxy.LOSE, Proxy.HANG], ids=["hung up", "timed out"])
@pytest.mark.parametrize("which", [1, 2], ids=["of the part", "of the record"])
def test_an_attempt_whose_answers_are_lost_counts_once(tried: Bench, which: int, fault: Any) -> None:
    updates = iter(range(1, 100))
    tried.proxy.fault = lambda call: fault if call == "UpdateItem" and next(updates) == which else None
    tried.records.record_attempt(_outcome(SOME), TTL)
    assert tried.proxy.seen.count("UpdateItem") > 1
    assert tried.listed() == _ids(range(SOME + 1))


def _attempt(bench: Bench) -> None:
    bench.attempt(50)


def _decide(bench: Bench) -> None:
    bench.other.decide("user-1", "reg-1", a_review(Decision.REJECTED), bench.read().version)


def _take_back(bench: Bench) -> None:
    bench.other.take_back("user-1", "reg-1", "a0")


def _redate(bench: Bench) -> None:
    bench.other.redate([("user-1", "reg-1")], TTL, NOON + 90 * DAY)


@pytest.mark.parametrize("nth", [1, 2], ids=["before the part", "before the record"])
@pytest.mark.parametrize(
    ("overtake", "expected"),
    [
        (_attempt, _ids([*range(SOME), 50, SOME])),
        (_decide, _ids(range(SOME + 1))),
        (_take_back, _ids(range(1, SOME + 1))),
        (_redate, _ids(range(SOME + 1))),
    ],
    ids=["attempt", "decision", "taking back", "other dates"],
)
def test_who_is_overtaken_while_attempts_move_loses_nothing(
    tried: Bench, overtake: Callable[[Bench], None], expected: list[str], nth: int
) -> None:
    updates = iter(range(1, 100))

    def fault(operation: str) -> None:
        if operation == "UpdateItem" and next(updates) == nth:
            overtake(tried)

    tried.proxy.fault = fault
    tried.records.record_attempt(_outcome(SOME), TTL)
    assert tried.listed() == expected
    tried.proxy.fault = lambda operation: None
    for number in range(60, 66):
        tried.attempt(number)
    assert tried.listed() == [*expected, *_ids(range(60, 66))]


# Erasures


def test_an_erasure_counts_records_and_attempts_and_not_parts(tried: Bench) -> None:
    (stored,) = tried.erasures().records_of("user-1")
    assert (stored.registration_id, stored.attempts) == ("reg-1", SOME)
    assert stored.photo_keys == {f"face-images/a{number}.jpg" for number in range(SOME)}
    assert tried.erasures().erase_records("user-1") == 1
    assert tried.items() == []


def test_an_erasure_finds_what_a_dead_process_left(tried: Bench) -> None:
    _die_between_the_writes(tried)
    tried.client.delete_item(TableName=tried.table, Key={"userId": {"S": "user-1"}, "registrationId": {"S": "reg-1"}})
    (stored,) = tried.erasures().records_of("user-1")
    assert stored.registration_id == "reg-1"
    assert "face-images/a0.jpg" in stored.photo_keys
    assert tried.erasures().erase_records("user-1") == 0
    assert tried.items() == []


@pytest.mark.parametrize("nth", [1, 2], ids=["before the part", "before the record"])
def test_an_attempt_that_an_erasure_overtakes_leaves_itself_alone(tried: Bench, nth: int) -> None:
    updates = iter(range(1, 100))

    def fault(operation: str) -> None:
        if operation == "UpdateItem" and next(updates) == nth:
            tried.erasures().erase_records("user-1")

    tried.proxy.fault = fault
    tried.records.record_attempt(_outcome(SOME), TTL)
    assert tried.parts() == []
    assert tried.listed() == _ids([SOME])
    assert tried.records.take_back("user-1", "reg-1", f"a{SOME}") is None
    assert tried.items() == []


@pytest.mark.parametrize("number", [0, 4, 7, SOME - 1])
def test_a_taken_back_attempt_is_nowhere_any_more(tried: Bench, number: int) -> None:
    tried.other.take_back("user-1", "reg-1", f"a{number}")
    assert f"a{number}.jpg" not in str(tried.items())
    assert tried.listed() == _ids(n for n in range(SOME) if n != number)


def test_taking_back_deletes_what_a_dead_process_left(tried: Bench) -> None:
    _die_between_the_writes(tried)
    for number in range(SOME):
        tried.other.take_back("user-1", "reg-1", f"a{number}")
    assert tried.items() == []


# Photos


@pytest.mark.parametrize("way", ["noted by the writer", "noted by a pass", "scan"])
def test_a_photo_of_a_moved_attempt_belongs_to_its_person(bench: Bench, tmp_path: Path, way: str) -> None:
    owners = bench.owners()
    by_writer = way == "noted by the writer"
    records = DynamoRecords(bench.client, bench.table, PATIENT, bench.clock, owners=owners if by_writer else None)
    if by_writer:
        owners.complete(bench.clock())
    for number in range(SOME):
        records.record_attempt(_outcome(number), TTL)
    if way == "noted by a pass":
        noting_pass(bench.client, bench.table, owners, tmp_path / "pass.json", clock=bench.clock).run()
    store = bench.erasures(None if way == "scan" else owners)
    assert owners.is_complete() == (way != "scan")
    keys = {f"face-images/a{number}.jpg" for number in range(SOME)}
    assert store.named_elsewhere(keys, "user-2") == keys


def test_an_erasure_leaves_no_note_of_a_moved_photo(bench: Bench) -> None:
    owners = bench.owners()
    records = DynamoRecords(bench.client, bench.table, PATIENT, bench.clock, owners=owners)
    for number in range(SOME):
        records.record_attempt(_outcome(number), TTL)
    bench.erasures(owners).erase_records("user-1")
    assert [item["part"]["S"] for item in bench.client.scan(TableName=bench.state_table)["Items"]] == ["photo-owners"]


# Versions side by side


def test_an_earlier_version_may_write_beside_this_one(tried: Bench) -> None:
    """It sees the newest attempts only, and keeps what it does not know."""
    for number in range(SOME, SOME + 12):
        if number % 3:
            _attempt_by_an_earlier_version(tried, number)
        else:
            tried.attempt(number)
    assert tried.listed() == _ids(range(SOME + 12))
    assert tried.read().verification_attempt == SOME + 12


def _attempt_by_an_earlier_version(bench: Bench, number: int) -> None:
    stored = stored_item(bench.client, bench.table)
    changed = with_attempt(record_of(stored), _outcome(number), TTL)
    written = {name: serialised(value) for name, value in changed.to_dict().items()}
    bench.client.put_item(TableName=bench.table, Item=written)


# Against the other store


@pytest.mark.parametrize("seed", range(6))
def test_whatever_is_done_both_stores_have_the_same_record(bench: Bench, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    embedded = SqliteRecords(tmp_path / "facedesk.db", bench.clock)
    for step in range(120):
        bench.clock.advance(chance.choice([SECOND, SECOND, SECOND, timedelta(hours=5), 2 * DAY]))
        kept = chance.choice([None, NOON + 80 * DAY, NOON + 200 * DAY])
        key = ("user-1", "reg-1")
        there = bench.other.get(*key)
        assert there == embedded.get(*key)
        match chance.choice(["attempt"] * 12 + ["take back", "take back", "decide", "withdraw", "redate"]):
            case "attempt":
                outcome = an_outcome(f"a{step}", timestamp=bench.clock(), status=chance.choice(["pending", "failed"]))
                done = [store.record_attempt(outcome, TTL, kept) for store in (bench.other, embedded)]
            case "take back" if there:
                chosen = chance.choice(there.attempts).attempt_id or ""
                done = [store.take_back(*key, chosen) for store in (bench.other, embedded)]
            case "decide" if there:
                review = a_review(chance.choice(list(Decision)), note="n" * 300, decided_at=bench.clock())
                done = [store.decide(*key, review, there.version) for store in (bench.other, embedded)]
            case "withdraw" if there:
                withdrawal = Withdrawal(withdrawn_by="Ada", withdrawn_at=bench.clock())
                done = [_tried_to_decide(store, withdrawal, there) for store in (bench.other, embedded)]
            case _:
                done = [store.redate([key], TTL, kept) for store in (bench.other, embedded)]
        assert done[0] == done[1]
    assert bench.other.history("user-1") == embedded.history("user-1")
    embedded.close()


def _tried_to_decide(store: Any, change: Withdrawal, seen: ValidationRecord) -> object:
    try:
        return store.decide(seen.user_id, seen.registration_id, change, seen.version)
    except Conflict:
        return Conflict
