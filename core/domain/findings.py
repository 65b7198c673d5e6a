"""What the latest run of a kind found in an event: a check of its reference photos, or a search for duplicates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from core.domain.errors import Service

SERVICE = Service.FINDINGS


class Row(NamedTuple):
    """One thing that was found: the user ids of all whom it is about, and what it is, as text that the kind of run
    defines. It holds ids, codes and keys, but no name and no address.
    """

    users: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class Findings:
    """What a run found. ``version`` is another text for each run; ``summary`` is about nobody, and ``rows`` are about
    people.
    """

    version: str
    summary: str
    rows: tuple[Row, ...]
