"""What a batch works through: its items, the results of these, and what identifies the batch."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from enum import StrEnum


class Mark(StrEnum):
    """The final result of an item."""

    PASSED = "passed"
    WAITING = "waiting"
    FAILED = "failed"
    #: There is no photo under the key, or the file no longer exists.
    MISSING = "missing"
    #: The photo store's object or the file is not an acceptable photo.
    REFUSED = "refused"
    #: The record was validated or decided since the batch began, or the registration was deleted. Nothing was done.
    CHANGED = "changed"


#: The words for the marks, in the order of a summary.
MARK_WORDS = {
    Mark.PASSED: "passed",
    Mark.WAITING: "waiting",
    Mark.FAILED: "failed",
    Mark.MISSING: "photo missing",
    Mark.REFUSED: "photo refused",
    Mark.CHANGED: "changed meanwhile",
}


@dataclass(frozen=True)
class Item:
    """A registration's photo to validate: a ``key`` in the photo store or the name of a ``file``.

    ``seen`` identifies the record's newest attempt when the batch began; None if there was no record.
    """

    user_id: str
    registration_id: str
    key: str | None = None
    file: str | None = None
    seen: str | None = None
    #: Its position in the worklist.
    number: int = 0


@dataclass(frozen=True)
class Run:
    """One batch from its first start to its end, however often it is interrupted.

    ``chosen`` says which photos were chosen, as the caller of ``begin`` named it; ``folder`` has the files.
    ``operator`` and ``ip_address`` are those of whoever started it the last time, as far as they were noted. A batch
    that ``rests`` waits for a person; one that does not is running, or goes on by itself. One that is not ``listed``
    lost its process while its items were stored, and has none: it is to be begun anew.
    """

    id: uuid.UUID
    chosen: str
    folder: str | None
    operator: str | None = None
    ip_address: str | None = None
    rests: bool = True
    listed: bool = True
