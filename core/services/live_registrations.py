"""Keeps the registrations of events in memory, for a store that reads large events page by page."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Collection
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from pandas import DataFrame

from core.domain.clock import Stopwatch, elapsed
from core.domain.errors import Service, ServiceError, Unavailable
from core.domain.records import Registration
from core.domain.registration_documents import (
    document_frame,
    left_out_of,
    registrations_of,
    with_document_changes,
    without_users,
)
from core.domain.search import Found
from core.ports import BeingRead, RegistrationPages, Registrations
from core.services.forgetting import IsErased

logger = logging.getLogger(__name__)

#: An event that was read within this time is answered from memory, without a request to the store.
FRESH = timedelta(seconds=5)
#: How long an answer waits for a refresh, and ``being_read`` for an event's first read.
PATIENCE = timedelta(seconds=0.5)
#: How much older than it should be an answer may be while a refresh takes long, or fails.
STALE = timedelta(minutes=1)
#: How often an event is read as a whole in the background, to find what ``event_changes`` can miss.
REREAD = timedelta(minutes=15)
#: Reading an event takes at most one part in ``SHARE`` of the time: slow reads are made less often.
SHARE = 10
#: An event that nobody has looked at for this time is dropped from memory.
IDLE = timedelta(minutes=15)
#: The most events, and documents of all, that are kept. A document takes some 250 bytes. The least recently viewed
#: events are dropped first.
MAX_EVENTS, MAX_DOCUMENTS = 1000, 1_000_000
#: The most events that are read at once.
WORKERS = 8
#: Documents of a page, and of one that is tried when a page took too long.
PAGE, SMALL_PAGE = 5000, 500


class LiveRegistrations:
    """``Registrations`` over a store: ``event_frame`` and an event's ``unreadable`` answer from memory, the other
    methods ask the store.

    An event is read once, page by page, by a thread of its own; a read that fails is gone on with by the next one.
    Afterwards it is refreshed when it is requested and older than ``FRESH``: with what has changed, or, if the store
    cannot tell, by reading all pages again while the old frame answers. What was deleted is gone when the store tells
    it, or at the latest after ``REREAD`` and a whole read, or ``IDLE`` without a request.

    A frame that was returned is never changed, and callers must not change it: an unchanged event is the same object.
    """

    def __init__(
        self,
        store: Registrations,
        pages: RegistrationPages,
        stopwatch: Stopwatch = elapsed,
        *,
        max_documents: int = MAX_DOCUMENTS,
    ) -> None:
        """``pages`` reads the same registrations as ``store``."""
        self._store = store
        self._pages = pages
        self._stopwatch = stopwatch
        self._max_documents = max_documents
        self._events: OrderedDict[str, _Event] = OrderedDict()
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._threads = ThreadPoolExecutor(WORKERS, thread_name_prefix="live-registrations")

    def get(self, registration_id: str) -> Registration | None:
        return self._store.get(registration_id)

    def of_user(self, user_id: str) -> list[Registration]:
        return self._store.of_user(user_id)

    def search(self, text: str, limit: int = 20, events: Collection[str] | None = None) -> Found:
        return self._store.search(text, limit, events)

    def event_frame(self, event_id: str) -> DataFrame:
        """As the port says; waits until the event has been read once, however large it is."""
        return self._current(event_id).registrations

    def unreadable(self, event_id: str | None) -> DataFrame:
        return self._store.unreadable(None) if event_id is None else left_out_of(self._current(event_id).documents)

    def being_read(self, event_id: str) -> BeingRead | None:
        event = self._viewed(event_id)
        if failure := event.failure_to_tell(self._stopwatch()):
            raise failure
        if reading := self._begin(event):
            event.wait_until_current(reading, self._stopwatch, PATIENCE)
        return event.being_read(self._stopwatch())

    def events(self) -> list[str]:
        return self._store.events()

    def is_empty(self) -> bool:
        return self._store.is_empty()

    def ping(self) -> None:
        self._store.ping()

    def close(self) -> None:
        """Ends reads at their next page, and closes the store."""
        self._closing.set()
        self._threads.shutdown(cancel_futures=True)
        self._store.close()

    def forget(self, is_erased: IsErased) -> None:
        """Drops the rows of erased people. What the store still has of them comes back with the next whole read."""
        for event in self._all():
            event.forget(is_erased)

    def tidy(self) -> None:
        """Drops the events that nobody has looked at for ``IDLE``. Must be called from time to time."""
        oldest = self._stopwatch() - IDLE
        with self._lock:
            self._events = OrderedDict((key, event) for key, event in self._events.items() if event.viewed >= oldest)

    def _viewed(self, event_id: str) -> _Event:
        """Returns the event, created if necessary, and marks it as the most recently viewed."""
        with self._lock:
            event = self._events.setdefault(event_id, _Event(event_id))
            event.viewed = self._stopwatch()
            self._events.move_to_end(event_id)
            return event

    def _all(self) -> list[_Event]:
        with self._lock:
            return list(self._events.values())

    def _make_room(self) -> None:
        with self._lock:
            while len(self._events) > 1 and (
                len(self._events) > MAX_EVENTS
                or sum(event.size for event in self._events.values()) > self._max_documents
            ):
                self._events.popitem(last=False)

    def _current(self, event_id: str) -> _Kept:
        event = self._viewed(event_id)
        if reading := self._begin(event):
            if event.is_current(self._stopwatch()) and event.is_quick():
                wait([reading], PATIENCE.total_seconds())
            event.wait_until_current(reading, self._stopwatch)
            if not event.is_current(self._stopwatch()):
                reading.result()  # raises the read's failure
        return event.answer()

    def _begin(self, event: _Event) -> Future[None] | None:
        """Has the event read if that is due; returns the read to wait for, if there is any."""
        with event.lock:
            if event.reading is None and event.is_due(self._stopwatch()):
                event.reading = self._threads.submit(self._read, event)
            return event.reading

    def _read(self, event: _Event) -> None:
        """Reads the whole event, or what has changed. One thread at a time does this for an event."""
        try:
            if event.whole_is_due(self._stopwatch()):
                self._read_whole(event)
            else:
                self._refresh(event)
            event.failure = None
            self._make_room()
        except ServiceError as error:
            event.fail(error, self._stopwatch())
            raise
        except Exception as error:
            logger.error("an event's registrations could not be read: %s", type(error).__name__)
            raise
        finally:
            with event.lock:
                event.reading = None

    def _read_whole(self, event: _Event) -> None:
        began = self._stopwatch()
        part = event.part
        if part is None or began - part.began > REREAD:
            mark, total = self._pages.event_mark(event.event_id), self._pages.event_count(event.event_id)
            part = event.part = _Part(began, mark, total)
        while not part.complete:
            # Whoever looks at the event meanwhile sees what is new of it.
            if event.mark is not None and event.is_due(self._stopwatch()):
                self._refresh(event)
            self._read_page(event, part)
            if self._closing.is_set():
                raise Unavailable(Service.REGISTRATIONS, "Closed")
        taken = False
        while not taken:
            with event.lock:
                removals, pages = event.removals, list(part.pages)
            documents, mark, _ = self._changed(event.event_id, document_frame(pages), part.mark)
            taken = event.take(documents, mark, removals, began, self._stopwatch(), whole=True)

    def _refresh(self, event: _Event) -> None:
        began, taken = self._stopwatch(), False
        while not taken:
            with event.lock:
                removals, known, mark = event.removals, event.kept, event.mark
            assert known is not None
            documents, mark, count = self._changed(event.event_id, known.documents, mark)
            taken = event.take(documents, mark, removals, began, self._stopwatch(), count=count)

    def _read_page(self, event: _Event, part: _Part) -> None:
        try:
            page = self._pages.event_page(event.event_id, part.next, part.limit)
        except Unavailable:
            if part.limit == SMALL_PAGE:
                raise
            part.limit = SMALL_PAGE  # perhaps so many documents take too long
            return
        with event.lock:
            part.pages.append(page.documents)
            part.next, part.complete = page.next, page.next is None

    def _changed(self, event_id: str, documents: DataFrame, mark: Any) -> tuple[DataFrame, Any, int | None]:
        """The documents with what has changed since the mark, the next mark, and how many there should be."""
        count = None
        more = mark is not None
        while more:
            changes = self._pages.event_changes(event_id, mark)
            documents = with_document_changes(documents, changes.documents, changes.gone)
            mark, count, more = changes.mark, changes.count, changes.more and changes.mark is not None
        return documents, mark, count


@dataclass(frozen=True)
class _Kept:
    """An event's documents, and its registrations among them."""

    documents: DataFrame
    registrations: DataFrame


