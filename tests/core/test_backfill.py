"""Setting ``eventId`` on other services' records: what is set and what is left, the pace, and resuming."""

from __future__ import annotations

import itertools
import json
import signal
import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core.adapters.aws.records import DynamoRecords
from core.adapters.aws.repair import PassCounts
from core.adapters.aws.table_pass import TablePass
from core.adapters.aws.unindexed import Unindexed
from core.domain.errors import InvalidInput, NotConfigured, Refused
from core.domain.records import Decision
from core.flow.pace import Pace
from core.flow.retry import Retry
from tests.core.test_provision import table_with_keys_alone
from tests.support.clock import NOON
from tests.support.dynamodb import Proxy, client_of, create_table, first, put_item, stored_item
from tests.support.records import a_foreign_item, a_review, an_outcome

RETRY = Retry(deadline=10, call_timeout=1, base=0.001, cap=0.01)
PAGE = 4
DENIED = ("AccessDeniedException", 400)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "data" / "backfill.json"


@pytest.fixture
def table(dynamodb: Any) -> str:
    return create_table(dynamodb)


@pytest.fixture
def backfill(state: Path) -> Callable[..., TablePass]:
    def make(client: Any, table: str, *, retry: Retry = RETRY, **changes: Any) -> TablePass:
        paces = {"writes": Pace(1e6, 1), "reads": Pace(1e6, 1)}
        given = {**paces, "segments": 4, "state": state, "page": PAGE, **changes}
        return TablePass(client, table, retry, Unindexed(lambda: NOON), **given)

    return make


@pytest.fixture
def observed(dynamodb_proxy: Proxy) -> Iterator[Any]:
    """A client of the real server whose calls ``dynamodb_proxy`` sees."""
    client = client_of(dynamodb_proxy.url)
    yield client
    client.close()


def put_many(client: Any, table: str, number: int) -> None:
    for each in range(number):
        put_item(client, table, a_foreign_item(userId=f"user-{each}"))


def in_index(client: Any, table: str, event: str = "event-1") -> int:
    answer = client.query(
        TableName=table,
        IndexName="eventId-timestamp-index",
        KeyConditionExpression="eventId = :event",
        ExpressionAttributeValues={":event": {"S": event}},
        Select="COUNT",
    )
    return int(answer["Count"])


def interrupting(on: str) -> Callable[[str], None]:
    """A fault: one Ctrl-C at the first call of the operation ``on``."""
    # Processes in the background ignore this signal by default.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # Sent to the main thread itself: a signal to another thread does not interrupt its wait.
    main = threading.main_thread().ident
    interrupts = iter([lambda: signal.pthread_kill(main, signal.SIGINT)])

    def fault(operation: str) -> None:
        if operation == on and (interrupt := next(interrupts, None)):
            interrupt()

    return fault


# What is set


@pytest.mark.parametrize("server", ["moto_dynamodb", "dynamodb"])
def test_the_event_is_set_and_nothing_else(
    request: pytest.FixtureRequest, server: str, backfill: Callable[..., TablePass]
) -> None:
    client = request.getfixturevalue(server)
    table = create_table(client)
    put_item(client, table, a_foreign_item(theirs={"of": ["their", "own"]}))
    before = stored_item(client, table)
    counts = backfill(client, table).run()
    assert (counts.scanned, counts.set) == (1, 1)
    assert stored_item(client, table) == {**before, "eventId": {"S": "event-1"}}


@pytest.mark.parametrize("nothing", [None, ""], ids=["null", "empty"])
def test_a_null_or_empty_event_is_none(dynamodb: Any, backfill: Callable[..., TablePass], nothing: Any) -> None:
    table = table_with_keys_alone(dynamodb)  # with the index nobody could write such a record
    put_item(dynamodb, table, a_foreign_item(eventId=nothing))
    backfill(dynamodb, table).run()
    assert stored_item(dynamodb, table)["eventId"] == {"S": "event-1"}


def test_an_event_that_is_there_stays(dynamodb: Any, table: str, backfill: Callable[..., TablePass]) -> None:
    put_item(dynamodb, table, a_foreign_item(eventId="another"))
    counts = backfill(dynamodb, table).run()
    assert (counts.set, stored_item(dynamodb, table)["eventId"]) == (0, {"S": "another"})


