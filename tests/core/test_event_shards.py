"""Events that are spread over several keys of DynamoDB's event index."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any

import pyarrow as pa
import pytest

from core.adapters.aws import event_reads
from core.adapters.aws.event_keys import event_of_key, events_of_keys
from core.adapters.aws.event_shards import KEY_IS_FULL, EventShards, Shards
from core.adapters.aws.records import DynamoRecords
from core.adapters.aws.sharding import LEARNED_AFTER, MoveCounts, Sharding, ShardMove
from core.adapters.aws.sharding_as_needed import ShardingAsNeeded
from core.adapters.aws.table import EVENT_INDEX
from core.domain.errors import InvalidInput, Unavailable
from core.flow.pace import Pace
from tests.support.clock import NOON, FakeClock
from tests.support.dynamodb import Proxy, client_of, create_state_table, create_table, first, put_item, stored_item
from tests.support.partition_limit import PartitionLimit, rush
from tests.support.records import a_foreign_item, a_review, an_outcome
from tests.support.stores import PATIENT, table_without_index
from tests.support.waiting import PATIENCE, until

TTL = timedelta(days=30)
SECOND = timedelta(seconds=1)
EVENT = "event-1"
A_TABLE = "arn:aws:dynamodb:ap-south-1:123456789012:table/face-verifications"
THE_INDEX = f"{A_TABLE}/index/{EVENT_INDEX}"


@dataclass
class Desk:
    """Processes on one table, and who sets the shards of events."""

    server: Any
    table: str
    state_table: str
    clock: FakeClock = field(default_factory=FakeClock)
    closing: ExitStack = field(default_factory=ExitStack)

    def client(self, url: str = "") -> Any:
        """One of its own at the proxy's ``url``, else the one for all."""
        if not url:
            return self.server
        client = client_of(url)
        self.closing.callback(client.close)
        return client

    def shards(self, url: str = "") -> EventShards:
        shards = EventShards(self.client(url), self.state_table, self.clock)
        self.closing.callback(shards.close)
        return shards

    def process(self, url: str = "", state_url: str = "", table: str = "") -> DynamoRecords:
        """Another one, which learns the shards as they are now."""
        client, shards = self.client(url), self.shards(state_url)
        return DynamoRecords(client, table or self.table, PATIENT, self.clock, self.clock.elapsed, shards=shards)

    def shard(self, shards: int, event_id: str = EVENT, wait: Callable[[float], None] = lambda seconds: None) -> None:
        change = Sharding(self.client(), self.state_table, PATIENT, self.clock, wait)
        change.set(event_id, shards, lambda text: None)

    def key(self, registration_id: str = "reg-1") -> str:
        return str(stored_item(self.client(), self.table, registration_id=registration_id)["eventId"]["S"])


@pytest.fixture
def desk(dynamodb: Any) -> Iterator[Desk]:
    desk = Desk(dynamodb, create_table(dynamodb), create_state_table(dynamodb))
    with desk.closing:
        yield desk


def ids(records: DynamoRecords, event_id: str = EVENT) -> list[str]:
    return list(records.event_frame(event_id)["registrationId"])


# Where a record is, and what is seen of it


def test_a_record_of_an_event_without_shards_is_under_the_events_id(desk: Desk) -> None:
    desk.process().record_attempt(an_outcome(), TTL)
    assert desk.key() == EVENT


def test_a_record_of_a_sharded_event_is_in_a_shard(desk: Desk) -> None:
    desk.shard(4)
    desk.process().record_attempt(an_outcome(), TTL)
    assert desk.key() in {f"{EVENT}#{number}" for number in range(4)}


def test_records_are_spread_over_all_shards(desk: Desk) -> None:
    desk.shard(4)
    records = desk.process()
    for number in range(40):
        records.record_attempt(an_outcome(registration_id=f"reg-{number}"), TTL)
    assert {desk.key(f"reg-{number}") for number in range(40)} == {f"{EVENT}#{number}" for number in range(4)}


