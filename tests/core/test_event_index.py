"""When events are read from DynamoDB's index, when by a scan of the table, and what the pages show about it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pandas as pd
import pytest

from core.adapters.aws import event_reads
from core.adapters.aws import table as definition
from core.adapters.aws.event_index import LOOK_AGAIN, EventIndex
from core.adapters.aws.index_check import CHECK_AGAIN, LEASE_LENGTH
from core.adapters.aws.records import DynamoRecords
from core.domain.errors import NotConfigured, Refused, Unavailable
from core.flow.retry import Retry
from tests.support.clock import NOON, FakeClock
from tests.support.dynamodb import Proxy, client_of, create_state_table, create_table, put_item
from tests.support.records import a_foreign_item, an_outcome
from tests.support.stores import (
    CHECKED_EVERY,
    PATIENT,
    UnheardClient,
    add_index,
    drop_index,
    index_check,
    table_without_index,
    wait_for_checks,
)

TTL = timedelta(days=30)
#: Seconds that nothing here takes unless it hangs.
HANG = 30
READY = {**definition.event_index(), "IndexStatus": "ACTIVE"}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


# By its description


@dataclass
class Table:
    """A table as ``DescribeTable`` shows it."""

    index: Any = field(default_factory=lambda: READY)
    described: int = 0

    def describe(self) -> Any:
        self.described += 1
        if isinstance(self.index, Exception):
            raise self.index
        return self.index


@pytest.fixture
def table() -> Table:
    return Table()


@pytest.fixture
def index(table: Table, clock: FakeClock) -> Iterator[EventIndex]:
    """One that is never checked."""
    yield EventIndex(table.describe, None, clock, clock.elapsed)
    wait_for_checks()


def after_a_look(index: EventIndex, clock: FakeClock) -> bool:
    """The index's answer after the next look at it."""
    clock.advance(LOOK_AGAIN)
    index.usable()
    wait_for_checks()
    return index.usable()


def test_an_index_that_is_ready_is_used(index: EventIndex) -> None:
    assert index.usable()
    assert index.notice is None


def test_before_anybody_asked_there_is_nothing_to_say(index: EventIndex, table: Table) -> None:
    assert (index.notice, index.verified) == (None, None)
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


def test_an_index_that_carries_everything_is_used(index: EventIndex, table: Table) -> None:
    table.index = _carrying({"ProjectionType": "ALL"})
    assert index.usable()


def test_an_index_that_is_ready_is_described_once(index: EventIndex, table: Table, clock: FakeClock) -> None:
    index.usable()
    assert after_a_look(index, clock)
    assert table.described == 1


@pytest.mark.parametrize("before", OBSTACLES, ids=OBSTACLES)
def test_an_index_that_becomes_ready_is_used_without_a_restart(
    index: EventIndex, table: Table, clock: FakeClock, before: str
) -> None:
    table.index = OBSTACLES[before][0]
    assert not index.usable()
    table.index = READY
    assert after_a_look(index, clock)
    assert index.notice is None


def test_an_index_that_is_not_there_is_not_looked_at_with_every_read(index: EventIndex, table: Table) -> None:
    table.index = None
    for _ in range(3):
        index.usable()
        wait_for_checks()
    assert table.described == 1


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


class Stall:
    """A proxy's fault: calls of ``operation`` wait until they may go on."""

    def __init__(self, proxy: Proxy, operation: str) -> None:
        self._operation = operation
        self._reached = threading.Event()
        self._may_go_on = threading.Event()
        proxy.fault = self

    def __call__(self, operation: str) -> None:
        if operation == self._operation:
            self._reached.set()
            self._may_go_on.wait()

    def wait(self) -> None:
        """Until a call waits."""
        assert self._reached.wait(HANG)

    def end(self) -> None:
        self._may_go_on.set()