@pytest.mark.parametrize(
    "metadata",
    [{}, {"eventId": None}, {"eventId": ""}, {"eventId": [7]}, None, "text", "[1]"],
    ids=["missing", "null", "empty", "list", "null metadata", "text metadata", "list as JSON text"],
)
def test_a_record_without_any_event_is_counted_and_left(
    dynamodb: Any, table: str, backfill: Callable[..., TablePass], metadata: Any
) -> None:
    put_item(dynamodb, table, a_foreign_item(metadata=metadata))
    counts = backfill(dynamodb, table).run()
    assert (counts.set, counts.left) == (0, 1)


def test_a_record_that_cannot_be_indexed_stops_no_other(
    observed: Any, dynamodb: Any, table: str, backfill: Callable[..., TablePass], dynamodb_proxy: Proxy
) -> None:
    put_many(dynamodb, table, 2)
    dynamodb_proxy.fault = first(1, "UpdateItem", ("ValidationException", 400))
    counts = backfill(observed, table).run()
    assert (counts.set, counts.refused) == (1, 1)


def test_all_of_many_pages_are_set_once(
    observed: Any, dynamodb: Any, table: str, backfill: Callable[..., TablePass], dynamodb_proxy: Proxy
) -> None:
    put_many(dynamodb, table, 5 * PAGE)
    dynamodb_proxy.seen.clear()
    counts = backfill(observed, table, segments=2).run()
    assert (counts.set, dynamodb_proxy.seen.count("UpdateItem")) == (5 * PAGE, 5 * PAGE)
    assert in_index(observed, table) == 5 * PAGE


def test_a_second_pass_writes_nothing(
    observed: Any, table: str, backfill: Callable[..., TablePass], dynamodb_proxy: Proxy
) -> None:
    put_item(observed, table, a_foreign_item())
    backfill(observed, table).run()
    dynamodb_proxy.seen.clear()
    counts = backfill(observed, table).run()
    assert (counts.scanned, set(dynamodb_proxy.seen)) == (1, {"DescribeTable", "Scan"})


def test_the_same_backfill_makes_pass_after_pass(
    dynamodb: Any, table: str, backfill: Callable[..., TablePass]
) -> None:
    watching = backfill(dynamodb, table)
    watching.run()
    put_item(dynamodb, table, a_foreign_item())
    assert watching.run().set == 1


def test_progress_counts_the_records_read(dynamodb: Any, table: str, backfill: Callable[..., TablePass]) -> None:
    put_many(dynamodb, table, 3)
    seen: list[tuple[int, int | None]] = []
    backfill(dynamodb, table).run(lambda done, total: seen.append((done, total)))
    assert seen[-1] == (3, 3)


def test_the_units_consumed_are_counted(dynamodb: Any, table: str, backfill: Callable[..., TablePass]) -> None:
    put_many(dynamodb, table, 3)
    counts = backfill(dynamodb, table).run()
    assert counts.read_units > 0
    assert counts.write_units >= 3 * 2  # the record, and its new entry in the index


# What changes meanwhile


def test_a_record_that_went_to_another_event_meanwhile_is_left(
    observed: Any, dynamodb: Any, table: str, backfill: Callable[..., TablePass], dynamodb_proxy: Proxy
) -> None:
    put_item(dynamodb, table, a_foreign_item())
    moved = a_foreign_item(metadata={"eventId": "event-2"})

    def meanwhile(operation: str) -> None:
        if operation == "UpdateItem":
            put_item(dynamodb, table, moved)

    dynamodb_proxy.fault = meanwhile
    counts = backfill(observed, table).run()
    assert (counts.set, counts.changed) == (0, 1)
    assert "eventId" not in stored_item(dynamodb, table)


def test_a_record_deleted_meanwhile_does_not_come_back(
    observed: Any, dynamodb: Any, table: str, backfill: Callable[..., TablePass], dynamodb_proxy: Proxy
) -> None:
    put_item(dynamodb, table, a_foreign_item())
    key = {"userId": {"S": "user-1"}, "registrationId": {"S": "reg-1"}}

    def meanwhile(operation: str) -> None:
        if operation == "UpdateItem":
            dynamodb.delete_item(TableName=table, Key=key)

    dynamodb_proxy.fault = meanwhile
    backfill(observed, table).run()
    assert "Item" not in dynamodb.get_item(TableName=table, Key=key, ConsistentRead=True)


