"""The review queue for a team: who has a case, notes on it, and second looks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pandas as pd
import pytest

from core.domain.cases import LEASE, Claim
from core.domain.clock import utc_now
from core.domain.errors import Unavailable
from core.domain.profiles import EventProfile
from core.domain.records import Decision, Source, Status
from core.services.validation import Submitter
from dashboard.access import names
from dashboard.sections.review import waiting
from tests.pages.test_validate import down, press, text_of
from tests.support.app import OPERATOR, RunPage
from tests.support.desk import REGISTERED, Desk

BOB = "bob/1"


@pytest.fixture
def queue(desk: Desk, astronaut_jpeg: bytes) -> Desk:
    """Two cases of one event that wait: reg-1, then reg-2."""
    desk.registrations.import_many(
        [REGISTERED.model_copy(update={"registration_id": "reg-2", "user_id": "user-2", "name": "Eileen Example"})]
    )
    desk.engine.similarity = 75
    for number in (1, 2):
        desk.validation.validate_upload(f"reg-{number}", astronaut_jpeg, f"a{number}", Submitter(Source.API))
    return desk


def bob_has(desk: Desk, number: int) -> Claim:
    now = utc_now()
    return desk.services.claims.take(
        Claim(
            user_id=f"user-{number}",
            registration_id=f"reg-{number}",
            event_id="event-1",
            holder=BOB,
            name="Bob Example",
            since=now,
            until=now + LEASE,
        ),
        BOB,
    )


def holders(desk: Desk) -> dict[str, str | None]:
    """The registrations that somebody has, and who."""
    return {claim.registration_id: claim.name for claim in desk.services.claims.standing()}


def test_the_case_on_the_page_is_with_whoever_opened_it(run_page: RunPage, queue: Desk) -> None:
    run_page("review")
    assert holders(queue) == {"reg-1": OPERATOR}


def test_the_case_of_a_colleague_is_not_shown_and_the_next_one_is(run_page: RunPage, queue: Desk) -> None:
    bob_has(queue, 1)
    said = text_of(run_page("review"))
    assert "reg-2 · event-1" in said
    assert "2 waiting (1 with colleagues)" in said


def test_a_link_to_the_case_of_a_colleague_says_who_has_it_and_shows_no_face(run_page: RunPage, queue: Desk) -> None:
    bob_has(queue, 1)
    app = run_page("review", user_id="user-1", registration_id="reg-1")
    assert "Bob Example has had it" in text_of(app)
    assert not app.get("html")[-1].value.count("facedesk-faces'")
    assert "reg-2 · event-1" in text_of(press(app, "Next case"))


def test_a_decided_case_is_left_and_the_next_one_taken(run_page: RunPage, queue: Desk) -> None:
    press(run_page("review"), "Approve")
    assert holders(queue) == {"reg-2": OPERATOR}


def test_a_skipped_case_is_free_for_colleagues(run_page: RunPage, queue: Desk) -> None:
    press(run_page("review"), "Skip")
    assert "reg-1" not in holders(queue)


def test_without_claims_the_page_says_so_and_the_case_can_be_decided(
    run_page: RunPage, queue: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("take", "standing", "release"):
        monkeypatch.setattr(type(queue.services.claims), name, down("records"))
    app = run_page("review")
    assert "Cases cannot be reserved right now" in app.warning[0].value
    press(app, "Approve")
    record = queue.records.get("user-1", "reg-1")
    assert record
    assert record.validation_status is Status.SUCCESS


def test_a_note_is_kept_and_shown_as_it_was_typed(run_page: RunPage, queue: Desk) -> None:
    app = run_page("review")
    (field,) = [area for area in app.text_area if area.label == "Add a note"]
    field.input("**sends** another photo :cat:")
    app = press(app, "Add note")
    assert "**sends** another photo :cat:" in [text.value for text in app.text]
    (note,) = queue.services.notes.of("user-1", "reg-1")
    assert (note.author, note.text) == (OPERATOR, "**sends** another photo :cat:")


def test_an_empty_note_is_refused_in_a_sentence(run_page: RunPage, queue: Desk) -> None:
    app = press(run_page("review"), "Add note")
    assert [error.value for error in app.error] == ["The note was not stored."]
    assert queue.services.notes.of("user-1") == []


def test_notes_are_shown_wherever_the_case_is(run_page: RunPage, queue: Desk) -> None:
    app = run_page("review")
    (field,) = [area for area in app.text_area if area.label == "Add a note"]
    field.input("the passport is new")
    press(app, "Add note")
    for page in ("validate", "user_lookup"):
        assert "the passport is new" in text_of(run_page(page, user_id="user-1", registration_id="reg-1"))


def test_a_case_that_is_handed_over_is_with_the_colleague_and_has_the_word(run_page: RunPage, queue: Desk) -> None:
    bob_has(queue, 2)
    app = run_page("review")
    (to,) = [box for box in app.selectbox if box.label == "To"]
    to.select_index(1)
    (word,) = [area for area in app.text_area if area.label == "What they should know"]
    word.input("you know her")
    app = press(app, "Hand over")
    assert holders(queue) == {"reg-1": "Bob Example", "reg-2": "Bob Example"}
    assert [note.text for note in queue.services.notes.of("user-1")] == ["you know her"]
    assert "Nothing waits for you" in text_of(app)


def test_a_case_is_not_handed_over_without_a_word(run_page: RunPage, queue: Desk) -> None:
    app = press(run_page("review"), "Hand over")
    assert app.error[0].value == "The note was not stored."
    assert holders(queue) == {"reg-1": OPERATOR}


def test_the_list_says_who_has_which_case(run_page: RunPage, queue: Desk) -> None:
    bob_has(queue, 2)
    table = run_page("review", view=waiting.LIST).dataframe[0].value
    assert list(table["Name"]) == ["Ada Example", "Eileen Example"]
    assert table["With"].fillna("").tolist() == ["", "Bob Example"]


def test_the_link_of_the_list_chooses_the_cases(run_page: RunPage, queue: Desk) -> None:
    bob_has(queue, 2)
    table = run_page("review", view=waiting.LIST, which=waiting.NOBODY).dataframe[0].value
    assert list(table["Registration"]) == ["reg-1"]
    assert "No such case waits" in text_of(run_page("review", view=waiting.LIST, which=waiting.MINE))


def test_the_cases_of_a_filter_come_one_by_one(run_page: RunPage, queue: Desk) -> None:
    app = run_page("review", which=waiting.OVERDUE)
    assert "Nothing waits for you" in text_of(app)
    assert "reg-1 · event-1" in text_of(press(app, "All cases"))


def test_a_case_is_overdue_after_the_hours_of_the_setting(
    run_page: RunPage, queue: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "due", lambda: utc_now() + timedelta(minutes=1))
    assert "overdue" in text_of(run_page("review"))
    table = run_page("review", view=waiting.LIST, which=waiting.OVERDUE).dataframe[0].value
    assert list(table["Overdue"]) == ["overdue", "overdue"]


@pytest.mark.parametrize("page", ["review", "validate"])
def test_nothing_is_decided_before_it_is_known_who_decides(run_page: RunPage, queue: Desk, page: str) -> None:
    app = run_page(page, user_id="user-1", registration_id="reg-1")
    app.session_state[names.FIELD] = ""
    app.run()
    assert not [button for button in app.button if button.label in ("Approve", "Reject") and not button.disabled]
    (asked,) = [field for field in app.text_input if (field.key or "").startswith("name-for-")]
    app = asked.input("Cleo Example").run()
    press(app, "Approve")
    record = queue.records.get("user-1", "reg-1")
    assert record
    assert record.review
    assert record.review.reviewer == "Cleo Example"


class TestSecondLooks:
    """With every decision sampled."""

    @pytest.fixture
    def more_settings(self) -> Mapping[str, Any]:
        return {"second_look_decisions": 1.0}

    @pytest.fixture
    def decided(self, queue: Desk) -> Desk:
        """reg-1 was approved by Bob, reg-2 by whoever is at the desk."""
        for number, name in ((1, "Bob Example"), (2, OPERATOR)):
            record = queue.records.get(f"user-{number}", f"reg-{number}")
            assert record
            queue.validation.decide(record, Decision.APPROVED, name)
        return queue

    def test_the_case_comes_without_score_verdict_and_first_decision(self, run_page: RunPage, decided: Desk) -> None:
        said = text_of(run_page("review", view=waiting.AGAIN))
        assert "Second look" in said
        assert not [word for word in ("75", "pass", "pprove", "Bob", "Ada", "imilarity") if word in said]

    def test_an_answer_is_kept_and_changes_nothing_of_the_case(self, run_page: RunPage, decided: Desk) -> None:
        before = decided.records.get("user-1", "reg-1")
        app = press(run_page("review", view=waiting.AGAIN), "Reject")
        (look,) = decided.second_looks.of_event("event-1")
        assert (look.first, look.second, look.second_reviewer) == (Decision.APPROVED, Decision.REJECTED, OPERATOR)
        assert decided.records.get("user-1", "reg-1") == before
        assert "No case wants a second look by you" in text_of(app)

    def test_nobody_gets_their_own_decision(self, run_page: RunPage, decided: Desk) -> None:
        app = press(run_page("review", view=waiting.AGAIN), "Skip")
        assert "No case wants a second look by you" in text_of(app)


# The order


def test_cases_of_the_event_that_starts_next_come_first(
    run_page: RunPage, queue: Desk, astronaut_jpeg: bytes
) -> None:
    later = {"registration_id": "reg-3", "user_id": "user-3", "event_id": "event-2", "name": "Mae Example"}
    queue.registrations.import_many([REGISTERED.model_copy(update=later)])
    queue.validation.validate_upload("reg-3", astronaut_jpeg, "a3", Submitter(Source.API))
    for event_id, days in (("event-1", 9), ("event-2", 2)):
        starts = utc_now() + timedelta(days=days)
        queue.services.profile_service.save(EventProfile(event_id=event_id, starts_at=starts), "Ada")
    assert "reg-1 · event-1" in text_of(run_page("review"))
    queue.services.claims.release_all(next(iter(queue.services.claims.standing())).holder)
    assert "reg-3 · event-2" in text_of(run_page("review", sort=waiting.BY_START))


def test_cases_of_events_that_have_begun_or_have_no_date_come_last() -> None:
    now = utc_now()
    starts = {"soon": now + timedelta(hours=1), "later": now + timedelta(days=3), "begun": now - timedelta(hours=1)}
    events = ["none", "begun", "later", "soon", "later"]
    frame = pd.DataFrame({"eventId": events, "number": range(5)})
    ordered = waiting.by_start(frame, starts, now)
    assert list(ordered["number"]) == [3, 2, 4, 0, 1]
    assert list(ordered.columns) == ["eventId", "number"]


def test_without_profiles_cases_keep_their_order(
    run_page: RunPage, queue: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise Unavailable("event profiles", "Down")

    monkeypatch.setattr(type(queue.services.profiles), "all", refuse)
    assert "reg-1 · event-1" in text_of(run_page("review", sort=waiting.BY_START))
