"""The contracts of ``core.ports.EventProfileEdits`` and ``DatedEvents``, held by every adapter."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core.adapters.aws.profiles import DynamoDatedEvents, DynamoProfiles
from core.adapters.embedded.profiles import SqliteDatedEvents, SqliteProfiles
from core.domain.errors import Conflict, NotConfigured, Refused
from core.domain.profiles import EventProfile
from core.ports import DatedEvents, EventProfileEdits
from tests.support import damage
from tests.support.benches import bench_fixtures
from tests.support.clock import NOON, FakeClock
from tests.support.dynamodb import Proxy, client_of, create_state_table
from tests.support.stores import PATIENT

DAY = timedelta(days=1)
ODD_IDS = ["Ä ⚽ \U0001f600", "x" * 2000, "a/b#c", " ", "'; DROP TABLE event_profiles; --"]


@dataclass
class Bench:
    profiles: EventProfileEdits
    dated: DatedEvents
    #: Makes every stored profile unreadable, past the store.
    spoil: Callable[[], None]


def _bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    if request.param == "sqlite":
        path = tmp_path / "facedesk.sqlite3"
        spoil = "UPDATE event_profiles SET profile = json_set(profile, '$.keepDays', 'canary')"
        bench = Bench(SqliteProfiles(path), SqliteDatedEvents(path), lambda: damage.run(path, spoil))
        yield bench
        bench.profiles.close()
        bench.dated.close()
    else:
        client: Any = request.getfixturevalue(request.param)
        table = create_state_table(client)

        def spoil_all() -> None:
            for item in client.scan(TableName=table)["Items"]:
                client.put_item(TableName=table, Item={**item, "profile": {"S": '{"keepDays": "canary"}'}})

        given = (client, table, PATIENT, FakeClock())
        yield Bench(DynamoProfiles(*given), DynamoDatedEvents(*given), spoil_all)


bench, race_bench = bench_fixtures(_bench)


@pytest.fixture
def profiles(bench: Bench) -> EventProfileEdits:
    return bench.profiles


def a_profile(version: int = 1, **changes: Any) -> EventProfile:
    return EventProfile(
        **{
            "event_id": "event-1",
            "name": "Gala ✨ 2026",
            "time_zone": "Asia/Kolkata",
            "starts_at": NOON + 30 * DAY,
            "ends_at": NOON + 31 * DAY,
            "photo_deadline": NOON + 29 * DAY,
            "keep_days": 14,
            "rules": {"similarity_threshold": 85, "review_threshold": 75, "min_face_pixels": 80},
            "version": version,
            "changed_at": NOON,
            "changed_by": "Grace",
            **changes,
        }
    )


def test_a_store_that_is_set_up_answers_a_ping(profiles: EventProfileEdits) -> None:
    profiles.ping()


def test_an_event_without_a_profile_has_none(profiles: EventProfileEdits) -> None:
    assert profiles.get("event-1") is None
    assert profiles.all() == []


@pytest.mark.parametrize("profile", [a_profile(), EventProfile(event_id="event-1", version=1)], ids=["all", "least"])
def test_a_profile_is_read_back_as_it_was_saved(profiles: EventProfileEdits, profile: EventProfile) -> None:
    assert profiles.save(profile) == profile
    assert profiles.get("event-1") == profile
    assert profiles.all() == [profile]


@pytest.mark.parametrize("event_id", ODD_IDS)
def test_an_event_may_have_any_id(profiles: EventProfileEdits, event_id: str) -> None:
    profile = profiles.save(a_profile(event_id=event_id))
    assert profiles.get(event_id) == profile
    assert profiles.get(event_id[:-1] + "?") is None


def test_profiles_are_listed_by_event_id(profiles: EventProfileEdits) -> None:
    for event_id in ("b", "c", "a"):
        profiles.save(a_profile(event_id=event_id))
    assert [profile.event_id for profile in profiles.all()] == ["a", "b", "c"]


def test_a_change_replaces_the_version_before(profiles: EventProfileEdits) -> None:
    profiles.save(a_profile())
    changed = profiles.save(a_profile(2, name="Another", rules={}))
    assert profiles.get("event-1") == changed


@pytest.mark.parametrize("version", [1, 3])
def test_a_change_to_another_version_is_refused_and_writes_nothing(profiles: EventProfileEdits, version: int) -> None:
    stored = profiles.save(a_profile())
    with pytest.raises(Conflict):
        profiles.save(a_profile(version, name="Another"))
    assert profiles.get("event-1") == stored


def test_a_second_version_needs_a_first(profiles: EventProfileEdits) -> None:
    with pytest.raises(Conflict):
        profiles.save(a_profile(2))
    assert profiles.get("event-1") is None


def test_a_retried_change_is_no_conflict(profiles: EventProfileEdits) -> None:
    stored = profiles.save(a_profile())
    assert profiles.save(a_profile()) == stored


def test_of_many_changes_at_once_one_succeeds(race_bench: Bench) -> None:
    race_bench.profiles.save(a_profile())

    def change(number: int) -> bool:
        try:
            race_bench.profiles.save(a_profile(2, name=f"Name {number}"))
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(change, range(16))) == 1


def test_a_profile_that_cannot_be_read_is_refused_without_its_text(bench: Bench) -> None:
    bench.profiles.save(a_profile())
    bench.spoil()
    for read in (lambda: bench.profiles.get("event-1"), bench.profiles.all):
        with pytest.raises(Refused) as refused:
            read()
        assert "canary" not in str(refused.value)


def test_events_are_dated_until_what_was_said_last(bench: Bench) -> None:
    assert dict(bench.dated.all()) == {}
    bench.dated.set("event-1", NOON)
    bench.dated.set("event-1", NOON + DAY)
    for event_id in ODD_IDS:
        bench.dated.set(event_id, None)
    assert dict(bench.dated.all()) == {"event-1": NOON + DAY, **dict.fromkeys(ODD_IDS)}


def test_without_its_table_the_store_is_not_configured(dynamodb: Any) -> None:
    given = (dynamodb, "facedesk-absent", PATIENT, FakeClock())
    for call in (DynamoProfiles(*given).all, DynamoProfiles(*given).ping, DynamoDatedEvents(*given).all):
        with pytest.raises(NotConfigured):
            call()


def test_a_change_whose_answer_was_lost_is_no_conflict(dynamodb: Any, dynamodb_proxy: Proxy) -> None:
    table = create_state_table(dynamodb)
    profiles = DynamoProfiles(client_of(dynamodb_proxy.url), table, PATIENT, FakeClock())
    dynamodb_proxy.fault = lambda operation: Proxy.LOSE if dynamodb_proxy.seen.count(operation) == 1 else None
    stored = profiles.save(a_profile())
    assert profiles.get("event-1") == stored
