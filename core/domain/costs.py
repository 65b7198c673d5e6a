"""What AWS charges for validations: pure arithmetic over DynamoDB's units, Rekognition's images and their prices.

Free allowances, volume discounts, storage, backups, S3 and MongoDB are not in it, nor is the audit trail where no
service counted its units.
"""

from __future__ import annotations

import calendar
import math
from dataclasses import dataclass
from datetime import datetime, timedelta

WRITE_UNIT_BYTES = 1024
READ_UNIT_BYTES = 4096
DAYS_A_MONTH = 30
#: Consistent reads that one validation makes: is the attempt known already, and what is the record to change.
READS_A_VALIDATION = 2
#: And such of the erasures' journal, before and after, which find nothing as a rule: was the person erased meanwhile.
LOOKS_A_VALIDATION = 2
#: DetectFaces and CompareFaces; of the two photos that CompareFaces takes, one is charged.
IMAGES_A_VALIDATION = 2
#: IndexFaces and SearchFaces of a person's first search for duplicates; further searches need SearchFaces alone.
IMAGES_A_PERSON_SEARCHED = 2
#: Sooner than this, a month's pace says nothing.
_PACE_AFTER = timedelta(hours=6)


@dataclass(frozen=True)
class Prices:
    """USD, on demand: a million write units, a million read units, a thousand images."""

    million_writes: float
    million_reads: float
    thousand_images: float


@dataclass(frozen=True)
class Usage:
    """What is charged: DynamoDB's units, of the table and its index together, and Rekognition's images."""

    write_units: float = 0
    read_units: float = 0
    images: float = 0


@dataclass(frozen=True)
class Cost:
    """USD."""

    writes: float
    reads: float
    images: float

    @property
    def total(self) -> float:
        return self.writes + self.reads + self.images


@dataclass(frozen=True)
class Load:
    """What is asked of Facedesk. Sizes in bytes, as DynamoDB counts them: names and values.

    ``repeats`` (0-1) is the share of validations that are not their registration's first. ``entries_read_a_day``
    counts records of the index that event pages, lists and exports read.
    """

    validations_a_day: float
    record_bytes: float
    entry_bytes: float
    repeats: float = 0
    entries_read_a_day: float = 0


def write_units(size: float) -> int:
    """Of one item of ``size`` bytes, in the table or in an index: whole KB, at least one."""
    return max(1, math.ceil(size / WRITE_UNIT_BYTES))


def read_units(size: float) -> int:
    """Of a consistent read of one item of ``size`` bytes: whole 4 KB, at least one, also where there is no item."""
    return max(1, math.ceil(size / READ_UNIT_BYTES))


def index_read_units(size: float) -> float:
    """Of ``size`` bytes of entries. Indexes are read eventually consistent, which costs half.

    A page of a query is rounded up as a whole and holds thousands of entries: no rounding to speak of.
    """
    return size / READ_UNIT_BYTES / 2


def index_write_units(entry_size: float, *, moves: bool) -> int:
    """Of one change of the event index, by its entry's bytes.

    One that ``moves`` costs twice: every attempt changes ``timestamp``, which is part of the index's key, so the old
    entry is deleted and a new one put.
    """
    return write_units(entry_size) * (2 if moves else 1)


def month_of(load: Load) -> Usage:
    """What ``load`` uses in a month of 30 days."""
    validations = load.validations_a_day * DAYS_A_MONTH
    first, again = validations * (1 - load.repeats), validations * load.repeats
    entries = load.entries_read_a_day * DAYS_A_MONTH
    return Usage(
        write_units=(
            validations * write_units(load.record_bytes)
            + first * index_write_units(load.entry_bytes, moves=False)
            + again * index_write_units(load.entry_bytes, moves=True)
        ),
        read_units=(
            validations * LOOKS_A_VALIDATION * read_units(0)
            + first * READS_A_VALIDATION * read_units(0)
            + again * READS_A_VALIDATION * read_units(load.record_bytes)
            + index_read_units(entries * load.entry_bytes)
        ),
        images=validations * IMAGES_A_VALIDATION,
    )


def cost(usage: Usage, prices: Prices) -> Cost:
    return Cost(
        writes=usage.write_units * prices.million_writes / 1e6,
        reads=usage.read_units * prices.million_reads / 1e6,
        images=usage.images * prices.thousand_images / 1e3,
    )


def month_start(now: datetime) -> datetime:
    """When the month of ``now`` began, in the time zone of ``now``; AWS bills by UTC."""
    return now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def at_this_pace(so_far: float, now: datetime) -> float | None:
    """What the whole month comes to if it goes on as it has since ``month_start``; None in its first hours."""
    passed = now - month_start(now)
    if passed < _PACE_AFTER:
        return None
    month = timedelta(days=calendar.monthrange(now.year, now.month)[1])
    return so_far * (month / passed)
