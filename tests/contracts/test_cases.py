"""The contracts of ``core.ports.Claims`` and ``core.ports.Notes``, held by every adapter."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import apsw
import pytest

from core.adapters.aws.cases import DynamoClaims, DynamoNotes
from core.adapters.embedded.cases import SqliteClaims, SqliteNotes
from core.domain.cases import LEASE
from core.domain.errors import NotConfigured, Refused
from core.domain.expiry import expires_at
from core.ports import Claims, Notes
from tests.support.app import ROOT
from tests.support.benches import bench_fixtures
from tests.support.cases import a_claim, a_note
from tests.support.clock import NOON, FakeClock
from tests.support.dynamodb import Proxy, client_of, create_state_table
from tests.support.stores import PATIENT

MS, SECOND, TTL = timedelta(milliseconds=1), timedelta(seconds=1), timedelta(days=30)
REVIEWERS, CASES = 20, 1000
#: Takes the same cases as another process, and prints those that it got.
TAKER = """
import sys
from tests.contracts.test_cases import opened, a_claim
claims = opened(*sys.argv[1:4])[0]
for number in range(int(sys.argv[5])):
    claim = a_claim(sys.argv[4], user_id=f"user-{number}")
    if claims.take(claim, claim.holder) == claim:
        print(number)
