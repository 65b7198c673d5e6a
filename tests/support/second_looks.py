"""Second looks with sensible defaults; a test states only what it is about."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from core.domain.records import Decision
from core.domain.second_looks import Kind, SecondLook
from tests.support.clock import NOON


def a_case(number: int) -> str:
    """A case as its keyed hash looks: anywhere among all hashes, and the same one for the same number."""
    return sha256(str(number).encode()).hexdigest()[:16]


def a_look(number: int = 1, **changes: Any) -> SecondLook:
    """Ada's approval of a decision that Bob made."""
    return SecondLook(
        **{
            "event_id": "event-1",
            "case": a_case(number),
            "kind": Kind.DECISION,
            "share": 0.5,
            "similarity": 75.5,
            "first": Decision.APPROVED,
            "first_reviewer": "Bob",
            "second": Decision.APPROVED,
            "second_reviewer": "Ada",
            "at": NOON,
            **changes,
        }
    )


def a_pass(number: int = 1, **changes: Any) -> SecondLook:
    """Ada's approval of a photo that passed by itself."""
    return a_look(number, **{"kind": Kind.PASS, "first_reviewer": None, **changes})
