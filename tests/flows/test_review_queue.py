"""Several reviewers at one queue, on both backends: each case is with one of them, and none is lost."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest

from core.domain.cases import LEASE
from core.domain.clock import utc_now
from core.domain.errors import Conflict, Service, Unavailable
from core.domain.records import Decision, Status
from core.services.review_queue import Case, Reviewer
from core.settings import Backend
from tests.support.production import Site, backend_of
from tests.support.records import an_outcome


@pytest.fixture(scope="module", params=list(Backend))
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with backend_of(request, tmp_path_factory) as site:
        yield site


def queue(site: Site, cases: int) -> list[Case]:
    """So many cases that wait, in the order of their numbers."""
    event = uuid4().hex

    def wait(number: int) -> Case:
        case = (f"user-{event}-{number}", f"reg-{event}-{number:04}")
        site.services.records.record_attempt(
            an_outcome(
                user_id=case[0], registration_id=case[1], event_id=event, timestamp=utc_now(), status="pending"
            ),
            timedelta(days=1),
        )
        return case

    with ThreadPoolExecutor(8) as threads:
        return list(threads.map(wait, range(cases)))


def reviewer(site: Site, name: str, ahead: timedelta = timedelta(0)) -> Reviewer:
    """A reviewer with this name, whose clock is ``ahead``."""
    services = site.services
    return Reviewer(services.records, services.claims, lambda: utc_now() + ahead, name, name)


@pytest.mark.parametrize(
    ("reviewers", "cases"),
    [
        (8, dict.fromkeys(Backend, 60)),
        pytest.param(20, {Backend.EMBEDDED: 1_000, Backend.AWS: 250}, marks=pytest.mark.faults),
    ],
    ids=["some", "many"],
)
def test_reviewers_at_once_decide_every_case_and_none_is_shown_to_two(
    site: Site, reviewers: int, cases: Mapping[Backend, int]
) -> None:
    waiting = queue(site, cases[site.services.settings.backend])
    lock = threading.Lock()
    shown: dict[Case, str] = {}
    decided: set[Case] = set()

    def still_waiting() -> list[Case]:
        with lock:
            return [case for case in waiting if case not in decided]

    def work(number: int) -> None:
        name = f"reviewer-{number}"
        desk, order = reviewer(site, name), random.Random(number)
        skipped: set[Case] = set()
        while opened := desk.next_case(still_waiting(), skipped):
            case = (opened.record.user_id, opened.record.registration_id)
            with lock:
                other = shown.setdefault(case, name)
                assert other == name, f"{other} has this case, too; claims: {desk.without_claims or 'there'}"
            if order.random() < 0.05:
                with lock:
                    del shown[case]
                skipped.add(case)
                desk.leave(*case)
                continue
            site.services.validation.decide(opened.record, Decision.APPROVED, name)
            with lock:
                assert case not in decided
                decided.add(case)
            desk.leave(*case)

    with ThreadPoolExecutor(reviewers) as threads:
        for done in [threads.submit(work, number) for number in range(reviewers)]:
            done.result()
    work(reviewers)  # who has skipped nothing gets the rest
    assert decided == set(waiting)


def test_the_case_of_a_reviewer_who_has_gone_comes_back_when_its_time_is_over(site: Site) -> None:
    waiting = queue(site, 1)
    assert reviewer(site, "gone").next_case(waiting)
    assert reviewer(site, "early").next_case(waiting) is None
    # The store's clock decides, so the claim of the one who has gone is that of a while ago.
    site.services.claims.release_all("gone")
    assert reviewer(site, "gone", ahead=-LEASE).next_case(waiting)
    assert reviewer(site, "later").next_case(waiting)


def test_a_case_that_is_handed_over_is_next_for_the_colleague(site: Site) -> None:
    first, second, third = queue(site, 3)
    ada, bob = reviewer(site, "ada"), reviewer(site, "bob")
    assert ada.next_case([first])
    assert bob.next_case([second])
    with_ada = ada.next_case([first])
    assert with_ada
    ada.hand_over(with_ada.record, bob.claims()[second])
    bob.leave(*second)
    assert ada.next_case([first]) is None
    with_bob = bob.next_case([second, first, third])
    assert with_bob
    assert with_bob.record.registration_id == first[1]


def test_whoever_loads_the_page_again_keeps_the_case(site: Site) -> None:
    waiting = queue(site, 2)
    before = reviewer(site, "ada/1").next_case(waiting)
    services = site.services
    again = Reviewer(services.records, services.claims, utc_now, "ada/2", "Ada", lambda holder: holder == "ada/1")
    after = again.next_case(waiting)
    assert before
    assert after
    assert after.record == before.record


def test_a_case_that_was_decided_meanwhile_is_not_offered(site: Site) -> None:
    waiting = queue(site, 2)
    record = site.services.records.get(*waiting[0])
    assert record
    site.services.validation.decide(record, Decision.APPROVED, "bob")
    opened = reviewer(site, "ada").next_case(waiting)
    assert opened
    assert opened.record.registration_id == waiting[1][1]


def test_without_claims_the_queue_goes_on_and_a_second_decision_is_refused(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = queue(site, 1)

    def out_of_reach(*_: object) -> None:
        raise Unavailable(Service.RECORDS, "Down")

    for name in ("take", "standing", "release"):
        monkeypatch.setattr(type(site.services.claims), name, out_of_reach)
    ada, bob = reviewer(site, "ada"), reviewer(site, "bob")
    with_ada, with_bob = ada.next_case(waiting), bob.next_case(waiting)
    assert with_ada
    assert with_bob
    assert ada.without_claims
    site.services.validation.decide(with_ada.record, Decision.APPROVED, "ada")
    with pytest.raises(Conflict):
        site.services.validation.decide(with_bob.record, Decision.REJECTED, "bob", "FACE_MISMATCH")
    record = site.services.records.get(*waiting[0])
    assert record
    assert record.validation_status is Status.SUCCESS