"""
#: Ids that other systems may have: a user id may have 2,048 bytes.
ODD_IDS = ["a/b", "notes#", " ", "a\0b", "'; DROP TABLE claims", "Ä€🙂", "ß" * 1024, '"]', "%s"]


@dataclass
class Bench:
    claims: Claims
    notes: Notes
    clock: FakeClock
    #: What ``opened`` takes to open the same stores in another process.
    where: tuple[str, str, str]
    #: Makes every stored claim and note unreadable, past the stores.
    spoil: Callable[[], None]

    def take(self, holder: str, instead_of: str | None = None, **changes: Any) -> str:
        """Who has the case afterwards."""
        now = self.clock()
        claim = a_claim(holder, **{"since": now, "until": now + LEASE, **changes})
        return self.claims.take(claim, holder if instead_of is None else instead_of).holder

    def holders(self) -> list[str]:
        return [claim.holder for claim in self.claims.standing()]


def opened(kind: str, place: str, table: str, clock: FakeClock | None = None) -> tuple[Claims, Notes]:
    clock = clock or FakeClock()
    if kind == "sqlite":
        return SqliteClaims(Path(place), clock), SqliteNotes(Path(place), clock)
    client = client_of(place)
    return DynamoClaims(client, table, PATIENT, clock), DynamoNotes(client, table, PATIENT, clock)


def sqlite_bench(folder: Path) -> Bench:
    path, clock = folder / "facedesk.sqlite3", FakeClock()

    def spoil() -> None:
        connection = apsw.Connection(str(path))
        connection.execute("""UPDATE claims SET claim = '{"holder": "secret"}'""")
        connection.execute("""UPDATE notes SET note = '{"text": "secret"}'""")
        connection.close()

    where = ("sqlite", str(path), "")
    return Bench(*opened(*where, clock), clock, where, spoil)


def dynamodb_bench(client: Any) -> Bench:
    table, clock = create_state_table(client), FakeClock()

    def spoil() -> None:
        for item in client.scan(TableName=table)["Items"]:
            broken = {name: {"S": '{"secret": 1}'} for name in ("claim", "note") if name in item}
            client.put_item(TableName=table, Item={**item, **broken})

    where = ("dynamodb", client.meta.endpoint_url, table)
    claims, notes = DynamoClaims(client, table, PATIENT, clock), DynamoNotes(client, table, PATIENT, clock)
    return Bench(claims, notes, clock, where, spoil)


def _bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    if request.param == "sqlite":
        bench = sqlite_bench(tmp_path)
        yield bench
        bench.claims.close()
        bench.notes.close()
    else:
        yield dynamodb_bench(request.getfixturevalue(request.param))


bench, race_bench = bench_fixtures(_bench)


# Claims


def test_stores_that_are_set_up_answer_a_ping(bench: Bench) -> None:
    bench.claims.ping()
    bench.notes.ping()


def test_at_first_nobody_has_a_case(bench: Bench) -> None:
    assert bench.claims.standing() == []


@pytest.mark.parametrize("changes", [{}, {"name": None, "event_id": None}, {"name": "<b>Ada</b>\n=1+1 🙂"}], ids=str)
def test_a_claim_comes_back_as_it_was(bench: Bench, changes: dict[str, Any]) -> None:
    claim = a_claim(**changes)
    assert bench.claims.take(claim, claim.holder) == claim
    assert bench.claims.standing() == [claim]


def test_a_case_that_somebody_has_stays_theirs(bench: Bench) -> None:
    first, second = a_claim("ada", name="Ada"), a_claim("eve", name="Eve")
    bench.claims.take(first, "ada")
    assert bench.claims.take(second, "eve") == first
    assert bench.claims.standing() == [first]


@pytest.mark.parametrize("changes", [{"user_id": "user-2"}, {"registration_id": "reg-2"}], ids=str)
def test_another_case_is_free(bench: Bench, changes: dict[str, str]) -> None:
    assert bench.take("ada") == "ada"
    assert bench.take("eve", **changes) == "eve"


def test_a_holder_renews_what_they_have(bench: Bench) -> None:
    claim = a_claim("ada")
    bench.claims.take(claim, "ada")
    bench.clock.advance(LEASE / 2)
    renewed = claim.renewed(bench.clock())
    assert bench.claims.take(renewed, "ada") == renewed
    bench.clock.advance(LEASE - MS)
    assert bench.claims.standing() == [renewed]


def test_a_claim_ends_by_itself_and_another_takes_the_case(bench: Bench) -> None:
    bench.take("ada")
    bench.clock.advance(LEASE - MS)
    assert (bench.take("eve"), bench.holders()) == ("ada", ["ada"])
    bench.clock.advance(MS)
    assert bench.holders() == []
    assert (bench.take("eve"), bench.holders()) == ("eve", ["eve"])


def test_a_holder_whose_claim_ended_renews_it_only_if_nobody_took_the_case(bench: Bench) -> None:
    bench.take("ada")
    bench.clock.advance(LEASE)
    assert bench.take("ada") == "ada"
    bench.clock.advance(LEASE)
    bench.take("eve")
    assert bench.take("ada") == "eve"


@pytest.mark.parametrize("jump", [timedelta(days=400), timedelta(days=-400)], ids=["ahead", "back"])
def test_a_clock_that_jumps_leaves_one_holder(bench: Bench, jump: timedelta) -> None:
    """Ahead, the claim has ended; back, it stands for longer."""
    bench.take("ada")
    bench.clock.jump(jump)
    taken = bench.take("eve")
    assert taken == ("eve" if jump > timedelta(0) else "ada")
    assert bench.holders() == [taken]


def test_a_case_is_handed_over_by_whoever_has_it(bench: Bench) -> None:
    bench.take("ada")
    assert bench.take("eve", instead_of="ada") == "eve"
    assert bench.take("ada") == "eve"
    assert bench.holders() == ["eve"]


@pytest.mark.parametrize("instead_of", ["eve", "bob", ""])
def test_whoever_does_not_have_a_case_hands_nothing_over(bench: Bench, instead_of: str) -> None:
    bench.take("ada")
    assert bench.take("bob", instead_of=instead_of) == "ada"


def test_the_same_hand_over_twice_is_one(bench: Bench) -> None:
    bench.take("ada")
    for _ in range(2):
        assert bench.take("eve", instead_of="ada") == "eve"
    assert bench.holders() == ["eve"]


def test_a_released_case_is_free(bench: Bench) -> None:
    bench.take("ada")
    bench.claims.release("user-1", "reg-1", "ada")
    assert bench.holders() == []
    assert bench.take("eve") == "eve"


@pytest.mark.parametrize("case", [("user-1", "reg-1", "eve"), ("user-2", "reg-1", "ada"), ("user-1", "reg-2", "ada")])
def test_only_the_holder_releases_a_case(bench: Bench, case: tuple[str, str, str]) -> None:
    bench.take("ada")
    bench.claims.release(*case)
    assert bench.holders() == ["ada"]


def test_whoever_leaves_releases_all_of_theirs(bench: Bench) -> None:
    for number in range(5):
        bench.take("ada", user_id=f"user-{number}")
    bench.take("eve", user_id="user-9")
    bench.claims.release_all("ada")
    bench.claims.release_all("nobody")
    assert bench.holders() == ["eve"]


def test_claims_are_listed_by_their_beginning(bench: Bench) -> None:
    for holder, seconds in (("c", 3), ("a", 1), ("b", 2)):
        since = NOON + seconds * SECOND
        bench.take(holder, user_id=f"user-{holder}", since=since)
    assert bench.holders() == ["a", "b", "c"]


def test_more_claims_than_one_answer_holds_are_all_listed(bench: Bench) -> None:
    long = "r" * 4000
    for number in range(100):
        bench.take("ada", user_id=f"{number}-{long}", registration_id=long)
    assert len(bench.claims.standing()) == 100


@pytest.mark.parametrize("odd", ODD_IDS, ids=lambda text: ascii(text[:10]))
def test_ids_may_hold_anything(bench: Bench, odd: str) -> None:
    claim = a_claim(odd, user_id=odd, registration_id=odd, event_id=odd)
    assert bench.claims.take(claim, odd) == claim
    assert bench.claims.standing() == [claim]
    assert bench.take("eve", user_id=odd, registration_id=odd) == odd
    bench.claims.release(odd, odd, odd)
    assert bench.claims.standing() == []
    note = a_note(user_id=odd, registration_id=odd, event_id=odd)
    bench.notes.add(note, TTL)
    assert bench.notes.of(odd, odd) == bench.notes.of(odd) == [note]
    assert bench.notes.erase(odd) == 1


def test_ids_that_are_alike_when_joined_are_different_cases(bench: Bench) -> None:
    pairs = [("a", "bc"), ("ab", "c"), ("a,b", "c"), ("a", "b,c"), ('a","b', "c"), ("A", "bc"), ("a", "bc ")]
    for number, (user, registration) in enumerate(pairs):
        holder = f"holder-{number}"
        assert bench.take(holder, user_id=user, registration_id=registration) == holder
        bench.notes.add(a_note(f"note-{number}", user_id=user, registration_id=registration), TTL)
    found = [note.note_id for user, registration in pairs for note in bench.notes.of(user, registration)]
    assert found == [f"note-{number}" for number in range(len(pairs))]


def test_an_erasure_takes_all_claims_of_the_persons_cases(bench: Bench) -> None:
    bench.take("ada", registration_id="ended", until=NOON - SECOND)
    for registration in ("reg-1", "reg-2"):
        bench.take("ada", registration_id=registration)
    bench.take("eve", user_id="user-2")
    assert (bench.claims.erase("user-1"), bench.claims.erase("user-1"), bench.holders()) == (3, 0, ["eve"])


def test_a_claim_that_cannot_be_read_is_an_error_that_names_no_value(bench: Bench) -> None:
    bench.take("ada")
    bench.notes.add(a_note(), TTL)
    bench.spoil()
    for read in (bench.claims.standing, lambda: bench.notes.of("user-1")):
        with pytest.raises(Refused) as refusal:
            read()
        assert "secret" not in str(refusal.value)


# Races


def test_of_many_who_take_a_case_at_once_one_gets_it_and_all_hear_who(race_bench: Bench) -> None:
    start = threading.Barrier(REVIEWERS)

    def take(holder: str, number: int) -> str:
        start.wait(60)
        return race_bench.take(holder, user_id=f"user-{number}")

    with ThreadPoolExecutor(REVIEWERS) as threads:
        for number in range(10):
            told = list(threads.map(take, map(str, range(REVIEWERS)), [number] * REVIEWERS))
            assert len(set(told)) == 1


def shown_to(bench: Bench, reviewers: int, cases: int, together: int) -> list[list[int]]:
    """The cases that each reviewer gets. As many as ``together`` go through the same share of the queue at once."""
    share = cases * together // reviewers

    def shown(reviewer: int) -> list[int]:
        first = reviewer // together * share
        queue = range(first, first + share)
        return [number for number in queue if bench.take(f"r{reviewer}", user_id=f"user-{number}") == f"r{reviewer}"]

    with ThreadPoolExecutor(reviewers) as threads:
        return list(threads.map(shown, range(reviewers)))


def test_no_case_of_a_thousand_is_shown_to_two_reviewers_of_twenty_within_a_lease(race_bench: Bench) -> None:
    shown = shown_to(race_bench, REVIEWERS, CASES, together=2)
    times = Counter(number for cases in shown for number in cases)
    assert (len(times), set(times.values())) == (CASES, {1})
    holders = Counter(race_bench.holders())
    assert holders == {f"r{reviewer}": len(cases) for reviewer, cases in enumerate(shown) if cases}


def test_cases_whose_leases_have_ended_are_each_anybodys_once_more(race_bench: Bench) -> None:
    for _ in range(2):
        shown = shown_to(race_bench, REVIEWERS, 20, together=REVIEWERS)
        assert sorted(number for cases in shown for number in cases) == list(range(20))
        race_bench.clock.advance(LEASE)
        assert race_bench.holders() == []


def test_two_processes_at_once_never_get_the_same_case(race_bench: Bench) -> None:
    each = 60
    takers = [
        subprocess.Popen(
            [sys.executable, "-c", TAKER, *race_bench.where, name, str(each)], cwd=ROOT, stdout=subprocess.PIPE
        )
        for name in "ab"
    ]
    got = [set(taker.communicate(timeout=300)[0].split()) for taker in takers]
    assert [taker.returncode for taker in takers] == [0, 0]
    assert (len(got[0] & got[1]), len(got[0] | got[1])) == (0, each)


def test_renewals_and_hand_overs_that_race_leave_one_holder(race_bench: Bench) -> None:
    race_bench.take("ada")

    def hand_over(to: str) -> str:
        return race_bench.take(to, instead_of="ada")

    with ThreadPoolExecutor(REVIEWERS) as threads:
        told = set(threads.map(hand_over, [f"r{number}" for number in range(REVIEWERS)]))
    assert told == set(race_bench.holders())
    assert len(told) == 1


# Notes


def test_at_first_a_case_has_no_notes(bench: Bench) -> None:
    assert (bench.notes.of("user-1", "reg-1"), bench.notes.of("user-1")) == ([], [])


@pytest.mark.parametrize("changes", [{}, {"event_id": None, "text": "=1+1\n![x](http://x) 🙂\0"}], ids=ascii)
def test_a_note_comes_back_as_it_was(bench: Bench, changes: dict[str, Any]) -> None:
    note = a_note(**changes)
    bench.notes.add(note, TTL)
    assert bench.notes.of("user-1", "reg-1") == [note]


def test_notes_come_oldest_first(bench: Bench) -> None:
    for name, seconds in (("c", 2), ("a", 1), ("b", 1), ("d", 0)):
        bench.notes.add(a_note(name, at=NOON + seconds * SECOND), TTL)
    assert [note.note_id for note in bench.notes.of("user-1", "reg-1")] == ["d", "a", "b", "c"]


def test_the_same_note_twice_is_one_and_stays_as_it_was(bench: Bench) -> None:
    bench.notes.add(a_note(), TTL)
    bench.notes.add(a_note(text="Something else.", at=NOON + SECOND), TTL)
    assert bench.notes.of("user-1", "reg-1") == [a_note()]


def test_a_case_has_its_own_notes_and_a_person_those_of_all_cases(bench: Bench) -> None:
    bench.notes.add(a_note("one"), TTL)
    bench.notes.add(a_note("two", registration_id="reg-2"), TTL)
    bench.notes.add(a_note("three", user_id="user-2"), TTL)
    assert [note.note_id for note in bench.notes.of("user-1", "reg-2")] == ["two"]
    assert [note.note_id for note in bench.notes.of("user-1")] == ["one", "two"]


def test_a_note_expires_as_an_attempt_of_its_time(bench: Bench) -> None:
    bench.notes.add(a_note(), TTL)
    bench.clock.advance(TTL - SECOND)
    assert len(bench.notes.of("user-1")) == 1
    bench.clock.advance(SECOND)
    assert bench.notes.of("user-1") == []


def test_a_note_that_is_taken_back_is_gone_and_others_stay(bench: Bench) -> None:
    for name in ("one", "two"):
        bench.notes.add(a_note(name), TTL)
    for _ in range(2):
        bench.notes.take_back(a_note("one"))
    assert [note.note_id for note in bench.notes.of("user-1")] == ["two"]


def test_an_erasure_takes_all_notes_on_the_persons_cases(bench: Bench) -> None:
    bench.notes.add(a_note("expired", at=NOON - 2 * TTL), TTL)
    for registration in ("reg-1", "reg-2"):
        bench.notes.add(a_note(registration_id=registration), TTL)
    bench.notes.add(a_note(user_id="user-2"), TTL)
    assert (bench.notes.erase("user-1"), bench.notes.erase("user-1")) == (3, 0)
    assert (bench.notes.of("user-1"), len(bench.notes.of("user-2"))) == ([], 1)


def test_notes_and_claims_do_not_touch_each_other(bench: Bench) -> None:
    bench.take("ada")
    bench.notes.add(a_note(), TTL)
    assert bench.claims.erase("user-1") == 1
    assert (len(bench.notes.of("user-1")), bench.claims.standing()) == (1, [])


def test_threads_at_once_lose_no_note(race_bench: Bench) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: race_bench.notes.add(a_note(f"note-{number}"), TTL), range(80)))
    assert len(race_bench.notes.of("user-1", "reg-1")) == 80


# SQLite


def test_what_has_expired_is_deleted_and_nothing_else(tmp_path: Path) -> None:
    bench = sqlite_bench(tmp_path)
    claims, notes = bench.claims, bench.notes
    for name, ends in (("ended", NOON), ("standing", NOON + MS)):
        bench.take(name, registration_id=name, until=ends)
    for name, at in (("expired", NOON - TTL), ("kept", NOON - TTL + SECOND)):
        notes.add(a_note(name, at=at), TTL)
    stores: list[Any] = [claims, notes]
    dropped = [store.drop_expired(NOON) for store in stores]
    again = [store.drop_expired(NOON) for store in stores]
    bench.clock.jump(-TTL)  # shows what is left, expired or not
    assert (dropped, again) == ([1, 1], [0, 0])
    assert (bench.holders(), [note.note_id for note in notes.of("user-1")]) == (["standing"], ["kept"])


# DynamoDB


@pytest.fixture
def behind_proxy(dynamodb: Any, dynamodb_proxy: Proxy) -> Bench:
    return dynamodb_bench(client_of(dynamodb_proxy.url))


def lose_first(proxy: Proxy, operation: str) -> None:
    """The answer of the next call of the operation is lost; those after it are not."""
    before = len(proxy.seen)
    proxy.fault = lambda called: (
        Proxy.LOSE if called == operation and proxy.seen[before:].count(operation) == 1 else None
    )


@pytest.mark.parametrize("instead_of", ["eve", "ada"], ids=["taken", "handed over"])
def test_a_claim_whose_acknowledgement_was_lost_is_the_takers(
    behind_proxy: Bench, dynamodb_proxy: Proxy, instead_of: str
) -> None:
    if instead_of == "ada":
        behind_proxy.take("ada")
    lose_first(dynamodb_proxy, "PutItem")
    assert behind_proxy.take("eve", instead_of=instead_of) == "eve"
    assert behind_proxy.holders() == ["eve"]


def test_a_release_whose_acknowledgement_was_lost_takes_nothing_from_the_next(
    behind_proxy: Bench, dynamodb_proxy: Proxy
) -> None:
    behind_proxy.take("ada")
    first = True

    def taken_meanwhile(called: str) -> Any:
        nonlocal first
        if called == "DeleteItem" and first:
            first = False
            return Proxy.LOSE
        if called == "DeleteItem":
            dynamodb_proxy.fault = lambda _: None
            assert behind_proxy.take("eve") == "eve"
        return None

    dynamodb_proxy.fault = taken_meanwhile
    behind_proxy.claims.release("user-1", "reg-1", "ada")
    assert behind_proxy.holders() == ["eve"]


def test_a_note_whose_acknowledgement_was_lost_is_one(behind_proxy: Bench, dynamodb_proxy: Proxy) -> None:
    lose_first(dynamodb_proxy, "PutItem")
    behind_proxy.notes.add(a_note(), TTL)
    assert behind_proxy.notes.of("user-1") == [a_note()]


def test_a_claim_that_ends_between_the_write_and_the_read_is_taken(
    behind_proxy: Bench, dynamodb_proxy: Proxy
) -> None:
    behind_proxy.take("ada")

    def ends(called: str) -> Any:
        if called == "GetItem":
            dynamodb_proxy.fault = lambda _: None
            behind_proxy.clock.advance(LEASE)
        return None

    dynamodb_proxy.fault = ends
    assert behind_proxy.take("eve") == "eve"


def test_what_expires_says_so_to_dynamodb(dynamodb: Any) -> None:
    bench = dynamodb_bench(dynamodb)
    bench.take("ada", until=NOON + LEASE + MS)
    bench.notes.add(a_note(), TTL)
    items = dynamodb.scan(TableName=bench.where[2])["Items"]
    ends = {int(item["expiresAt"]["N"]) for item in items}
    # Never before the claim has ended.
    assert ends == {int((NOON + LEASE + SECOND).timestamp()), expires_at(NOON, TTL)}


def test_no_key_of_the_table_holds_an_id(dynamodb: Any) -> None:
    bench = dynamodb_bench(dynamodb)
    bench.take("ada")
    bench.notes.add(a_note(), TTL)
    keys = [
        item[name]["S"] for item in dynamodb.scan(TableName=bench.where[2])["Items"] for name in ("part", "place")
    ]
    assert len(keys) == 4
    assert not [key for key in keys if "user-1" in key or "reg-1" in key]


@pytest.mark.parametrize("store", ["claims", "notes"])
def test_a_missing_table_is_not_configured_and_says_what_to_do(dynamodb: Any, store: str) -> None:
    claims, notes = (kind(dynamodb, "no-state-here", PATIENT, FakeClock()) for kind in (DynamoClaims, DynamoNotes))
    calls: list[Callable[[], object]] = {
        "claims": [lambda: claims.take(a_claim(), "ada-1"), claims.standing, claims.ping, lambda: claims.erase("a")],
        "notes": [lambda: notes.add(a_note(), TTL), lambda: notes.of("user-1"), notes.ping, lambda: notes.erase("a")],
    }[store]
    for call in calls:
        with pytest.raises(NotConfigured, match="python -m core provision"):
            call()