def test_nobody_sees_the_shard_of_a_record(desk: Desk) -> None:
    desk.shard(4)
    records = desk.process()
    written = records.record_attempt(an_outcome(), TTL)
    read = [written, records.get("user-1", "reg-1"), *records.history("user-1"), *records.event_records(EVENT, 9)]
    assert [each.to_dict()["eventId"] for each in read if each] == [EVENT] * 4
    assert list(records.event_frame(EVENT)["eventId"]) == [EVENT]


def test_a_table_without_the_index_is_read_with_the_same_names(desk: Desk) -> None:
    desk.shard(4)
    records = desk.process(table=table_without_index(desk.client()))
    records.record_attempt(an_outcome(), TTL)
    assert list(records.event_frame(EVENT)["eventId"]) == [EVENT]
    assert [record.event_id for record in records.event_records(EVENT, 9)] == [EVENT]


def test_a_record_goes_over_to_its_shard_with_its_next_write(desk: Desk) -> None:
    seen = desk.process().record_attempt(an_outcome(), TTL)
    desk.shard(4)
    records = desk.process()
    records.decide("user-1", "reg-1", a_review(), seen.version)
    assert desk.key().startswith(f"{EVENT}#")
    assert ids(records) == ["reg-1"]


@pytest.mark.parametrize("then", [0, 2, 16], ids=["none", "fewer", "more"])
def test_a_record_stays_in_its_shard_whatever_becomes_of_the_number_of_shards(desk: Desk, then: int) -> None:
    desk.shard(4)
    desk.process().record_attempt(an_outcome(), TTL)
    before = desk.key()
    desk.shard(then)
    records = desk.process()
    records.record_attempt(an_outcome("again"), TTL)
    assert (desk.key(), ids(records)) == (before, ["reg-1"])


def test_a_record_that_changes_its_event_goes_over_to_the_other_ones_shard(desk: Desk) -> None:
    desk.shard(4)
    desk.shard(4, "event-2")
    records = desk.process()
    records.record_attempt(an_outcome(), TTL)
    records.record_attempt(an_outcome("again", event_id="event-2"), TTL)
    assert desk.key().startswith("event-2#")
    assert (ids(records), ids(records, "event-2")) == ([], ["reg-1"])


def test_a_record_whose_metadata_name_another_event_stays_where_it_is(desk: Desk) -> None:
    put_item(desk.client(), desk.table, a_foreign_item(eventId=EVENT, metadata={"eventId": "event-2"}))
    desk.shard(4)
    records = desk.process()
    seen = records.get("user-1", "reg-1")
    assert seen is not None
    records.decide("user-1", "reg-1", a_review(), seen.version)
    assert (desk.key(), ids(records)) == (EVENT, ["reg-1"])


def test_an_event_that_is_named_as_a_shard_is_an_event_of_its_own(desk: Desk) -> None:
    desk.shard(1)
    records = desk.process()
    for number in range(3):
        records.record_attempt(an_outcome(registration_id=f"one-{number}"), TTL)
        records.record_attempt(an_outcome(registration_id=f"other-{number}", event_id=f"{EVENT}#0"), TTL)
    for event_id, kind in ((EVENT, "one"), (f"{EVENT}#0", "other")):
        expected = [f"{kind}-{number}" for number in range(3)]
        assert ids(records, event_id) == expected
        assert [id for batch in records.event_batches(event_id) for id in batch["registrationId"]] == expected
        assert [record.registration_id for record in records.event_records(event_id, 3)] == expected
        assert list(records.event_changes(event_id, "2026-03-01").records["registrationId"]) == expected


ROWS = [
    ("event-1", "event-1", "event-1"),
    ("event-1#7", "event-1", "event-1"),
    ("event-1#12", "event-1", "event-1"),
    ("event-1#7", "event-1#7", "event-1#7"),
    ("event-1#7#2", "event-1#7", "event-1#7"),
    ("event-1#", "event-1", "event-1#"),
    ("event-1#x", "event-1", "event-1#x"),
    ("event-1#7", "event-2", "event-1#7"),
    ("event-1#7", None, "event-1#7"),
    ("event-1#7\n", "event-1", "event-1#7\n"),
    ("event-1#٣", "event-1", "event-1#٣"),
]


