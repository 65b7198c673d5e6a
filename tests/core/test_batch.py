"""A batch of an event: whose photos it takes, what comes of each, and that an interruption judges none twice."""

from __future__ import annotations

import stat
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from core.adapters.embedded.worklists import SqliteWorklist
from core.domain.errors import Conflict, InvalidInput, RegistrationNotFound, Unavailable
from core.domain.records import Decision, Registration, Source, Status, ValidationRecord
from core.domain.worklists import Mark
from core.flow.crew import End
from core.services.batch import BatchProgress, Choice
from core.services.validation import Submitter
from tests.support import hostile
from tests.support.desk import Desk

EVENT = "expo"
SENT = "face-images/sent.jpg"
ANYBODY = Submitter(Source.BATCH, "Olga")
DOWN = Unavailable("face engine", "ThrottlingException")


@pytest.fixture
def register(desk: Desk, astronaut_jpeg: bytes) -> Callable[..., list[Registration]]:
    """People of the event, each with a submitted photo that is stored, unless told otherwise."""
    desk.photos.put(SENT, astronaut_jpeg)

    def add(number: int = 1, prefix: str = "r", **changes: object) -> list[Registration]:
        people = [
            Registration(
                **{
                    "registration_id": f"{prefix}{each}",
                    "user_id": f"user-{prefix}{each}",
                    "event_id": EVENT,
                    "submitted_photo_key": SENT,
                    **changes,
                }
            )
            for each in range(number)
        ]
        desk.registrations.import_many(people)
        return people

    return add


def run(desk: Desk, choice: Choice = Choice.ALL, folder: Path | None = None) -> BatchProgress:
    with closing(desk.batches.open(EVENT, choice, ANYBODY, folder)) as batch:
        return batch.run(threading.Event())


def record_of(desk: Desk, person: Registration) -> ValidationRecord:
    record = desk.records.get(person.user_id, person.registration_id)
    assert record
    return record


def tried(desk: Desk, person: Registration, similarity: float, attempt_id: str = "before") -> None:
    """The person's photo was validated before; 95 passes, 75 waits, 10 fails, where there is a reference photo."""
    desk.engine.similarity = similarity
    desk.validation.validate_stored(person.registration_id, SENT, attempt_id, ANYBODY)
    desk.engine.similarity = 95


# Whose photos


@pytest.fixture
def one_of_each(desk: Desk, register: Callable[..., list[Registration]]) -> dict[str, Registration]:
    """A person of each state; all have the same reference photo."""
    people = {
        name: register(1, name, reference_photo_key="reference-faces/one.jpg")[0]
        for name in ("new", "passed", "waiting", "failed", "rejected")
    }
    for name, similarity in (("passed", 95), ("waiting", 75), ("failed", 10), ("rejected", 75)):
        tried(desk, people[name], similarity)
    desk.validation.decide(record_of(desk, people["rejected"]), Decision.REJECTED, "Rita", "BLURRED")
    register(1, "nothing", submitted_photo_key=None)
    return people


@pytest.mark.parametrize(
    ("choice", "chosen"),
    [
        (Choice.ALL, {"new", "waiting", "failed"}),
        (Choice.NEVER_TRIED, {"new"}),
        (Choice.FAILED, {"failed"}),
        (Choice.PENDING, {"waiting"}),
    ],
)
def test_neither_who_has_passed_nor_whom_a_person_decided_on_is_validated_again(
    desk: Desk, one_of_each: dict[str, Registration], choice: Choice, chosen: set[str]
) -> None:
    assert desk.batches.count(EVENT, choice) == len(chosen)
    summary = run(desk, choice)
    by_batch = {
        name
        for name, person in one_of_each.items()
        if (record := desk.records.get(person.user_id, person.registration_id))
        and (record.verification_attempt == 2 or name == "new")
    }
    assert (by_batch, summary.total, summary.marks) == (chosen, len(chosen), {Mark.PASSED: len(chosen)})


def test_an_event_without_anybody_is_done_at_once(desk: Desk) -> None:
    summary = run(desk)
    assert (summary.end, summary.total) == (End.DONE, 0)


