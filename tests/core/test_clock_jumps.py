"""The clock jumps, forward or back, between any two steps: nothing that was acknowledged is lost, and nothing of an
erased person is left.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from core.adapters.aws.erasures import DynamoErasures
from core.adapters.embedded.audit import SqliteAudit
from core.adapters.embedded.erasures import SqliteErasures
from core.adapters.embedded.photos import FolderPhotos
from core.adapters.embedded.registrations import SqliteRegistrations
from core.adapters.embedded.worklists import SqliteWorklists
from core.domain.audit import AuditEntry
from core.domain.errors import Conflict, RegistrationNotFound, Unavailable
from core.domain.policy import Policy
from core.domain.records import Registration, Source
from core.domain.roles import local
from core.domain.worklists import Mark
from core.photos.keys import folder_of
from core.photos.sanitiser import PhotoSanitiser
from core.runtime.bootstrap import build
from core.runtime.services import Services
from core.services.batch import Batches, Choice
from core.services.erasure import Erasures
from core.services.reference_photos import ReferencePhotos
from core.services.validation import Submitter, ValidationService
from core.settings import Settings
from tests.support.clock import NOON, FakeClock
from tests.support.desk import HASHED
from tests.support.engine import GOOD_FACE, ChosenEngine
from tests.support.production import validation_by
from tests.support.stores import PATIENT, dynamodb_bench, sqlite_bench

ADMIN = local("ada")
AT_THE_DESK = Submitter(Source.DASHBOARD, "asha", "127.0.0.1")
REGISTERED = Registration(registration_id="reg-1", user_id="user-1", event_id="event-1")
#: The steps of an erasure after it is in the journal.
STEPS_OF_AN_ERASURE = ["erase_under", "erase_records", "erase", "forget", "scrub", "finish"]
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
#: What the clock does before, within and after what happens meanwhile.
JUMPS = [(0 * HOUR, -HOUR, -HOUR), (HOUR, 0 * HOUR, -2 * HOUR), (20 * DAY, -25 * DAY, -3 * DAY)]


class Stepping:
    """``part``, before each of whose calls ``step`` is called with the method's name."""

    def __init__(self, part: Any, step: Callable[[str], None]) -> None:
        self._part = part
        self._step = step

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._part, name)

        def stepped(*given: Any, **more: Any) -> Any:
            self._step(name)
            return method(*given, **more)

        return stepped


@dataclass
class Person:
    """One whom nobody has met, with a registration; validated and erased over real stores."""

    place: Place
    number: int

    @property
    def registration(self) -> Registration:
        ids = {"registration_id": f"reg-{self.number}", "user_id": f"user-{self.number}"}
        return REGISTERED.model_copy(update=ids)

    def register(self) -> None:
        self.place.registrations.import_many([self.registration])

    def validate(self, attempt_id: str) -> bool:
        """Whether the attempt was acknowledged."""
        photo, submitted_by = self.place.photo, AT_THE_DESK
        try:
            self.place.validation.validate_upload(self.registration.registration_id, photo, attempt_id, submitted_by)
        except RegistrationNotFound:
            return False
        return True

    def erase(self) -> None:
        self.place.erasures.erase(self.registration.user_id, self.registration.user_id, ADMIN)

    def check(self, *expected: str) -> None:
        """These attempts and their photos are there, and no others."""
        record = self.place.records.get(self.registration.user_id, self.registration.registration_id)
        attempts = record.attempts if record else ()
        assert [each.attempt_id for each in attempts] == list(expected)
        keys = sorted(str(each.face_image_key) for each in attempts)
        assert self.place.photos.under(folder_of(self.registration.registration_id)) == keys
        assert len(self.place.stored.records_of(self.registration.user_id)) == bool(expected)


@dataclass
class Place:
    clock: FakeClock
    validation: ValidationService
    erasures: Erasures
    records: Any
    stored: Any
    registrations: SqliteRegistrations
    photos: FolderPhotos
    engine: ChosenEngine
    photo: bytes
    #: What is done before which step of what is under way: the step's place, or its name.
    before: int | str = 0
    meanwhile: Callable[[], object] | None = None
    people: int = 0

    def step(self, name: str) -> None:
        if self.meanwhile is None:
            return
        if self.before in (0, name):
            meanwhile, self.meanwhile = self.meanwhile, None
            meanwhile()
        elif isinstance(self.before, int):
            self.before -= 1

    def person(self) -> Person:
        self.people += 1
        person = Person(self, self.people)
        person.register()
        return person

    def at_step(self, before: int | str, meanwhile: Callable[[], object], work: Callable[[], object]) -> bool:
        """Do ``work``, and ``meanwhile`` before its step; False if there was no such step."""
        self.before, self.meanwhile = before, meanwhile
        work()
        reached, self.meanwhile = self.meanwhile is None, None
        return reached


