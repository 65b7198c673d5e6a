"""What every process knows of the work in the background."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Notice:
    """What is known of a job. One that is ``running`` is done by some process now; ``stopping``, if asked to end."""

    job_id: str
    text: str
    running: bool
    stopping: bool


class JobBoard(Protocol):
    """The notice of the latest job of each kind and event, by whichever process. Notices pass within days."""

    def post(self, kind: str, event_id: str, job_id: str, text: str) -> bool:
        """Put up the notice of a job that is running, in place of the former one.

        Its process posts it again every few seconds: otherwise the job soon counts as running no longer. Returns
        False, and changes nothing, if there is the notice of another job that is running. Of several jobs that are
        posted at once, one is.
        """
        ...

    def end(self, kind: str, event_id: str, job_id: str, text: str, people: Collection[str]) -> None:
        """Put up the last text of the job, which runs no longer, unless the notice is another's by now.

        ``people`` are the user ids of those whom the text is about.
        """
        ...

    def of(self, kind: str, event_id: str) -> Notice | None:
        """The notice of the kind and event as it was last written; None if there is none."""
        ...

    def ask_to_stop(self, job_id: str) -> None:
        """Ask the process that does the job to end it."""
        ...

    def is_asked_to_stop(self, job_id: str) -> bool:
        """Whether anybody has asked the job to end."""
        ...

    def remove(self, kind: str, event_id: str, job_id: str) -> None:
        """Take down the job's notice, if it is still that of the kind and event."""
        ...

    def forget(self, user_id: str) -> None:
        """Take down the notices that are about an erased person."""
        ...

    def close(self) -> None: ...
