"""Blind second looks: what another reviewer says of a case without knowing what was said first.

A sample of the decisions that people made, and of the photos that passed by themselves, is shown to a second
reviewer. How often the two differ tells how good the decisions, and the passes at the threshold, are.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from annotated_types import Interval
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.domain.errors import Refused, Service
from core.domain.records import Decision, Model, Percent, Timestamp

SERVICE = Service.SECOND_LOOKS
#: A share of all cases, 0-1.
Share = Annotated[float, Interval(ge=0, le=1)]


class Sampling(BaseModel):
    """The shares of cases that are looked at again, each a setting with its default here."""

    model_config = ConfigDict(frozen=True)

    second_look_decisions: Share = Field(
        0,
        description="share of the decisions of people, 0-1, that another reviewer decides again without seeing them; "
        "`0`: none",
    )
    second_look_passes: Share = Field(
        0,
        description="share of the photos that passed by themselves, 0-1, that a reviewer decides on without seeing "
        "that they passed; `0`: none",
    )


class Kind(StrEnum):
    """What came first: a reviewer's decision, or a pass by the rules alone."""

    DECISION = "decision"
    PASS = "pass"


class SecondLook(Model):
    """A second reviewer's answer to one case, beside the first answer.

    ``case`` is a keyed hash (16 hexadecimal digits) of the ids and the attempt's number, so a look names nobody who
    registered, and outlives an erasure as entries of the audit trail do. ``share`` is the share of such cases that
    was sampled at the time; ``similarity`` is 0-100. A pass counts as approved, and has neither a reason nor a
    reviewer.
    """

    event_id: str
    case: str = Field(pattern="^[0-9a-f]{16}$")
    kind: Kind
    share: Annotated[float, Interval(gt=0, le=1)]
    similarity: Percent | None = None
    first: Decision
    first_reason: str | None = None
    first_reviewer: str | None = None
    second: Decision
    second_reason: str | None = None
    second_reviewer: str
    at: Timestamp


def look_of(text: str) -> SecondLook:
    """Read a stored look (JSON, camelCase). Raises ``Refused``, which names no value."""
    try:
        return SecondLook.model_validate_json(text, by_alias=True, by_name=False)
    except ValidationError:
        raise Refused(SERVICE, "UnreadableLook", "A stored second look cannot be read.") from None


def turn(case: str, share: float) -> float:
    """Where the case comes in the sample of this share: below 1 if it is sampled, the lowest first.

    ``case`` is a hash in hexadecimal digits, which lies anywhere between the lowest and the highest one with the same
    chance. So every machine samples the same cases without storing which, and a smaller share's sample is part of a
    larger one's. Whoever takes the cases of several samples by their turns is equally far in all of them at any time.
    """
    return int(case, 16) / _hashes(case) / share if share else float("inf")


def is_sampled(case: str, share: float) -> bool:
    """Whether the case belongs to the sample of this share (0-1)."""
    return int(case, 16) < share * _hashes(case)


def _hashes(case: str) -> int:
    """How many hashes there are of this length."""
    return 1 << 4 * len(case)