def test_a_record_under_another_user_is_not_this_persons(
    desk: Desk, register: Callable[..., list[Registration]]
) -> None:
    (before,) = register(1)
    tried(desk, before, 95)
    register(1, user_id="somebody else")
    assert desk.batches.count(EVENT, Choice.NEVER_TRIED) == 1


def test_the_attempt_says_that_it_was_a_batch_and_whose(
    desk: Desk, register: Callable[..., list[Registration]]
) -> None:
    (person,) = register(1)
    run(desk)
    (attempt,) = record_of(desk, person).attempts
    assert (attempt.source, attempt.operator, attempt.face_image_key) == ("batch", "Olga", SENT)


# A folder of photos


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "incoming"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("suffix", ["jpg", "JPG", "jpeg", "png", "jfif", "HIF"])
def test_a_file_named_by_the_registration_goes_before_the_stored_photo(
    desk: Desk, register: Callable[..., list[Registration]], folder: Path, astronaut_jpeg: bytes, suffix: str
) -> None:
    (person,) = register(1)
    (folder / f"r0.{suffix}").write_bytes(astronaut_jpeg)
    run(desk, folder=folder)
    key = record_of(desk, person).face_image_key
    assert (key != SENT, desk.photos.exists(key or "")) == (True, True)


def test_files_of_nobody_and_of_other_kinds_are_left_alone(
    desk: Desk, register: Callable[..., list[Registration]], folder: Path, astronaut_jpeg: bytes
) -> None:
    register(1, submitted_photo_key=None)
    for name in ("somebody-else.jpg", "r0.txt", "r0", "r0.jpg.bak", ".jpg"):
        (folder / name).write_bytes(astronaut_jpeg)
    assert run(desk, folder=folder).total == 0


def test_a_link_out_of_the_folder_is_not_followed(
    desk: Desk, register: Callable[..., list[Registration]], folder: Path, tmp_path: Path, astronaut_jpeg: bytes
) -> None:
    register(1, submitted_photo_key=None)
    (tmp_path / "secret.jpg").write_bytes(astronaut_jpeg)
    (folder / "r0.jpg").symlink_to(tmp_path / "secret.jpg")
    assert run(desk, folder=folder).total == 0


def test_hostile_files_are_refused_and_stop_no_other(
    desk: Desk, register: Callable[..., list[Registration]], folder: Path, astronaut_jpeg: bytes
) -> None:
    files = [
        b"",
        b"no photo",
        hostile.jpeg()[:400],
        hostile.png(60_000, 60_000),
        hostile.jpeg_of_scans(5000, 4000, 4000),
        hostile.animated("WEBP"),
        hostile.zip_archive(),
    ]
    register(len(files), submitted_photo_key=None)
    for number, data in enumerate(files):
        (folder / f"r{number}.jpg").write_bytes(data)
    register(1, "good")
    summary = run(desk, folder=folder)
    assert (summary.end, summary.marks) == (End.DONE, {Mark.REFUSED: len(files), Mark.PASSED: 1})
    assert {name for name, _ in summary.problems} == {f"r{number}" for number in range(len(files))}
    assert all(why for _, why in summary.problems)


def test_a_missing_folder_is_named(desk: Desk, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="There is no folder"):
        desk.batches.open(EVENT, Choice.ALL, ANYBODY, tmp_path / "none")


# What comes of a photo


def test_a_missing_photo_is_named_and_writes_no_record(
    desk: Desk, register: Callable[..., list[Registration]]
) -> None:
    (person,) = register(1, submitted_photo_key="face-images/gone.jpg")
    summary = run(desk)
    assert (summary.marks, [name for name, _ in summary.problems]) == ({Mark.MISSING: 1}, ["r0"])
    assert desk.records.get(person.user_id, person.registration_id) is None


def test_somebody_who_was_validated_meanwhile_is_left_alone(
    desk: Desk, register: Callable[..., list[Registration]]
) -> None:
    (person,) = register(1)
    with closing(desk.batches.open(EVENT, Choice.ALL, ANYBODY)) as batch:
        tried(desk, person, 95, "at the desk")
        summary = batch.run(threading.Event())
    assert (summary.marks, record_of(desk, person).verification_attempt) == ({Mark.CHANGED: 1}, 1)


