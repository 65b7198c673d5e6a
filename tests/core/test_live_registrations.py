"""What is kept of events' registrations: read page by page, refreshed by what changed, and forgotten."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from core.adapters.embedded.registrations import SqliteRegistrations
from core.domain.errors import Refused, Service, Unavailable
from core.domain.frames import registration_frame
from core.ports import BeingRead, RegistrationChanges, RegistrationPage
from core.services import live_registrations
from core.services.live_registrations import FRESH, IDLE, REREAD, SHARE, STALE, LiveRegistrations
from tests.support.clock import FakeClock

EVENT = "event-1"
DOWN = Unavailable(Service.REGISTRATIONS, "AutoReconnect")


class Pages:
    """A store of documents (key -> name) in memory. It notes what it is asked, and fails or waits when told to."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.asked: list[str] = []
        #: Errors by the number of the page's first document, each raised once.
        self.failing: dict[int, list[Exception]] = {}
        self.down = False
        self.gate = threading.Event()
        self.gate.set()
        self.waiting = threading.Semaphore(0)
        self.has_marks = self.has_deletions = True
        self._log: list[tuple[str, str | None]] = []

    def put(self, **names: str) -> None:
        self.names |= names
        self._log += names.items()

    def delete(self, key: str) -> None:
        del self.names[key]
        self._log.append((key, None))

    def event_count(self, event_id: str) -> int:
        return len(self.names)

    def event_mark(self, event_id: str) -> int | None:
        self._ask("mark")
        return len(self._log) + 1 if self.has_marks else None

    def event_page(self, event_id: str, after: Any, limit: int) -> RegistrationPage:
        begin = after or 0
        self._ask(f"page {begin}")
        self.waiting.release()
        self.gate.wait(10)
        for error in self.failing.pop(begin, []):
            raise error
        keys = sorted(self.names)[begin : begin + 2]
        end = begin + 2
        return RegistrationPage(self._frame(keys), end if end < len(self.names) else None)

    def event_changes(self, event_id: str, mark: int) -> RegistrationChanges:
        self._ask("changes")
        latest = dict(self._log[mark - 1 :])
        gone = {key for key, name in latest.items() if name is None}
        return RegistrationChanges(
            self._frame([key for key in latest if key not in gone]),
            frozenset(gone) if self.has_deletions else frozenset(),
            len(self._log) + 1,
            count=None if self.has_deletions else len(self.names),
        )

    def _ask(self, question: str) -> None:
        self.asked.append(question)
        if self.down:
            raise DOWN

    def _frame(self, keys: list[str]) -> pd.DataFrame:
        columns: dict[str, list[Any]] = {
            "document": keys,
            "registrationId": keys,
            "userId": [f"user-of-{key}" if self.names[key] else "" for key in keys],
            "eventId": [EVENT] * len(keys),
            "name": [self.names[key] for key in keys],
        }
        return registration_frame(columns, document=True)


@pytest.fixture
def pages() -> Pages:
    pages = Pages()
    pages.put(a="Ada", b="Bob", c="Cyd", d="Dan", e="Eve")
    return pages


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def live(pages: Pages, clock: FakeClock, tmp_path: Path) -> Iterator[LiveRegistrations]:
    live = LiveRegistrations(SqliteRegistrations(tmp_path / "f.sqlite3"), pages, clock.elapsed, max_documents=8)
    yield live
    pages.gate.set()
    live.close()


@pytest.fixture
def beside() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as threads:
        yield threads


def names(live: LiveRegistrations) -> list[str]:
    return list(live.event_frame(EVENT)["name"])


def ended(live: LiveRegistrations) -> None:
    """Waits until nothing is being read."""
    wait([reading for event in live._all() if (reading := event.reading)])


def asked_since(pages: Pages, known: int) -> list[str]:
    return pages.asked[known:]


def test_an_event_is_all_of_its_pages(live: LiveRegistrations) -> None:
    assert names(live) == ["Ada", "Bob", "Cyd", "Dan", "Eve"]


def test_a_fresh_event_is_answered_from_memory(live: LiveRegistrations, pages: Pages) -> None:
    frame, known = live.event_frame(EVENT), len(pages.asked)
    assert live.event_frame(EVENT) is frame
    assert asked_since(pages, known) == []


def test_a_refresh_reads_what_has_changed_alone(live: LiveRegistrations, pages: Pages, clock: FakeClock) -> None:
    live.event_frame(EVENT)
    known = len(pages.asked)
    pages.put(b="Bea", f="Fay")
    pages.delete("a")
    clock.advance(FRESH)
    live.event_frame(EVENT)  # waits for the refresh no longer than a page may
    ended(live)
    assert names(live) == ["Bea", "Cyd", "Dan", "Eve", "Fay"]
    assert asked_since(pages, known) == ["changes"]


