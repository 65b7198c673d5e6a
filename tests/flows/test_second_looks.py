"""Second looks from the sample to the figures, the same for both backends: reviewers whose errors are known."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

import pytest

from core.domain.clock import utc_now
from core.domain.reasons import Reason
from core.domain.records import ComparisonResult, Decision, Outcome, Status, ValidationRecord
from core.domain.roles import Principal, Role, local
from core.runtime.facades.guard import Guard, GuardedServices
from core.settings import Backend
from tests.support.production import Site, backend_of, built

A, R = Decision.APPROVED, Decision.REJECTED
#: Of the photos that pass 10 % show another person, as do half of those that wait. Bob approves a fifth of these, and
#: rejects a tenth of the right ones.
WRONG_PASSES, WRONG_CASES, APPROVES_WRONGLY, REJECTS_WRONGLY = 0.1, 0.5, 0.2, 0.1
PASSES, CASES = 200, 100
SHARES = {"SECOND_LOOK_DECISIONS": "1", "SECOND_LOOK_PASSES": "0.4", "HASH_KEY": "a key of these tests"}


@pytest.fixture(scope="module", params=list(Backend))
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with backend_of(request, tmp_path_factory, **SHARES) as site:
        yield site


class Event:
    """An event with its people, of whom ``genuine`` are the right ones, and what the desk does with their photos."""

    def __init__(self, site: Site) -> None:
        self.services = site.services
        self.desk: GuardedServices = Guard(site.services).acting_as(local("Bob"))
        # With the key, it decides on the sample. Another one would leave some of the intervals in one run of ten.
        self.event_id = "event-of-errors"
        self.chance = random.Random(1)
        self.genuine: dict[str, bool] = {}
        for number in range(PASSES + CASES):
            wrong = WRONG_PASSES if number < PASSES else WRONG_CASES
            self._decided(self._recorded(f"person-{number}", number < PASSES, self.chance.random() >= wrong))

    def _recorded(self, name: str, passes: bool, genuine: bool) -> ValidationRecord:
        self.genuine[name] = genuine
        outcome = Outcome(
            attempt_id="a1",
            user_id=f"{name}-{self.event_id}",
            registration_id=name,
            event_id=self.event_id,
            timestamp=utc_now(),
            status=Status.SUCCESS if passes else Status.PENDING,
            comparison_result=ComparisonResult(similarity=90 if passes else 75, threshold=80, is_match=passes),
            face_image_key="face-images/a.jpg",
            stored_face_key="reference-faces/a.jpg",
        )
        return self.services.records.record_attempt(outcome, timedelta(days=1))

    def _decided(self, record: ValidationRecord) -> None:
        if record.validation_status is Status.PENDING:
            genuine = self.genuine[record.registration_id]
            errs = self.chance.random() < (REJECTS_WRONGLY if genuine else APPROVES_WRONGLY)
            answer = A if genuine != errs else R
            reason = Reason.FACE_MISMATCH if answer is R else None
            self.desk.validation.decide(record, answer, "Bob", reason)

    def looked_at_by(self, reviewer: str) -> int:
        """The reviewer works through what wants a second look, and is always right; returns how many there were."""
        looks = self.desk.second_looks
        wanted = looks.wanted(self.event_id, reviewer)
        for user_id, registration_id in zip(wanted["userId"], wanted["registrationId"], strict=True):
            record = self.services.records.get(user_id, registration_id)
            assert record
            assert looks.wants(record, reviewer)
            answer = A if self.genuine[registration_id] else R
            looks.store(record, answer, reviewer, Reason.FACE_MISMATCH if answer is R else None)
        return len(wanted)


@pytest.fixture(scope="module")
def event(site: Site) -> Event:
    event = Event(site)
    assert PASSES * 0.25 < event.looked_at_by("Bob") < PASSES * 0.55  # of the passes; none of what he decided
    assert event.looked_at_by("Ada") == CASES
    assert event.looked_at_by("Cleo") == 0
    return event


def within(known: float, found: object) -> bool:
    return found.low <= known <= found.high  # type: ignore[attr-defined,no-any-return]


def test_the_errors_that_are_known_are_within_the_intervals(event: Event) -> None:
    found = event.desk.second_looks.error_rates([event.event_id])
    approved_wrongly = WRONG_CASES * APPROVES_WRONGLY
    approved = approved_wrongly + (1 - WRONG_CASES) * (1 - REJECTS_WRONGLY)
    rejected_wrongly = (1 - WRONG_CASES) * REJECTS_WRONGLY
    assert within(WRONG_PASSES, found.passes)
    assert within(approved_wrongly / approved, found.approvals)
    assert within(rejected_wrongly / (1 - approved), found.false_rejects)
    known = (PASSES * WRONG_PASSES + CASES * approved_wrongly) / (PASSES + CASES * approved)
    assert within(known, found.false_accepts)
    assert found.approvals.looks + found.false_rejects.looks == CASES


def test_a_reviewer_who_errs_agrees_as_far_as_is_known(event: Event) -> None:
    # Bob and a reviewer who is always right agree in 0.5 x 0.9 + 0.5 x 0.8 = 0.85 of the cases. Bob approves 0.55,
    # the other 0.5: by chance 0.5 agree. kappa = 0.35 / 0.5 = 0.7.
    found = event.desk.second_looks.agreements([event.event_id])
    assert within(0.7, found.reviewers["Bob"])
    assert within(0.7, found.overall)


def test_the_figures_name_no_reviewer_to_those_who_see_events_alone(event: Event) -> None:
    analyst = Principal(id="x", name=None, roles=frozenset({Role.ANALYST}))
    found = Guard(event.services).acting_as(analyst).second_looks.error_rates([event.event_id])
    assert found.passes.looks > 0
    assert "Bob" not in repr(found)


def test_another_process_has_the_same_sample_and_the_looks_outlive_an_erasure(site: Site, event: Event) -> None:
    erased = f"person-{PASSES}-{event.event_id}"
    before = event.desk.second_looks.error_rates([event.event_id])
    event.desk.erasures.erase(erased, erased)
    with closing(built(site.environment)) as other:
        looks = Guard(other).acting_as(local("Dora")).second_looks
        assert looks.error_rates([event.event_id]) == before
        assert looks.wanted(event.event_id, "Dora").empty
