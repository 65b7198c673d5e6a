"""The audit of reference photos: whom to ask for another one, in what words; and nothing is written."""

from __future__ import annotations

import csv
import io
import threading

import pytest

from core.domain.errors import Unavailable
from core.domain.records import Registration
from core.flow.crew import End
from core.services.export import as_csv
from core.services.reference_check import CheckedReferences, Person, ReferenceProblem
from core.services.tables import REFERENCE_COLUMNS, references
from tests.support.desk import REFERENCE_KEY, Desk
from tests.support.engine import GOOD_FACE

EVENT = "expo"


def register(desk: Desk, *keys: str | None) -> None:
    desk.registrations.import_many(
        Registration(
            registration_id=f"r{number}",
            user_id=f"u{number}",
            event_id=EVENT,
            name="Ana",
            reference_photo_key=key,
        )
        for number, key in enumerate(keys)
    )


def audited(desk: Desk) -> CheckedReferences:
    return desk.references.run(EVENT, threading.Event())


def test_a_good_photo_is_no_problem(desk: Desk) -> None:
    register(desk, REFERENCE_KEY)
    audit = audited(desk)
    assert (audit.problems, audit.progress.end, audit.progress.done) == ((), End.DONE, 1)


def test_missing_and_unreadable_photos_are_problems_in_the_order_of_registrations(desk: Desk) -> None:
    desk.photos.put("reference-faces/text.jpg", b"no photo")
    register(desk, None, "reference-faces/gone.jpg", "reference-faces/text.jpg", REFERENCE_KEY)
    assert [(each.person.registration_id, each.codes) for each in audited(desk).problems] == [
        ("r0", ("NO_REFERENCE",)),
        ("r1", ("PHOTO_MISSING",)),
        ("r2", ("PHOTO_UNREADABLE",)),
    ]


def test_a_photo_that_the_rules_refuse_comes_with_their_codes_and_words(desk: Desk) -> None:
    register(desk, REFERENCE_KEY)
    desk.engine.faces = ({**GOOD_FACE, "Quality": {"Brightness": 5.0, "Sharpness": 5.0}},)
    (problem,) = audited(desk).problems
    assert problem.codes == ("TOO_DARK", "BLURRED")
    assert "too dark" in problem.message
    assert "blurred" in problem.message


def test_nothing_is_compared_and_nothing_written(desk: Desk) -> None:
    register(desk, REFERENCE_KEY)
    before = desk.stored_files
    audited(desk)
    assert (desk.engine.calls, desk.records.event_frame(EVENT).empty) == (["detect"], True)
    assert desk.stored_files == before


def test_what_could_not_be_judged_is_no_problem_of_the_person(desk: Desk) -> None:
    register(desk, *[REFERENCE_KEY] * 3)
    desk.engine.error = Unavailable("face engine", "ThrottlingException")
    audit = audited(desk)
    assert (audit.problems, audit.progress.left) == ((), 3)
    assert dict(audit.progress.errors) == {"face engine: ThrottlingException": 3}


def test_an_event_of_nobody_is_done(desk: Desk) -> None:
    assert audited(desk).progress.end is End.DONE


def test_the_last_audit_is_remembered_by_event(desk: Desk) -> None:
    register(desk, None)
    audit = audited(desk)
    assert (desk.references.latest(EVENT), desk.references.latest("another")) == (audit, None)


@pytest.mark.parametrize("name", ["=HYPERLINK(1)", "+1", "@x", "\tx"])
def test_no_cell_of_the_csv_is_a_formula(name: str) -> None:
    problem = ReferenceProblem(Person(name, name, name, name, None), ("NO_REFERENCE",), "Send one.")
    header, row = csv.reader(io.StringIO(b"".join(as_csv(references([problem]))).decode("utf-8-sig")))
    assert (tuple(header), row) == (REFERENCE_COLUMNS, [f"'{name}"] * 4 + ["NO_REFERENCE", "Send one."])