def test_an_event_that_did_not_change_is_the_same_frame(live: LiveRegistrations, clock: FakeClock) -> None:
    frame = live.event_frame(EVENT)
    for pause in (FRESH, REREAD):
        clock.advance(pause)
        live.event_frame(EVENT)
        ended(live)
        assert live.event_frame(EVENT) is frame


def test_what_happens_during_a_read_is_in_its_result(
    live: LiveRegistrations, pages: Pages, beside: ThreadPoolExecutor
) -> None:
    pages.gate.clear()
    frame = beside.submit(live.event_frame, EVENT)
    pages.waiting.acquire(timeout=10)
    # Of the first page, which is read already as far as the store is concerned, and beyond it.
    pages.put(aa="Abe", d="Don", z="Zoe")
    pages.delete("b")
    pages.gate.set()
    assert list(frame.result(10)["name"]) == ["Ada", "Abe", "Cyd", "Don", "Eve", "Zoe"]


def test_a_page_that_takes_too_long_is_tried_again_smaller_and_the_read_goes_on(
    live: LiveRegistrations, pages: Pages
) -> None:
    pages.failing[2] = [DOWN]
    assert len(names(live)) == 5
    assert pages.asked.count("page 2") == 2


def interrupted(live: LiveRegistrations, pages: Pages) -> None:
    """The store goes down in the middle: after the first page, for two tries. Whoever reads is told so."""
    read, tries = pages.event_page, iter([DOWN, DOWN])

    def fails(event_id: str, after: Any, limit: int) -> RegistrationPage:
        if after == 2 and (error := next(tries, None)):
            raise error
        return read(event_id, after, limit)

    pages.event_page = fails  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        live.event_frame(EVENT)


def test_the_next_read_goes_on_where_one_failed(live: LiveRegistrations, pages: Pages) -> None:
    interrupted(live, pages)
    pages.put(a="Amy")
    assert names(live) == ["Amy", "Bob", "Cyd", "Dan", "Eve"]
    assert [each for each in pages.asked if each.startswith("page")] == ["page 0", "page 2", "page 4"]


def test_a_read_that_failed_long_ago_begins_anew(live: LiveRegistrations, pages: Pages, clock: FakeClock) -> None:
    interrupted(live, pages)
    clock.advance(REREAD + FRESH)
    assert len(names(live)) == 5
    assert pages.asked.count("page 0") == 2


def test_many_who_ask_at_once_wait_for_one_read(
    live: LiveRegistrations, pages: Pages, beside: ThreadPoolExecutor
) -> None:
    pages.gate.clear()
    frames = [beside.submit(live.event_frame, EVENT) for _ in range(4)]
    pages.waiting.acquire(timeout=10)
    pages.gate.set()
    assert {id(frame.result(10)) for frame in frames} == {id(live.event_frame(EVENT))}
    assert pages.asked.count("page 0") == 1


