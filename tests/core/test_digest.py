"""The morning digest: which rules hold for an event, and that each crossing of a limit is told once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.adapters.embedded.alerts import SqliteCrossings
from core.adapters.embedded.profiles import SqliteProfiles
from core.adapters.embedded.records import SqliteRecords
from core.adapters.embedded.registrations import SqliteRegistrations
from core.adapters.embedded.summaries import SqliteSummaries
from core.domain.alerts import QUIET, Crossing, Limits, Rule, next_crossing
from core.domain.clock import utc_now
from core.domain.digest import Finding, findings
from core.domain.errors import Unavailable
from core.domain.event_summaries import SUMMARY_COLUMNS, TREND_DAYS, EventLine, EventSummary, summary_of
from core.domain.profiles import EventProfile
from core.domain.statistics import Readiness
from core.runtime.bootstrap import build
from core.runtime.operation_log import LOG_FILE
from core.services.digest import Alerts
from core.services.event_summaries import EventSummaries
from core.services.hashing import id_hash
from core.services.live_events import LiveRecords
from core.settings import Settings
from tests.support.clock import NOON, FakeClock
from tests.support.frames import record_rows, registration_rows
from tests.support.held import held
from tests.support.records import an_outcome
from tests.support.registrations import registration
from tests.support.stores import wait_for_rereading

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TTL = 60 * DAY


# The rules


def line(
    ready: int = 100, of: int = 100, starts: timedelta | None = 3 * DAY, waits: timedelta | None = None
) -> EventLine:
    profile = EventProfile(event_id="event-1", starts_at=None if starts is None else NOON + starts)
    counts = Readiness(of, of, ready, ready, 0, 0, 0, of - ready, 0)
    since = None if waits is None else NOON - waits
    return EventLine(profile, EventSummary(counts, 0, since, (0,) * TREND_DAYS))


def said(line: EventLine, now: datetime = NOON, **limits: float) -> list[str]:
    return [finding.sentence for finding in findings([line], Limits.model_validate(limits), now)]


def test_an_event_with_nothing_wrong_has_no_findings() -> None:
    assert said(line(ready=80, starts=7 * DAY, waits=4 * HOUR)) == []


@pytest.mark.parametrize(
    ("starts", "words"),
    [
        (7 * DAY, "with 7 days to go"),
        (DAY, "with 1 day to go"),
        (6 * HOUR, "and it starts today"),
    ],
)
def test_fewer_people_are_ready_than_should_be_a_week_before(starts: timedelta, words: str) -> None:
    assert said(line(ready=1599, of=2000, starts=starts)) == [f"79.9% are ready, {words}: 401 of 2,000 are not."]


def test_an_event_that_is_under_way_may_still_lack_people() -> None:
    profile = EventProfile(event_id="event-1", starts_at=NOON - HOUR, ends_at=NOON + HOUR)
    assert said(EventLine(profile, line(ready=1).summary)) == [
        "1% are ready, and the event has begun: 99 of 100 are not."
    ]


@pytest.mark.parametrize(
    "early", [line(ready=0, starts=7 * DAY + HOUR), line(ready=0, starts=None), line(ready=0, of=0)]
)
def test_readiness_is_no_matter_long_before_the_start_without_one_or_without_people(early: EventLine) -> None:
    assert said(early) == []


@pytest.mark.parametrize(
    ("waits", "words"),
    [(4.05 * HOUR, "4 hours"), (4.5 * HOUR, "4.5 hours"), (47.9 * HOUR, "47 hours"), (2.9 * DAY, "2 days")],
)
def test_a_case_has_waited_too_long(waits: timedelta, words: str) -> None:
    assert said(line(waits=waits)) == [f"The oldest case has waited for {words}."]


def test_an_event_that_is_over_has_no_findings() -> None:
    assert said(line(ready=0, starts=-HOUR, waits=DAY)) == []


def test_what_has_not_been_read_has_no_findings() -> None:
    assert said(EventLine(EventProfile(event_id="event-1", starts_at=NOON + DAY))) == []


@pytest.mark.parametrize(
    ("off", "rule"),
    [
        ("digest_ready_percent", Rule.FEW_READY),
        ("digest_case_hours", Rule.OLDEST_CASE),
        ("digest_failures", Rule.FAILURES_DOUBLED),
    ],
)
def test_a_limit_of_zero_switches_its_rule_off(off: str, rule: Rule) -> None:
    everything = [(HOUR, "failed", 1)] * 40 + [(5 * HOUR, "pending", 1)]
    found = findings([tried(everything, starts=DAY)], Limits.model_validate({off: 0}), NOON)
    assert [finding.rule for finding in found] == [each for each in Rule if each is not rule]


# Failures of a day and of the day before


def tried(attempts: list[tuple[timedelta, str, int]], starts: timedelta | None = None) -> EventLine:
    """An event whose people sent their newest photo so long ago, with this status, as their so manieth."""
    registered = registration_rows(
        [{"userId": "u", "registrationId": f"r{number}"} for number in range(len(attempts))]
    )
    rows = [{"timestamp": NOON - ago, "status": status, "attempts": number} for ago, status, number in attempts]
    profile = EventProfile(event_id="event-1", starts_at=None if starts is None else NOON + starts)
    return EventLine(profile, summary_of(profile, registered, record_rows(rows), NOON.date()))


def failures(lately: int, before: int, hours_ago: float = 0) -> EventLine:
    ago = hours_ago * HOUR
    return tried([*[(ago, "failed", 1)] * lately, *[(ago + DAY, "failed", 1)] * before])


def test_failures_have_doubled_since_the_day_before() -> None:
    assert said(failures(lately=40, before=20)) == [
        "40 failed in the last 24 hours, after 20 in the 24 hours before."
    ]
    assert said(failures(lately=20, before=0)) == [
        "20 failed in the last 24 hours, after none in the 24 hours before."
    ]


@pytest.mark.parametrize(("lately", "before"), [(39, 20), (19, 0), (2, 1), (0, 0)])
def test_fewer_than_twice_as_many_or_a_few_failures_are_no_matter(lately: int, before: int) -> None:
    assert said(failures(lately, before)) == []


@pytest.mark.parametrize("hours_ago", [0, 11.5, 23])
def test_every_failure_of_the_last_24_hours_counts_whatever_the_date(hours_ago: float) -> None:
    assert said(failures(lately=40, before=20, hours_ago=hours_ago)) != []


def test_an_unchanged_event_gets_older() -> None:
    doubled = failures(lately=40, before=20)
    assert said(doubled, NOON + 23 * HOUR) != []
    assert said(doubled, NOON + DAY) == []


def test_who_failed_yesterday_and_passed_today_counts_as_a_failure_of_yesterday() -> None:
    failed = [(HOUR, "failed", 1)] * 30
    passed_at_once, passed_again = [(HOUR, "success", 1)] * 30, [(HOUR, "success", 2)] * 30
    assert said(tried([*failed, *passed_at_once])) != []
    assert said(tried([*failed, *passed_again])) == []


def test_a_record_of_the_future_or_without_a_person_who_is_registered_does_not_count() -> None:
    assert said(tried([(-9 * DAY, "failed", 1)] * 40)) == []
    profile = EventProfile(event_id="event-1")
    rows = record_rows([{"timestamp": NOON, "status": "failed"}] * 40)
    assert said(EventLine(profile, summary_of(profile, registration_rows([]), rows, NOON.date()))) == []


# One alert a crossing


@dataclass
class Model:
    """Some servers that look at one event, by a store that changes only what was seen."""

    now: datetime = NOON
    holds: bool = False
    stored: Crossing | None = None
    #: What each server has seen and not stored yet.
    seen: dict[int, tuple[Crossing | None, Crossing | None]] = field(default_factory=dict)
    alerts: list[datetime] = field(default_factory=list)
    #: Whether some server saw that it did not hold since the last alert.
    was_over: bool = True
    changes: int = 0

    def look(self, server: int) -> None:
        self.changes += 1
        after = next_crossing(self.stored, "event-1", Rule.FEW_READY, self.holds, self.now, str(self.changes))
        self.seen[server] = self.stored, after

    def store(self, server: int) -> None:
        before, after = self.seen.pop(server, (None, None))
        if after is None or before != self.stored:
            return
        self.stored = after
        if not after.stands:
            self.was_over = True
            return
        assert self.was_over
        assert all(abs(after.alerted_at - earlier) >= QUIET for earlier in self.alerts)
        self.alerts.append(after.alerted_at)
        self.was_over = False


STEPS = st.one_of(
    st.tuples(st.just("holds"), st.booleans()),
    st.tuples(st.just("wait"), st.integers(0, 30)),
    st.tuples(st.sampled_from(["look", "store"]), st.integers(0, 2)),
)


@given(st.lists(STEPS, max_size=60))
def test_whatever_servers_do_at_once_a_crossing_is_told_once_and_at_most_once_a_day(
    steps: list[tuple[str, int]],
) -> None:
    model = Model()
    for step, value in steps:
        if step == "holds":
            model.holds = bool(value)
        elif step == "wait":
            model.now += value * HOUR
        else:
            getattr(model, step)(value)


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 30)), max_size=40))
def test_what_holds_for_a_day_has_been_told(looks: list[tuple[bool, int]]) -> None:
    model, since = Model(), None
    for holds, hours in looks:
        model.now += hours * HOUR
        model.holds = holds
        since = (since or model.now) if holds else None
        model.look(0)
        model.store(0)
        if since is not None and model.now - since >= QUIET:
            assert model.stored
            assert model.stored.stands


@pytest.mark.parametrize("jump", [2 * DAY, -2 * DAY])
def test_a_clock_that_is_set_keeps_no_alert_away_for_long(jump: timedelta) -> None:
    over = Crossing(event_id="e", rule=Rule.FEW_READY, stands=False, alerted_at=NOON, change="one")
    after = next_crossing(over, "e", Rule.FEW_READY, True, NOON + jump, "two")
    assert after
    assert after.stands


# The servers


class Server:
    """One process over the same files as the others."""

    def __init__(self, path: Path, clock: FakeClock) -> None:
        self.records = SqliteRecords(path, clock)
        self.registrations = SqliteRegistrations(path)
        self.profiles = SqliteProfiles(path)
        self.told: list[tuple[str, str]] = []
        live = LiveRecords(self.records, clock, clock.elapsed, columns=SUMMARY_COLUMNS)
        kept = SqliteSummaries(path, clock)
        self.summaries = EventSummaries(live, self.registrations, self.profiles, kept, clock, clock.elapsed)
        self.alerts = Alerts(self.summaries, SqliteCrossings(path), Limits(), clock, self.tell)

    def tell(self, finding: Finding) -> None:
        self.told.append((finding.profile.event_id, finding.rule))

    def close(self) -> None:
        self.summaries.close()
        for part in (self.records, self.registrations, self.profiles, self.alerts):
            part.close()


class Bench:
    """Servers that are started one after the other, and an event in five days with two people."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self._path = folder / "facedesk.sqlite3"
        self._started: list[Server] = []
        self.first = self.start()
        self.first.registrations.import_many([registration("reg-1"), registration("reg-2")])
        self.starts(5 * DAY)

    def start(self) -> Server:
        server = Server(self._path, self.clock)
        self._started.append(server)
        return server

    def starts(self, after: timedelta) -> None:
        stored = self.first.profiles.get("event-1")
        version = stored.version + 1 if stored else 1
        profile = EventProfile(event_id="event-1", starts_at=self.clock() + after, version=version)
        self.first.profiles.save(profile)

    def later(self, by: timedelta) -> None:
        """Time passes, but not while an event is being read: a read takes less than the clock's steps."""
        wait_for_rereading()
        self.clock.advance(by)

    def passes(self, number: int, status: str = "success") -> None:
        given = {"user_id": "user-1", "registration_id": f"reg-{number}", "timestamp": self.clock()}
        self.first.records.record_attempt(an_outcome(f"a{self.clock()}{number}", status=status, **given), TTL)

    def told(self) -> list[tuple[str, str]]:
        return [each for server in self._started for each in server.told]

    def close(self) -> None:
        for server in self._started:
            server.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.close()


