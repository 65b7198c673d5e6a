"""When events are read from DynamoDB's index, when by a scan of the table, and what the pages show about it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pandas as pd
import pytest

from core.adapters.aws import event_reads
from core.adapters.aws import table as definition
from core.adapters.aws.event_index import LOOK_AGAIN, EventIndex
from core.adapters.aws.records import DynamoRecords
from core.domain.errors import NotConfigured, Refused, Unavailable
from core.flow.retry import Retry
from tests.support.clock import NOON, FakeClock
from tests.support.dynamodb import Proxy, client_of, create_table, put_item
from tests.support.records import a_foreign_item, an_outcome
from tests.support.stores import (
    PATIENT,
    UnheardClient,
    add_index,
    drop_index,
    table_without_index,
    wait_for_checks,
)

EVERY = timedelta(minutes=30)
TTL = timedelta(days=30)
#: Seconds that nothing here takes unless it hangs.
HANG = 30
READY = {**definition.event_index(), "IndexStatus": "ACTIVE"}


@dataclass
class Table:
    """A table as the index's checks see it."""

    index: Any = field(default_factory=lambda: READY)
    lacking: int = 0
    #: Set: a check may end. Cleared by a test that looks at what happens meanwhile.
    may_end: threading.Event = field(default_factory=threading.Event)
    checking: threading.Event = field(default_factory=threading.Event)
    described: int = 0
    #: For each check, whether it was in a hurry.
    checks: list[bool] = field(default_factory=list)

    def describe(self) -> Any:
        self.described += 1
        if isinstance(self.index, Exception):
            raise self.index
        return self.index

    def strays(self, hurry: bool) -> int:
        self.checks.append(hurry)
        self.checking.set()
        assert self.may_end.wait(HANG)
        return self.lacking


@pytest.fixture
def table() -> Iterator[Table]:
    table = Table()
    table.may_end.set()
    yield table
    table.may_end.set()
    wait_for_checks()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def index(table: Table, clock: FakeClock) -> EventIndex:
    return EventIndex(table.describe, table.strays, clock.elapsed, EVERY)


def asked_and_checked(index: EventIndex) -> bool:
    """The index's answer after the check that the question has started, if any, has ended."""
    index.usable()
    wait_for_checks()
    return index.usable()


# Reasons not to use the index


def test_an_index_that_lacks_nothing_is_used(index: EventIndex) -> None:
    assert index.usable()
    assert index.notice is None


def test_before_anybody_asked_there_is_nothing_to_say(index: EventIndex, table: Table) -> None:
    assert index.notice is None
    assert table.described == 0


def _carrying(projection: dict[str, Any]) -> dict[str, Any]:
    return {**READY, "Projection": projection}


OBSTACLES = {
    "missing": (None, "`python -m core provision --add-index`"),
    "being deleted": ({**READY, "IndexStatus": "DELETING"}, "`python -m core provision --add-index`"),
    "being created": ({**READY, "IndexStatus": "CREATING"}, "is being built"),
    "backfilling": ({**READY, "Backfilling": True}, "is being built"),
    "carrying less": (_carrying({"ProjectionType": "KEYS_ONLY"}), "`python -m core provision` reports"),
    "of other keys": ({**READY, "KeySchema": definition.key_schema("eventId", "userId")}, "other keys"),
    "not to be asked for": (Refused("validation records", "AccessDeniedException"), "`dynamodb:DescribeTable`"),
    "out of reach": (Unavailable("validation records", "ThrottlingException"), "ThrottlingException"),
    "of no table": (NotConfigured("validation records", "ResourceNotFoundException"), "ResourceNotFoundException"),
}


@pytest.mark.parametrize(("found", "told"), OBSTACLES.values(), ids=OBSTACLES)
def test_an_index_in_another_state_is_not_used_and_the_notice_says_why(
    index: EventIndex, table: Table, found: Any, told: str
) -> None:
    table.index = found
    assert not index.usable()
    assert told in str(index.notice)
    assert table.checks == []