def test_a_decision_made_meanwhile_stands(desk: Desk, register: Callable[..., list[Registration]]) -> None:
    (person,) = register(1, reference_photo_key="reference-faces/one.jpg")
    tried(desk, person, 75)
    with closing(desk.batches.open(EVENT, Choice.PENDING, ANYBODY)) as batch:
        desk.validation.decide(record_of(desk, person), Decision.REJECTED, "Rita", "BLURRED")
        summary = batch.run(threading.Event())
    record = record_of(desk, person)
    assert (summary.marks, record.validation_status) == ({Mark.CHANGED: 1}, Status.FAILED)


def test_a_registration_that_went_meanwhile_is_left_alone(
    desk: Desk, register: Callable[..., list[Registration]], monkeypatch: pytest.MonkeyPatch
) -> None:
    register(1)

    def gone(registration_id: str) -> None:
        raise RegistrationNotFound("gone")

    monkeypatch.setattr(desk.registrations, "get", gone)
    assert run(desk).marks == {Mark.CHANGED: 1}


# Failing services


def test_with_the_engine_down_the_batch_gives_up_and_nobody_is_turned_into_waiting(
    desk: Desk, register: Callable[..., list[Registration]]
) -> None:
    people = register(100)
    desk.engine.error = DOWN
    summary = run(desk)
    assert (summary.end, summary.done, summary.paused) == (End.GAVE_UP, 0, str(DOWN))
    assert not any(desk.records.get(each.user_id, each.registration_id) for each in people)


def test_once_the_engine_is_back_a_second_start_does_the_rest(
    desk: Desk, register: Callable[..., list[Registration]]
) -> None:
    people = register(30)
    desk.engine.error = DOWN
    run(desk)
    desk.engine.error = None
    summary = run(desk)
    assert (summary.end, summary.marks) == (End.DONE, {Mark.PASSED: 30})
    assert {record_of(desk, each).verification_attempt for each in people} == {1}


def test_with_the_records_down_it_gives_up(
    desk: Desk, register: Callable[..., list[Registration]], monkeypatch: pytest.MonkeyPatch
) -> None:
    register(100)

    def down(*_given: object) -> None:
        raise Unavailable("validation records", "ProvisionedThroughputExceededException")

    monkeypatch.setattr(desk.records, "record_attempt", down)
    summary = run(desk)
    assert (summary.end, summary.done) == (End.GAVE_UP, 0)


def test_what_failed_is_counted_by_service_and_code_and_left(
    desk: Desk, register: Callable[..., list[Registration]], monkeypatch: pytest.MonkeyPatch
) -> None:
    register(5)
    register(1, "bad", submitted_photo_key="face-images/bad.jpg")
    get = desk.photos.get

    def failing(key: str) -> bytes:
        if key == "face-images/bad.jpg":
            raise Unavailable("photos", "SlowDown")
        return get(key)

    monkeypatch.setattr(desk.photos, "get", failing)
    summary = run(desk)
    assert (summary.end, summary.left, dict(summary.errors)) == (End.LEFT, 1, {"photos: SlowDown": 1})
    assert summary.marks == {Mark.PASSED: 5}


# Interruptions


def interrupted(desk: Desk, after: int) -> BatchProgress:
    stop = threading.Event()

    def report(progress: BatchProgress) -> None:
        if progress.done >= after:
            stop.set()

    with closing(desk.batches.open(EVENT, Choice.ALL, ANYBODY)) as batch:
        return batch.run(stop, report)


def test_a_stopped_batch_goes_on_with_what_is_left(desk: Desk, register: Callable[..., list[Registration]]) -> None:
    people = register(40)
    first = interrupted(desk, 10)
    second = run(desk)
    assert (first.end, second.end, second.marks) == (End.STOPPED, End.DONE, {Mark.PASSED: 40})
    assert desk.engine.calls.count("detect") == 40
    assert {record_of(desk, each).verification_attempt for each in people} == {1}


def test_what_was_recorded_before_a_kill_and_not_yet_noted_counts_once_and_asks_the_engine_once(
    desk: Desk, register: Callable[..., list[Registration]], monkeypatch: pytest.MonkeyPatch
) -> None:
    people = register(8)

    def killed(*_given: object) -> None:
        raise SystemExit

    keep = SqliteWorklist.keep
    monkeypatch.setattr(SqliteWorklist, "keep", killed)
    with pytest.raises(SystemExit):
        run(desk)
    monkeypatch.setattr(SqliteWorklist, "keep", keep)
    summary = run(desk)
    assert (summary.end, summary.marks) == (End.DONE, {Mark.PASSED: 8})
    assert desk.engine.calls.count("detect") == 8
    assert Counter(record_of(desk, each).verification_attempt for each in people) == {1: 8}