@pytest.fixture(params=["sqlite", "moto_dynamodb"])
def place(
    request: pytest.FixtureRequest, tmp_path: Path, sanitiser: PhotoSanitiser, hopper_jpeg: bytes
) -> Iterator[Place]:
    if request.param == "sqlite":
        bench = sqlite_bench(tmp_path)
        stored: Any = SqliteErasures(tmp_path / "facedesk.db")
    else:
        client = request.getfixturevalue(request.param)
        bench = dynamodb_bench(client)
        stored = DynamoErasures(client, bench.records._table, PATIENT)  # type: ignore[attr-defined]
    clock, audit = bench.clock, SqliteAudit(tmp_path / "audit.db")
    registrations = SqliteRegistrations(tmp_path / "registrations.db")
    photos = FolderPhotos(tmp_path / "photos", clock=clock)
    made: list[Place] = []

    def stepping(part: Any) -> Any:
        return Stepping(part, lambda name: made[0].step(name))

    ours, engine = stepping(registrations), ChosenEngine()
    erasures = Erasures(stepping(stored), ours, ours, stepping(photos), audit, HASHED, clock)
    validation = ValidationService(
        stepping(bench.records),
        ours,
        stepping(photos),
        engine,
        ReferencePhotos(photos, sanitiser, engine),
        sanitiser,
        Policy(),
        clock,
        timedelta(days=30),
        30,
        erasures,
        at_once=1,
    )
    made.append(Place(clock, validation, erasures, bench.records, stored, registrations, photos, engine, hopper_jpeg))
    yield made[0]
    validation.close()
    for store in (bench.records, stored, registrations, audit):
        store.close()


def test_an_acknowledged_attempt_stays_though_the_clock_goes_back_before_the_next(place: Place) -> None:
    person = place.person()
    person.validate("before")
    person.erase()
    person.register()
    assert person.validate("first")
    place.clock.jump(-HOUR)
    assert person.validate("second")
    person.check("first", "second")


@pytest.mark.parametrize("jumps", JUMPS, ids=str)
def test_an_attempt_that_an_erasure_overtakes_takes_back_itself_alone(
    place: Place, jumps: tuple[timedelta, ...]
) -> None:
    """Before each of its steps in turn the person is erased, registers again and validates."""
    for step in count():
        person = place.person()
        place.clock.now = NOON

        def meanwhile(person: Person = person) -> None:
            place.clock.jump(jumps[0])
            person.erase()
            place.clock.jump(jumps[1])
            person.register()
            assert person.validate("theirs")
            place.clock.jump(jumps[2])

        if not place.at_step(step, meanwhile, partial(person.validate, "late")):
            assert step == 6
            return
        # Before it has read the journal, it is an attempt of the person who has registered again.
        person.check("theirs", *(["late"] if step < 2 else []))


@pytest.mark.parametrize("jumps", JUMPS[:2], ids=str)
def test_an_attempt_before_any_step_of_an_erasure_leaves_nothing(place: Place, jumps: tuple[timedelta, ...]) -> None:
    for step in count():
        person = place.person()
        person.validate("before")

        def meanwhile(person: Person = person) -> None:
            place.clock.jump(jumps[0])
            person.validate("late")
            place.clock.jump(jumps[1])

        reached = place.at_step(step, meanwhile, person.erase)
        person.check()
        if not reached:
            assert step > len(STEPS_OF_AN_ERASURE)
            return


@pytest.mark.parametrize("cut_before", STEPS_OF_AN_ERASURE)
def test_an_attempt_leaves_nothing_though_the_erasure_is_cut_off_and_goes_on_later(
    place: Place, cut_before: str
) -> None:
    def cut() -> None:
        raise Unavailable("a store", "gone")

    for step in count():
        person = place.person()

        def cut_off(person: Person = person) -> None:
            place.clock.jump(-HOUR)
            with pytest.raises(Unavailable):
                place.at_step(cut_before, cut, person.erase)
            place.clock.jump(HOUR)

        if not place.at_step(step, cut_off, partial(person.validate, "late")):
            return
        place.erasures.resume()
        person.check()


# Batches


@pytest.fixture
def batches(place: Place, tmp_path: Path) -> Batches:
    many: Any = {"workers": 2, "max_file_bytes": 1 << 24, "patience": 0}
    return Batches(
        place.records, place.registrations, place.validation, SqliteWorklists(tmp_path / "batches"), **many
    )


def sent(place: Place, number: int) -> list[Person]:
    """People whose photo is stored and waits to be validated."""
    place.photos.put("face-images/sent.jpg", place.photo)
    people = [place.person() for _ in range(number)]
    changes = {"submitted_photo_key": "face-images/sent.jpg"}
    place.registrations.import_many([person.registration.model_copy(update=changes) for person in people])
    return people


