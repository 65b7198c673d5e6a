"""Duplicates: switched off and on, searched, answered, filtered; empty, stopped, failing, and for whom it is."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.domain.duplicates import Answer, Expected
from core.domain.errors import Unavailable
from core.domain.records import Registration
from core.domain.roles import Principal, Role, local
from core.runtime.services import Services
from core.settings import Backend
from dashboard import services as dashboard_services
from dashboard.jobs import jobs
from dashboard.parts import photos
from dashboard.sections.duplicates import searching
from dashboard.sections.duplicates.searching import about
from tests.pages.test_validate import down, press, text_of
from tests.support.app import OPERATOR, RunPage, failure
from tests.support.desk import REFERENCE_KEY, Desk
from tests.support.records import an_outcome

EVENT = "expo"
REASON = "The terms that everybody accepted name this check"
#: Opens the page of the event.
Open = Callable[..., AppTest]


@pytest.fixture
def people(desk: Desk) -> list[Registration]:
    """Two dozen, each with a photo."""
    people = [
        Registration(
            registration_id=f"r{number:02}",
            user_id=f"u{number:02}",
            event_id=EVENT,
            name=f"Person {number:02}",
            reference_photo_key=REFERENCE_KEY,
        )
        for number in range(24)
    ]
    desk.registrations.import_many(people)
    return people


@pytest.fixture
def open_page(run_page: RunPage, people: list[Registration]) -> Open:
    return lambda **query: run_page("duplicates", event_id=EVENT, **query)


@pytest.fixture
def switched_on(services: Services, people: list[Registration]) -> Services:
    services.duplicates.set_switch(EVENT, True, REASON, "Ada Admin")
    return services


def searched(app: AppTest, label: str = "Look for duplicates") -> AppTest:
    """The page when the search that its button starts has ended."""
    press(app, label)
    jobs().join(searching.SEARCH, EVENT, 30)
    app.run()
    assert not app.exception, app.exception
    return app


def search(services: Services) -> None:
    services.duplicates.search(EVENT, threading.Event())


def labels(app: AppTest) -> list[str]:
    return [button.label for button in app.button]


def similarities(app: AppTest) -> list[float]:
    """Of the pairs on the page, from top to bottom."""
    said = [each.value.strip("*").split() for each in app.markdown if "Similarity" in each.value]
    return [float(value) for _, value in said]


def faces(app: AppTest) -> int:
    return len(app.get("image"))


def answer(app: AppTest, label: str, place: int = 0, note: str = "") -> AppTest:
    """The page after an answer to the pair in this place."""
    if note:
        [field for field in app.text_input if field.label == "Note (optional)"][place].set_value(note)
    [button for button in app.button if button.label == label][place].click().run()
    assert not app.exception, app.exception
    return app


def acting_as(monkeypatch: pytest.MonkeyPatch, *roles: Role) -> None:
    who = Principal(id="someone", name="Someone", roles=frozenset(roles))
    monkeypatch.setattr(dashboard_services, "principal", lambda: who)


class TestSwitchedOff:
    def test_it_says_what_it_would_compare_and_offers_no_search(self, open_page: Open) -> None:
        app = open_page()
        assert "Switched off for this event" in text_of(app)
        assert "**all faces of the event with each other**" in text_of(app)
        assert "Look for duplicates" not in labels(app)

    def test_an_administrator_switches_it_on_with_a_reason(self, open_page: Open) -> None:
        app = open_page()
        app.text_area[0].set_value(REASON)
        press(app, "Switch on for this event")
        assert "Look for duplicates" in labels(app)
        assert f"Switched on by {OPERATOR}, just now" in text_of(app)
        assert REASON in text_of(app)

    @pytest.mark.parametrize("reason", ["", "   "])
    def test_without_a_reason_it_stays_off(self, open_page: Open, services: Services, reason: str) -> None:
        app = open_page()
        app.text_area[0].set_value(reason)
        press(app, "Switch on for this event")
        assert failure(app).startswith("It was not switched on.")
        assert services.duplicates.switch(EVENT) is None

    def test_a_manager_is_told_whom_to_ask(self, open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
        acting_as(monkeypatch, Role.MANAGER)
        app = open_page()
        assert "Ask an administrator" in text_of(app)
        assert not app.text_area

    def test_who_switched_it_off_is_named(self, open_page: Open, switched_on: Services) -> None:
        switched_on.duplicates.set_switch(EVENT, False, "", "Ada Admin")
        assert "Switched off by Ada Admin, just now" in text_of(open_page())


class TestSwitchedOn:
    def test_who_did_it_when_and_why_is_shown(self, open_page: Open, switched_on: Services) -> None:
        said = text_of(open_page())
        assert "Switched on by Ada Admin, just now" in said
        assert REASON in said

    def test_a_manager_may_search_and_not_switch(
        self, open_page: Open, switched_on: Services, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        acting_as(monkeypatch, Role.MANAGER)
        app = open_page()
        assert "Look for duplicates" in labels(app)
        assert "Switch off…" not in labels(app)

    def test_switched_off_it_shows_no_pair_and_keeps_the_answers(
        self, open_page: Open, switched_on: Services, a_pair: None
    ) -> None:
        answer(searched(open_page()), "Relatives")
        app = press(press(open_page(answers="all"), "Switch off…"), "Switch off")
        app = open_page()
        assert "Switched off for this event" in text_of(app)
        assert similarities(app) == []
        switched_on.duplicates.set_switch(EVENT, True, REASON, "Ada Admin")
        app = searched(open_page(answers="relatives"))
        assert similarities(app) == [97.5]


def test_before_a_search_it_says_that_there_was_none(open_page: Open, switched_on: Services) -> None:
    assert "Nobody has looked for duplicates" in text_of(open_page())


@pytest.mark.parametrize(("backend", "said"), [("embedded", False), ("aws", True)])
def test_where_the_engine_costs_it_says_how_much_at_the_most(
    open_page: Open, switched_on: Services, monkeypatch: pytest.MonkeyPatch, backend: str, said: bool
) -> None:
    settings = switched_on.settings.model_copy(update={"backend": Backend(backend), "price_rekognition": 1.5})
    monkeypatch.setattr(dashboard_services, "build", lambda _settings: replace(switched_on, settings=settings))
    assert ("charges at most 3.00 USD for 1,000 people" in text_of(open_page())) is said


@pytest.fixture
def a_pair(desk: Desk) -> None:
    desk.faces.pairs = [("r01", "r02", 97.5)]


@pytest.fixture
def many(desk: Desk) -> None:
    """Twelve pairs, the last ones the most similar."""
    desk.faces.pairs = [(f"r{2 * n:02}", f"r{2 * n + 1:02}", 87.0 + n) for n in range(12)]


def test_both_faces_of_a_pair_are_shown_with_whose_they_are(
    open_page: Open, switched_on: Services, a_pair: None
) -> None:
    app = searched(open_page())
    assert similarities(app) == [97.5]
    assert faces(app) == 2
    said = text_of(app)
    assert all(text in said for text in ("Person 01", "r01 · u01", "Person 02", "r02 · u02"))
    assert "**1 pair looks alike.**" in said


def test_the_most_similar_pairs_come_first_ten_on_a_page(open_page: Open, switched_on: Services, many: None) -> None:
    assert similarities(searched(open_page())) == [98.0 - n for n in range(10)]
    assert similarities(open_page(pair_page="2")) == [88.0, 87.0]


def test_a_page_that_there_is_not_is_the_first(open_page: Open, switched_on: Services, many: None) -> None:
    search(switched_on)
    assert similarities(open_page(pair_page="9"))[0] == 98.0


def test_an_answer_is_shown_with_who_gave_it_and_why(open_page: Open, switched_on: Services, a_pair: None) -> None:
    app = answer(searched(open_page()), "Same person", note="Same scar")
    said = text_of(app)
    assert f"{OPERATOR}, just now" in said
    assert "Same scar" in said
    stored = switched_on.duplicates.latest(EVENT)
    assert stored
    assert stored.pairs[0].answer
    assert stored.pairs[0].answer.answer is Answer.SAME


def test_an_answered_pair_stays_in_its_place_until_another_list_is_asked_for(
    open_page: Open, switched_on: Services, many: None
) -> None:
    app = searched(open_page())
    before = similarities(app)
    assert similarities(answer(app, "Different people")) == before
    assert similarities(open_page()) == [97.0 - n for n in range(10)]


def test_an_answer_can_be_changed(open_page: Open, switched_on: Services, a_pair: None) -> None:
    app = answer(searched(open_page()), "Same person")
    answer(app, "Relatives")
    assert similarities(open_page(answers="same")) == []
    assert similarities(open_page(answers="relatives")) == [97.5]


@pytest.mark.parametrize(
    ("answers", "shown"),
    [
        ("unanswered", [95.0, 94.0]),
        ("same", [98.0]),
        ("different", [97.0]),
        ("relatives", [96.0]),
        ("all", [98.0, 97.0, 96.0]),
        ("nonsense", [95.0, 94.0]),
    ],
)
def test_the_link_names_which_pairs_are_listed(
    open_page: Open, switched_on: Services, many: None, answers: str, shown: list[float]
) -> None:
    search(switched_on)
    for first, given in ((22, Answer.SAME), (20, Answer.DIFFERENT), (18, Answer.RELATIVES)):
        pair = f"r{first:02}", f"r{first + 1:02}"
        switched_on.duplicates.answer(EVENT, *pair, given, "", "Ada Admin")
    assert similarities(open_page(answers=answers))[: len(shown)] == shown


def test_an_answer_changes_no_record(open_page: Open, switched_on: Services, desk: Desk, a_pair: None) -> None:
    given = {"user_id": "u01", "registration_id": "r01", "event_id": EVENT, "timestamp": datetime.now(UTC)}
    desk.records.record_attempt(an_outcome("a1", **given), timedelta(days=1))
    before = desk.records.get("u01", "r01"), desk.registrations.get("r01")
    answer(searched(open_page()), "Same person")
    assert (desk.records.get("u01", "r01"), desk.registrations.get("r01")) == before


def test_an_answer_that_cannot_be_stored_is_said_not_to_be(
    open_page: Open, switched_on: Services, a_pair: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = searched(open_page())
    with monkeypatch.context() as patch:
        patch.setattr(type(switched_on.duplicates), "answer", down("duplicates"))
        answer(app, "Same person")
    assert failure(app).startswith("The answer was not stored.")
    assert similarities(open_page()) == [97.5]


def test_a_search_that_finds_none_says_so(open_page: Open, switched_on: Services) -> None:
    app = searched(open_page())
    assert "**No pair looks alike.**" in text_of(app)
    assert faces(app) == 0


def test_it_says_how_many_false_pairs_are_expected(open_page: Open, switched_on: Services, desk: Desk) -> None:
    desk.faces.rate = Expected(1e-3, 4e-4, 8e-3)  # of 24 * 23 / 2 pairs
    said = text_of(searched(open_page()))
    assert "about 0.3 pairs are expected that are not the same person" in said
    assert "between 0.1 and 2.2" in said


def test_hardly_any_are_said_in_one_number(open_page: Open, switched_on: Services, desk: Desk) -> None:
    desk.faces.rate = Expected(1e-7, 4e-8, 8e-7)
    assert "fewer than 0.01 pairs are expected" in text_of(searched(open_page()))


def test_where_nobody_has_measured_it_says_that(open_page: Open, switched_on: Services, desk: Desk) -> None:
    desk.faces.rate = None
    assert "has not been measured" in text_of(searched(open_page()))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.0, "0"),
        (0.0042, "0.004"),
        (0.042, "0.04"),
        (2.04, "2"),
        (7.52, "7.5"),
        (1234.4, "1,234"),
    ],
)
def test_an_expected_number_claims_no_more_than_it_knows(value: float, words: str) -> None:
    assert about(value) == words


def test_who_could_not_be_compared_is_counted(open_page: Open, switched_on: Services, desk: Desk) -> None:
    desk.faces.without_face = 3
    assert "21 compared with each other · 3 without a clear face" in text_of(searched(open_page()))


def test_a_search_that_was_stopped_says_that_it_is_not_whole(
    open_page: Open, switched_on: Services, desk: Desk, a_pair: None
) -> None:
    desk.faces.finished = False
    app = searched(open_page())
    assert "The search ended before all faces were compared" in text_of(app)
    assert "Look again" in labels(app)


def test_while_it_runs_it_can_be_stopped(open_page: Open, switched_on: Services, desk: Desk) -> None:
    desk.faces.stalled = threading.Event()
    app = press(open_page(), "Look for duplicates")
    assert "Looking for duplicates" in text_of(app)
    press(app, "Stop")
    job = jobs().of(searching.SEARCH, EVENT)
    assert job
    assert job.stopping
    desk.faces.stalled.set()


def test_a_search_that_fails_says_why_and_can_be_tried_again(
    open_page: Open, switched_on: Services, desk: Desk
) -> None:
    desk.faces.error = Unavailable("face engine", "Down")
    app = searched(open_page())
    assert "This stopped because of an error." in failure(app)
    assert "Look for duplicates" in labels(app)


def test_a_photo_that_is_gone_is_said_to_be_and_nothing_can_be_answered(
    open_page: Open, switched_on: Services, desk: Desk, a_pair: None
) -> None:
    search(switched_on)
    (desk.photo_folder / REFERENCE_KEY).unlink()
    app = open_page()
    assert "the file is missing or is not a photo" in text_of(app)
    assert all(button.disabled for button in app.button if button.label == "Same person")


def test_no_face_is_shown_that_the_audit_trail_does_not_know_of(
    open_page: Open, switched_on: Services, desk: Desk, a_pair: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    search(switched_on)
    monkeypatch.setattr(type(desk.audit), "append", down("audit trail"))
    app = open_page()
    assert faces(app) == 0
    assert "no face is shown" in text_of(app)


def test_a_face_of_a_pair_is_shown_on_no_other_page(
    open_page: Open, switched_on: Services, a_pair: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    search(switched_on)
    acting_as(monkeypatch, Role.MANAGER, Role.ADMIN)
    assert faces(open_page()) == 2
    assert photos.thumbnail(REFERENCE_KEY, blurred=False) is None


def test_somebody_who_was_erased_is_in_no_pair_any_more(
    open_page: Open, switched_on: Services, desk: Desk, many: None
) -> None:
    app = searched(open_page())
    desk.erasures.erase("u22", "u22", local("Ada Admin"))
    app.run()
    assert similarities(app)[0] == 97.0


def test_a_person_leads_to_their_page_or_to_the_list(
    open_page: Open, switched_on: Services, a_pair: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    search(switched_on)
    acting_as(monkeypatch, Role.MANAGER)
    assert [link.proto.label for link in open_page().get("page_link")] == ["Event's list"] * 2
    acting_as(monkeypatch, Role.ADMIN)
    assert [link.proto.label for link in open_page().get("page_link")] == ["User lookup"] * 2


def test_an_event_without_registrations_finds_nobody(run_page: RunPage, services: Services) -> None:
    from core.domain.profiles import EventProfile

    services.profile_service.save(EventProfile(event_id="empty"), "Ada Admin")
    services.duplicates.set_switch("empty", True, REASON, "Ada Admin")
    app = press(run_page("duplicates", event_id="empty"), "Look for duplicates")
    jobs().join(searching.SEARCH, "empty", 30)
    assert "**No pair looks alike.**" in text_of(app.run())


def test_an_unknown_event_is_said_to_be_unknown(run_page: RunPage, people: list[Registration]) -> None:
    assert "The link names an unknown event" in text_of(run_page("duplicates", event_id="nobody"))


def test_who_says_no_name_can_look_and_not_answer(
    open_page: Open, switched_on: Services, a_pair: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    search(switched_on)
    who: Any = Principal(id="local", name=None, roles=frozenset(Role))
    monkeypatch.setattr(dashboard_services, "principal", lambda: who)
    app = open_page()
    assert faces(app) == 2
    assert all(button.disabled for button in app.button if button.label == "Same person")