def test_an_index_that_carries_everything_is_used(index: EventIndex, table: Table) -> None:
    table.index = _carrying({"ProjectionType": "ALL"})
    assert index.usable()


def test_an_index_that_lacks_records_is_not_used_and_the_notice_counts_them(index: EventIndex, table: Table) -> None:
    table.lacking = 1234
    assert not index.usable()
    assert "at least 1,234" in str(index.notice)
    assert "`python -m core backfill-index`" in str(index.notice)


def test_an_index_that_is_never_checked_is_used_at_once(table: Table, clock: FakeClock) -> None:
    index = EventIndex(table.describe, table.strays, clock.elapsed, None)
    clock.advance(timedelta(days=365))
    assert asked_and_checked(index)
    assert (table.described, table.checks) == (1, [])


# Later checks


@pytest.mark.parametrize("before", [None, {**READY, "IndexStatus": "CREATING"}], ids=["missing", "being built"])
def test_an_index_made_meanwhile_is_used_after_a_minute(
    index: EventIndex, table: Table, clock: FakeClock, before: Any
) -> None:
    table.index = before
    assert not index.usable()
    table.index = READY
    clock.advance(LOOK_AGAIN)
    assert asked_and_checked(index)
    assert index.notice is None


def test_an_index_that_was_completed_is_used_after_a_minute(
    index: EventIndex, table: Table, clock: FakeClock
) -> None:
    table.lacking = 1
    assert not index.usable()
    table.lacking = 0
    clock.advance(LOOK_AGAIN)
    assert asked_and_checked(index)


def test_an_index_that_is_not_there_is_not_looked_at_with_every_read(index: EventIndex, table: Table) -> None:
    table.index = None
    for _ in range(3):
        asked_and_checked(index)
    assert table.described == 1


def test_an_index_is_not_used_any_more_once_a_later_check_finds_a_lack(
    index: EventIndex, table: Table, clock: FakeClock
) -> None:
    assert index.usable()
    table.lacking = 1
    clock.advance(EVERY)
    assert not asked_and_checked(index)


def test_a_later_check_that_fails_puts_the_index_out_of_use(
    index: EventIndex, table: Table, clock: FakeClock
) -> None:
    assert index.usable()
    table.index = Unavailable("validation records", "ThrottlingException")
    clock.advance(EVERY)
    assert not asked_and_checked(index)
    assert "ThrottlingException" in str(index.notice)


def test_the_table_is_read_in_a_hurry_only_while_a_reader_waits(
    index: EventIndex, table: Table, clock: FakeClock
) -> None:
    index.usable()
    clock.advance(EVERY)
    asked_and_checked(index)
    assert table.checks == [True, False]


# Many readers


def test_two_readers_at_once_check_once(index: EventIndex, table: Table) -> None:
    table.may_end.clear()
    start = threading.Barrier(3)

    def ask(_: int) -> bool:
        start.wait(HANG)
        return index.usable()

    with ThreadPoolExecutor(2) as readers:
        answers = readers.map(ask, range(2))
        start.wait(HANG)
        assert table.checking.wait(HANG)
        table.may_end.set()
        assert list(answers) == [True, True]
    assert table.checks == [True]


def test_the_notice_does_not_wait_for_a_check(index: EventIndex, table: Table) -> None:
    table.may_end.clear()
    with ThreadPoolExecutor(1) as reader:
        reader.submit(index.usable)
        assert table.checking.wait(HANG)
        assert index.notice is None
        table.may_end.set()


def test_readers_go_on_by_the_last_finding_while_one_later_check_runs(
    index: EventIndex, table: Table, clock: FakeClock
) -> None:
    assert index.usable()
    table.checking.clear()
    table.may_end.clear()
    table.lacking = 1
    clock.advance(EVERY)
    assert [index.usable() for _ in range(5)] == [True] * 5
    assert table.checking.wait(HANG)
    assert index.usable()
    table.may_end.set()
    wait_for_checks()
    assert not index.usable()
    assert table.checks == [True, False]


