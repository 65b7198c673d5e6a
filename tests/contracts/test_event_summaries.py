"""Summaries over each record store: whatever happens in whatever order, they equal a count over all records."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from core.adapters.embedded.profiles import SqliteProfiles
from core.adapters.embedded.registrations import SqliteRegistrations
from core.adapters.embedded.summaries import SqliteSummaries
from core.domain.event_summaries import SUMMARY_COLUMNS
from core.domain.profiles import EventProfile
from core.domain.records import Decision, Status
from core.services.event_summaries import REGISTRATIONS_FRESH, EventSummaries
from core.services.live_events import FRESH, REREAD, LiveRecords
from tests.core.test_live import wait_for_rereading
from tests.support.clock import NOON
from tests.support.records import a_review, an_outcome
from tests.support.registrations import registration
from tests.support.stores import Bench, event_bench

DAY = timedelta(days=1)
TTL = 20 * DAY
EVENTS = ("event-1", "event-2")
PEOPLE = range(6)
#: Everybody may have a record; of these somebody else's import brought the registration.
REGISTERED = range(5)
#: Registered, passed, waiting, failed, never tried, expiring before the start, the oldest waiting case.
Figures = tuple[int, int, int, int, int, int, datetime | None]


class Desk:
    """Two processes on one store. The figures are looked at in the first one."""

    def __init__(self, bench: Bench, folder: Path) -> None:
        self.bench, self.clock, self.store = bench, bench.clock, bench.records
        self.registrations = SqliteRegistrations(folder / "people.sqlite3")
        self.profiles = SqliteProfiles(folder / "people.sqlite3")
        self.own = LiveRecords(self.store, self.clock, self.clock.elapsed, columns=SUMMARY_COLUMNS)
        stores = self.registrations, self.profiles, SqliteSummaries(folder / "people.sqlite3", self.clock)
        self.summaries = EventSummaries(self.own, *stores, self.clock, self.clock.elapsed)
        self.attempts = 0
        self.starts = dict.fromkeys(EVENTS, NOON + 25 * DAY)
        for event_id in EVENTS:
            self.profiles.save(EventProfile(event_id=event_id, starts_at=self.starts[event_id], version=1))
            self.registrations.import_many(
                registration(f"{event_id}-{who}", user_id=f"user-{who}", event_id=event_id) for who in REGISTERED
            )

    def attempt(self, writer: object, event_id: str, who: int, status: Status) -> None:
        self.attempts += 1
        self.clock.advance(timedelta(seconds=1))
        outcome = an_outcome(
            f"attempt-{self.attempts}",
            user_id=f"user-{who}",
            registration_id=f"{event_id}-{who}",
            event_id=event_id,
            timestamp=self.clock(),
            status=status,
        )
        writer.record_attempt(outcome, TTL)  # type: ignore[attr-defined]

    def decide(self, writer: object, event_id: str, who: int, decision: Decision) -> None:
        seen = self.store.get(f"user-{who}", f"{event_id}-{who}")
        if seen and seen.validation_status is Status.PENDING:
            self.clock.advance(timedelta(seconds=1))
            review = a_review(decision, decided_at=self.clock())
            writer.decide(seen.user_id, seen.registration_id, review, seen.version)  # type: ignore[attr-defined]

    def erase(self, who: int) -> None:
        """As ``core.services.erasure`` does and announces it."""
        for record in self.store.history(f"user-{who}"):
            for attempt in record.attempts:
                self.own.take_back(record.user_id, record.registration_id, attempt.attempt_id)
        self.own.forget(f"user-{who}")
        self.registrations.erase(f"user-{who}")
        self.summaries.forget_all()

    def shown(self) -> dict[str, Figures]:
        found = {}
        lines = self.summaries.all(patience=None)
        # The clock of the test must not move while somebody reads.
        wait_for_rereading()
        for line in lines:
            assert line.summary
            ready = line.summary.readiness
            counts = (ready.registered, ready.passed, ready.waiting, ready.failed, ready.never_tried)
            found[line.profile.event_id] = (*counts, line.summary.expiring, line.summary.oldest_waiting)
        return found

    def counted(self) -> dict[str, Figures]:
        """The same, from each record by its key."""
        found: dict[str, Figures] = {}
        for event_id in EVENTS:
            everybody = [self.store.get(f"user-{who}", f"{event_id}-{who}") for who in PEOPLE]
            records = [record for record in everybody if record and record.event == event_id]
            people = set(self.registrations.event_frame(event_id)["registrationId"])
            theirs = [record for record in records if record.registration_id in people]
            passed, waiting, failed = (
                sum(record.validation_status is status for record in theirs)
                for status in (Status.SUCCESS, Status.PENDING, Status.FAILED)
            )
            expiring = sum(bool(r.expires_at and r.expires_at < self.starts[event_id].timestamp()) for r in theirs)
            since = [r.order for r in records if r.validation_status is Status.PENDING]
            untried = len(people) - passed - waiting - failed
            found[event_id] = (len(people), passed, waiting, failed, untried, expiring, min(since, default=None))
        return found

    def close(self) -> None:
        self.summaries.close()
        wait_for_rereading()
        self.registrations.close()
        self.profiles.close()


@pytest.fixture(params=["sqlite", "moto_dynamodb index", "moto_dynamodb scan"])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    for bench in event_bench(request, tmp_path):
        desk = Desk(bench, tmp_path)
        yield desk
        desk.close()


@pytest.mark.parametrize("seed", range(3))
def test_after_anything_in_any_order_the_figures_are_those_of_a_count(desk: Desk, seed: int) -> None:
    pick = random.Random(seed)
    for _ in range(40):
        event_id, who = pick.choice(EVENTS), pick.choice(PEOPLE)
        writer = pick.choice([desk.own, desk.store])
        match pick.choice(
            ["attempt", "attempt", "attempt", "decide", "erase", "register", "later", "much later", "look"]
        ):
            case "attempt":
                desk.attempt(writer, event_id, who, pick.choice([Status.SUCCESS, Status.PENDING, Status.FAILED]))
            case "decide":
                # What others decide is only found by reading everything; see below.
                desk.decide(desk.own, event_id, who, pick.choice(list(Decision)))
            case "erase":
                desk.erase(who)
            case "register":
                desk.registrations.import_many(
                    [registration(f"{event_id}-{who}", user_id=f"user-{who}", event_id=event_id)]
                )
            case "later":
                desk.clock.advance(FRESH)
            case "much later":
                desk.clock.advance(pick.choice([2 * DAY, TTL / 2]))
            case "look":
                desk.shown()
        if pick.random() < 0.3:
            desk.clock.advance(REGISTRATIONS_FRESH)
            assert desk.shown() == desk.counted()
    desk.clock.advance(REGISTRATIONS_FRESH)
    assert desk.shown() == desk.counted()


def test_what_others_decide_is_found_by_reading_everything_again(desk: Desk) -> None:
    desk.attempt(desk.own, "event-1", 1, Status.PENDING)
    assert desk.shown() == desk.counted()
    desk.decide(desk.store, "event-1", 1, Decision.APPROVED)
    desk.clock.advance(REREAD)
    desk.shown()
    found = desk.shown()
    assert found == desk.counted()
    assert found["event-1"][:4] == (5, 1, 0, 0)