@dataclass
class Desk:
    """A store of one instance. Its calls are recorded on their way to the server, those of its check apart."""

    records: DynamoRecords
    proxy: Proxy
    checks: Proxy
    clock: FakeClock
    client: Any
    table: str
    state: str

    def calls(self, read: Callable[[], object]) -> list[str]:
        """The operations that ``read`` takes, but for those of the check."""
        self.proxy.seen.clear()
        read()
        return list(self.proxy.seen)

    def ids(self) -> list[str]:
        return list(self.records.event_frame("event-1")["registrationId"])

    def checked_ids(self, after: timedelta = timedelta(0)) -> list[str]:
        """What is read after the look, or the check, that a read has begun."""
        self.clock.advance(after)
        self.ids()
        self.settle()
        return self.ids()

    def settle(self) -> None:
        """Returns when this instance neither looks nor checks any more."""
        if thread := self.records._events._index._thread:
            thread.join(HANG)
            assert not thread.is_alive()

    @property
    def notice(self) -> str:
        """Empty if there is nothing to say."""
        return self.records.event_notice() or ""

    @property
    def scans(self) -> int:
        """How many pages its checks have read."""
        return self.checks.seen.count("Scan")

    def put(self, **changes: Any) -> None:
        put_item(self.client, self.table, a_foreign_item(**changes))


DeskOf = Callable[..., Desk]


@pytest.fixture
def desk_of(dynamodb: Any, dynamodb_url: str, clock: FakeClock) -> Iterator[DeskOf]:
    """Makes a desk on a table of its own, or another instance beside ``beside``."""
    proxies: list[Proxy] = []
    stores: list[DynamoRecords] = []

    def make(
        make_table: Callable[[Any], str] = create_table,
        *,
        checked: bool = True,
        beside: Desk | None = None,
        followed: bool = False,
    ) -> Desk:
        table = beside.table if beside else make_table(dynamodb)
        state = beside.state if beside else create_state_table(dynamodb)
        proxies.extend([reads := Proxy(dynamodb_url), checks := Proxy(dynamodb_url)])
        check = index_check(client_of(checks.url), table, clock, state, followed=followed) if checked else None
        stores.append(DynamoRecords(client_of(reads.url), table, QUICK, clock, clock.elapsed, index_check=check))
        return Desk(stores[-1], reads, checks, clock, dynamodb, table, state)

    yield make
    for proxy in proxies:
        if isinstance(proxy.fault, Stall):
            proxy.fault.end()
    wait_for_checks()
    for store in stores:
        store.close()
    for proxy in proxies:
        proxy.close()


def test_the_first_read_describes_the_table_and_the_next_ones_ask_the_index_alone(desk_of: DeskOf) -> None:
    desk = desk_of()
    assert desk.calls(desk.ids) == ["DescribeTable", "Query"]
    assert desk.calls(desk.ids) == ["Query"]


def test_an_index_that_needs_no_check_is_read_without_one(desk_of: DeskOf) -> None:
    desk = desk_of(checked=False)
    assert desk.calls(desk.ids) == ["DescribeTable", "Query"]
    assert (desk.notice, desk.records.events_verified()) == ("", None)


def test_without_an_index_the_table_is_scanned_and_the_notice_says_so(desk_of: DeskOf) -> None:
    desk = desk_of(table_without_index)
    desk.put()
    assert desk.ids() == ["reg-1"]
    assert "`python -m core provision --add-index`" in desk.notice
    assert desk.calls(desk.ids) == ["Scan"] * 4


def test_a_table_without_an_index_is_not_checked(desk_of: DeskOf) -> None:
    desk = desk_of(table_without_index)
    desk.checked_ids()
    assert desk.scans == 0


def test_the_notice_asks_the_store_nothing(desk_of: DeskOf) -> None:
    desk = desk_of(table_without_index)
    assert desk.calls(desk.records.event_notice) == []


def test_an_index_that_is_added_while_we_run_is_used_without_a_restart(desk_of: DeskOf) -> None:
    desk = desk_of(table_without_index)
    desk.put(eventId="event-1")
    assert desk.ids() == ["reg-1"]
    add_index(desk.client, desk.table)
    desk.checked_ids(after=LOOK_AGAIN)
    assert desk.calls(desk.ids) == ["Query"]
    assert desk.notice == ""


#: Each way to read an event: how many records it finds.
READS: dict[str, Callable[[DynamoRecords], int]] = {
    "event_frame": lambda records: len(records.event_frame("event-1")),
    "event_batches": lambda records: sum(map(len, records.event_batches("event-1"))),
    "event_records": lambda records: len(records.event_records("event-1", 10)),
}


