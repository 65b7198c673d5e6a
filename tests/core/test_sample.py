"""The sample event: made up, in keeping with the rules, and repeatable."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from core.domain.attempts import with_attempt, with_decision
from core.domain.errors import Conflict
from core.domain.policy import Policy
from core.domain.records import Outcome, Provenance, Registration, Review, Status, ValidationRecord
from core.services import sample

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
COUNT = 300


@dataclass(frozen=True)
class Cleaned:
    jpeg: bytes


@dataclass
class Desk:
    """The four ports that the sample needs, in memory."""

    registrations: dict[str, Registration] = field(default_factory=dict)
    records: dict[str, ValidationRecord] = field(default_factory=dict)
    photos: dict[str, bytes] = field(default_factory=dict)
    statuses_before_review: list[Status] = field(default_factory=list)

    def import_many(self, registrations: Iterable[Registration]) -> int:
        added = {each.registration_id: each for each in registrations}
        self.registrations |= added
        return len(added)

    def put(self, key: str, data: bytes) -> None:
        self.photos[key] = data

    def clean(self, data: bytes) -> Cleaned:
        return Cleaned(b"clean " + data)

    def record_attempt(self, outcome: Outcome, ttl: timedelta) -> ValidationRecord:
        key = outcome.registration_id
        self.records[key] = with_attempt(self.records.get(key), outcome, ttl)
        return self.records[key]

    def decide(self, user_id: str, registration_id: str, review: Review, seen_version: str) -> ValidationRecord:
        current = self.records[registration_id]
        if current.version != seen_version:
            raise Conflict("changed")
        self.statuses_before_review.append(current.validation_status)
        self.records[registration_id] = with_decision(current, review)
        return self.records[registration_id]


def load(desk: Desk, now: datetime = NOW, count: int = COUNT, **options: object) -> Desk:
    sample.load(desk, desk, desk, desk, now, count=count, **options)  # type: ignore[arg-type]
    return desk


@pytest.fixture(scope="module")
def loaded() -> Desk:
    return load(Desk())


@pytest.fixture(scope="module")
def attempts(loaded: Desk) -> list:
    return [attempt for record in loaded.records.values() for attempt in record.attempts]


def test_as_many_registrations_as_asked_for(loaded: Desk) -> None:
    assert len(loaded.registrations) == COUNT


def test_every_attempt_says_that_its_engine_is_invented_and_the_rules_are_not(attempts: list) -> None:
    assert {attempt.provenance for attempt in attempts} == {Provenance(engine="sample", rules=Policy().digest)}


def test_everything_is_named_as_a_sample(loaded: Desk) -> None:
    assert all(
        each.registration_id.startswith("sample-")
        and each.user_id.startswith("sample-user-")
        and each.event_id == "sample-event"
        and (each.email or "").endswith("@example.com")
        for each in loaded.registrations.values()
    )


@pytest.mark.parametrize(
    ("registration_id", "name"), [("sample-0001", "Eileen Collins"), ("sample-0002", "Grace Hopper")]
)
def test_the_first_two_have_a_real_portrait_cleaned_and_kept(loaded: Desk, registration_id: str, name: str) -> None:
    registration = loaded.registrations[registration_id]
    photo = loaded.photos[registration.reference_photo_key or ""]
    assert (registration.name, photo.startswith(b"clean "), len(photo) > 10_000) == (name, True, True)


def test_the_first_two_have_no_attempts_yet(loaded: Desk) -> None:
    assert not {"sample-0001", "sample-0002"} & loaded.records.keys()


def test_every_photo_that_anything_names_is_there(loaded: Desk) -> None:
    keys = {each.reference_photo_key for each in loaded.registrations.values()}
    keys |= {key for record in loaded.records.values() for key in (record.face_image_key, record.stored_face_key)}
    assert keys - {None} <= loaded.photos.keys()


def test_some_people_never_tried(loaded: Desk) -> None:
    assert 0.05 < 1 - len(loaded.records) / COUNT < 0.3


def test_every_status_occurs_and_most_pass(loaded: Desk) -> None:
    statuses = Counter(record.validation_status for record in loaded.records.values())
    assert statuses[Status.SUCCESS] > statuses[Status.FAILED] > statuses[Status.PENDING] > 0


def test_some_borderline_cases_wait_for_a_person(loaded: Desk) -> None:
    assert any(
        record.validation_status is Status.PENDING and not record.failure_reasons
        for record in loaded.records.values()
    )


def test_some_borderline_cases_were_decided_and_nothing_else_was(loaded: Desk) -> None:
    assert set(loaded.statuses_before_review) == {Status.PENDING}


def test_some_people_tried_more_than_once(loaded: Desk) -> None:
    assert max(record.verification_attempt for record in loaded.records.values()) > 2


def test_many_reasons_sources_and_qualities_occur(attempts: list) -> None:
    reasons = {reason for attempt in attempts for reason in attempt.reasons}
    sources = {attempt.source for attempt in attempts}
    qualities = {attempt.quality for attempt in attempts} - {None}
    assert (len(reasons) > 8, len(sources), len(qualities)) == (True, 3, 3)


def test_a_pass_without_a_review_is_a_match(attempts: list) -> None:
    passed = [each for each in attempts if each.status is Status.SUCCESS and each.review is None]
    assert min(attempt.similarity for attempt in passed) >= 80


def test_the_rules_numbers_are_the_ones_given() -> None:
    strict = load(Desk(), policy=Policy(similarity_threshold=98, review_threshold=95))
    passed = [
        record
        for record in strict.records.values()
        if record.validation_status is Status.SUCCESS and record.review is None
    ]
    assert min(record.similarity or 0 for record in passed) >= 98


def test_attempts_are_spread_over_thirty_days_and_none_is_in_the_future(attempts: list) -> None:
    days = {attempt.timestamp.date() for attempt in attempts}
    moments = [attempt.timestamp for attempt in attempts]
    assert (len(days) > 20, min(moments) >= NOW - timedelta(days=30), max(moments) <= NOW) == (True, True, True)


def test_attempts_of_one_person_are_in_order(loaded: Desk) -> None:
    moments = [[each.timestamp for each in record.attempts] for record in loaded.records.values()]
    assert moments == [sorted(each) for each in moments]


@pytest.mark.parametrize("days", [2, 30, 90])
def test_no_record_expires_within_a_day_whatever_the_time_to_live(days: int) -> None:
    desk = load(Desk(), ttl=timedelta(days=days))
    assert not any(record.is_expired(NOW + timedelta(hours=23)) for record in desk.records.values())


@pytest.mark.parametrize("later", [timedelta(0), timedelta(hours=7), timedelta(days=9)])
def test_loading_again_changes_nothing(later: timedelta) -> None:
    desk = load(Desk())
    before = dict(desk.registrations), dict(desk.records), dict(desk.photos)
    load(desk, NOW + later)
    assert (desk.registrations, desk.records, desk.photos) == before


def test_a_larger_sample_begins_with_the_smaller_one() -> None:
    small, large = load(Desk(), count=50), load(Desk(), count=80)
    assert {key: large.records.get(key) for key in small.registrations} == {
        key: small.records.get(key) for key in small.registrations
    }


@pytest.mark.parametrize("count", [1, 2])
def test_a_sample_may_be_smaller_than_its_portraits(count: int) -> None:
    assert len(load(Desk(), count=count).registrations) == count


def test_progress_reaches_the_count() -> None:
    seen: list[tuple[int, int]] = []
    load(Desk(), count=30, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(25, 30), (30, 30)]
