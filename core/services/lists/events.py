"""What a list says of its events, and which of it their profiles lack. What a profile has is never replaced."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from zoneinfo import ZoneInfo

from core.domain.profiles import EventProfile, refusal
from core.services.lists.dates import NotRead, moment_in, zone_named
from core.services.lists.meanings import OF_EVENTS, Meaning
from core.services.lists.people import People
from core.services.lists.tables import Notice

#: What a column says of an event -> the field of its profile.
FIELDS: Mapping[Meaning, str] = {
    Meaning.EVENT_NAME: "name",
    Meaning.TIME_ZONE: "time_zone",
    Meaning.STARTS_AT: "starts_at",
    Meaning.ENDS_AT: "ends_at",
    Meaning.PHOTO_DEADLINE: "photo_deadline",
}
#: The dates, and the time that a day alone means: an event begins as the day does, and ends with it.
DATES = {Meaning.STARTS_AT: time(0, 0), Meaning.ENDS_AT: time(23, 59), Meaning.PHOTO_DEADLINE: time(23, 59)}
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True)
class Filled:
    """A profile as a list completes it, and what it gets of the list."""

    profile: EventProfile
    added: tuple[Meaning, ...]

    @property
    def is_dated(self) -> bool:
        """Whether it gets a date, so that the event's records must be dated again."""
        return not DATES.keys().isdisjoint(self.added)


@dataclass(frozen=True)
class ProfilePlan:
    """What an import does to the profiles of events: ``filled`` are those that get something.

    ``notices`` say what of the list is left out. With a ``refusal``, a sentence, nothing of it is stored.
    """

    filled: tuple[Filled, ...] = ()
    notices: tuple[Notice, ...] = ()
    refusal: str = ""


def planned_profiles(
    people: People, stored: Iterable[EventProfile], events: Collection[str] | None = None
) -> ProfilePlan:
    """What the profiles of the list's events lack and the list says. ``stored`` are the profiles that there are;
    ``events`` chooses some of the events.
    """
    known = {profile.event_id: profile for profile in stored}
    by_event: dict[str, dict[tuple[str, ...], Sequence[int]]] = {}
    for (event_id, cells), lines in people.events.items():
        if events is None or event_id in events:
            by_event.setdefault(event_id, {})[cells] = lines
    filled: list[Filled] = []
    notices: list[Notice] = []
    for event_id in sorted(by_event):
        reading = _Event(known.get(event_id) or EventProfile(event_id=event_id), people.time_zone)
        found = reading.filled(by_event[event_id])
        if found.added:
            filled.append(found)
        notices += reading.notices
    return ProfilePlan(tuple(filled), tuple(sorted(notices, key=lambda notice: notice.line)))


@dataclass
class _Event:
    """Reads what the lines say of one event."""

    stored: EventProfile
    zone_of_list: str
    notices: list[Notice] = field(default_factory=list)
    #: What is said: each value of a meaning, with its text and the first line that has it.
    _said: dict[Meaning, dict[object, tuple[str, int]]] = field(default_factory=dict)
    #: What cannot be read, with the reason -> its lines.
    _unread: dict[tuple[Meaning, str, str], list[int]] = field(default_factory=dict)

    def filled(self, said: Mapping[tuple[str, ...], Sequence[int]]) -> Filled:
        for cells, lines in said.items():
            self._read(dict(zip(OF_EVENTS, cells, strict=True)), lines)
        for (meaning, text, why), lines in self._unread.items():
            others = f" {len(lines) - 1:,} more lines say the same." if len(lines) > 1 else ""
            self._notice(lines[0], f"{meaning} {text!r} of the event {self.stored.event_id!r} {why}{others}")
        profile, added = self.stored, list[Meaning]()
        for meaning in OF_EVENTS:
            if values := self._said.get(meaning):
                changed = self._with(profile, meaning, values)
                added += [meaning] if changed is not profile else []
                profile = changed
        return Filled(self._in_its_zone(profile, added), tuple(added))

    def _read(self, cells: Mapping[Meaning, str], lines: Sequence[int]) -> None:
        zone: ZoneInfo | None = None
        try:
            zone = self._zone(cells[Meaning.TIME_ZONE])
        except NotRead as error:
            self._not_read(Meaning.TIME_ZONE, cells[Meaning.TIME_ZONE], str(error), lines)
        for meaning, text in cells.items():
            value: object = None
            try:
                if meaning in DATES and text:
                    value = moment_in(zone, text, DATES[meaning])
                elif meaning is Meaning.EVENT_NAME and text:
                    value = _name(text)
                elif text and zone:
                    value = zone.key
            except NotRead as error:
                self._not_read(meaning, text, str(error), lines)
            if value is not None:
                self._said.setdefault(meaning, {}).setdefault(value, (text, lines[0]))

    def _zone(self, text: str) -> ZoneInfo:
        """The zone of dates that name none: of the line, else of the event, else of the whole list."""
        if text:
            return zone_named(text)
        return self.stored.zone if self.stored.version or not self.zone_of_list else zone_named(self.zone_of_list)

    def _with(
        self, profile: EventProfile, meaning: Meaning, values: Mapping[object, tuple[str, int]]
    ) -> EventProfile:
        """The profile with the value, if it lacks it and the lines agree on one that it may have."""
        (value, (text, line)), *others = values.items()
        name, event_id = FIELDS[meaning], profile.event_id
        # A profile that was stored has a time zone, even if nobody chose it.
        if profile.version if meaning is Meaning.TIME_ZONE else getattr(profile, name) is not None:
            if others or value != getattr(profile, name):
                self._notice(line, f"{meaning} of the event {event_id!r} is set already, and stays as it is.")
            return profile
        if others:
            _, (other, its_line) = others[0]
            self._notice(
                its_line,
                f"{meaning} of the event {event_id!r} is {other!r} here and {text!r} on line {line}, so it is not "
                "taken.",
            )
            return profile
        changed = profile.model_copy(update={name: value})
        if why := refusal(changed):
            self._notice(line, f"{meaning} {text!r} of the event {event_id!r} is not taken: {why}")
            return profile
        return changed

    def _in_its_zone(self, profile: EventProfile, added: Collection[Meaning]) -> EventProfile:
        """A new profile whose zone no line says has that of the list, in which its dates were read."""
        if profile.version or not added or Meaning.TIME_ZONE in self._said:
            return profile
        if self.zone_of_list:
            return profile.model_copy(update={"time_zone": zone_named(self.zone_of_list).key})
        dated = [meaning for meaning in added if meaning in DATES]
        if not dated:
            return profile
        ((_, line),) = self._said[dated[0]].values()
        self._notice(
            line, f"The time zone of the event {profile.event_id!r} is not known, so times without one are in UTC."
        )
        return profile

    def _not_read(self, meaning: Meaning, text: str, why: str, lines: Sequence[int]) -> None:
        self._unread.setdefault((meaning, text, why), []).extend(lines)

    def _notice(self, line: int, message: str) -> None:
        self.notices.append(Notice(line, message))


def _name(text: str) -> str:
    name = " ".join(text.split())
    if _CONTROL.search(name):
        raise NotRead("has a control character.")
    return name


def said_of(profile: EventProfile, meaning: Meaning) -> str:
    """What the profile says, in words: a moment in the time zone of the event; empty if it says nothing."""
    value = getattr(profile, FIELDS[meaning])
    if isinstance(value, datetime):
        return f"{value.astimezone(profile.zone):%Y-%m-%d %H:%M}"
    return value or ""
