"""What this process wrote of an event whose frame it keeps, and how the frame comes to show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from pandas import DataFrame

from core.domain.frames import frame_of
from core.domain.records import ValidationRecord


@dataclass(frozen=True)
class Note:
    """A write of this process: it wrote ``record``, or removed records if there is none.

    Without ``record``, it removed the user's record of the registration, or all of the user's records.
    """

    at: timedelta
    user_id: str
    registration_id: str | None
    record: ValidationRecord | None = None

    def removes(self, user_id: str, registration_id: str) -> bool:
        return self.record is None and self.user_id == user_id and self.registration_id in (None, registration_id)


def without(records: DataFrame, note: Note) -> DataFrame:
    gone = records["userId"] == note.user_id
    if note.registration_id is not None:
        gone &= records["registrationId"] == note.registration_id
    return records[~gone].reset_index(drop=True) if gone.any() else records


def written(notes: Sequence[Note], columns: Sequence[str] | None) -> DataFrame:
    """Returns a frame, of these columns, of the records that were written and not removed since."""
    left: dict[tuple[str, str], ValidationRecord] = {}
    for note in notes:
        if note.record is not None:
            left[note.user_id, note.record.registration_id] = note.record
        else:
            left = {key: record for key, record in left.items() if not note.removes(*key)}
    return frame_of(list(left.values()), columns)
