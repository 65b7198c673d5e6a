"""Dates and time zones of events, as organisers write them. What may mean two things is not guessed."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime, time
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from core.domain.moments import in_utc, moment_of_text

#: A day in figures, and what follows it.
_FIGURES = re.compile(r"(\d{1,4})([./-])(\d{1,2})\2(\d{1,4})(?:[\sT,]+(.*))?", re.ASCII)
_MONTH = "(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
#: A day beside the English name of its month: without a day, the first of the month would be taken.
_NAMED_DAY = re.compile(
    rf"\b\d{{1,2}}(?:st|nd|rd|th)?[\s.-]*{_MONTH}|{_MONTH}[\s.-]*\d{{1,2}}(?!\d)", re.ASCII | re.IGNORECASE
)
#: Seconds or milliseconds since 1970. The number of a day, as Excel has it, is shorter.
_SINCE_1970 = re.compile(r"\d{10}|\d{13}", re.ASCII)
_HAS_TIME = re.compile(r":|\dT\d|\d\s*[ap]\.?m\b|\d{14}", re.ASCII | re.IGNORECASE)
_JAPANESE = str.maketrans({"年": "-", "月": "-", "日": " "})
#: Years in which an event may be. A number that is read as a time by mistake is in another one.
_YEARS = range(2000, 2200)


class NotRead(ValueError):
    """Why a text is not taken for a date or a time zone; completes a sentence that begins with it."""


def moment_in(zone: ZoneInfo | None, text: str, whole_day: time) -> datetime:
    """The moment in UTC that ``text`` means, of which ``whole_day`` is the time if it is a day alone.

    ``zone`` is that of a text which names none; None if it cannot be read either. Raises ``NotRead``.
    """
    text = " ".join(unicodedata.normalize("NFKC", text).translate(_JAPANESE).split())
    try:
        found = moment_of_text(_unambiguous(text))
    except NotRead:
        raise
    except (ValueError, OverflowError, OSError):
        raise NotRead("is no date that can be read. Write it like 2026-11-26 18:00.") from None
    if found.year not in _YEARS:
        raise NotRead("is no date of an event. Write it like 2026-11-26 18:00.")
    if found.tzinfo is None:
        if zone is None:
            raise NotRead("is in a time zone that cannot be read.")
        if not _HAS_TIME.search(text):
            found = datetime.combine(found, whole_day)
        found = found.replace(tzinfo=zone)
    return in_utc(found.astimezone(UTC))


def zone_named(text: str) -> ZoneInfo:
    """The time zone of that name (IANA), whatever its case and spaces. Raises ``NotRead``."""
    try:
        return ZoneInfo(_zones()[text.strip().replace(" ", "_").casefold()])
    except KeyError:
        raise NotRead("is no time zone that is known. Write it like Europe/Berlin.") from None


@cache
def _zones() -> dict[str, str]:
    return {name.casefold(): name for name in available_timezones()}


def _unambiguous(text: str) -> str:
    """``text`` in a form in which it means one day. Raises ``NotRead`` if it may be two, and ``ValueError``."""
    if found := _FIGURES.fullmatch(text):
        first, sign, second, third, rest = found.groups()
        if rest and ":" not in rest:
            datetime.fromisoformat(text)  # the time is written otherwise, such as T0900
            return text
        year, month, day = _in_order(text, first, sign, second, third)
        return f"{year}-{month:02}-{day:02} {(rest or '').removesuffix('Uhr')}".strip()
    if _NAMED_DAY.search(text) or _SINCE_1970.fullmatch(text):
        return text
    datetime.fromisoformat(text)  # such as 20261126
    return text


def _in_order(text: str, first: str, sign: str, second: str, third: str) -> tuple[str, int, int]:
    """Year, month and day of a date in figures."""
    if len(first) == 4:
        return first, int(second), int(third)
    if len(third) != 4:
        raise ValueError("no year")
    one, other = int(first), int(second)
    if sign == "." or one > 12 or one == other:
        return third, other, one
    if other > 12:
        return third, one, other
    either = [f"{third}-{month:02}-{day:02}" for month, day in ((one, other), (other, one))]
    raise NotRead(f"may be {either[0]} or {either[1]}. Write it like one of them.")
