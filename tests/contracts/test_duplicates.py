"""The contract of ``core.ports.DuplicateStore``, held by every adapter."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core.adapters.aws.duplicates import DynamoDuplicates
from core.adapters.embedded.duplicates import SqliteDuplicates
from core.domain.duplicates import JudgedPair, Switch
from core.domain.errors import NotConfigured, Refused
from core.ports import DuplicateStore
from tests.support import damage
from tests.support.benches import bench_fixtures
from tests.support.clock import NOON, FakeClock
from tests.support.duplicates import a_judged_pair
from tests.support.dynamodb import Proxy, client_of, create_state_table
from tests.support.stores import PATIENT

ODD_IDS = ["Ä ⚽ \U0001f600", "x" * 2000, "a/b#c", " ", "'; DROP TABLE judged_pairs; --"]
TOMORROW = int((NOON + timedelta(days=1)).timestamp())


@dataclass
class Bench:
    duplicates: DuplicateStore
    clock: FakeClock
    #: Makes every stored switch and pair unreadable, past the store.
    spoil: Callable[[], None]


def _bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    clock = FakeClock()
    if request.param == "sqlite":
        path = tmp_path / "facedesk.sqlite3"

        def spoil() -> None:
            damage.run(path, "UPDATE judged_pairs SET pair = json_set(pair, '$.answers', 'canary')")
            damage.run(path, "UPDATE duplicate_switches SET switch = json_set(switch, '$.at', 'canary')")

        bench = Bench(SqliteDuplicates(path, clock), clock, spoil)
        yield bench
        bench.duplicates.close()
    else:
        client: Any = request.getfixturevalue(request.param)
        table = create_state_table(client)

        def spoil_all() -> None:
            for item in client.scan(TableName=table)["Items"]:
                spoilt = {name: {"S": '{"at": "canary"}'} for name in ("pair", "switch") if name in item}
                client.put_item(TableName=table, Item={**item, **spoilt})

        yield Bench(DynamoDuplicates(client, table, PATIENT, clock), clock, spoil_all)


bench, race_bench = bench_fixtures(_bench)


@pytest.fixture
def duplicates(bench: Bench) -> DuplicateStore:
    return bench.duplicates


def a_switch(on: bool = True, **more: Any) -> Switch:
    return Switch(on=on, **{"reason": "consent", "by": "Ada", "at": NOON, **more})


def store(duplicates: DuplicateStore, *pairs: JudgedPair) -> None:
    for pair in pairs:
        assert duplicates.change(None, pair, TOMORROW)


class TestSwitches:
    def test_at_first_nothing_is_switched(self, duplicates: DuplicateStore) -> None:
        assert duplicates.switch("event-1") is None
        assert duplicates.switches() == {}

    @pytest.mark.parametrize("event_id", ["event-1", *ODD_IDS])
    def test_a_switch_is_read_back_as_it_was_set(self, duplicates: DuplicateStore, event_id: str) -> None:
        switch = a_switch(reason="Art. 9 (2) a", at=NOON + timedelta(milliseconds=1))
        duplicates.set_switch(event_id, switch)
        assert duplicates.switch(event_id) == switch
        assert duplicates.switches() == {event_id: switch}

    def test_the_last_one_counts(self, duplicates: DuplicateStore) -> None:
        duplicates.set_switch("event-1", a_switch())
        duplicates.set_switch("event-1", a_switch(on=False, reason=""))
        assert duplicates.switch("event-1") == a_switch(on=False, reason="")

    def test_each_event_has_its_own(self, duplicates: DuplicateStore) -> None:
        switches = {event_id: a_switch(on=event_id != "c") for event_id in ("b", "a", "c")}
        for event_id, switch in switches.items():
            duplicates.set_switch(event_id, switch)
        assert duplicates.switches() == switches

    def test_one_that_cannot_be_read_is_refused_without_its_text(self, bench: Bench) -> None:
        bench.duplicates.set_switch("event-1", a_switch())
        bench.spoil()
        with pytest.raises(Refused) as refused:
            bench.duplicates.switch("event-1")
        assert "canary" not in str(refused.value)


class TestAnswers:
    def test_at_first_there_are_none(self, duplicates: DuplicateStore) -> None:
        assert duplicates.judged("event-1") == []
        assert duplicates.count("user-1") == 0

    @pytest.mark.parametrize("odd", ["reg", *ODD_IDS])
    def test_a_pair_is_read_back_as_it_was_stored(self, duplicates: DuplicateStore, odd: str) -> None:
        pair = a_judged_pair(event_id=odd, first=odd, second=f"{odd}+", first_user=odd, second_user=f"{odd}+")
        store(duplicates, pair)
        assert duplicates.judged(odd) == [pair]
        assert (duplicates.count(odd), duplicates.count(f"{odd}+")) == (1, 1)

    def test_an_event_has_its_own_pairs_in_order(self, duplicates: DuplicateStore) -> None:
        pairs = [a_judged_pair(first=first, second=second) for first, second in (("a", "b"), ("a", "c"), ("b", "c"))]
        store(duplicates, *reversed(pairs), a_judged_pair(event_id="event-2"))
        assert duplicates.judged("event-1") == pairs

    def test_a_change_replaces_the_pair_that_was_seen(self, duplicates: DuplicateStore) -> None:
        first, second = a_judged_pair("one"), a_judged_pair("two")
        store(duplicates, first)
        assert duplicates.change(first, second, TOMORROW)
        assert duplicates.judged("event-1") == [second]

    @pytest.mark.parametrize("seen", [None, a_judged_pair("another")])
    def test_a_change_of_what_stands_there_no_more_writes_nothing(
        self, duplicates: DuplicateStore, seen: JudgedPair | None
    ) -> None:
        store(duplicates, a_judged_pair("one"))
        assert not duplicates.change(seen, a_judged_pair("two"), TOMORROW)
        assert duplicates.judged("event-1") == [a_judged_pair("one")]

    def test_what_was_never_stored_cannot_be_changed(self, duplicates: DuplicateStore) -> None:
        assert not duplicates.change(a_judged_pair("one"), a_judged_pair("two"), TOMORROW)
        assert duplicates.judged("event-1") == []

    def test_a_retried_change_has_succeeded(self, duplicates: DuplicateStore) -> None:
        first, second = a_judged_pair("one"), a_judged_pair("two")
        for seen, after in ((None, first), (None, first), (first, second), (first, second)):
            assert duplicates.change(seen, after, TOMORROW)

    def test_of_many_changes_at_once_one_succeeds(self, race_bench: Bench) -> None:
        seen = a_judged_pair("seen")
        store(race_bench.duplicates, seen)
        with ThreadPoolExecutor(8) as threads:
            changed = threads.map(
                lambda n: race_bench.duplicates.change(seen, a_judged_pair(str(n)), TOMORROW), range(16)
            )
            assert sum(changed) == 1

    def test_of_many_first_answers_at_once_one_is_stored(self, race_bench: Bench) -> None:
        with ThreadPoolExecutor(8) as threads:
            changed = threads.map(
                lambda n: race_bench.duplicates.change(None, a_judged_pair(str(n)), TOMORROW), range(16)
            )
            assert sum(changed) == 1

    def test_what_has_expired_is_absent_and_can_be_answered_anew(self, bench: Bench) -> None:
        store(bench.duplicates, a_judged_pair("one"))
        bench.clock.now += timedelta(days=1)
        assert bench.duplicates.judged("event-1") == []
        assert bench.duplicates.count("user-1") == 0
        assert bench.duplicates.change(None, a_judged_pair("two"), TOMORROW + 9)
        assert bench.duplicates.judged("event-1") == [a_judged_pair("two")]

    def test_a_pair_that_cannot_be_read_is_refused_without_its_text(self, bench: Bench) -> None:
        store(bench.duplicates, a_judged_pair())
        bench.spoil()
        with pytest.raises(Refused) as refused:
            bench.duplicates.judged("event-1")
        assert "canary" not in str(refused.value)

    def test_a_change_whose_answer_was_lost_has_succeeded(self, dynamodb: Any, dynamodb_proxy: Proxy) -> None:
        table = create_state_table(dynamodb)
        duplicates = DynamoDuplicates(client_of(dynamodb_proxy.url), table, PATIENT, FakeClock())
        dynamodb_proxy.fault = lambda operation: Proxy.LOSE if dynamodb_proxy.seen.count(operation) % 2 else None
        assert duplicates.change(None, a_judged_pair(), TOMORROW)


class TestErasure:
    @pytest.mark.parametrize("user_id", ["user-1", "user-2"])
    def test_the_pairs_of_either_side_are_erased(self, duplicates: DuplicateStore, user_id: str) -> None:
        others = a_judged_pair(first="reg-8", second="reg-9", first_user="user-8", second_user="user-9")
        store(duplicates, a_judged_pair(), a_judged_pair(event_id="event-2"), others)
        assert duplicates.erase(user_id) == 2
        assert (duplicates.judged("event-1"), duplicates.judged("event-2")) == ([others], [])
        assert (duplicates.count("user-1"), duplicates.count("user-2")) == (0, 0)

    def test_a_user_who_is_both_sides_is_erased(self, duplicates: DuplicateStore) -> None:
        store(duplicates, a_judged_pair(second_user="user-1"))
        assert duplicates.erase("user-1") == 1
        assert duplicates.judged("event-1") == []

    def test_erasing_again_finds_nothing(self, duplicates: DuplicateStore) -> None:
        store(duplicates, a_judged_pair())
        assert [duplicates.erase("user-1"), duplicates.erase("user-1"), duplicates.erase("user-2")] == [1, 0, 0]

    def test_what_was_taken_back_is_gone(self, duplicates: DuplicateStore) -> None:
        other = a_judged_pair(second="reg-3", second_user="user-3")
        store(duplicates, a_judged_pair(), other)
        duplicates.take_back(a_judged_pair())
        assert duplicates.judged("event-1") == [other]
        assert (duplicates.count("user-1"), duplicates.count("user-2")) == (1, 0)

    def test_after_an_erasure_no_item_of_the_pair_is_left(self, dynamodb: Any) -> None:
        table = create_state_table(dynamodb)
        duplicates = DynamoDuplicates(dynamodb, table, PATIENT, FakeClock())
        store(duplicates, a_judged_pair())
        duplicates.erase("user-2")
        assert dynamodb.scan(TableName=table)["Items"] == []


def test_what_has_expired_is_dropped(tmp_path: Path) -> None:
    duplicates = SqliteDuplicates(tmp_path / "facedesk.sqlite3", FakeClock())
    store(duplicates, a_judged_pair(), a_judged_pair(event_id="event-2"))
    assert duplicates.change(None, a_judged_pair(event_id="event-3"), TOMORROW + 1)
    assert duplicates.drop_expired(NOON + timedelta(days=1)) == 2
    assert len(duplicates.judged("event-3")) == 1
    duplicates.close()


def test_without_its_table_the_store_is_not_configured(dynamodb: Any) -> None:
    duplicates = DynamoDuplicates(dynamodb, "facedesk-absent", PATIENT, FakeClock())
    calls = (
        lambda: duplicates.switch("event-1"),
        lambda: duplicates.judged("event-1"),
        lambda: store(duplicates, a_judged_pair()),
    )
    for call in calls:
        with pytest.raises(NotConfigured):
            call()