FEW_READY = ("event-1", "few-ready")


def test_of_several_servers_one_tells_of_a_crossing(bench: Bench) -> None:
    for server in (bench.first, bench.start(), bench.start()):
        server.alerts.look()
    assert bench.told() == [FEW_READY]


def test_a_server_that_starts_again_does_not_tell_again(bench: Bench) -> None:
    bench.first.alerts.look()
    bench.later(3 * DAY)
    bench.start().alerts.look()
    assert bench.told() == [FEW_READY]


def test_an_alert_is_a_line_of_the_operations_log_that_names_the_rule(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, _env_file=None)  # type: ignore[call-arg]
    services = build(settings)
    assert services.importer
    services.importer.import_many([registration("reg-1")])
    services.profile_service.save(EventProfile(event_id="event-1", starts_at=utc_now() + DAY), "Grace")
    services.alerts.look()
    services.alerts.look()
    services.close()
    lines = map(orjson.loads, (tmp_path / LOG_FILE).read_bytes().splitlines())
    alerts = [line for line in lines if line["operation"].startswith("alert.")]
    hashed = id_hash(settings)("event-1")
    assert [(line["operation"], line["outcome"], line["event"]) for line in alerts] == [
        ("alert.few-ready", "ok", hashed)
    ]


def test_a_server_that_was_down_when_the_limit_was_crossed_tells_when_it_is_back(bench: Bench) -> None:
    bench.starts(9 * DAY)
    bench.first.alerts.look()
    assert bench.told() == []
    bench.later(3 * DAY)
    bench.start().alerts.look()
    assert bench.told() == [FEW_READY]


