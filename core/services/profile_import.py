"""Completes the profiles of events by what a list of people says of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace

from core.domain.errors import Conflict, FacedeskError
from core.domain.profiles import EventProfile
from core.services.lists.events import Filled, ProfilePlan, planned_profiles
from core.services.lists.people import People
from core.services.lists.tables import Notice

#: How often a profile that somebody changes meanwhile is completed again.
_TRIES = 3


def fill_profiles(
    people: People,
    events: Collection[str],
    stored: Callable[[], Iterable[EventProfile]],
    save: Callable[[EventProfile], EventProfile],
) -> ProfilePlan:
    """Stores what the profiles of ``events`` lack and the list says. What came of it: ``filled`` are those that were
    stored; one that could not be is a notice, because the registrations are in. Raises ``ServiceError`` if ``stored``
    does.
    """
    plan = planned_profiles(people, stored(), events)
    filled, notices = list[Filled](), list(plan.notices)
    for each in plan.filled:
        try:
            done = _saved(each, people, stored, save)
        except FacedeskError as error:
            event_id = each.profile.event_id
            line = min(lines[0] for (event, _), lines in people.events.items() if event == event_id)
            notices.append(Notice(line, f"The settings of the event {event_id!r} were not stored: {error}"))
        else:
            filled += [done] if done else []
    return replace(plan, filled=tuple(filled), notices=tuple(sorted(notices, key=lambda notice: notice.line)))


def _saved(
    filled: Filled,
    people: People,
    stored: Callable[[], Iterable[EventProfile]],
    save: Callable[[EventProfile], EventProfile],
) -> Filled | None:
    """The profile as it was stored; None if somebody else completed it meanwhile."""
    for _ in range(_TRIES - 1):
        try:
            return replace(filled, profile=save(filled.profile))
        except Conflict:
            again = planned_profiles(people, stored(), {filled.profile.event_id}).filled
            if not again:
                return None
            (filled,) = again
    return replace(filled, profile=save(filled.profile))