def test_an_attempt_recorded_meanwhile_stays(
    observed: Any, dynamodb: Any, table: str, backfill: Callable[..., TablePass], dynamodb_proxy: Proxy
) -> None:
    put_item(dynamodb, table, a_foreign_item())
    records = DynamoRecords(dynamodb, table, RETRY, lambda: NOON)

    def meanwhile(operation: str) -> None:
        if operation == "UpdateItem":
            records.record_attempt(an_outcome(event_id="event-2"), timedelta(days=30))

    dynamodb_proxy.fault = meanwhile
    backfill(observed, table).run()
    record = records.get("user-1", "reg-1")
    assert record is not None
    assert (record.event_id, record.attempts[-1].attempt_id) == ("event-2", "attempt-1")


@pytest.fixture
def backfilled_before_our_write(
    observed: Any, dynamodb: Any, table: str, backfill: Callable[..., TablePass], dynamodb_proxy: Proxy
) -> DynamoRecords:
    """A store whose writes each find the record backfilled since it was read."""
    put_item(dynamodb, table, a_foreign_item())

    def meanwhile(operation: str) -> None:
        if operation == "UpdateItem":
            backfill(dynamodb, table).run()

    dynamodb_proxy.fault = meanwhile
    return DynamoRecords(observed, table, RETRY, lambda: NOON)


def test_an_attempt_on_a_record_backfilled_meanwhile_is_written_at_once(
    backfilled_before_our_write: DynamoRecords, dynamodb: Any, table: str, dynamodb_proxy: Proxy
) -> None:
    backfilled_before_our_write.record_attempt(an_outcome(), timedelta(days=30))
    assert dynamodb_proxy.seen.count("UpdateItem") == 1
    assert stored_item(dynamodb, table)["eventId"] == {"S": "event-1"}


def test_a_decision_on_a_record_backfilled_meanwhile_keeps_the_event(
    backfilled_before_our_write: DynamoRecords, dynamodb: Any, table: str
) -> None:
    record = backfilled_before_our_write.get("user-1", "reg-1")
    assert record is not None
    backfilled_before_our_write.decide("user-1", "reg-1", a_review(Decision.REJECTED), record.version)
    item = stored_item(dynamodb, table)
    assert (item["eventId"], item["validationStatus"]) == ({"S": "event-1"}, {"S": "failed"})


# Pace


class FakeTime:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_budget_lets_a_second_s_worth_through_then_waits_until_it_is_paid_off() -> None:
    clock = FakeTime()
    budget = Pace(10, 1, clock)
    budget.spend(10)
    assert budget.delay() == 0
    budget.spend(5)
    assert budget.delay() == pytest.approx(0.5)
    clock.now += 0.5
    assert budget.delay() == pytest.approx(0)


def test_a_budget_saves_up_no_more_than_a_second() -> None:
    clock = FakeTime()
    budget = Pace(10, 1, clock)
    clock.now += 3600
    budget.spend(20)
    assert budget.delay() == pytest.approx(1)


@pytest.mark.parametrize(("kind", "units"), [("writes", lambda c: c.write_units), ("reads", lambda c: c.read_units)])
def test_what_is_consumed_is_spent(
    dynamodb: Any,
    table: str,
    backfill: Callable[..., TablePass],
    kind: str,
    units: Callable[[PassCounts], float],
) -> None:
    spent: list[float] = []

    class Counted(Pace):
        def spend(self, units: float = 1.0) -> None:
            spent.append(units)

    put_many(dynamodb, table, 3)
    counts = backfill(dynamodb, table, **{kind: Counted(1e6, 1)}).run()
    assert sum(spent) == units(counts) > 0


# Stopping and resuming


@pytest.fixture
def stopped(
    observed: Any, dynamodb: Any, table: str, backfill: Callable[..., TablePass], dynamodb_proxy: Proxy
) -> Callable[[], int]:
    """Ends a run with a refusal before its last pages (one segment of five pages); returns the number of scans."""
    put_many(dynamodb, table, 5 * PAGE)

    def stop() -> int:
        dynamodb_proxy.fault = lambda operation: DENIED if dynamodb_proxy.seen.count("Scan") == 4 else None
        dynamodb_proxy.seen.clear()
        with pytest.raises(Refused, match="AccessDenied"):
            backfill(observed, table, segments=1).run()
        dynamodb_proxy.fault = lambda operation: None
        return dynamodb_proxy.seen.count("Scan") - 1

    return stop


