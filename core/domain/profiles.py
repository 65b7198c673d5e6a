"""What is known of an event beyond its id: its name, its dates, how long its records are kept, its own rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, ValidationError, model_validator

from core.domain.errors import InvalidInput, Refused, Service
from core.domain.policy import Policy
from core.domain.records import Model, Percent, Timestamp

#: Days that records are kept after the end of an event whose profile says nothing else.
KEEP_DAYS = 7
#: The most characters of an event's name.
MAX_NAME = 200
#: The most shards of an event, over which a store may spread its records: each is read by a query of its own.
MAX_SHARDS = 64
#: The most days that records can be kept after an event.
MAX_KEEP_DAYS = 3650


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # also for the name of a folder, a path, and none at all
        raise ValueError("not a time zone such as Europe/Berlin") from None
    return name


TimeZone = Annotated[str, AfterValidator(_known_zone)]


class EventRules(Model):
    """Numbers of the rules that differ from the settings in one event; None where the settings hold.

    See ``core.domain.policy.Policy`` for their meaning. The two thresholds are set together, so that they stay in
    order whatever the settings say.
    """

    similarity_threshold: Percent | None = None
    review_threshold: Percent | None = None
    min_confidence: Percent | None = None
    min_face_pixels: int | None = Field(None, ge=1, le=2000)

    @model_validator(mode="after")
    def _in_order(self) -> EventRules:
        match self.similarity_threshold, self.review_threshold:
            case None, None:
                pass
            case float(similarity), float(review) if review <= similarity:
                pass
            case float(), float():
                raise ValueError("the similarity for a review must not be above the one that passes")
            case _:
                raise ValueError("set both thresholds of similarity, or neither")
        return self

    def over(self, policy: Policy) -> Policy:
        """The policy with these numbers in place of its own."""
        return policy.model_copy(update=self.model_dump(exclude_none=True))


class EventProfile(Model):
    """An event as its manager describes it. All but the id may be absent.

    The dates are moments; ``time_zone`` (IANA) is the one in which people at the event read them. ``version`` counts
    the changes: 0 is a profile that was never stored.
    """

    event_id: str = Field(min_length=1)
    name: str | None = Field(None, max_length=MAX_NAME)
    time_zone: TimeZone = "UTC"
    starts_at: Timestamp | None = None
    ends_at: Timestamp | None = None
    photo_deadline: Timestamp | None = None
    #: Days that records are kept after the end.
    keep_days: int = Field(KEEP_DAYS, ge=0, le=MAX_KEEP_DAYS)
    rules: EventRules = Field(default_factory=EventRules)
    version: int = Field(0, ge=0)
    changed_at: Timestamp | None = None
    changed_by: str | None = None
    #: Names of the fields that another system wrote in a form that could not be read, separated by spaces.
    unreadable: str = ""

    @model_validator(mode="after")
    def _in_order(self) -> EventProfile:
        if self.starts_at and self.ends_at and self.ends_at < self.starts_at:
            raise ValueError("the event must not end before it starts")
        if self.photo_deadline and self.end and self.photo_deadline > self.end:
            raise ValueError("the deadline for photos must not be after the event")
        return self

    @property
    def title(self) -> str:
        """What people call the event: its name, or else its id."""
        return self.name or self.event_id

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    @property
    def end(self) -> datetime | None:
        """When the event is over; an event without an end is over when it starts."""
        return self.ends_at or self.starts_at

    @property
    def kept_until(self) -> datetime | None:
        """Until when its records are kept at least, whatever their age; None if the profile has no date."""
        return None if self.end is None else self.end + timedelta(days=self.keep_days)


def told_apart(names: Mapping[str, str], taken: Collection[str] = ()) -> dict[str, str]:
    """The names of events by id, no two alike and none ``taken``: where two would be, their ids stand behind them."""
    told = dict(names)
    while shared := {name for name, count in Counter((*told.values(), *taken)).items() if count > 1}:
        told = {event_id: f"{name} ({event_id})" if name in shared else name for event_id, name in told.items()}
    return told


def profile_of(stored: str | bytes) -> EventProfile:
    """The profile that was stored as this JSON. Raises ``Refused`` if it cannot be read."""
    try:
        return EventProfile.model_validate_json(stored)
    except ValidationError:
        raise Refused(Service.PROFILES, "UnreadableProfile", "The profile of an event cannot be read.") from None


def refusal(profile: EventProfile) -> str | None:
    """Why the profile is not allowed, in words that complete "Not saved: ..."; None if it is."""
    try:
        EventProfile.model_validate(profile.model_dump())
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        return f"{first['msg'].removeprefix('Value error, ')}."
    return None


def checked(profile: EventProfile) -> EventProfile:
    """The profile. Raises ``InvalidInput`` with a sentence if a value of it is not allowed."""
    if why := refusal(profile):
        raise InvalidInput(f"Not saved: {why}")
    return EventProfile.model_validate(profile.model_dump())
