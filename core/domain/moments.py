"""Times in the forms in which other services write them."""

from __future__ import annotations

import re
import warnings
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from dateutil import parser as dateutil

#: The first second of the year 1.
FIRST_SECOND = -62_135_596_800
#: Numbers above this are no seconds since 1970 (it would be the year 5138), but milliseconds or finer.
MOST_SECONDS = 100_000_000_000
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?", re.ASCII)
#: What others add to a time with an offset: the zone's name in brackets (Java), in parentheses (JavaScript), before
#: the offset (JavaScript, too) or after it (Go).
_ZONE_NAME = re.compile(r"\s*(?:\[[^\]]*\]|\([^)]*\))$|(?:GMT|UTC)(?=[+-]\d)|(?<=[+-]\d{4})\s+UTC$")
#: A month by its English name and a year: without them, dateutil would guess which number is which.
_UNAMBIGUOUS = re.compile(
    r"(?=.*\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec))(?=.*\b\d{4}\b)", re.IGNORECASE
)
_ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d\D")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: More characters than any time has. The patterns above, and dateutil, take the square of the length for other text.
_LONGEST = 100


def moment_of_text(given: str) -> datetime:
    """A time as text: any form of ISO 8601, dates with an English month's name as HTTP and JavaScript write them, a
    number since 1970. Raises ``ValueError`` or ``OverflowError`` if it is none.
    """
    if len(given) > _LONGEST:
        raise ValueError("no time")
    given = _ZONE_NAME.sub("", given.strip())
    if compact := _compact(given):
        return compact
    if _NUMBER.fullmatch(given):
        return since_epoch(float(given))
    # Python reads nearly all forms of ISO 8601, dateutil the others: days of the year, hour 24.
    for read in (datetime.fromisoformat, dateutil.isoparse):
        with suppress(ValueError):
            found: datetime = read(given)
            return found
    if not (_ISO_DATE.match(given) or _UNAMBIGUOUS.search(given)):
        raise ValueError("no time")
    with warnings.catch_warnings():
        # A time in a zone that is unknown would be hours off.
        warnings.simplefilter("error", dateutil.UnknownTimezoneWarning)
        try:
            # With a default, what a text lacks is not taken from today.
            found = dateutil.parse(given, default=datetime(1970, 1, 1))
        except dateutil.UnknownTimezoneWarning as error:
            raise ValueError("unknown time zone") from error
    return found


def _compact(digits: str) -> datetime | None:
    """A date, perhaps with a time, without any separator: ``20261125``, ``20261125100000``."""
    if len(digits) not in (8, 14) or not (digits.isascii() and digits.isdigit()):
        return None
    try:
        return datetime.fromisoformat(f"{digits[:8]}T{digits[8:] or '00'}")
    except ValueError:
        return None


def _in_seconds(since_epoch: float) -> float:
    """Of seconds, milliseconds, microseconds or nanoseconds."""
    for _ in range(3):
        if abs(since_epoch) > MOST_SECONDS:
            since_epoch /= 1000
    if abs(since_epoch) > MOST_SECONDS:
        raise ValueError("beyond all times")
    return since_epoch


def since_epoch(number: float) -> datetime:
    """The time of so many seconds, milliseconds, microseconds or nanoseconds since 1970."""
    return _EPOCH + timedelta(seconds=_in_seconds(number))


def in_utc(given: datetime) -> datetime:
    """In UTC and in whole milliseconds: a record in memory equals the one that is read back."""
    # A timestamp without a zone can only be UTC: the table's contract says so.
    try:
        utc = given.replace(tzinfo=UTC) if given.tzinfo is None else given.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("not between the years 1 and 9999 in UTC") from error
    return utc.replace(microsecond=utc.microsecond // 1000 * 1000)