@pytest.mark.parametrize(("key", "named", "event"), ROWS)
def test_the_event_of_a_key_is_the_one_that_its_metadata_name(key: str, named: str | None, event: str) -> None:
    assert event_of_key(key, named) == event


def test_columns_of_keys_are_read_as_single_ones_are() -> None:
    keys, named, events = zip(*ROWS, ("", "event-1", "event-1"), (None, "event-1", "event-1"), strict=True)
    assert events_of_keys(pa.array(keys), pa.array(named)).to_pylist() == list(events)


# How processes learn of shards


def test_shards_are_read_before_they_are_written(desk: Desk) -> None:
    found = []

    def wait(seconds: float) -> None:
        records = desk.process()
        records.record_attempt(an_outcome(), TTL)
        found.append((seconds, desk.shards().of(EVENT), desk.key()))

    desk.shard(2, wait=wait)
    assert found == [(LEARNED_AFTER.total_seconds(), [f"{EVENT}#0", f"{EVENT}#1"], EVENT)]


def test_a_change_that_was_stopped_while_it_waited_waits_again(desk: Desk) -> None:
    def stop(seconds: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        desk.shard(2, wait=stop)
    waited: list[float] = []
    desk.shard(2, wait=waited.append)
    assert waited == [LEARNED_AFTER.total_seconds()]


def test_fewer_shards_need_no_wait_and_all_are_read(desk: Desk) -> None:
    desk.shard(4)
    waited: list[float] = []
    desk.shard(2, wait=waited.append)
    assert (waited, len(desk.shards().of(EVENT))) == ([], 4)


def test_of_two_changes_at_once_one_is_refused(desk: Desk) -> None:
    with pytest.raises(InvalidInput, match="Somebody else"):
        desk.shard(2, wait=lambda seconds: desk.shard(4))
    assert len(desk.shards().of(EVENT)) == 4


@pytest.mark.parametrize(("event_id", "shards"), [("e" * 2046, 2), (EVENT, 65)], ids=["id too long", "too many"])
def test_shards_that_an_event_cannot_have_are_refused(desk: Desk, event_id: str, shards: int) -> None:
    with pytest.raises(InvalidInput):
        desk.shard(shards, event_id)


def test_however_often_events_are_read_and_written_the_shards_are_asked_for_once(
    desk: Desk, dynamodb_proxy: Proxy
) -> None:
    records = desk.process(state_url=dynamodb_proxy.url)
    for number in range(3):
        records.record_attempt(an_outcome(f"attempt-{number}"), TTL)
        ids(records)
    assert dynamodb_proxy.seen == ["Query"]


def test_without_a_state_table_no_event_is_sharded(desk: Desk) -> None:
    desk.state_table = "no-such-table"
    records = desk.process()
    records.record_attempt(an_outcome(), TTL)
    assert (desk.key(), ids(records)) == (EVENT, ["reg-1"])


def test_while_shards_are_not_known_records_are_written_where_all_find_them(
    desk: Desk, dynamodb_proxy: Proxy
) -> None:
    desk.shard(4)
    dynamodb_proxy.fault = lambda operation: ("AccessDeniedException", 400)
    desk.process(state_url=dynamodb_proxy.url).record_attempt(an_outcome(), TTL)
    assert (desk.key(), ids(desk.process())) == (EVENT, ["reg-1"])


def test_while_shards_are_not_known_no_event_is_read_in_part(desk: Desk, dynamodb_proxy: Proxy) -> None:
    dynamodb_proxy.fault = lambda operation: ("InternalServerError", 500)
    with pytest.raises(Unavailable):
        desk.process(state_url=dynamodb_proxy.url).event_frame(EVENT)


# Records that move while they are read


READS: dict[str, Callable[[DynamoRecords], list[str]]] = {
    "frame": ids,
    "changes": lambda records: list(records.event_changes(EVENT, "2026-03-01").records["registrationId"]),
    "batches": lambda records: [id for batch in records.event_batches(EVENT) for id in batch["registrationId"]],
    "records": lambda records: sorted(each.registration_id for each in records.event_records(EVENT, 9)),
}


@pytest.mark.parametrize("queries", range(1, 6))
@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_a_record_that_goes_over_to_its_shard_meanwhile_is_not_missed(
    desk: Desk, dynamodb_proxy: Proxy, read: Callable[[DynamoRecords], list[str]], queries: int
) -> None:
    before = desk.process()
    for number in range(3):
        before.record_attempt(an_outcome(registration_id=f"reg-{number}", timestamp=NOON + number * SECOND), TTL)
    desk.shard(2)
    reader, writer = desk.process(url=dynamodb_proxy.url), desk.process()
    asked = count(1)

    def go_over(operation: str) -> None:
        if operation == "Query" and next(asked) == queries:
            writer.record_attempt(an_outcome("again", registration_id="reg-0", timestamp=NOON + 5 * SECOND), TTL)

    dynamodb_proxy.fault = go_over
    assert set(read(reader)) == {"reg-0", "reg-1", "reg-2"}


def test_an_export_that_began_before_there_were_shards_misses_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_reads, "BATCH_ROWS", 1)
    records = desk.process()
    for number in range(3):
        records.record_attempt(an_outcome(registration_id=f"reg-{number}", timestamp=NOON + number * SECOND), TTL)
    shards = desk.shards()
    reader = DynamoRecords(desk.client(), desk.table, PATIENT, desk.clock, desk.clock.elapsed, shards=shards)
    assert shards.of(EVENT) == []
    export = reader.event_batches(EVENT)
    found = [*next(export)["registrationId"]]
    desk.shard(2, wait=lambda seconds: shards._all.refresh())
    desk.process().record_attempt(an_outcome("again", registration_id="reg-2"), TTL)
    for batch in export:
        found += [*batch["registrationId"]]
    assert set(found) == {"reg-0", "reg-1", "reg-2"}


