"""What expires on one machine: records, their photos, photos of none; and what must stay."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.adapters.embedded.cases import SqliteClaims, SqliteNotes
from core.adapters.embedded.duplicates import SqliteDuplicates
from core.adapters.embedded.erasures import SqliteErasures
from core.adapters.embedded.findings import SqliteFindings
from core.domain.clock import utc_now
from core.domain.errors import Conflict, Unavailable
from core.domain.roles import Action
from core.services.retention import Retention, Swept
from core.services.steady_clock import BACK, GAP, STEADY, SteadyClock
from tests.support.cases import a_claim, a_note
from tests.support.clock import FakeClock
from tests.support.desk import REFERENCE_KEY, REGISTERED, Desk
from tests.support.duplicates import a_judged_pair
from tests.support.records import an_outcome

TTL, DAY = timedelta(days=30), timedelta(days=1)
KEY = "face-images/attempt-1.jpg"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(utc_now())


@pytest.fixture
def store(desk: Desk) -> Iterator[SqliteErasures]:
    store = SqliteErasures(desk.photo_folder.parent / "facedesk.sqlite3")
    yield store
    store.close()


@pytest.fixture
def cases(desk: Desk, clock: FakeClock) -> Iterator[dict[str, Any]]:
    """The stores of claims, notes, answers to pairs and findings, by this test's clock."""
    path = desk.photo_folder.parent / "facedesk.sqlite3"
    stores = {
        "claims": SqliteClaims(path, clock),
        "notes": SqliteNotes(path, clock),
        "pairs": SqliteDuplicates(path, clock),
        "findings": SqliteFindings(path, clock),
    }
    yield stores
    for store in stores.values():
        store.close()


@pytest.fixture
def retention(desk: Desk, store: SqliteErasures, clock: FakeClock, cases: dict[str, Any]) -> Retention:
    return Retention(
        store, desk.registrations, desk.photos, desk.audit, clock, TTL, lambda: True, lambda: None, **cases
    )


def attempted(desk: Desk, at: datetime, key: str = KEY, **changes: Any) -> None:
    """An attempt of some time ago with its photo, which was put at that time."""
    desk.records.record_attempt(an_outcome(timestamp=at, face_image_key=key, **changes), TTL)
    put(desk, key, at)


def put(desk: Desk, key: str, at: datetime) -> None:
    desk.photos.put(key, b"a photo")
    os.utime(desk.photos._path(key), (at.timestamp(),) * 2)


def files(desk: Desk) -> set[str]:
    return {str(path.relative_to(desk.photo_folder)) for path in desk.stored_files}


def test_an_expired_record_goes_with_its_photo(
    desk: Desk, store: SqliteErasures, retention: Retention, clock: FakeClock
) -> None:
    attempted(desk, clock())
    clock.advance(TTL + DAY)
    assert retention.sweep() == Swept(records=1, photos=1)
    assert (store.records_of("user-1"), files(desk)) == ([], {REFERENCE_KEY})


def test_before_its_time_nothing_goes(desk: Desk, retention: Retention, clock: FakeClock) -> None:
    attempted(desk, clock())
    clock.advance(TTL - DAY)
    assert retention.sweep() == Swept(records=0, photos=0)
    assert files(desk) == {REFERENCE_KEY, KEY}


def test_a_photo_under_a_key_that_is_no_path_goes_too(desk: Desk, retention: Retention, clock: FakeClock) -> None:
    attempted(desk, clock(), "face-images//odd\\key.jpg")
    clock.advance(TTL + DAY)
    retention.sweep()
    assert files(desk) == {REFERENCE_KEY}


def test_a_photo_that_a_living_record_names_stays(desk: Desk, retention: Retention, clock: FakeClock) -> None:
    attempted(desk, clock())
    attempted(desk, clock() + 10 * DAY, user_id="user-9")
    put(desk, KEY, clock())
    clock.advance(TTL + DAY)
    assert retention.sweep() == Swept(records=1, photos=0)
    assert files(desk) == {REFERENCE_KEY, KEY}