class TestBeingRead:
    def test_a_small_event_is_not_being_read(self, live: LiveRegistrations) -> None:
        assert live.being_read(EVENT) is None
        assert len(names(live)) == 5

    def test_a_large_event_says_how_far_it_is_and_is_whole_when_that_ends(
        self, live: LiveRegistrations, pages: Pages, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(live_registrations, "PATIENCE", timedelta(0))
        pages.gate.clear()
        live.being_read(EVENT)
        pages.waiting.acquire(timeout=10)
        assert live.being_read(EVENT) == BeingRead(0, 5)
        pages.gate.set()
        ended(live)
        assert live.being_read(EVENT) is None
        assert len(names(live)) == 5

    def test_a_failure_is_told_once_and_the_read_goes_on(self, live: LiveRegistrations, pages: Pages) -> None:
        pages.down = True
        live.being_read(EVENT)
        ended(live)
        with pytest.raises(Unavailable):
            live.being_read(EVENT)
        pages.down = False
        live.being_read(EVENT)
        ended(live)
        assert live.being_read(EVENT) is None


class TestAStoreThatCannotTellWhatChanges:
    @pytest.fixture(autouse=True)
    def _without_marks(self, pages: Pages) -> None:
        pages.has_marks = False

    def test_it_is_read_again(self, live: LiveRegistrations, pages: Pages, clock: FakeClock) -> None:
        live.event_frame(EVENT)
        pages.put(a="Amy")
        clock.advance(FRESH)
        assert names(live)[0] == "Amy"

    def test_the_frame_of_before_answers_while_a_large_event_is_read_again(
        self, live: LiveRegistrations, pages: Pages, clock: FakeClock
    ) -> None:
        read = pages.event_page

        def slow(event_id: str, after: Any, limit: int) -> RegistrationPage:
            clock.advance(timedelta(seconds=2))
            return read(event_id, after, limit)

        pages.event_page = slow  # type: ignore[method-assign]
        live.event_frame(EVENT)
        pages.put(a="Amy")
        clock.advance(SHARE * timedelta(seconds=6))
        pages.gate.clear()
        assert names(live)[0] == "Ada"
        pages.gate.set()
        ended(live)
        assert names(live)[0] == "Amy"


def test_a_count_that_differs_twice_has_all_read_again(
    live: LiveRegistrations, pages: Pages, clock: FakeClock
) -> None:
    pages.has_deletions = False
    live.event_frame(EVENT)
    pages.delete("a")
    for _ in range(3):
        clock.advance(FRESH)
        live.event_frame(EVENT)
        ended(live)
    assert names(live) == ["Bob", "Cyd", "Dan", "Eve"]


def test_what_no_change_told_is_found_by_reading_all_again(
    live: LiveRegistrations, pages: Pages, clock: FakeClock
) -> None:
    live.event_frame(EVENT)
    pages.names["a"] = "Amy"  # behind the log's back
    clock.advance(REREAD)
    live.event_frame(EVENT)
    ended(live)
    assert names(live)[0] == "Amy"


def test_a_store_that_is_down_for_a_moment_is_not_missed(
    live: LiveRegistrations, pages: Pages, clock: FakeClock
) -> None:
    live.event_frame(EVENT)
    pages.down = True
    clock.advance(STALE)
    assert len(names(live)) == 5


def test_a_store_that_stays_down_is_unavailable(live: LiveRegistrations, pages: Pages, clock: FakeClock) -> None:
    live.event_frame(EVENT)
    pages.down = True
    clock.advance(STALE + 2 * FRESH)
    with pytest.raises(Unavailable):
        live.event_frame(EVENT)


def test_after_a_long_pause_what_is_new_answers_before_all_is_read_again(
    live: LiveRegistrations, pages: Pages, clock: FakeClock
) -> None:
    live.event_frame(EVENT)
    pages.put(a="Amy")
    clock.advance(REREAD)
    pages.gate.clear()
    assert names(live)[0] == "Amy"
    pages.gate.set()


def test_what_the_store_refuses_is_not_tried_as_smaller_pages(live: LiveRegistrations, pages: Pages) -> None:
    pages.failing[0] = [Refused(Service.REGISTRATIONS, "Unauthorized")]
    with pytest.raises(Refused):
        live.event_frame(EVENT)
    assert pages.asked.count("page 0") == 1


def test_what_is_left_out_comes_from_memory_too(live: LiveRegistrations, pages: Pages) -> None:
    pages.put(bad="")
    assert len(names(live)) == 5
    known = len(pages.asked)
    assert list(live.unreadable(EVENT)["registrationId"]) == ["bad"]
    assert asked_since(pages, known) == []


class TestForgetting:
    def test_an_erased_person_is_gone_at_once(self, live: LiveRegistrations) -> None:
        live.event_frame(EVENT)
        live.forget(lambda user_id: user_id == "user-of-b")
        assert names(live) == ["Ada", "Cyd", "Dan", "Eve"]

    def test_an_erased_person_is_gone_from_what_is_being_read(self, live: LiveRegistrations, pages: Pages) -> None:
        interrupted(live, pages)
        live.forget(lambda user_id: user_id == "user-of-b")
        assert names(live) == ["Ada", "Cyd", "Dan", "Eve"]

    def test_somebody_elses_erasure_changes_no_frame(self, live: LiveRegistrations) -> None:
        frame = live.event_frame(EVENT)
        live.forget(lambda user_id: False)
        assert live.event_frame(EVENT) is frame

    def test_an_event_that_nobody_looks_at_is_dropped(
        self, live: LiveRegistrations, pages: Pages, clock: FakeClock
    ) -> None:
        live.event_frame(EVENT)
        clock.advance(IDLE)
        live.tidy()
        assert live._all() != []
        clock.advance(FRESH)
        live.tidy()
        assert live._all() == []

    def test_the_event_that_was_viewed_longest_ago_makes_room(self, live: LiveRegistrations) -> None:
        for event_id in ("first", "second"):  # five documents each, where there is room for eight
            live.event_frame(event_id)
            ended(live)
        assert [event.event_id for event in live._all()] == ["second"]