def test_frames_have_each_record_once_while_a_live_event_goes_over(desk: Desk) -> None:
    before = desk.process()
    for number in range(60):
        outcome = an_outcome(registration_id=f"reg-{number:02}", timestamp=NOON + number * SECOND)
        before.record_attempt(outcome, TTL)
    desk.clock.advance(timedelta(minutes=5))
    desk.shard(4)
    reader, writer = desk.process(), desk.process()

    def write() -> None:
        for number in range(60):
            again = an_outcome("again", registration_id=f"reg-{number * 37 % 60:02}", timestamp=desk.clock())
            writer.record_attempt(again, TTL)

    with ThreadPoolExecutor(1) as other:
        writing = other.submit(write)
        frames = [sorted(ids(reader)) for _ in range(10)]
        writing.result()
    assert frames == [[f"reg-{number:02}" for number in range(60)]] * 10


# Moving the rest


def moved(desk: Desk, url: str = "") -> MoveCounts:
    pace = Pace(100, 1.0, clock=lambda: 0.0)
    return ShardMove(desk.client(url), desk.table, PATIENT, pace, wait=lambda seconds: None).run(EVENT, 4)


def test_what_is_under_the_events_own_key_is_moved(desk: Desk) -> None:
    before = desk.process()
    for number in range(5):
        before.record_attempt(an_outcome(registration_id=f"reg-{number}"), TTL)
    desk.shard(4)
    frame = desk.process().event_frame(EVENT)
    counts = moved(desk)
    assert (counts.moved, counts.changed, counts.left, counts.write_units > 5) == (5, 0, 0, True)
    assert all("#" in desk.key(f"reg-{number}") for number in range(5))
    assert desk.process().event_frame(EVENT).equals(frame)


def test_what_would_not_be_known_as_the_events_is_left(desk: Desk) -> None:
    put_item(desk.client(), desk.table, a_foreign_item(eventId=EVENT, metadata={}))
    desk.shard(4)
    assert (moved(desk).left, desk.key()) == (1, EVENT)


