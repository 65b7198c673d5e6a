"""Who is working on a case, and what colleagues wrote down about it."""

from __future__ import annotations

from datetime import datetime, timedelta

from pydantic import Field

from core.domain.errors import InvalidInput
from core.domain.moments import in_utc
from core.domain.records import Model, Timestamp
from core.domain.text import require_text

#: How long a case belongs to whoever opened it, unless they renew or release it.
LEASE = timedelta(minutes=10)
#: The most characters of a note, also of the note that a decision has.
MAX_NOTE = 500


class Claim(Model):
    """Somebody has a case from ``since`` until just before ``until``.

    ``holder`` identifies who has it: a principal in one browser session. No meaning is read from it. ``name`` is what
    colleagues call that person; None if nobody said it.
    """

    user_id: str
    registration_id: str
    event_id: str | None = None
    holder: str
    name: str | None = None
    since: Timestamp
    until: Timestamp

    def stands(self, now: datetime) -> bool:
        """Whether the case still belongs to the holder."""
        return now < self.until

    def renewed(self, now: datetime) -> Claim:
        """The same claim, for another ``LEASE`` from ``now``."""
        return self.model_copy(update={"until": in_utc(now + LEASE)})


class Note(Model):
    """What somebody wrote down about a case. Notes are added, but never changed."""

    note_id: str = Field(min_length=1, max_length=100)
    user_id: str
    registration_id: str
    event_id: str | None = None
    author: str
    text: str
    at: Timestamp


def note_text(typed: str) -> str:
    """The text of a note: ``typed`` without the white space around it.

    Raises ``InvalidInput`` if it is empty, longer than ``MAX_NOTE``, or not valid Unicode.
    """
    require_text(typed)
    text = typed.strip()
    if not text:
        raise InvalidInput("The note is empty. Write something first.")
    if len(text) > MAX_NOTE:
        raise InvalidInput(f"A note can have at most {MAX_NOTE} characters.")
    return text