@dataclass
class _Part:
    """What has been read so far of a whole event, where the next page begins, and how many documents there are."""

    began: timedelta
    mark: Any
    total: int
    pages: list[DataFrame] = field(default_factory=list)
    next: Any = None
    limit: int = PAGE
    complete: bool = False


class _Event:
    """What is kept of one event, its age and its current read. Safe for use by several threads."""

    def __init__(self, event_id: str) -> None:
        self.event_id = event_id
        self.lock = threading.RLock()
        self._turned = threading.Condition(self.lock)
        self.viewed = timedelta.min
        self.reading: Future[None] | None = None
        self.kept: _Kept | None = None
        self.mark: Any = None
        self.part: _Part | None = None
        self.failure: ServiceError | None = None
        #: How often somebody was forgotten. What was read before is checked again.
        self.removals = 0
        #: When a read is due, when a whole one is, and until when what is kept may be an answer.
        self._due = self._whole_due = self._current_until = timedelta.min
        #: How long the kind of read took that comes next.
        self._took = timedelta.max
        self._count_differed = False

    @property
    def size(self) -> int:
        with self.lock:
            read = sum(map(len, self.part.pages)) if self.part else 0
            return read + (len(self.kept.documents) if self.kept else 0)

    def is_due(self, now: timedelta) -> bool:
        return not self.is_current(now) or now >= self._due

    def whole_is_due(self, now: timedelta) -> bool:
        return self.kept is None or self.mark is None or now >= self._whole_due

    def is_current(self, now: timedelta) -> bool:
        return self.kept is not None and now < self._current_until

    def is_quick(self) -> bool:
        """Whether the read that is being done can be waited for."""
        return self._took <= PATIENCE and (self.mark is None or self.part is None)

    def wait_until_current(
        self, reading: Future[None], stopwatch: Stopwatch, patience: timedelta | None = None
    ) -> None:
        """Waits until there is something to answer with, or the read has ended; at most for ``patience``."""
        reading.add_done_callback(lambda _: self._turn())
        with self._turned:
            self._turned.wait_for(
                lambda: reading.done() or self.is_current(stopwatch()),
                None if patience is None else patience.total_seconds(),
            )

    def _turn(self) -> None:
        with self._turned:
            self._turned.notify_all()

    def answer(self) -> _Kept:
        assert self.kept is not None
        return self.kept

    def being_read(self, now: timedelta) -> BeingRead | None:
        with self.lock:
            if self.is_current(now):
                return None
            read = sum(map(len, self.part.pages)) if self.part else 0
            return BeingRead(read, max(read, self.part.total if self.part else 0))

    def failure_to_tell(self, now: timedelta) -> ServiceError | None:
        """The last read's failure, once, if there is nothing to answer with."""
        with self.lock:
            failure, self.failure = self.failure, None
            return None if self.is_current(now) else failure

    def fail(self, failure: ServiceError, now: timedelta) -> None:
        with self.lock:
            self.failure = failure
            self._due = now + FRESH

    def take(
        self,
        documents: DataFrame,
        mark: Any,
        removals: int,
        began: timedelta,
        now: timedelta,
        *,
        whole: bool = False,
        count: int | None = None,
    ) -> bool:
        """Keeps what a read found that ``began`` then and ended ``now``. ``count`` is how many documents there should
        be, if the store says that.

        Returns False, and keeps nothing, if somebody was forgotten since ``removals``.
        """
        took = now - began
        with self.lock:
            if removals != self.removals:
                return False
            if self.kept is None or not (documents is self.kept.documents or documents.equals(self.kept.documents)):
                self.kept = _Kept(documents, registrations_of(documents))
            self.mark = mark
            if whole:
                self.part = None
                self._whole_due = now + max(REREAD, SHARE * took)
            # The duration of a whole read says nothing about that of a refresh.
            pause = FRESH if whole and mark is not None else max(FRESH, SHARE * took)
            self._took = timedelta(0) if whole and mark is not None else took
            self._due = now + pause
            self._current_until = now + 2 * pause + STALE
            differs = count is not None and count != len(documents)
            if differs and self._count_differed:
                # Something was deleted, or written without a time.
                self._whole_due = self._due
            self._count_differed = differs
            self._turned.notify_all()
            return True

    def forget(self, is_erased: IsErased) -> None:
        with self.lock:
            frames = [self.kept.documents] if self.kept else []
            frames += self.part.pages if self.part else []
        users = {user for frame in frames for user in frame["userId"].unique() if user and is_erased(user)}
        with self.lock:
            self.removals += 1
            if self.kept:
                left = without_users(self.kept.documents, users)
                if left is not self.kept.documents:
                    self.kept = _Kept(left, registrations_of(left))
            if self.part:
                self.part.pages = [without_users(page, users) for page in self.part.pages]