def test_a_record_that_was_deleted_meanwhile_does_not_come_back(desk: Desk, dynamodb_proxy: Proxy) -> None:
    desk.process().record_attempt(an_outcome(), TTL)
    desk.shard(4)
    key = {"userId": {"S": "user-1"}, "registrationId": {"S": "reg-1"}}

    def delete(operation: str) -> None:
        if operation == "UpdateItem":
            desk.client().delete_item(TableName=desk.table, Key=key)

    dynamodb_proxy.fault = delete
    assert moved(desk, dynamodb_proxy.url).changed == 1
    assert desk.process().get("user-1", "reg-1") is None


# The limit


@pytest.mark.parametrize(("shards", "refused"), [(0, True), (4, False)], ids=["unsharded", "sharded"])
def test_an_event_above_the_limit_of_one_key_is_throttled_unless_it_is_sharded(
    desk: Desk, dynamodb_url: str, shards: int, refused: bool
) -> None:
    """At a tenth of DynamoDB's limit, and of 1,500 attempts a second."""
    if shards:
        desk.shard(shards)
    client = desk.client(dynamodb_url)  # of its own, because its updates are played
    limit = PartitionLimit(client, 100)
    records = DynamoRecords(client, desk.table, PATIENT, desk.clock, shards=desk.shards())
    rush(records, limit, EVENT, per_second=150, count=450)
    assert (limit.refused > 0) == refused


# As needed


class Spreading(ShardingAsNeeded):
    """Of one process; it waits as long as the test wants."""

    def __init__(self, desk: Desk, count: int = 4) -> None:
        self.waits, self.goes_on = threading.Event(), threading.Event()
        super().__init__(desk.client(), desk.state_table, PATIENT, desk.clock, count, self._held)
        desk.closing.callback(self.end)

    def _held(self, closing: threading.Event, seconds: float) -> bool:
        assert seconds == LEARNED_AFTER.total_seconds()
        self.waits.set()
        self.goes_on.wait()
        return closing.is_set()

    def end(self, event_id: str = EVENT) -> None:
        """Wait until it has done what it was asked."""
        self.goes_on.set()
        if event_id in self._asked:
            self._asked[event_id].join()


@pytest.fixture
def throttled(desk: Desk, dynamodb_proxy: Proxy) -> Callable[..., DynamoRecords]:
    """A process whose next write DynamoDB throttles for a reason."""

    def process(
        spread: Callable[[str], None],
        reason: str = KEY_IS_FULL,
        resource: str = THE_INDEX,
        error: str = "ProvisionedThroughputExceededException",
    ) -> DynamoRecords:
        shards = EventShards(desk.client(), desk.state_table, desk.clock, spread=spread)
        desk.closing.callback(shards.close)
        dynamodb_proxy.fault = first(1, "UpdateItem", (error, 400, [(reason, resource)]))
        client = desk.client(dynamodb_proxy.url)
        return DynamoRecords(client, desk.table, PATIENT, desk.clock, desk.clock.elapsed, shards=shards)

    return process


def stored_shards(desk: Desk) -> Shards:
    return Sharding(desk.client(), desk.state_table, PATIENT, desk.clock)._now(EVENT)


def test_an_event_whose_key_takes_no_more_is_spread_over_shards(
    desk: Desk, throttled: Callable[..., DynamoRecords]
) -> None:
    spreading = Spreading(desk)
    throttled(spreading).record_attempt(an_outcome(), TTL)
    assert desk.key() == EVENT
    spreading.end()
    desk.process().record_attempt(an_outcome("again"), TTL)
    assert desk.key().startswith(f"{EVENT}#")


@pytest.mark.parametrize("error", ["ProvisionedThroughputExceededException", "ThrottlingException"])
def test_each_error_of_a_key_that_takes_no_more_is_understood(
    desk: Desk, throttled: Callable[..., DynamoRecords], error: str
) -> None:
    asked: list[str] = []
    throttled(asked.append, error=error).record_attempt(an_outcome(), TTL)
    assert asked == [EVENT]


