"""When somebody is told that an event has crossed a limit: once a crossing, and at most once a day.

``core.domain.digest`` finds out whether a rule holds for an event.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.domain.errors import Refused, Service
from core.domain.records import Model, Percent, Timestamp

SERVICE = Service.ALERTS
#: After an alert the same rule is silent for this event as long, however often the event crosses the limit.
QUIET = timedelta(days=1)


class Rule(StrEnum):
    """What is looked for in each event, by the names that the operations log gives; the most urgent one first."""

    FEW_READY = "few-ready"
    OLDEST_CASE = "oldest-case"
    FAILURES_DOUBLED = "failures-doubled"


class Limits(BaseModel):
    """The limits of the rules, each a setting with its default here, and how often they are looked at."""

    model_config = ConfigDict(frozen=True)

    digest_ready_percent: Percent = Field(
        80,
        description="the morning digest names an event of whose people fewer are ready (%) shortly before its start; "
        "`0`: none",
    )
    digest_ready_days: float = Field(7, ge=0, le=365, description="days before the start from which on it does so")
    digest_case_hours: float = Field(
        4, ge=0, description="hours after which a waiting case makes the digest name its event; `0`: none"
    )
    digest_failures: int = Field(
        20,
        ge=0,
        description="failures in 24 hours, at twice those of the 24 hours before, that make the digest name their "
        "event; `0`: none",
    )
    digest_minutes: float = Field(
        60,
        ge=0,
        le=24 * 60,
        description="how often the server looks for what is new in the digest, and writes it to the operations log "
        "(minutes); `0`: never",
    )

    @property
    def digest_every(self) -> timedelta | None:
        """Time between two looks; None: there are none."""
        return timedelta(minutes=self.digest_minutes) if self.digest_minutes else None


class Crossing(Model):
    """The last time that a rule began to hold for an event.

    ``stands`` says whether it has held ever since, ``alerted_at`` when somebody was told. ``change`` is another text
    for each change, so that whoever writes one can tell their own from somebody else's.
    """

    event_id: str = Field(min_length=1)
    rule: Rule
    stands: bool
    alerted_at: Timestamp
    change: str = Field(min_length=1)


def crossing_of(stored: str | bytes) -> Crossing:
    """The crossing that was stored as this JSON. Raises ``Refused`` if it cannot be read."""
    try:
        return Crossing.model_validate_json(stored)
    except ValidationError:
        raise Refused(SERVICE, "UnreadableCrossing", "A stored alert of an event cannot be read.") from None


def next_crossing(
    seen: Crossing | None, event_id: str, rule: Rule, holds: bool, now: datetime, change: str
) -> Crossing | None:
    """What follows ``seen`` when the rule ``holds`` now or does not; None if nothing changes.

    Whoever stores a crossing that ``stands`` has to tell somebody. A limit that is crossed to and fro alerts once in
    ``QUIET``: if the rule begins to hold again before that, it alerts when the time is over and it still holds.
    """
    if not holds:
        return seen.model_copy(update={"stands": False, "change": change}) if seen and seen.stands else None
    # A clock that was set back must not keep alerts away for longer.
    if seen and (seen.stands or abs(now - seen.alerted_at) < QUIET):
        return None
    return Crossing(event_id=event_id, rule=rule, stands=True, alerted_at=now, change=change)