def test_an_unfinished_batch_is_told_with_how_far_it_is(
    desk: Desk, register: Callable[..., list[Registration]]
) -> None:
    register(40)
    assert desk.batches.unfinished(EVENT) is None
    done = interrupted(desk, 10).done
    choice, progress = desk.batches.unfinished(EVENT) or pytest.fail("none")
    assert (choice, progress.total, progress.done) == (Choice.ALL, 40, done)


def test_it_goes_on_with_its_own_choice_and_folder(
    desk: Desk, register: Callable[..., list[Registration]], folder: Path, astronaut_jpeg: bytes
) -> None:
    register(10, submitted_photo_key=None)
    for number in range(10):
        (folder / f"r{number}.jpg").write_bytes(astronaut_jpeg)
    with closing(desk.batches.open(EVENT, Choice.NEVER_TRIED, ANYBODY, folder)):
        pass
    with closing(desk.batches.resume(EVENT, ANYBODY)) as batch:
        assert batch.run(threading.Event()).marks == {Mark.PASSED: 10}
    with pytest.raises(Conflict, match="no unfinished batch"):
        desk.batches.resume(EVENT, ANYBODY)


def test_another_choice_is_refused_while_one_is_not_done(
    desk: Desk, register: Callable[..., list[Registration]]
) -> None:
    register(40)
    interrupted(desk, 10)
    with pytest.raises(Conflict, match="not finished"):
        desk.batches.open(EVENT, Choice.FAILED, ANYBODY)


def test_dropped_it_begins_anew(desk: Desk, register: Callable[..., list[Registration]]) -> None:
    register(40)
    done = interrupted(desk, 10).done
    desk.batches.drop(EVENT)
    assert run(desk, Choice.NEVER_TRIED).total == 40 - done


def test_begun_anew_it_reads_the_event_again(desk: Desk, register: Callable[..., list[Registration]]) -> None:
    register(40)
    done = interrupted(desk, 10).done
    with closing(desk.batches.open(EVENT, Choice.ALL, ANYBODY, start_over=True)) as batch:
        assert batch.progress().total == 40 - done


def test_a_second_batch_of_the_event_is_refused_while_one_runs(
    desk: Desk, register: Callable[..., list[Registration]]
) -> None:
    register(1)
    with (
        closing(desk.batches.open(EVENT, Choice.ALL, ANYBODY)),
        pytest.raises(Conflict, match="A batch of this event is running already"),
    ):
        desk.batches.open(EVENT, Choice.ALL, ANYBODY)


def test_of_many_that_start_at_once_one_runs(desk: Desk, register: Callable[..., list[Registration]]) -> None:
    people = register(20)

    def start(_number: int) -> BatchProgress | None:
        try:
            return run(desk)
        except Conflict:
            return None

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(start, range(8)))
    assert {record_of(desk, each).verification_attempt for each in people} == {1}


def test_a_running_batch_cannot_be_dropped(desk: Desk, register: Callable[..., list[Registration]]) -> None:
    register(1)
    with closing(desk.batches.open(EVENT, Choice.ALL, ANYBODY)), pytest.raises(Conflict):
        desk.batches.drop(EVENT)


def test_batches_of_two_events_run_beside_each_other(desk: Desk, register: Callable[..., list[Registration]]) -> None:
    register(1)
    with (
        closing(desk.batches.open(EVENT, Choice.ALL, ANYBODY)),
        closing(desk.batches.open("another", Choice.ALL, ANYBODY)) as other,
    ):
        assert other.run(threading.Event()).end is End.DONE


def test_the_list_is_its_owners_alone_while_it_is_there_and_goes_when_all_is_done(
    desk: Desk, register: Callable[..., list[Registration]], tmp_path: Path
) -> None:
    register(40)
    interrupted(desk, 10)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.glob("batch-*")}
    run(desk)
    assert modes == {0o600}
    assert [path.suffix for path in tmp_path.glob("batch-*")] == [".lock"]