def test_an_event_is_not_written_to_shards_before_all_read_them(
    desk: Desk, throttled: Callable[..., DynamoRecords]
) -> None:
    spreading = Spreading(desk)
    throttled(spreading).record_attempt(an_outcome(), TTL)
    assert spreading.waits.wait(PATIENCE)
    assert stored_shards(desk) == Shards(read=4, written=0)


def test_a_process_that_ends_meanwhile_leaves_it_to_others(
    desk: Desk, throttled: Callable[..., DynamoRecords]
) -> None:
    ended, other = Spreading(desk), Spreading(desk)
    throttled(ended).record_attempt(an_outcome(), TTL)
    assert ended.waits.wait(PATIENCE)
    with ThreadPoolExecutor(1) as pool:
        closed = pool.submit(ended.close)
        until(ended._closing.is_set)
        ended.goes_on.set()
        closed.result()
    assert stored_shards(desk) == Shards(read=4, written=0)
    throttled(other).record_attempt(an_outcome("again"), TTL)
    other.end()
    assert stored_shards(desk) == Shards(read=4, written=4)


def test_processes_that_spread_an_event_at_once_agree(desk: Desk, throttled: Callable[..., DynamoRecords]) -> None:
    both = Spreading(desk), Spreading(desk)
    for number, spreading in enumerate(both):
        throttled(spreading).record_attempt(an_outcome(f"attempt-{number}"), TTL)
        assert spreading.waits.wait(PATIENCE)
    for spreading in both:
        spreading.end()
    assert stored_shards(desk) == Shards(read=4, written=4)


def test_shards_that_somebody_set_meanwhile_stay(desk: Desk, throttled: Callable[..., DynamoRecords]) -> None:
    spreading = Spreading(desk)
    throttled(spreading).record_attempt(an_outcome(), TTL)
    assert spreading.waits.wait(PATIENCE)
    desk.shard(16)
    spreading.end()
    assert stored_shards(desk) == Shards(read=16, written=16)


def test_an_event_with_more_shards_keeps_them(desk: Desk, throttled: Callable[..., DynamoRecords]) -> None:
    desk.shard(8)
    spreading = Spreading(desk)
    throttled(spreading).record_attempt(an_outcome(), TTL)
    spreading.end()
    assert stored_shards(desk) == Shards(read=8, written=8)


def test_what_failed_is_done_when_it_is_asked_for_again(desk: Desk, throttled: Callable[..., DynamoRecords]) -> None:
    spreading = Spreading(desk)
    table, desk.state_table = desk.state_table, "no-state-here"
    failing = Spreading(desk)
    desk.state_table = table
    failing(EVENT)
    until(lambda: EVENT not in failing._asked)
    failing._sharding = spreading._sharding
    failing(EVENT)
    spreading.goes_on.set()
    failing.end()
    assert stored_shards(desk) == Shards(read=4, written=4)


@pytest.mark.parametrize(
    "reason", ["TableWriteKeyRangeThroughputExceeded", "IndexWriteMaxOnDemandThroughputExceeded"]
)
def test_other_limits_spread_no_event(desk: Desk, throttled: Callable[..., DynamoRecords], reason: str) -> None:
    asked: list[str] = []
    throttled(asked.append, reason).record_attempt(an_outcome(), TTL)
    assert asked == []


def test_the_limit_of_another_index_spreads_no_event(desk: Desk, throttled: Callable[..., DynamoRecords]) -> None:
    asked: list[str] = []
    records = throttled(asked.append, resource=f"{A_TABLE}/index/theirs")
    records.record_attempt(an_outcome(), TTL)
    assert asked == []


def test_a_record_that_no_shard_could_be_told_for_spreads_no_event(
    desk: Desk, throttled: Callable[..., DynamoRecords]
) -> None:
    put_item(desk.client(), desk.table, a_foreign_item(eventId=EVENT, metadata={"eventId": "another"}))
    asked: list[str] = []
    records = throttled(asked.append)
    record = records.get("user-1", "reg-1")
    assert record
    records.decide("user-1", "reg-1", a_review(), record.version)
    assert asked == []