def test_a_photo_of_no_record_goes_when_a_record_would(desk: Desk, retention: Retention, clock: FakeClock) -> None:
    put(desk, "face-images/f/orphan.jpg", clock())
    put(desk, "face-images/f/younger.jpg", clock() + 2 * DAY)
    clock.advance(TTL + DAY)
    assert retention.sweep() == Swept(records=0, photos=1)
    assert files(desk) == {REFERENCE_KEY, "face-images/f/younger.jpg"}


def test_a_reference_photo_never_goes_wherever_it_lies(desk: Desk, retention: Retention, clock: FakeClock) -> None:
    put(desk, REFERENCE_KEY, clock() - 400 * DAY)
    put(desk, "face-images/reference.jpg", clock() - 400 * DAY)
    desk.registrations.import_many(
        [REGISTERED.model_copy(update={"reference_photo_key": "face-images/reference.jpg"})]
    )
    assert retention.sweep() == Swept(records=0, photos=0)
    assert files(desk) == {REFERENCE_KEY, "face-images/reference.jpg"}


def test_more_records_than_go_at_once_all_go(
    desk: Desk, retention: Retention, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.services.retention.BATCH", 3)
    for number in range(8):
        desk.records.record_attempt(an_outcome(registration_id=f"reg-{number}", timestamp=clock()), TTL)
    clock.advance(TTL + DAY)
    assert retention.sweep().records == 8


def test_a_sweep_that_was_cut_off_is_ended_by_the_next(
    desk: Desk, store: SqliteErasures, retention: Retention, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempted(desk, clock())
    clock.advance(TTL + DAY)
    with monkeypatch.context() as patch:

        def away(*_: Any) -> int:
            raise Unavailable("validation records", "gone")

        patch.setattr(store, "drop_expired", away)
        with pytest.raises(Unavailable):
            retention.sweep()
    assert retention.sweep().records == 1
    assert files(desk) == {REFERENCE_KEY}


def test_a_record_that_lives_again_while_it_is_swept_stays(
    desk: Desk, store: SqliteErasures, retention: Retention, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempted(desk, clock())
    clock.advance(TTL + DAY)
    drop_expired = store.drop_expired

    def dropped(*given: Any) -> int:
        attempted(desk, clock(), "face-images/new.jpg", attempt_id="a2")
        return drop_expired(*given)

    monkeypatch.setattr(store, "drop_expired", dropped)
    assert retention.sweep().records == 0
    assert (len(store.records_of("user-1")), files(desk)) == (1, {REFERENCE_KEY, "face-images/new.jpg"})


def test_the_trail_is_told_how_much_went_and_nothing_of_nothing(
    desk: Desk, retention: Retention, clock: FakeClock
) -> None:
    attempted(desk, clock())
    retention.sweep()
    clock.advance(TTL + DAY)
    retention.sweep()
    (entry,) = desk.audit.entries(clock() - DAY, clock() + DAY)
    told = (entry.action, entry.who, entry.details)
    assert told == (Action.ERASE, "retention", {"records": "1", "photos": "1", "notes": "0", "pairs": "0"})


def test_expired_notes_and_claims_go_and_others_stay(
    retention: Retention, clock: FakeClock, cases: dict[str, Any]
) -> None:
    claims, notes = cases["claims"], cases["notes"]
    for name, age in (("old", TTL), ("new", TTL - DAY)):
        notes.add(a_note(name, at=clock() - age), TTL)
        claims.take(a_claim(name, registration_id=name, until=clock() - TTL + age), name)
    claims.take(a_claim("standing", until=clock() + DAY), "standing")
    assert retention.sweep() == Swept(records=0, photos=0, notes=1)
    clock.jump(-TTL)  # shows what is left, expired or not
    assert [note.note_id for note in notes.of("user-1")] == ["new"]
    assert [claim.holder for claim in claims.standing()] == ["standing"]


def test_answers_that_have_expired_go_and_others_stay(
    retention: Retention, clock: FakeClock, cases: dict[str, Any]
) -> None:
    now = int(clock().timestamp())
    for event_id, expires_at in {"old": now, "new": now + 1}.items():
        cases["pairs"].change(None, a_judged_pair(event_id=event_id), expires_at)
    assert retention.sweep() == Swept(records=0, photos=0, pairs=1)
    assert (len(cases["pairs"].judged("old")), len(cases["pairs"].judged("new"))) == (0, 1)


# A clock that cannot be trusted


@pytest.fixture
def watchful(desk: Desk, store: SqliteErasures, clock: FakeClock, tmp_path: Path, cases: dict[str, Any]) -> Retention:
    """It has seen the clock go steadily for as long as it must."""
    steady = SteadyClock(tmp_path / "state", clock)
    steady()
    clock.advance(STEADY)
    return Retention(store, desk.registrations, desk.photos, desk.audit, clock, TTL, steady, lambda: None, **cases)


def test_a_clock_that_jumps_ahead_and_back_takes_nothing_away(
    desk: Desk, store: SqliteErasures, watchful: Retention, clock: FakeClock, cases: dict[str, Any]
) -> None:
    attempted(desk, clock())
    cases["notes"].add(a_note(at=clock()), TTL)
    put(desk, "face-images/f/orphan.jpg", clock())
    watchful.sweep()
    clock.jump(60 * DAY)
    for _ in range(3):  # as after each start
        with pytest.raises(Conflict, match="--trust-clock"):
            watchful.sweep()
        clock.advance(timedelta(hours=20))
    clock.jump(-60 * DAY)
    assert watchful.sweep() == Swept(0, 0)
    clock.advance(STEADY)
    assert watchful.sweep() == Swept(0, 0)
    assert (len(store.records_of("user-1")), len(files(desk))) == (1, 3)
    assert len(cases["notes"].of("user-1")) == 1


def test_a_new_installation_says_nothing_of_the_clock(
    tmp_path: Path, desk: Desk, clock: FakeClock, cases: dict[str, Any]
) -> None:
    steady = SteadyClock(tmp_path / "new", clock)
    store = SqliteErasures(tmp_path / "facedesk.sqlite3")
    fresh = Retention(store, desk.registrations, desk.photos, desk.audit, clock, TTL, steady, lambda: None, **cases)
    assert fresh.sweep() == Swept(0, 0)
    store.close()


def test_after_a_pause_what_has_expired_goes_once_the_clock_has_been_steady(
    desk: Desk, watchful: Retention, clock: FakeClock
) -> None:
    attempted(desk, clock())
    clock.advance(TTL + DAY)
    with pytest.raises(Conflict):
        watchful.sweep()
    clock.advance(STEADY)
    assert watchful.sweep() == Swept(records=1, photos=1)


def test_somebody_who_has_checked_the_clock_need_not_wait(desk: Desk, watchful: Retention, clock: FakeClock) -> None:
    attempted(desk, clock())
    clock.advance(TTL + DAY)
    assert watchful.sweep(trust_clock=True) == Swept(records=1, photos=1)


@pytest.mark.parametrize(
    ("change", "steady"),
    [
        (timedelta(0), True),
        (GAP - BACK, True),
        (GAP + BACK, False),
        (-BACK / 2, True),
        (-2 * BACK, False),
        (-400 * DAY, False),
    ],
)
def test_a_clock_is_steady_until_it_jumps(tmp_path: Path, clock: FakeClock, change: timedelta, steady: bool) -> None:
    looked_at = SteadyClock(tmp_path, clock)
    assert not looked_at()
    clock.advance(STEADY + DAY)
    assert looked_at()
    clock.jump(change)
    assert SteadyClock(tmp_path, clock)() is steady


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"steadySince": "soon", "seen": 7}', b"\xff"], ids=str)
def test_a_mark_that_cannot_be_read_is_none(tmp_path: Path, clock: FakeClock, content: bytes) -> None:
    (tmp_path / "clock.json").write_bytes(content)
    looked_at = SteadyClock(tmp_path, clock)
    assert not looked_at()
    clock.advance(STEADY)
    assert looked_at()


def test_a_mark_that_cannot_be_written_takes_nothing_away(tmp_path: Path, clock: FakeClock) -> None:
    (tmp_path / "state").write_bytes(b"a file where the folder should be")
    with pytest.raises(Unavailable):
        SteadyClock(tmp_path / "state", clock)()