@pytest.mark.parametrize("read", READS)
def test_an_index_that_is_deleted_while_it_is_used_makes_no_answer_shorter(desk_of: DeskOf, read: str) -> None:
    desk = desk_of()
    desk.put(eventId="event-1")
    assert desk.ids() == ["reg-1"]
    drop_index(desk.client, desk.table)
    assert READS[read](desk.records) == 1
    assert "--add-index" in desk.notice


def test_an_index_that_goes_away_between_two_batches_is_an_error(
    desk_of: DeskOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_reads, "BATCH_ROWS", 1)
    desk = desk_of()
    for number in range(8):
        desk.put(registrationId=f"reg-{number}", eventId="event-1", attributes={"ballast": "x" * 300_000})
    asked = desk.records.event_batches("event-1")
    next(asked)
    drop_index(desk.client, desk.table)
    with pytest.raises(Refused):
        list(asked)


def test_a_role_that_may_not_describe_the_table_reads_by_scans(desk_of: DeskOf) -> None:
    desk = desk_of()
    desk.put()
    desk.proxy.fault = lambda call: ("AccessDeniedException", 400) if call == "DescribeTable" else None
    assert desk.ids() == ["reg-1"]
    assert "`dynamodb:DescribeTable`" in desk.notice


def test_a_read_that_an_existing_index_refuses_is_refused(desk_of: DeskOf) -> None:
    desk = desk_of()
    desk.checked_ids()
    desk.proxy.fault = lambda call: ("AccessDeniedException", 400) if call == "Query" else None
    with pytest.raises(Refused, match="AccessDeniedException"):
        desk.ids()
    assert desk.notice == ""


# The check


def test_what_the_check_finds_complete_was_verified_when_it_began(desk_of: DeskOf) -> None:
    desk = desk_of()
    desk.checked_ids()
    assert (desk.notice, desk.records.events_verified()) == ("", NOON)


def test_events_are_read_from_the_index_while_the_first_check_hangs_and_the_notice_says_so(desk_of: DeskOf) -> None:
    desk = desk_of()
    desk.put(eventId="event-1")
    stall = Stall(desk.checks, "Scan")
    assert desk.ids() == ["reg-1"]
    stall.wait()
    assert desk.calls(desk.ids) == ["Query"]
    assert "has not been verified yet" in desk.notice
    assert "may be missing" in desk.notice
    assert "A check is under way." in desk.notice


@pytest.mark.parametrize("read", READS)
def test_a_record_that_is_missing_is_found_once_the_check_has_ended(desk_of: DeskOf, read: str) -> None:
    desk = desk_of()
    desk.put()
    desk.checked_ids()
    assert READS[read](desk.records) == 1
    assert "at least 1)" in desk.notice
    assert "`python -m core backfill-index`" in desk.notice
    assert desk.records.events_verified() is None


@pytest.mark.parametrize("own", [{}, {"eventId": None}, {"eventId": ""}], ids=["absent", "null", "empty"])
def test_a_record_whose_own_event_is_not_named_keeps_the_index_out_of_use(
    desk_of: DeskOf, own: dict[str, Any]
) -> None:
    desk = desk_of(table_without_index)
    desk.put(**own)
    add_index(desk.client, desk.table)
    assert desk.checked_ids() == ["reg-1"]
    assert "backfill-index" in desk.notice


WITHOUT_EVENT = {
    "no metadata": {"metadata": None},
    "no event": {"metadata": {}},
    "null": {"metadata": {"eventId": None}},
    "empty": {"metadata": {"eventId": ""}},
}


@pytest.mark.parametrize("metadata", WITHOUT_EVENT.values(), ids=WITHOUT_EVENT)
def test_a_record_without_any_event_does_not_matter(desk_of: DeskOf, metadata: dict[str, Any]) -> None:
    desk = desk_of()
    desk.put(**metadata)
    desk.checked_ids()
    assert desk.notice == ""


def test_a_repaired_index_is_used_after_a_minute(desk_of: DeskOf) -> None:
    desk = desk_of()
    desk.put()
    desk.checked_ids()
    desk.put(eventId="event-1")
    desk.checked_ids(after=CHECK_AGAIN)
    assert desk.calls(desk.ids) == ["Query"]
    assert desk.notice == ""


