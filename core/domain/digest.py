"""The morning digest: what is wrong with an event that is ahead, in a sentence, and whom it is about.

A rule is a function in ``_RULES``, and its limit is one of ``Limits``. The figures are those of an event's summary.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.domain.alerts import Limits, Rule
from core.domain.event_summaries import EventLine, EventSummary, Phase, days_to_go, phase_of
from core.domain.people import Group
from core.domain.profiles import EventProfile

#: How many times the failures of the day before are too many.
_TIMES = 2
#: From how many hours on a time is said in whole hours, and in days.
_IN_WHOLE_HOURS, _IN_DAYS = 10, 48


@dataclass(frozen=True)
class Finding:
    """A rule that holds for an event. ``people`` are those whom it is about."""

    profile: EventProfile
    rule: Rule
    sentence: str
    people: Group


def findings(lines: Iterable[EventLine], limits: Limits, now: datetime) -> list[Finding]:
    """What is wrong with the events that are ahead, under way or without a date, in the order of the lines.

    An event that has not been read has no findings; of one that cannot be read, those of its last figures are given.
    """
    return [
        Finding(line.profile, rule, sentence, people)
        for line in lines
        if line.summary and phase_of(line.profile, now) is not Phase.PAST
        for rule, (check, people) in _RULES.items()
        if (sentence := check(line.profile, line.summary, limits, now))
    ]


def _few_ready(profile: EventProfile, summary: EventSummary, limits: Limits, now: datetime) -> str | None:
    starts, share = profile.starts_at or profile.ends_at, summary.readiness.share_ready
    if starts is None or share is None or 100 * share >= limits.digest_ready_percent:
        return None
    if starts - now > timedelta(days=limits.digest_ready_days):
        return None
    of, missing = summary.readiness.registered, summary.readiness.registered - summary.readiness.passed
    # Rounded down, so that it is never said to be at the limit.
    percent = math.floor(1000 * share) / 10
    return f"{percent:g}% are ready, {_to_go(profile, starts, now)}: {missing:,} of {of:,} are not."


def _to_go(profile: EventProfile, starts: datetime, now: datetime) -> str:
    days = days_to_go(profile, now)
    if starts <= now:
        return "and the event has begun"
    return f"with {days} {'day' if days == 1 else 'days'} to go" if days else "and it starts today"


def _oldest_case(profile: EventProfile, summary: EventSummary, limits: Limits, now: datetime) -> str | None:
    if not limits.digest_case_hours or summary.oldest_waiting is None:
        return None
    hours = (now - summary.oldest_waiting) / timedelta(hours=1)
    if hours <= limits.digest_case_hours:
        return None
    # Rounded down, but a few hours not to whole ones, so that it is never said to be at the limit.
    rounded = math.floor(hours) if hours >= _IN_WHOLE_HOURS else math.floor(10 * hours) / 10
    time = f"{math.floor(hours / 24):,} days" if hours >= _IN_DAYS else f"{rounded:g} hours"
    return f"The oldest case has waited for {time}."


def _failures_doubled(profile: EventProfile, summary: EventSummary, limits: Limits, now: datetime) -> str | None:
    lately, before = summary.failures.last_day(now), summary.failures.day_before(now)
    if not limits.digest_failures or lately < max(limits.digest_failures, _TIMES * before):
        return None
    return (
        f"{lately:,} failed in the last 24 hours, after {f'{before:,}' if before else 'none'} in the 24 hours before."
    )


_Check = Callable[[EventProfile, EventSummary, Limits, datetime], str | None]
#: For each rule: the sentence, if it holds, and whom it is about.
_RULES: Mapping[Rule, tuple[_Check, Group]] = {
    Rule.FEW_READY: (_few_ready, Group.NOT_READY),
    Rule.OLDEST_CASE: (_oldest_case, Group.WAITING),
    Rule.FAILURES_DOUBLED: (_failures_doubled, Group.FAILED),
}
