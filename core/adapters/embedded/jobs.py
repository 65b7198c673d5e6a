"""The notices of jobs in the memory of the one process that does them."""

from __future__ import annotations

import threading
from collections.abc import Collection
from dataclasses import dataclass, field, replace

from core.ports import Notice


@dataclass
class _Posted:
    notice: Notice
    people: set[str] = field(default_factory=set)


class ProcessJobBoard:
    """``JobBoard`` in memory. A job runs until it has ended, as both end with the process."""

    def __init__(self) -> None:
        self._posted: dict[tuple[str, str], _Posted] = {}
        self._lock = threading.Lock()

    def post(self, kind: str, event_id: str, job_id: str, text: str) -> bool:
        with self._lock:
            posted = self._posted.get((kind, event_id))
            if posted and posted.notice.job_id == job_id:
                posted.notice = replace(posted.notice, text=text, running=True)
            elif posted and posted.notice.running:
                return False
            else:
                self._posted[kind, event_id] = _Posted(Notice(job_id, text, running=True, stopping=False))
            return True

    def end(self, kind: str, event_id: str, job_id: str, text: str, people: Collection[str]) -> None:
        with self._lock:
            if posted := self._job(kind, event_id, job_id):
                posted.notice = replace(posted.notice, text=text, running=False)
                posted.people = set(people)

    def of(self, kind: str, event_id: str) -> Notice | None:
        posted = self._posted.get((kind, event_id))
        return posted.notice if posted else None

    def ask_to_stop(self, job_id: str) -> None:
        with self._lock:
            for posted in self._posted.values():
                if posted.notice.job_id == job_id:
                    posted.notice = replace(posted.notice, stopping=True)

    def is_asked_to_stop(self, job_id: str) -> bool:
        with self._lock:
            notices = [posted.notice for posted in self._posted.values()]
        return any(notice.job_id == job_id and notice.stopping for notice in notices)

    def remove(self, kind: str, event_id: str, job_id: str) -> None:
        with self._lock:
            if self._job(kind, event_id, job_id):
                del self._posted[kind, event_id]

    def forget(self, user_id: str) -> None:
        with self._lock:
            self._posted = {key: each for key, each in self._posted.items() if user_id not in each.people}

    def close(self) -> None:
        pass

    def _job(self, kind: str, event_id: str, job_id: str) -> _Posted | None:
        posted = self._posted.get((kind, event_id))
        return posted if posted and posted.notice.job_id == job_id else None