def test_another_services_record_that_comes_after_a_check_is_found_by_the_next(desk_of: DeskOf) -> None:
    desk = desk_of()
    assert desk.checked_ids() == []
    desk.put()
    assert desk.checked_ids(after=LOOK_AGAIN) == []  # what is promised is no more than the next check
    assert desk.checked_ids(after=CHECKED_EVERY) == ["reg-1"]
    assert "at least 1)" in desk.notice


def test_the_table_is_not_read_again_before_the_next_check_is_due(desk_of: DeskOf) -> None:
    desk = desk_of()
    desk.checked_ids()
    desk.checked_ids(after=CHECKED_EVERY - LOOK_AGAIN)
    assert desk.scans == 1
    desk.checked_ids(after=LOOK_AGAIN)
    assert desk.scans == 2


def test_events_are_read_by_an_old_finding_while_a_later_check_hangs_and_the_notice_says_from_when(
    desk_of: DeskOf,
) -> None:
    desk = desk_of()
    desk.checked_ids()
    stall = Stall(desk.checks, "Scan")
    desk.clock.advance(2 * CHECKED_EVERY)
    desk.ids()
    stall.wait()
    assert desk.calls(desk.ids) == ["Query"]
    assert "last verified at 12:00 UTC on 1 March 2026" in desk.notice
    assert "A check is under way." in desk.notice


def test_a_later_check_that_takes_no_longer_than_usual_is_not_worth_a_word(desk_of: DeskOf) -> None:
    desk = desk_of()
    desk.checked_ids()
    stall = Stall(desk.checks, "Scan")
    desk.clock.advance(CHECKED_EVERY)
    desk.ids()
    stall.wait()
    assert desk.notice == ""


FORBIDDEN = {"the table": "Scan", "the lease": "PutItem"}


@pytest.mark.parametrize("operation", FORBIDDEN.values(), ids=FORBIDDEN)
def test_checks_that_cannot_be_made_leave_the_index_in_use_and_the_notice_says_why(
    desk_of: DeskOf, operation: str
) -> None:
    desk = desk_of()
    desk.checked_ids()
    desk.checks.fault = lambda call: ("AccessDeniedException", 400) if call == operation else None
    desk.checked_ids(after=2 * CHECKED_EVERY)
    assert desk.calls(desk.ids) == ["Query"]
    assert "last verified at 12:00 UTC on 1 March 2026" in desk.notice
    assert "could not be checked (AccessDeniedException)" in desk.notice


def test_a_check_that_failed_is_made_again_after_a_minute(desk_of: DeskOf) -> None:
    desk = desk_of()
    desk.checks.fault = lambda call: ("AccessDeniedException", 400) if call == "Scan" else None
    desk.checked_ids()
    assert "has not been verified yet" in desk.notice
    desk.checks.fault = lambda _: None
    desk.checked_ids(after=CHECK_AGAIN)
    assert desk.notice == ""


def test_a_finding_that_cannot_be_read_leaves_the_index_in_use_and_the_notice_says_why(desk_of: DeskOf) -> None:
    desk = desk_of()
    desk.checks.fault = lambda call: ("AccessDeniedException", 400) if call == "GetItem" else None
    desk.put(eventId="event-1")
    assert desk.checked_ids() == ["reg-1"]
    assert "could not be checked (AccessDeniedException)" in desk.notice


@pytest.mark.parametrize("jump", [timedelta(days=-400), timedelta(days=400)], ids=str)
def test_a_clock_that_jumps_makes_no_check_come_sooner_or_stay_away(desk_of: DeskOf, jump: timedelta) -> None:
    desk = desk_of()
    desk.checked_ids()
    desk.clock.jump(jump)
    desk.checked_ids(after=LOOK_AGAIN)
    assert desk.scans == 1
    desk.checked_ids(after=CHECKED_EVERY)
    assert desk.scans == 2


def test_a_store_that_is_closed_leaves_its_check_to_others(desk_of: DeskOf) -> None:
    desk = desk_of()
    stall = Stall(desk.checks, "Scan")
    desk.ids()
    stall.wait()
    closing = threading.Thread(target=desk.records.close)
    closing.start()
    stall.end()
    closing.join(HANG)
    assert not closing.is_alive()
    other = desk_of(beside=desk)
    other.checked_ids()
    assert other.records.events_verified() == NOON