def attempts_of(place: Place, person: Person) -> int:
    record = place.records.get(person.registration.user_id, person.registration.registration_id)
    return record.verification_attempt if record else 0


@pytest.mark.parametrize("jump", [-10 * DAY, -HOUR, HOUR, 20 * DAY], ids=str)
def test_a_batch_is_one_persons_at_a_time_and_judges_none_twice_however_the_clock_jumps(
    place: Place, batches: Batches, jump: timedelta
) -> None:
    people = sent(place, 4)
    stop = threading.Event()
    with closing(batches.open("event-1", Choice.ALL, AT_THE_DESK)) as batch:
        place.clock.jump(jump)
        with pytest.raises(Conflict, match="running already"):
            batches.open("event-1", Choice.ALL, AT_THE_DESK)
        batch.run(stop, lambda progress: stop.set())
    place.clock.jump(-2 * jump)
    with closing(batches.open("event-1", Choice.ALL, AT_THE_DESK)) as batch:
        assert batch.resumed
        assert batch.run(threading.Event()).marks == {Mark.PASSED: 4}
    assert [attempts_of(place, person) for person in people] == [1] * 4


@pytest.mark.parametrize("jump", [-HOUR, -20 * DAY], ids=str)
def test_a_batch_leaves_alone_whom_the_desk_has_validated_meanwhile_though_the_clock_has_gone_back(
    place: Place, batches: Batches, jump: timedelta
) -> None:
    (person,) = sent(place, 1)
    place.engine.faces = ()
    person.validate("failed")
    place.engine.faces = (GOOD_FACE,)
    with closing(batches.open("event-1", Choice.FAILED, AT_THE_DESK)) as batch:
        place.clock.jump(jump)
        person.validate("passed")
        assert batch.run(threading.Event()).marks == {Mark.CHANGED: 1}
    assert attempts_of(place, person) == 2


# Wired as the server is


@dataclass
class Server:
    services: Services
    validation: ValidationService
    clock: FakeClock


@pytest.fixture
def server(tmp_path: Path, hopper_jpeg: bytes) -> Iterator[Server]:
    clock = FakeClock()
    services = build(Settings(_env_file=None, data_dir=tmp_path), clock)  # type: ignore[call-arg]
    validation = validation_by(ChosenEngine(), services, erasures=services.erasures._of)
    assert services.importer
    services.importer.import_many([REGISTERED])
    yield Server(services, validation, clock)
    validation.close()
    services.close()


@pytest.mark.parametrize("jump", [-HOUR, HOUR, -20 * DAY, 20 * DAY], ids=str)
def test_who_registers_again_and_validates_is_seen_on_the_events_page_however_the_clock_jumps(
    server: Server, hopper_jpeg: bytes, jump: timedelta
) -> None:
    services = server.services
    submit = partial(server.validation.validate_upload, "reg-1", hopper_jpeg)
    submit("before", AT_THE_DESK)
    assert list(services.records.event_frame("event-1")["attempts"]) == [1]
    services.erasures.erase("user-1", "user-1", ADMIN)
    assert len(services.records.event_frame("event-1")) == 0
    services.importer.import_many([REGISTERED])  # type: ignore[union-attr]
    submit("first", AT_THE_DESK)
    server.clock.jump(jump)
    submit("second", AT_THE_DESK)
    assert list(services.records.event_frame("event-1")["attempts"]) == [2]
    found = services.records.get("user-1", "reg-1")
    assert found
    assert [each.attempt_id for each in found.attempts] == ["first", "second"]


@pytest.mark.parametrize("jump", [-HOUR, -400 * DAY], ids=str)
def test_a_records_own_times_never_go_back(server: Server, hopper_jpeg: bytes, jump: timedelta) -> None:
    submit = partial(server.validation.validate_upload, "reg-1", hopper_jpeg)
    first = submit("first", AT_THE_DESK).record
    server.clock.jump(jump)
    second = submit("second", AT_THE_DESK).record
    assert second.timestamp >= first.timestamp
    assert (second.updated_at or first.timestamp) > (first.updated_at or first.timestamp)
    assert second.version != first.version


def test_the_trail_has_an_entry_of_each_step_of_an_erasure_however_the_clock_jumps(server: Server) -> None:
    began = server.clock()
    for jump in (-HOUR, 2 * HOUR, -HOUR):
        server.clock.jump(jump)
        server.services.erasures.erase("user-1", "user-1", ADMIN)
    found: list[AuditEntry] = list(server.services.audit.entries(began - DAY, began + DAY))
    assert sorted(entry.outcome for entry in found) == ["begun"] * 3 + ["ok"] * 3