def test_a_run_after_an_end_goes_on_where_it_was(
    stopped: Callable[[], int], dynamodb: Any, table: str, backfill: Callable[..., TablePass]
) -> None:
    assert stopped() == 3
    counts = backfill(dynamodb, table, segments=1).run()
    assert (counts.scanned, in_index(dynamodb, table)) == (2 * PAGE, 5 * PAGE)


def test_the_state_is_its_owner_s_alone_while_it_is_there(stopped: Callable[[], int], state: Path) -> None:
    stopped()
    assert stat.S_IMODE(state.stat().st_mode) == 0o600


def test_nothing_of_the_state_is_left_when_the_run_is_done(
    stopped: Callable[[], int], dynamodb: Any, table: str, backfill: Callable[..., TablePass], state: Path
) -> None:
    stopped()
    backfill(dynamodb, table, segments=1).run()
    assert list(state.parent.iterdir()) == []


def another_table(state: Path) -> None:
    state.write_text(json.dumps({**json.loads(state.read_text()), "table": "arn:another"}))


def another_search(state: Path) -> None:
    state.write_text(json.dumps({**json.loads(state.read_text()), "search": "repair-ttl"}))


def other_segments(state: Path) -> None:
    state.write_text(json.dumps({**json.loads(state.read_text()), "segments": 2}))


def cut_off(state: Path) -> None:
    state.write_bytes(state.read_bytes()[:-9])


def no_object(state: Path) -> None:
    state.write_text("[]")


@pytest.mark.parametrize("spoil", [another_table, another_search, other_segments, cut_off, no_object])
def test_a_state_that_is_not_of_this_run_is_not_believed(
    stopped: Callable[[], int],
    dynamodb: Any,
    table: str,
    backfill: Callable[..., TablePass],
    state: Path,
    spoil: Callable[[Path], None],
) -> None:
    stopped()
    spoil(state)
    assert backfill(dynamodb, table, segments=1).run().scanned == 5 * PAGE


def test_a_state_at_its_end_begins_anew(
    stopped: Callable[[], int], dynamodb: Any, table: str, backfill: Callable[..., TablePass], state: Path
) -> None:
    stopped()
    state.write_text(json.dumps({**json.loads(state.read_text()), "places": [None]}))
    assert backfill(dynamodb, table, segments=1).run().scanned == 5 * PAGE


def test_one_segment_s_error_ends_the_others(
    observed: Any, dynamodb: Any, table: str, backfill: Callable[..., TablePass], dynamodb_proxy: Proxy
) -> None:
    put_many(dynamodb, table, 20)
    dynamodb_proxy.fault = lambda operation: DENIED if operation == "UpdateItem" else None
    with pytest.raises(Refused, match="AccessDenied"):
        backfill(observed, table).run()
    assert dynamodb_proxy.seen.count("UpdateItem") <= 4


@pytest.mark.timeout(60)
def test_an_interrupt_ends_those_that_wait_for_capacity(
    observed: Any, dynamodb: Any, table: str, backfill: Callable[..., TablePass], dynamodb_proxy: Proxy
) -> None:
    put_many(dynamodb, table, 20)

    dynamodb_proxy.fault = interrupting("UpdateItem")
    with pytest.raises(KeyboardInterrupt):
        backfill(observed, table, writes=Pace(0.01, 1)).run()


def test_what_is_throttled_or_lost_is_tried_again(
    observed: Any, dynamodb: Any, table: str, backfill: Callable[..., TablePass], dynamodb_proxy: Proxy
) -> None:
    put_many(dynamodb, table, 9)
    turns = itertools.cycle([("ThrottlingException", 400), Proxy.LOSE, ("InternalServerError", 500), None])
    dynamodb_proxy.fault = lambda operation: next(turns) if operation == "UpdateItem" else None
    # Four segments share the turns, so that one may meet more faults in a row than a record of its own would.
    counts = backfill(observed, table, retry=replace(RETRY, tries=1000)).run()
    # A retry after a lost answer finds the record set. It counts as changed: who has set it is unknown.
    assert (counts.set + counts.changed, in_index(observed, table)) == (9, 9)


def test_a_missing_table_is_told_with_what_to_do(dynamodb: Any, backfill: Callable[..., TablePass]) -> None:
    with pytest.raises(NotConfigured, match="no table gone"):
        backfill(dynamodb, "gone").run()


def test_a_state_that_cannot_be_written_is_told(
    dynamodb: Any, table: str, backfill: Callable[..., TablePass], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInput, match="Cannot write"):
        backfill(dynamodb, table, state=tmp_path / "file" / "state").run()