# Beside a stream that is followed

LONG = timedelta(days=400)


def test_where_the_stream_is_followed_the_table_is_read_once(desk_of: DeskOf) -> None:
    desk = desk_of(followed=True)
    desk.checked_ids()
    desk.checked_ids(after=LONG)
    assert (desk.scans, desk.notice, desk.records.events_verified()) == (1, "", NOON)


def test_what_was_verified_before_the_stream_was_followed_is_verified_once_more(desk_of: DeskOf) -> None:
    desk = desk_of()
    desk.checked_ids()
    other = desk_of(beside=desk, followed=True)
    other.checked_ids(after=LOOK_AGAIN)
    other.checked_ids(after=LONG)
    assert other.scans == 1


def test_a_record_that_is_missing_keeps_the_checks_from_resting(desk_of: DeskOf) -> None:
    desk = desk_of(followed=True)
    desk.put()
    desk.checked_ids()
    desk.checked_ids(after=CHECK_AGAIN)
    assert (desk.scans, "at least 1)" in desk.notice) == (2, True)


def test_where_the_stream_is_followed_no_more_checks_begin_again(desk_of: DeskOf) -> None:
    desk = desk_of(followed=True)
    desk.checked_ids()
    other = desk_of(beside=desk)
    other.checked_ids(after=CHECKED_EVERY)
    assert other.scans == 1


def test_a_finding_that_cannot_be_read_is_no_doubt_while_checks_rest(desk_of: DeskOf) -> None:
    desk = desk_of(followed=True)
    desk.checked_ids()
    desk.checks.fault = lambda call: ("AccessDeniedException", 400) if call == "GetItem" else None
    desk.checked_ids(after=LONG)
    assert desk.notice == ""


# Several instances


def test_two_instances_make_one_check(desk_of: DeskOf) -> None:
    desk = desk_of()
    other = desk_of(beside=desk)
    stall = Stall(desk.checks, "Scan")
    desk.ids()
    stall.wait()
    other.checked_ids(after=LOOK_AGAIN)
    assert other.scans == 0
    stall.end()
    desk.settle()
    other.checked_ids(after=LOOK_AGAIN)
    assert (desk.scans + other.scans, other.records.events_verified()) == (1, NOON)


def test_an_instance_knows_from_its_first_read_what_another_has_found(desk_of: DeskOf) -> None:
    desk = desk_of()
    desk.put()
    desk.checked_ids()
    other = desk_of(beside=desk)
    assert other.ids() == ["reg-1"]
    assert "at least 1)" in other.notice


def test_an_instance_learns_what_another_finds_later(desk_of: DeskOf) -> None:
    desk = desk_of()
    other = desk_of(beside=desk)
    desk.checked_ids()
    other.checked_ids()
    desk.put()
    desk.checked_ids(after=CHECKED_EVERY)
    assert other.checked_ids(after=LOOK_AGAIN) == ["reg-1"]
    assert other.scans == 0


def test_the_check_of_an_instance_that_died_is_made_by_another_when_its_lease_has_ended(desk_of: DeskOf) -> None:
    dead = desk_of()
    stall = Stall(dead.checks, "Scan")
    dead.ids()
    stall.wait()
    other = desk_of(beside=dead)
    other.ids()
    other.settle()
    assert other.scans == 0
    dead.clock.advance(LEASE_LENGTH)
    other.ids()
    other.settle()
    assert other.records.events_verified() == NOON + LEASE_LENGTH


def test_an_instance_that_was_taken_for_dead_keeps_its_finding_to_itself(desk_of: DeskOf) -> None:
    late = desk_of()
    late_stall = Stall(late.checks, "Scan")
    late.ids()
    late_stall.wait()
    other = desk_of(beside=late)
    other_stall = Stall(other.checks, "Scan")
    other.clock.advance(LEASE_LENGTH)
    other.ids()
    other_stall.wait()
    late_stall.end()
    late.settle()
    assert late.records.events_verified() is None
    other_stall.end()
    other.settle()
    assert other.records.events_verified() == NOON + LEASE_LENGTH


# Reads


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
    desk_of: DeskOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = desk_of()
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