def test_a_finding_of_long_ago_counts_no_more(index: EventIndex, table: Table, clock: FakeClock) -> None:
    assert index.usable()
    table.may_end.clear()
    clock.advance(2 * EVERY)
    assert not index.usable()
    table.may_end.set()
    wait_for_checks()
    assert index.usable()


@pytest.mark.parametrize("jump", [timedelta(days=-400), timedelta(days=400)], ids=str)
def test_a_clock_that_jumps_changes_nothing_about_when_the_index_is_checked(
    index: EventIndex, table: Table, clock: FakeClock, jump: timedelta
) -> None:
    assert index.usable()
    clock.jump(jump)
    assert index.usable()
    wait_for_checks()
    assert table.checks == [True]
    clock.advance(EVERY)
    assert index.usable()
    wait_for_checks()
    assert table.checks == [True, False]


# After a refused read


def test_an_index_that_went_away_is_known_to_be_gone(index: EventIndex, table: Table) -> None:
    assert index.usable()
    table.index = None
    assert not index.still_usable()
    assert not index.usable()
    assert "--add-index" in str(index.notice)


def test_an_index_that_refuses_for_another_reason_stays_in_use(index: EventIndex) -> None:
    assert index.usable()
    assert index.still_usable()
    assert index.usable()


# By the store

QUICK = Retry(deadline=20, call_timeout=2, base=0.01, cap=0.05)


@dataclass
class Desk:
    """A store whose calls are recorded on their way to the server."""

    records: DynamoRecords
    proxy: Proxy
    clock: FakeClock
    client: Any
    table: str

    def calls(self, read: Callable[[], object]) -> list[str]:
        """The operations that ``read`` takes."""
        self.proxy.seen.clear()
        read()
        return list(self.proxy.seen)

    def ids(self) -> list[str]:
        return list(self.records.event_frame("event-1")["registrationId"])

    def put(self, **changes: Any) -> None:
        put_item(self.client, self.table, a_foreign_item(**changes))


@pytest.fixture
def desk_of(
    dynamodb: Any, dynamodb_proxy: Proxy, clock: FakeClock
) -> Iterator[Callable[[Callable[[Any], str]], Desk]]:
    seen_client = client_of(dynamodb_proxy.url)

    def make(make_table: Callable[[Any], str], **choice: Any) -> Desk:
        table = make_table(dynamodb)
        records = DynamoRecords(seen_client, table, QUICK, clock, clock.elapsed, **choice)
        return Desk(records, dynamodb_proxy, clock, dynamodb, table)

    yield make
    wait_for_checks()
    seen_client.close()


def test_the_first_read_checks_the_table_and_the_next_ones_ask_the_index_alone(desk_of: Any) -> None:
    desk = desk_of(create_table)
    assert desk.calls(desk.ids) == ["DescribeTable", *["Scan"] * 4, "Query"]
    assert desk.calls(desk.ids) == ["Query"]


def test_a_trusted_index_is_read_without_a_check(desk_of: Any) -> None:
    desk = desk_of(create_table, index_check=None)
    assert desk.calls(desk.ids) == ["DescribeTable", "Query"]


def test_without_an_index_the_table_is_scanned_and_the_notice_says_so(desk_of: Any) -> None:
    desk = desk_of(table_without_index)
    desk.put()
    assert desk.ids() == ["reg-1"]
    assert "`python -m core provision --add-index`" in str(desk.records.event_notice())
    assert desk.calls(desk.ids) == ["Scan"] * 4


def test_the_notice_asks_the_store_nothing(desk_of: Any) -> None:
    desk = desk_of(table_without_index)
    assert desk.calls(desk.records.event_notice) == []


def test_an_index_that_is_added_while_we_run_is_used_without_a_restart(desk_of: Any) -> None:
    desk = desk_of(table_without_index)
    desk.put(eventId="event-1")
    assert desk.ids() == ["reg-1"]
    add_index(desk.client, desk.table)
    desk.clock.advance(LOOK_AGAIN)
    desk.ids()
    wait_for_checks()
    assert desk.calls(desk.ids) == ["Query"]
    assert desk.records.event_notice() is None


