"""The contract of ``core.ports.Worklists``, held by every adapter."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core.adapters.aws import worklists as in_aws
from core.adapters.aws.kept_lease import LEASE
from core.adapters.aws.worklists import KEPT, DynamoWorklists
from core.adapters.embedded.worklists import SqliteWorklists
from core.domain.errors import Conflict, NotConfigured, Unavailable
from core.domain.worklists import Item, Mark
from core.ports import Worklist, Worklists
from tests.support.benches import bench_fixtures
from tests.support.clock import FakeClock
from tests.support.dynamodb import Proxy, client_of, create_state_table
from tests.support.stores import PATIENT

#: Who began a batch, and from where.
OLGA = ("Olga", "192.0.2.1")
ODD_IDS = ["Ä ⚽ \U0001f600", "x" * 2000, "a/b#c", " ", "'; DROP TABLE items; --"]


@dataclass
class Bench:
    #: Of two processes on the same store.
    one: Worklists
    other: Worklists
    #: The text of everything that is stored.
    stored: Callable[[], str]


def _bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    if request.param == "sqlite":

        def stored() -> str:
            return "".join(path.read_bytes().decode(errors="replace") for path in sorted(tmp_path.glob("batch-*")))

        yield Bench(SqliteWorklists(tmp_path), SqliteWorklists(tmp_path), stored)
    else:
        client: Any = request.getfixturevalue(request.param)
        table, clock = create_state_table(client), FakeClock()
        one, other = (DynamoWorklists(client, table, PATIENT, clock, name) for name in ("one", "other"))

        def scanned() -> str:
            found = client.scan(TableName=table)["Items"]
            return str([zlib.decompress(item["items"]["B"]) if "items" in item else item for item in found])

        yield Bench(one, other, scanned)


bench, race_bench = bench_fixtures(_bench)


@pytest.fixture
def dynamodb(own_dynamodb: Any) -> Any:
    return own_dynamodb


@pytest.fixture
def worklists(bench: Bench) -> Worklists:
    return bench.one


def an_item(number: int = 0, **changes: Any) -> Item:
    return replace(
        Item(f"user-{number}", f"reg-{number}", f"face-images/{number}.jpg", None, "2026-11-24T12:00:00.000Z#1"),
        **changes,
    )


def items(number: int) -> list[Item]:
    return [an_item(each) for each in range(number)]


def left(worklist: Worklist) -> set[Item]:
    """What is left, without positions."""
    found = list(worklist.left())
    assert len({item.number for item in found}) == len(found)
    return {replace(item, number=0) for item in found}


def test_at_first_there_is_no_batch(worklists: Worklists) -> None:
    assert worklists.unfinished("expo") is None
    with closing(worklists.open("expo")) as worklist:
        assert (worklist.run(), sum(worklist.counts().values())) == (None, 0)


@pytest.mark.parametrize("number", [0, 1, 350])
def test_a_batch_is_found_as_it_was_begun(bench: Bench, number: int) -> None:
    with closing(bench.one.open("expo")) as worklist:
        run = worklist.begin("all", "/photos", items(number), *OLGA)
    with closing(bench.other.open("expo")) as worklist:
        assert worklist.run() == run
        assert left(worklist) == set(items(number))
    assert bench.other.unfinished("expo") == (run, {None: number} if number else {})


@pytest.mark.parametrize("odd", ODD_IDS)
def test_ids_may_be_odd(worklists: Worklists, odd: str) -> None:
    whole = an_item(user_id=odd, registration_id=odd, key=None, file=odd, seen=None)
    with closing(worklists.open(odd)) as worklist:
        worklist.begin("all", None, [whole], *OLGA)
        assert left(worklist) == {whole}
    assert worklists.unfinished("expo") is None


def test_one_person_may_have_many_registrations(worklists: Worklists) -> None:
    many = [an_item(each, user_id="user", registration_id=f"{each}-{'ü' * 1000}") for each in range(450)]
    with closing(worklists.open("expo")) as worklist:
        worklist.begin("all", None, many, *OLGA)
        for item in list(worklist.left())[:-1]:
            worklist.keep(item, Mark.PASSED, "")
        assert left(worklist) < set(many)
        assert worklist.counts() == {Mark.PASSED: 449, None: 1}


def test_of_the_same_registration_the_last_item_counts(worklists: Worklists) -> None:
    with closing(worklists.open("expo")) as worklist:
        worklist.begin("all", None, [an_item(seen="before"), an_item(1), an_item(seen="after")], *OLGA)
        assert left(worklist) == {an_item(seen="after"), an_item(1)}


def test_what_has_a_mark_is_not_left_and_counts(bench: Bench) -> None:
    with closing(bench.one.open("expo")) as worklist:
        run = worklist.begin("all", None, items(300), *OLGA)
        kept = dict(zip(worklist.left(), Mark, strict=False))
        for item, mark in kept.items():
            worklist.keep(item, mark, "")
        assert len(left(worklist)) == 300 - len(Mark)
    counts = {None: 300 - len(Mark), **dict.fromkeys(Mark, 1)}
    assert bench.other.unfinished("expo") == (run, counts)
    with closing(bench.other.open("expo")) as worklist:
        assert (worklist.counts(), len(left(worklist))) == (counts, 300 - len(Mark))


def test_the_order_of_what_is_left_stays(bench: Bench) -> None:
    with closing(bench.one.open("expo")) as worklist:
        worklist.begin("all", None, items(300), *OLGA)
        before = list(worklist.left())
        worklist.keep(before[7], Mark.PASSED, "")
    with closing(bench.other.open("expo")) as worklist:
        assert list(worklist.left()) == before[:7] + before[8:]


def test_a_result_that_is_kept_twice_counts_once(worklists: Worklists) -> None:
    with closing(worklists.open("expo")) as worklist:
        worklist.begin("all", None, items(2), *OLGA)
        first = next(worklist.left())
        for _ in range(2):
            worklist.keep(first, Mark.REFUSED, "It is no photo.")
        assert worklist.counts() == {Mark.REFUSED: 1, None: 1}
        assert worklist.problems(10) == [(first, "It is no photo.")]


def test_missing_and_refused_photos_are_problems_with_their_reasons(bench: Bench) -> None:
    with closing(bench.one.open("expo")) as worklist:
        worklist.begin("all", None, items(300), *OLGA)
        order = list(worklist.left())
        for item, mark, why in zip(
            order, (Mark.MISSING, Mark.PASSED, Mark.REFUSED, Mark.MISSING), ("none", "", "ü", "none"), strict=False
        ):
            worklist.keep(item, mark, why)
    expected = [(order[at], why) for at, why in ((0, "none"), (2, "ü"), (3, "none"))]
    with closing(bench.other.open("expo")) as worklist:
        assert (worklist.problems(10), worklist.problems(2)) == (expected, expected[:2])


def test_a_new_batch_takes_the_place_of_the_former(worklists: Worklists) -> None:
    with closing(worklists.open("expo")) as worklist:
        worklist.begin("all", None, items(250), *OLGA)
        worklist.keep(next(worklist.left()), Mark.PASSED, "")
        run = worklist.begin("failed", None, items(3), *OLGA)
        assert (worklist.run(), left(worklist), worklist.counts()) == (run, set(items(3)), {None: 3})


def test_what_is_forgotten_leaves_nothing(bench: Bench) -> None:
    worklist = bench.one.open("expo")
    worklist.begin("all", None, items(250), *OLGA)
    worklist.keep(next(worklist.left()), Mark.MISSING, "none")
    worklist.close(forget=True)
    assert bench.other.unfinished("expo") is None
    assert "user-" not in bench.stored()
    assert "none" not in bench.stored()


def test_a_batch_that_failed_to_begin_is_none(bench: Bench) -> None:
    def failing() -> Iterator[Item]:
        yield an_item()
        raise Unavailable("registrations", "gone")

    with pytest.raises(Unavailable), closing(bench.one.open("expo")) as worklist:
        worklist.begin("all", None, failing(), *OLGA)
    assert bench.other.unfinished("expo") is None
    with closing(bench.other.open("expo")) as worklist:
        assert worklist.run() is None


def test_one_at_a_time_holds_a_list(bench: Bench) -> None:
    with closing(bench.one.open("expo")):
        for worklists in (bench.one, bench.other):
            with pytest.raises(Conflict, match="running already"):
                worklists.open("expo")
        bench.other.open("another").close()
    bench.other.open("expo").close()


def test_of_many_who_open_it_at_once_one_does(race_bench: Bench) -> None:
    def opened(number: int) -> Worklist | None:
        try:
            return (race_bench.one, race_bench.other)[number % 2].open("expo")
        except Conflict:
            return None

    with ThreadPoolExecutor(8) as threads:
        found = list(filter(None, threads.map(opened, range(16))))
    assert len(found) == 1
    found[0].close()


# Erasure


@pytest.mark.parametrize("held", [True, False])
def test_who_is_erased_is_in_no_list_and_the_batch_can_end(bench: Bench, held: bool) -> None:
    for event_id in ("expo", "another"):
        with closing(bench.one.open(event_id)) as worklist:
            worklist.begin("all", None, items(250), *OLGA)
            worklist.keep(next(item for item in worklist.left() if item.user_id == "user-7"), Mark.MISSING, "none")
    opened = bench.one.open("expo") if held else None
    for user_id in ("user-7", "user-8", "nobody"):
        bench.other.forget(user_id)
    if opened:
        opened.close()
    assert "reg-6" in bench.stored()
    for text in ("user-7'", "reg-7'", "user-8'", '"user-7"', '"user-8"', "face-images/8.jpg", "face-images/7.jpg"):
        assert text not in bench.stored()
    with closing(bench.one.open("expo")) as worklist:
        for item in worklist.left():
            assert item.user_id not in ("user-7", "user-8")
            worklist.keep(item, Mark.CHANGED, "")
        assert None not in worklist.counts()
        assert worklist.problems(10) == []


# DynamoDB: several processes


@dataclass
class Table:
    client: Any
    name: str
    clock: FakeClock

    def worklists(self, instance: str, client: Any = None) -> DynamoWorklists:
        return DynamoWorklists(client or self.client, self.name, PATIENT, self.clock, instance)


@pytest.fixture
def table(dynamodb: Any) -> Table:
    return Table(dynamodb, create_state_table(dynamodb), FakeClock())


def begun(worklists: Worklists, number: int = 3, event_id: str = "expo") -> Worklist:
    worklist = worklists.open(event_id)
    worklist.begin("all", None, items(number), *OLGA)
    return worklist


def test_a_batch_that_was_killed_is_abandoned_when_its_lease_has_ended(table: Table) -> None:
    begun(table.worklists("killed"))
    other = table.worklists("other")
    assert other.abandoned() == []
    table.clock.advance(LEASE)
    ((event_id, run),) = other.abandoned()
    assert (event_id, run.operator, run.ip_address, run.rests, run.listed) == ("expo", *OLGA, False, True)


def test_a_batch_that_was_killed_when_it_was_resumed_is_abandoned(table: Table) -> None:
    worklist = begun(table.worklists("one"))
    worklist.rest()
    worklist.close()
    table.worklists("killed").open("expo").resume("Ada", None)
    table.clock.advance(LEASE)
    ((_, run),) = table.worklists("other").abandoned()
    assert (run.operator, run.ip_address, run.rests) == ("Ada", None, False)


def test_a_batch_that_was_closed_while_it_ran_is_abandoned_at_once(table: Table) -> None:
    begun(table.worklists("one")).close()
    assert [event_id for event_id, _ in table.worklists("other").abandoned()] == ["expo"]


def test_a_batch_that_rests_waits_for_a_person(table: Table) -> None:
    worklist = begun(table.worklists("one"))
    worklist.rest()
    worklist.close()
    other = table.worklists("other")
    run, _ = other.unfinished("expo") or pytest.fail("none")
    assert (other.abandoned(), run.rests, run.operator) == ([], True, "Olga")


def test_a_batch_with_a_folder_is_continued_where_the_folder_is(table: Table) -> None:
    worklist = table.worklists("one").open("expo")
    worklist.begin("all", "/photos", items(1), *OLGA)
    worklist.close()
    assert table.worklists("other").abandoned() == []


def test_who_has_lost_the_list_changes_nothing(table: Table) -> None:
    late = table.worklists("late")
    before = begun(late)
    first, second, third = before.left()
    before.keep(first, Mark.PASSED, "")
    table.clock.advance(LEASE)
    with closing(table.worklists("other").open("expo")) as worklist:
        worklist.keep(second, Mark.FAILED, "")
        for work in (lambda: before.keep(third, Mark.PASSED, ""), lambda: before.close(forget=True)):
            with pytest.raises(Conflict, match="taken over"):
                work()
        assert worklist.counts() == {Mark.PASSED: 1, Mark.FAILED: 1, None: 1}
    _, counts = late.unfinished("expo") or pytest.fail("none")
    assert counts == {Mark.PASSED: 1, Mark.FAILED: 1, None: 1}


def test_who_has_lost_the_list_is_stopped(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.adapters.aws.kept_lease.RENEW_EVERY", timedelta(milliseconds=50))
    monkeypatch.setattr("core.adapters.aws.kept_lease.LEASE", timedelta(minutes=1))
    stop = threading.Event()
    worklist = begun(table.worklists("late"))
    worklist.stops(stop)
    table.client.put_item(
        TableName=table.name,
        Item={
            "part": {"S": "leases"},
            "place": {"S": in_aws._lease("expo")},
            "holder": {"S": "another"},
            "until": {"S": "2999-01-01T00:00:00.000Z"},
        },
    )
    assert stop.wait(60)
    worklist.rest()
    run, _ = table.worklists("other").unfinished("expo") or pytest.fail("none")
    assert not run.rests
    worklist.close()


def killed(table: Table, **changes: Any) -> None:
    """What a process leaves that is killed while it makes a list, or as ``changes`` say."""
    begun(table.worklists("killed"), 250).close()
    (batch,) = [item for item in table.client.scan(TableName=table.name)["Items"] if "eventId" in item]
    table.client.put_item(TableName=table.name, Item={**batch, "state": {"S": "begins"}, **changes})


@pytest.mark.parametrize(
    "changes",
    [{"state": {"S": "ended"}}, {"folder": {"S": "/photos"}}, {"rests": {"BOOL": True}}],
    ids=["ended", "of a folder", "of an earlier version"],
)
def test_what_a_killed_process_left_of_a_list_is_deleted(table: Table, changes: dict[str, Any]) -> None:
    killed(table, **changes)
    other = table.worklists("other")
    assert other.unfinished("expo") is None
    assert other.abandoned() == []
    assert table.client.scan(TableName=table.name)["Items"] == []


def test_a_batch_that_was_killed_while_its_list_was_made_is_to_be_begun_anew(table: Table) -> None:
    killed(table)
    other = table.worklists("other")
    assert other.unfinished("expo") is None
    ((event_id, found),) = other.abandoned()
    assert (event_id, found.chosen, found.operator, found.ip_address, found.listed) == ("expo", "all", *OLGA, False)
    with closing(other.open("expo")) as worklist:
        assert (worklist.run(), worklist.counts()) == (found, {})
        run = worklist.begin("all", None, items(3), *OLGA)
        assert (run.listed, left(worklist)) == (True, set(items(3)))
    assert "reg-7" not in str(table.client.scan(TableName=table.name)["Items"])


def test_an_erasure_leaves_nobody_in_a_list_that_a_killed_process_made(table: Table) -> None:
    killed(table)
    other = table.worklists("other")
    other.forget("user-7")
    assert [item for item in table.client.scan(TableName=table.name)["Items"] if "items" in item] == []
    assert [run.listed for _, run in other.abandoned()] == [False]


def test_an_erasure_waits_for_a_list_that_is_being_made(table: Table) -> None:
    other = table.worklists("other")

    def meanwhile() -> Iterator[Item]:
        yield an_item(7)
        with pytest.raises(Unavailable, match="Try again"):
            other.forget("user-7")

    with closing(table.worklists("one").open("expo")) as worklist:
        worklist.begin("all", None, meanwhile(), *OLGA)
        assert left(worklist) == {an_item(7)}
    other.forget("user-7")
    with closing(other.open("expo")) as worklist:
        assert {item.user_id for item in worklist.left()} == {"erased"}


def test_a_list_expires_in_any_case(table: Table) -> None:
    with closing(begun(table.worklists("one"), 250)) as worklist:
        worklist.keep(next(worklist.left()), Mark.PASSED, "")
    until = int((table.clock() + KEPT).timestamp())
    stored = table.client.scan(TableName=table.name)["Items"]
    assert {item["expiresAt"]["N"] for item in stored} == {str(until)}
    table.clock.advance(KEPT)
    assert table.worklists("other").unfinished("expo") is None
    with closing(begun(table.worklists("other"))) as worklist:
        assert worklist.counts() == {None: 3}


def test_a_result_costs_one_small_write(table: Table, dynamodb_proxy: Proxy) -> None:
    worklist = begun(table.worklists("one", client_of(dynamodb_proxy.url)), 1000)
    first, *_ = worklist.left()
    dynamodb_proxy.seen.clear()
    worklist.keep(first, Mark.PASSED, "")
    assert dynamodb_proxy.seen == ["PutItem"]
    sizes = [len(str(item)) for item in table.client.scan(TableName=table.name)["Items"] if "marks" in item]
    worklist.close()
    assert max(sizes) < 1024


def test_a_lost_answer_loses_nothing(table: Table, dynamodb_proxy: Proxy) -> None:
    def lose(operation: str) -> Any:
        # Each second write comes through without an answer.
        count = dynamodb_proxy.seen.count(operation)
        return Proxy.LOSE if operation in ("PutItem", "DeleteItem") and count % 2 else None

    worklists = table.worklists("one", client_of(dynamodb_proxy.url))
    dynamodb_proxy.fault = lose
    with closing(begun(worklists)) as worklist:
        first = next(worklist.left())
        worklist.keep(first, Mark.PASSED, "")
    with closing(worklists.open("expo")) as worklist:
        assert worklist.counts() == {Mark.PASSED: 1, None: 2}
    dynamodb_proxy.fault = lambda operation: None


def test_looking_for_abandoned_batches_is_one_query_and_a_read_for_each_that_runs(
    table: Table, dynamodb_proxy: Proxy
) -> None:
    for number in range(3):
        worklist = begun(table.worklists("one"), event_id=f"event-{number}")
        worklist.rest()
        worklist.close()
    running = begun(table.worklists("one"))
    assert table.worklists("other", client_of(dynamodb_proxy.url)).abandoned() == []
    running.close()
    assert dynamodb_proxy.seen == ["Query", "GetItem"]


def test_a_missing_table_is_not_configured(dynamodb: Any) -> None:
    worklists = DynamoWorklists(dynamodb, "no-state-here", PATIENT, FakeClock(), "one")
    with pytest.raises(NotConfigured, match="python -m core provision"):
        worklists.open("expo")