def test_a_limit_that_is_crossed_anew_after_a_day_is_told_anew(bench: Bench) -> None:
    bench.first.alerts.look()
    bench.later(DAY)
    bench.passes(1)
    bench.passes(2)
    bench.first.alerts.look()
    bench.later(HOUR)
    bench.passes(2, "failed")
    bench.first.alerts.look()
    assert bench.told() == [FEW_READY] * 2


def test_a_limit_that_is_crossed_to_and_fro_is_told_once_a_day(bench: Bench) -> None:
    for hour in range(36):
        bench.passes(1, "failed" if hour % 2 else "success")
        bench.passes(2)
        bench.first.alerts.look()
        bench.later(HOUR)
    assert bench.told() == [FEW_READY] * 2


def test_an_event_that_is_over_is_not_told_of_and_may_cross_a_limit_anew_with_another_date(bench: Bench) -> None:
    bench.first.alerts.look()
    bench.starts(-DAY)
    bench.later(2 * DAY)
    bench.first.alerts.look()
    bench.starts(DAY)
    bench.first.alerts.look()
    assert bench.told() == [FEW_READY] * 2


def test_figures_of_before_alert_nobody(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.starts(9 * DAY)
    bench.first.alerts.look()
    bench.passes(1)
    bench.passes(2)
    bench.later(3 * DAY)
    second = bench.start()
    monkeypatch.setattr("core.services.digest.PATIENCE", timedelta(0))
    may_end = held(monkeypatch, second.records, "event_changes")
    second.alerts.look()
    may_end.set()
    assert bench.told() == []


def test_an_event_that_cannot_be_read_changes_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.first.alerts.look()

    def failing(*_: object) -> object:
        raise Unavailable("validation records", "Down")

    monkeypatch.setattr(bench.first.records, "event_changes", failing)
    bench.passes(1)
    bench.passes(2)
    bench.later(2 * DAY)
    bench.first.alerts.look()
    monkeypatch.undo()
    bench.passes(1, "failed")
    bench.later(HOUR)
    bench.first.alerts.look()
    assert bench.told() == [FEW_READY]