@pytest.mark.parametrize("read", ["event_frame", "event_batches", "event_records"])
def test_an_index_that_is_deleted_while_it_is_used_makes_no_answer_shorter(desk_of: Any, read: str) -> None:
    desk = desk_of(create_table)
    desk.put(eventId="event-1")
    assert desk.ids() == ["reg-1"]
    drop_index(desk.client, desk.table)
    match read:
        case "event_frame":
            found = len(desk.records.event_frame("event-1"))
        case "event_batches":
            found = sum(map(len, desk.records.event_batches("event-1")))
        case _:
            found = len(desk.records.event_records("event-1", 10))
    assert found == 1
    assert "--add-index" in str(desk.records.event_notice())


def test_an_index_that_goes_away_between_two_batches_is_an_error(
    desk_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_reads, "BATCH_ROWS", 1)
    desk = desk_of(create_table)
    for number in range(8):
        desk.put(registrationId=f"reg-{number}", eventId="event-1", attributes={"ballast": "x" * 300_000})
    asked = desk.records.event_batches("event-1")
    next(asked)
    drop_index(desk.client, desk.table)
    with pytest.raises(Refused):
        list(asked)


def test_another_services_record_that_comes_after_a_check_is_found_by_the_next(desk_of: Any) -> None:
    desk = desk_of(create_table)
    assert desk.ids() == []
    desk.put()
    assert desk.ids() == []  # what is promised is no more than the next check
    desk.clock.advance(EVERY)
    desk.ids()
    wait_for_checks()
    assert desk.ids() == ["reg-1"]
    assert "at least 1)" in str(desk.records.event_notice())


@pytest.mark.parametrize("own", [{}, {"eventId": None}, {"eventId": ""}], ids=["absent", "null", "empty"])
def test_a_record_whose_own_event_is_not_named_keeps_the_index_out_of_use(desk_of: Any, own: dict[str, Any]) -> None:
    desk = desk_of(table_without_index)
    desk.put(**own)
    add_index(desk.client, desk.table)
    assert desk.ids() == ["reg-1"]
    assert "backfill-index" in str(desk.records.event_notice())


WITHOUT_EVENT = {
    "no metadata": {"metadata": None},
    "no event": {"metadata": {}},
    "null": {"metadata": {"eventId": None}},
    "empty": {"metadata": {"eventId": ""}},
}


@pytest.mark.parametrize("metadata", WITHOUT_EVENT.values(), ids=WITHOUT_EVENT)
def test_a_record_without_any_event_does_not_matter(desk_of: Any, metadata: dict[str, Any]) -> None:
    desk = desk_of(create_table)
    desk.put(**metadata)
    desk.ids()
    assert desk.records.event_notice() is None


def test_a_role_that_may_not_describe_the_table_reads_by_scans(desk_of: Any) -> None:
    desk = desk_of(create_table)
    desk.put()
    desk.proxy.fault = lambda call: ("AccessDeniedException", 400) if call == "DescribeTable" else None
    assert desk.ids() == ["reg-1"]
    assert "`dynamodb:DescribeTable`" in str(desk.records.event_notice())


def test_a_read_that_an_existing_index_refuses_is_refused(desk_of: Any) -> None:
    desk = desk_of(create_table)
    desk.ids()
    desk.proxy.fault = lambda call: ("AccessDeniedException", 400) if call == "Query" else None
    with pytest.raises(Refused, match="AccessDeniedException"):
        desk.ids()
    assert desk.records.event_notice() is None


