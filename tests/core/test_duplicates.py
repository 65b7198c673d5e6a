"""Searches for people who registered twice: the switch, what is found, answers, erasure and expiry."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Event

import pytest

from core.domain.duplicates import MAX_ANSWERS, MAX_TEXT, Answer, Candidate, Expected, Search, Switch
from core.domain.errors import Conflict, InvalidInput, RegistrationNotFound, Unavailable
from core.domain.profiles import EventProfile
from core.domain.records import Registration
from core.domain.roles import Action, local
from core.flow.crew import Progress
from core.runtime.facades.guard import Guard
from core.services.duplicates import DuplicateService
from tests.support.desk import REFERENCE_KEY, Desk
from tests.support.duplicates import a_judged_pair

EVENT = "event-1"
REASON = "Consent with the registration (Art. 9 (2) a)"
PEOPLE = [
    Registration(registration_id=f"reg-{n}", user_id=f"user-{n}", event_id=EVENT, reference_photo_key=REFERENCE_KEY)
    for n in range(1, 5)
]


@pytest.fixture
def duplicates(desk: Desk) -> DuplicateService:
    """In an event of four people with photos and one without; the faces of the first two are alike."""
    without_photo = {"registration_id": "reg-0", "reference_photo_key": None}
    desk.registrations.import_many([*PEOPLE, PEOPLE[0].model_copy(update=without_photo)])
    desk.faces.pairs = [("reg-1", "reg-2", 97.5)]
    return desk.services.duplicates


@pytest.fixture
def on(duplicates: DuplicateService) -> DuplicateService:
    duplicates.set_switch(EVENT, True, REASON, "Ada")
    return duplicates


def look(duplicates: DuplicateService) -> Search:
    return duplicates.search(EVENT, Event())


def keys(search: Search | None) -> list[tuple[str, str]]:
    return [pair.key for pair in search.pairs] if search else []


def trail(desk: Desk, *actions: Action) -> list[tuple[str, str, dict[str, str]]]:
    now = datetime.now(UTC)
    entries = desk.audit.entries(now - timedelta(hours=1), now + timedelta(days=4000))
    found = [(entry.who, entry.outcome, dict(entry.details)) for entry in entries if entry.action in actions]
    return found[::-1]


class TestSwitch:
    def test_an_event_is_off_until_somebody_switches_it_on(self, duplicates: DuplicateService) -> None:
        assert duplicates.switch(EVENT) is None

    def test_it_says_who_switched_it_on_and_why(self, on: DuplicateService) -> None:
        switch = on.switch(EVENT)
        assert switch
        assert (switch.on, switch.reason, switch.by) == (True, REASON, "Ada")

    @pytest.mark.parametrize("reason", ["", "  \n ", "x" * (MAX_TEXT + 1)])
    def test_it_cannot_be_switched_on_without_a_reason(self, duplicates: DuplicateService, reason: str) -> None:
        with pytest.raises(InvalidInput):
            duplicates.set_switch(EVENT, True, reason, "Ada")
        assert duplicates.switch(EVENT) is None

    def test_it_is_switched_off_without_a_reason(self, on: DuplicateService) -> None:
        on.set_switch(EVENT, False, "", "Bob")
        switch = on.switch(EVENT)
        assert switch
        assert (switch.on, switch.by) == (False, "Bob")

    def test_switching_off_deletes_what_is_kept_of_faces(self, desk: Desk, on: DuplicateService) -> None:
        on.set_switch(EVENT, False, "", "Ada")
        assert desk.faces.dropped == [EVENT]

    def test_answers_outlive_it(self, on: DuplicateService) -> None:
        on.answer(EVENT, "reg-1", "reg-2", Answer.SAME, "", "Ada")
        on.set_switch(EVENT, False, "", "Ada")
        on.set_switch(EVENT, True, REASON, "Ada")
        (pair,) = look(on).pairs
        assert pair.answer
        assert pair.answer.answer is Answer.SAME


class TestOff:
    @pytest.fixture(params=["never on", "switched off"])
    def off(self, duplicates: DuplicateService, request: pytest.FixtureRequest) -> DuplicateService:
        if request.param == "switched off":
            duplicates.set_switch(EVENT, True, REASON, "Ada")
            look(duplicates)
            duplicates.set_switch(EVENT, False, "", "Ada")
        return duplicates

    def test_nothing_runs(self, desk: Desk, off: DuplicateService, monkeypatch: pytest.MonkeyPatch) -> None:
        desk.faces.calls.clear()
        desk.engine.calls.clear()
        monkeypatch.setattr(off, "_registrations", None)  # reading any would fail
        monkeypatch.setattr(desk.photos, "get", lambda key: pytest.fail("a photo was read"))
        with pytest.raises(Conflict):
            look(off)
        assert off.latest(EVENT) is None
        assert (desk.faces.calls, desk.engine.calls) == ([], [])

    def test_nothing_is_answered(self, off: DuplicateService) -> None:
        with pytest.raises(Conflict):
            off.answer(EVENT, "reg-1", "reg-2", Answer.SAME, "", "Ada")

    def test_no_photo_is_shown(self, off: DuplicateService) -> None:
        with pytest.raises(RegistrationNotFound):
            off.photo(EVENT, "reg-1")

    def test_an_erasure_asks_nothing_of_a_search_that_never_was(self, desk: Desk) -> None:
        desk.erasures.erase("user-1", "user-1", local("Ada"))
        assert desk.faces.calls == []


class TestSearch:
    def test_the_pairs_are_listed_with_their_people(self, on: DuplicateService) -> None:
        (pair,) = look(on).pairs
        assert isinstance(pair, Candidate)
        assert (pair.first.registration_id, pair.second.user_id, pair.similarity) == ("reg-1", "user-2", 97.5)
        assert pair.first.photo_key == REFERENCE_KEY
        assert pair.answer is None

    def test_two_registrations_of_one_person_are_a_pair(self, desk: Desk, on: DuplicateService) -> None:
        desk.registrations.import_many([PEOPLE[1].model_copy(update={"user_id": "user-1"})])
        (pair,) = look(on).pairs
        assert pair.first.user_id == pair.second.user_id

    def test_people_without_a_photo_are_counted(self, on: DuplicateService) -> None:
        found = look(on)
        assert (found.compared, found.without_photo, found.finished) == (4, 1, True)

    def test_other_events_are_left_alone(self, desk: Desk, on: DuplicateService) -> None:
        desk.registrations.import_many([PEOPLE[1].model_copy(update={"event_id": "event-2"})])
        assert look(on).pairs == ()

    def test_how_many_false_pairs_are_expected_follows_from_the_rate(self, desk: Desk, on: DuplicateService) -> None:
        desk.faces.rate = Expected(1e-3, 0, 1e-2)
        assert look(on).expected_false == pytest.approx((6e-3, 0, 6e-2))  # four people are six pairs

    def test_an_engine_of_unknown_rate_expects_nothing(self, desk: Desk, on: DuplicateService) -> None:
        desk.faces.rate = None
        assert look(on).expected_false is None

    def test_the_threshold_is_the_engines_own(self, desk: Desk, on: DuplicateService) -> None:
        assert look(on).threshold == desk.faces.default_threshold

    def test_the_last_search_is_remembered(self, on: DuplicateService) -> None:
        assert on.latest(EVENT) is None
        assert look(on) == on.latest(EVENT)

    def test_a_search_of_before_it_was_switched_off_is_not(self, on: DuplicateService) -> None:
        look(on)
        on.set_switch(EVENT, False, "", "Ada")
        on.set_switch(EVENT, True, REASON, "Ada")
        assert on.latest(EVENT) is None

    def test_progress_is_reported(self, on: DuplicateService) -> None:
        told: list[Progress] = []
        on.search(EVENT, Event(), told.append)
        assert told[-1].total == 4

    def test_one_that_was_stopped_says_so(self, on: DuplicateService) -> None:
        stop = Event()
        stop.set()
        assert not on.search(EVENT, stop).finished

    def test_one_that_fails_leaves_the_last_one(self, desk: Desk, on: DuplicateService) -> None:
        before = look(on)
        desk.faces.error = Unavailable("duplicates", "Timeout")
        with pytest.raises(Unavailable):
            look(on)
        assert on.latest(EVENT) == before

    def test_switched_off_meanwhile_it_ends_and_leaves_nothing(self, desk: Desk, on: DuplicateService) -> None:
        desk.faces.meanwhile = lambda: on.set_switch(EVENT, False, "", "Ada")
        with pytest.raises(Conflict):
            look(on)
        assert desk.faces.calls == ["search", "drop", "drop"]  # what was added after the first goes with the second
        assert on.latest(EVENT) is None

    def test_one_that_another_server_switches_off_is_stopped(
        self, on: DuplicateService, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("core.services.erased_meanwhile.LOOK_EVERY", timedelta(0))
        stop = Event()
        on._store.set_switch(EVENT, Switch(on=False, reason="", by="Bob", at=datetime.now(UTC)))
        monkeypatch.setattr(on, "_require_on", lambda event_id: None)  # it was on when the search began
        with pytest.raises(Conflict):
            on.search(EVENT, stop)
        assert stop.is_set()

    def test_the_photos_of_pairs_are_shown_and_no_others(self, on: DuplicateService) -> None:
        look(on)
        assert on.photo(EVENT, "reg-2").jpeg
        with pytest.raises(RegistrationNotFound):
            on.photo(EVENT, "reg-3")


class TestAnswers:
    def test_the_newest_answer_counts(self, on: DuplicateService) -> None:
        look(on)
        on.answer(EVENT, "reg-1", "reg-2", Answer.SAME, "", "Ada")
        on.answer(EVENT, "reg-2", "reg-1", Answer.RELATIVES, " twins ", "Bob")
        found = on.latest(EVENT)
        assert found
        answer = found.pairs[0].answer
        assert answer
        assert (answer.answer, answer.by, answer.note) == (Answer.RELATIVES, "Bob", "twins")

    def test_earlier_answers_are_kept(self, on: DuplicateService) -> None:
        for who in ("Ada", "Bob"):
            on.answer(EVENT, "reg-1", "reg-2", Answer.SAME, "", who)
        (pair,) = on._store.judged(EVENT)
        assert [answer.by for answer in pair.answers] == ["Ada", "Bob"]

    def test_of_very_many_answers_the_oldest_go(self, on: DuplicateService) -> None:
        answers = a_judged_pair().answers * MAX_ANSWERS
        assert on._store.change(None, a_judged_pair(answers=answers), 4_000_000_000)
        on.answer(EVENT, "reg-1", "reg-2", Answer.DIFFERENT, "", "Bob")
        (pair,) = on._store.judged(EVENT)
        assert (len(pair.answers), pair.answers[-1].by) == (MAX_ANSWERS, "Bob")

    def test_an_answer_changes_no_record(self, desk: Desk, on: DuplicateService) -> None:
        before = (desk.records.history("user-1"), desk.registrations.get("reg-1"))
        on.answer(EVENT, "reg-1", "reg-2", Answer.SAME, "", "Ada")
        assert (desk.records.history("user-1"), desk.registrations.get("reg-1")) == before

    def test_of_two_at_once_both_are_kept(self, on: DuplicateService, monkeypatch: pytest.MonkeyPatch) -> None:
        change, others = on._store.change, ["Bob"]

        def overtaken(*given: object) -> bool:
            if others:
                on.answer(EVENT, "reg-1", "reg-2", Answer.DIFFERENT, "", others.pop())
            return change(*given)  # type: ignore[arg-type]

        monkeypatch.setattr(on._store, "change", overtaken)
        on.answer(EVENT, "reg-1", "reg-2", Answer.SAME, "", "Ada")
        (pair,) = on._store.judged(EVENT)
        assert [answer.by for answer in pair.answers] == ["Bob", "Ada"]

    @pytest.mark.parametrize("other", ["reg-404", "reg-9"])
    def test_only_registrations_of_the_event_are_answered(self, desk: Desk, on: DuplicateService, other: str) -> None:
        desk.registrations.import_many(
            [PEOPLE[0].model_copy(update={"registration_id": "reg-9", "event_id": "event-9"})]
        )
        with pytest.raises(RegistrationNotFound):
            on.answer(EVENT, "reg-1", other, Answer.SAME, "", "Ada")

    def test_nobody_is_paired_with_themselves(self, on: DuplicateService) -> None:
        with pytest.raises(InvalidInput):
            on.answer(EVENT, "reg-1", "reg-1", Answer.SAME, "", "Ada")

    def test_a_note_is_short(self, on: DuplicateService) -> None:
        with pytest.raises(InvalidInput):
            on.answer(EVENT, "reg-1", "reg-2", Answer.SAME, "x" * (MAX_TEXT + 1), "Ada")


class TestErasure:
    @pytest.mark.parametrize("user_id", ["user-1", "user-2"])
    def test_either_side_takes_the_answers_and_the_pair_along(
        self, desk: Desk, on: DuplicateService, user_id: str
    ) -> None:
        look(on)
        on.answer(EVENT, "reg-1", "reg-2", Answer.SAME, "a scar", "Ada")
        receipt = desk.erasures.erase(user_id, user_id, local("Ada"))
        assert receipt.counts.pairs == 1
        assert on._store.judged(EVENT) == []
        assert keys(on.latest(EVENT)) == []

    def test_it_deletes_what_is_kept_of_the_face(self, desk: Desk, on: DuplicateService) -> None:
        desk.erasures.erase("user-1", "user-1", local("Ada"))
        assert set(desk.faces.forgotten) == {"user-1"}

    def test_a_person_who_is_erased_during_a_search_is_not_in_it(self, desk: Desk, on: DuplicateService) -> None:
        desk.faces.meanwhile = lambda: desk.erasures.erase("user-2", "user-2", local("Ada"))
        assert look(on).pairs == ()
        # By the erasure, and once more after the search, which may have added the face meanwhile.
        assert desk.faces.calls == ["search", "forget", "forget"]

    def test_of_a_person_who_is_erased_during_a_search_that_fails_no_face_is_kept(
        self, desk: Desk, on: DuplicateService
    ) -> None:
        def erase_and_fail() -> None:
            desk.erasures.erase("user-2", "user-2", local("Ada"))
            raise Unavailable("face engine", "Timeout")

        desk.faces.meanwhile = erase_and_fail
        with pytest.raises(Unavailable):
            look(on)
        assert desk.faces.calls == ["search", "forget", "forget"]

    @pytest.mark.parametrize("user_id", ["user-1", "user-2"])
    def test_an_answer_that_an_erasure_overtakes_is_taken_back(
        self, desk: Desk, on: DuplicateService, user_id: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        change = on._store.change

        def erased_meanwhile(*given: object) -> bool:
            desk.erasures.erase(user_id, user_id, local("Ada"))
            return change(*given)  # type: ignore[arg-type]

        monkeypatch.setattr(on._store, "change", erased_meanwhile)
        with pytest.raises(RegistrationNotFound):
            on.answer(EVENT, "reg-1", "reg-2", Answer.SAME, "", "Bob")
        assert on._store.judged(EVENT) == []


class TestExpiry:
    def at(self, desk: Desk, monkeypatch: pytest.MonkeyPatch, days: float) -> None:
        later = datetime.now(UTC) + timedelta(days=days)
        for part in (desk.services.duplicates, desk.services.duplicates._store._port):  # type: ignore[attr-defined]
            monkeypatch.setattr(part, "_clock", lambda: later)

    def test_searches_end_when_records_of_their_time_expire(
        self, desk: Desk, on: DuplicateService, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.at(desk, monkeypatch, desk.services.settings.record_ttl_days - 0.1)
        on.tidy()
        assert desk.faces.dropped == []
        self.at(desk, monkeypatch, desk.services.settings.record_ttl_days + 0.1)
        on.tidy()
        switch = on.switch(EVENT)
        assert switch
        assert (switch.on, switch.by, desk.faces.dropped) == (False, "retention", [EVENT])
        assert trail(desk, Action.SWITCH_DUPLICATES) == [("retention", "ok", {"on": "no"})]

    def test_an_event_that_is_ahead_keeps_them(
        self, desk: Desk, on: DuplicateService, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ends_at = datetime.now(UTC) + timedelta(days=200)
        desk.services.profile_service.save(EventProfile(event_id=EVENT, ends_at=ends_at), "Ada")
        self.at(desk, monkeypatch, 199)
        on.tidy()
        switch = on.switch(EVENT)
        assert switch
        assert switch.on

    def test_what_could_not_be_deleted_is_deleted_later(
        self, desk: Desk, on: DuplicateService, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fails(event_id: str) -> None:
            raise Unavailable("duplicates", "Timeout")

        with monkeypatch.context() as broken:
            broken.setattr(desk.faces, "drop", fails)
            with pytest.raises(Unavailable):
                on.set_switch(EVENT, False, "", "Ada")
        on.tidy()
        assert desk.faces.dropped == [EVENT]

    def test_answers_expire_as_records_do(
        self, desk: Desk, on: DuplicateService, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        on.answer(EVENT, "reg-1", "reg-2", Answer.SAME, "", "Ada")
        self.at(desk, monkeypatch, desk.services.settings.record_ttl_days + 0.1)
        assert on._store.judged(EVENT) == []


class TestTrail:
    @pytest.fixture
    def whole(self, desk: Desk, duplicates: DuplicateService) -> Guard:
        return Guard(desk.services)

    def test_it_has_the_reason(self, desk: Desk, whole: Guard) -> None:
        whole.acting_as(local("Ada")).duplicates.set_switch(EVENT, True, REASON, "Ada")
        assert trail(desk, Action.SWITCH_DUPLICATES) == [
            ("Ada", "begun", {"on": "yes", "reason": REASON}),
            ("Ada", "ok", {}),
        ]

    def test_it_has_who_answered_what_of_whom_but_no_id(self, desk: Desk, whole: Guard) -> None:
        theirs = whole.acting_as(local("Ada")).duplicates
        theirs.set_switch(EVENT, True, REASON, "Ada")
        theirs.search(EVENT, Event())
        theirs.look(EVENT, "reg-1", "reg-2")
        theirs.answer(EVENT, "reg-1", "reg-2", Answer.RELATIVES, "canary", "Ada")
        now = datetime.now(UTC)
        entries = list(desk.audit.entries(now - timedelta(hours=1), now + timedelta(hours=1)))
        answers = [entry for entry in entries if entry.action is Action.ANSWER_DUPLICATES and entry.details]
        first, second = (entry.registration for entry in answers)
        assert [(entry.details["answer"], entry.details["with"]) for entry in answers] == [
            ("relatives", second),
            ("relatives", first),
        ]
        looks = [entry for entry in entries if entry.action is Action.FIND_DUPLICATES and entry.registration]
        assert {entry.registration for entry in looks} == {first, second}
        text = json.dumps([entry.to_dict() for entry in entries])
        assert not any(told in text for told in ("reg-1", "reg-2", "user-1", "canary"))

    @pytest.mark.parametrize(
        "act",
        [
            lambda theirs: theirs.set_switch(EVENT, True, REASON, "Ada"),
            lambda theirs: theirs.answer(EVENT, "reg-1", "reg-2", Answer.SAME, "", "Ada"),
            lambda theirs: theirs.search(EVENT, Event()),
            lambda theirs: theirs.look(EVENT, "reg-1", "reg-2"),
        ],
        ids=["switch", "answer", "search", "look"],
    )
    def test_nothing_happens_that_it_cannot_have(
        self, desk: Desk, whole: Guard, act: Callable[[object], object], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fails(entry: object) -> None:
            raise Unavailable("audit trail", "Timeout")

        monkeypatch.setattr(desk.audit, "append", fails)
        with pytest.raises(Unavailable):
            act(whole.acting_as(local("Ada")).duplicates)
        assert desk.faces.calls == []
        assert (desk.services.duplicates.switch(EVENT), desk.services.duplicates._store.judged(EVENT)) == (None, [])
