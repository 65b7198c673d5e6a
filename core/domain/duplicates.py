"""One person twice: registrations of one event that show the same face, and what people say about such pairs.

A search finds pairs of faces that are at least as similar as a threshold; in an event of many people some of them are
false pairs of two different people. A person looks at each pair and answers. No answer changes a record.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from pydantic import Field, ValidationError

from core.domain.errors import Refused, Service
from core.domain.records import Model, Timestamp

SERVICE = Service.DUPLICATES
#: The most characters of the reason for which searches are switched on, and of the note that an answer has.
MAX_TEXT = 500
#: The most answers that are kept of a pair. The oldest ones go first.
MAX_ANSWERS = 50
#: The most pairs that a search reports: more than anybody looks at. The most similar ones come first.
MAX_PAIRS = 2_000
#: For this many people a search's threshold starts where one false pair is expected.
PEOPLE_PER_FALSE_PAIR = 10_000


class Answer(StrEnum):
    """What a person says about a pair. ``RELATIVES`` are two people who look alike, such as twins."""

    SAME = "same"
    DIFFERENT = "different"
    RELATIVES = "relatives"


class Switch(Model):
    """Whether an event's faces may be searched for pairs: who said so, when, and for what reason (a legal basis).

    The reason is empty if searches were switched off without one.
    """

    on: bool
    reason: str = Field(max_length=MAX_TEXT)
    by: str
    at: Timestamp


class PairAnswer(Model):
    """A person's answer to a pair. ``note`` may be empty."""

    answer: Answer
    by: str
    at: Timestamp
    note: str = Field(max_length=MAX_TEXT)


class JudgedPair(Model):
    """A pair with all answers to it, newest last, ``MAX_ANSWERS`` at the most. ``first`` and ``second`` are
    registration ids, the lower one first.

    ``change`` is another text for each change, so that whoever writes one can tell their own from somebody else's.
    """

    event_id: str = Field(min_length=1)
    first: str = Field(min_length=1)
    second: str = Field(min_length=1)
    first_user: str
    second_user: str
    answers: tuple[PairAnswer, ...] = Field(min_length=1)
    change: str = Field(min_length=1)

    @property
    def key(self) -> tuple[str, str]:
        return self.first, self.second

    @property
    def users(self) -> frozenset[str]:
        return frozenset({self.first_user, self.second_user})


def judged_pair_of(stored: str | bytes) -> JudgedPair:
    """The pair that was stored as this JSON. Raises ``Refused``, which names no value."""
    try:
        return JudgedPair.model_validate_json(stored)
    except ValidationError:
        raise Refused(SERVICE, "UnreadablePair", "A stored answer to a pair cannot be read.") from None


def switch_of(stored: str | bytes) -> Switch:
    """The switch that was stored as this JSON. Raises ``Refused``, which names no value."""
    try:
        return Switch.model_validate_json(stored)
    except ValidationError:
        raise Refused(SERVICE, "UnreadableSwitch", "A stored switch of searches cannot be read.") from None


@dataclass(frozen=True)
class Side:
    """A registration of a pair, with what is needed to show it. ``name`` is empty if the registration has none."""

    registration_id: str
    user_id: str
    name: str
    photo_key: str


@dataclass(frozen=True)
class Candidate:
    """Two registrations of one event that show similar faces (``similarity`` 0-100), in the order of their ids.

    They may be of one user: that is a pair as any other. ``answer`` is the newest one, None if there is none.
    """

    first: Side
    second: Side
    similarity: float
    answer: PairAnswer | None

    @property
    def sides(self) -> tuple[Side, Side]:
        return self.first, self.second

    @property
    def key(self) -> tuple[str, str]:
        return self.first.registration_id, self.second.registration_id


class Expected(NamedTuple):
    """How many false pairs are expected, with the bounds between which the true number lies with 95 %."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class Search:
    """The outcome of a search: the pairs, the most similar first.

    ``compared`` registrations have a face that was compared with all others, ``without_face`` have a photo that shows
    no clear face, ``without_photo`` have none or one that cannot be read, and ``failed`` could not be examined.
    ``threshold`` is the lowest similarity of a pair (0-100). ``capped``: there are more pairs than ``MAX_PAIRS``.
    ``finished`` is false if the search was stopped or gave up before all faces were compared. ``expected_false`` is
    None if nobody has measured how often the engine takes two people for one.
    """

    at: datetime
    compared: int
    without_face: int
    without_photo: int
    failed: int
    threshold: float
    pairs: tuple[Candidate, ...]
    capped: bool
    finished: bool
    expected_false: Expected | None


class Reference(NamedTuple):
    """The reference photo of a registration, by which a search knows a person's face."""

    registration_id: str
    user_id: str
    key: str


class Pair(NamedTuple):
    """Two registrations, the lower id first, and the similarity of their faces (0-100)."""

    first: str
    second: str
    similarity: float


@dataclass(frozen=True)
class Found:
    """What a backend found: as in ``Search``, of the references that it was given."""

    pairs: Sequence[Pair]
    compared: int
    without_face: int
    without_photo: int
    failed: int
    capped: bool
    finished: bool