def test_an_index_being_built_is_not_read(dynamodb: Any, clock: FakeClock) -> None:
    table = create_table(dynamodb)
    put_item(dynamodb, table, a_foreign_item())

    class Building(UnheardClient):
        """The server's client while it still fills the index."""

        scan = dynamodb.scan

        def describe_table(self, **_: Any) -> dict[str, Any]:
            return {"Table": {"GlobalSecondaryIndexes": [{**READY, "IndexStatus": "CREATING", "Backfilling": True}]}}

    records = DynamoRecords(Building(), table, PATIENT, clock)
    assert len(records.event_frame("event-1")) == 1
    assert "is being built" in str(records.event_notice())


def test_an_event_reads_the_same_with_and_without_the_index(dynamodb: Any, clock: FakeClock) -> None:
    tables = create_table(dynamodb), table_without_index(dynamodb)
    with_index, without = (DynamoRecords(dynamodb, table, PATIENT, clock) for table in tables)
    for number in range(60):
        changes = {"registration_id": f"reg-{number}", "timestamp": NOON + timedelta(seconds=number % 7)}
        event = {"event_id": f"event-{1 + number % 2}"}
        for records in (with_index, without):
            records.record_attempt(an_outcome(status="success" if number % 3 else "failed", **changes, **event), TTL)
    pd.testing.assert_frame_equal(with_index.event_frame("event-1"), without.event_frame("event-1"))
    for limit in (1, 10, 100):
        assert with_index.event_records("event-1", limit) == without.event_records("event-1", limit)
    batches = [pd.concat(records.event_batches("event-1")) for records in (with_index, without)]
    by_key = [frame.sort_values(["registrationId", "userId"], ignore_index=True) for frame in batches]
    pd.testing.assert_frame_equal(*by_key)
    assert (with_index.event_notice(), without.event_notice() is None) == (None, False)


def test_records_that_move_on_while_the_index_is_read_are_listed(
    desk_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = desk_of(create_table)
    for number in range(6):
        outcome = an_outcome(registration_id=f"reg-{number}", timestamp=NOON + timedelta(seconds=number))
        desk.records.record_attempt(outcome, TTL)
    desk.ids()
    queries = []

    def move_after_the_first_query(call: str) -> None:
        if call == "Query":
            queries.append(call)
            if len(queries) == 2:
                moved = an_outcome("again", registration_id="reg-3", timestamp=NOON + timedelta(seconds=9))
                DynamoRecords(desk.client, desk.table, QUICK, desk.clock).record_attempt(moved, TTL)

    desk.proxy.fault = move_after_the_first_query
    listed = [record.registration_id for record in desk.records.event_records("event-1", 3)]
    assert listed == ["reg-3", "reg-5", "reg-4"]


_operation: ContextVar[str] = ContextVar("operation", default="none")


def test_what_reads_a_segment_knows_whose_operation_it_is(clock: FakeClock) -> None:
    seen = []

    class Client(UnheardClient):
        def describe_table(self, **_: Any) -> dict[str, Any]:
            return {"Table": {}}

        def scan(self, **_: Any) -> dict[str, Any]:
            seen.append(_operation.get())
            return {"Items": []}

    token = _operation.set("ours")
    DynamoRecords(Client(), "table", PATIENT, clock).event_frame("event-1")
    _operation.reset(token)
    assert seen == ["ours"] * 4


def test_no_page_is_scanned_before_those_ahead_of_it_are_used(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_reads, "BATCH_ROWS", 1)
    scanned = []
    item = {
        "userId": {"S": "user-1"},
        "registrationId": {"S": "reg-1"},
        "eventId": {"S": "event-1"},
        "validationStatus": {"S": "success"},
        "timestamp": {"S": "2026-03-01T10:00:00.000Z"},
    }

    class Endless(UnheardClient):
        def describe_table(self, **_: Any) -> dict[str, Any]:
            return {"Table": {}}

        def scan(self, **_: Any) -> dict[str, Any]:
            scanned.append(1)
            return {"Items": [item], "LastEvaluatedKey": {}}

    asked = DynamoRecords(Endless(), "table", PATIENT, clock).event_batches("event-1")
    for _ in range(4):
        next(asked)
    asked.close()
    assert len(scanned) == 4
