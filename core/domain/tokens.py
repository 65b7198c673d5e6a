"""Tokens of the API that Facedesk itself keeps."""

from __future__ import annotations

from datetime import datetime

from pydantic import ConfigDict, ValidationError

from core.domain.errors import Refused, Service
from core.domain.records import Timestamp
from core.domain.roles import ApiToken


class IssuedToken(ApiToken):
    """A token that somebody has made: who and when, and when it ends; None: when it is revoked."""

    # A newer version, which runs beside this one during an update, may have written more.
    model_config = ConfigDict(frozen=True, extra="ignore")

    made_by: str
    made_at: Timestamp
    ends: Timestamp | None = None

    def is_over(self, now: datetime) -> bool:
        return self.ends is not None and self.ends <= now

    def to_json(self) -> str:
        return self.model_dump_json(exclude_none=True)


def issued_token_of(stored: str) -> IssuedToken:
    """Read what ``to_json`` gave. Raises ``Refused``, which names no value."""
    try:
        return IssuedToken.model_validate_json(stored)
    except ValidationError:
        raise Refused(Service.TOKENS, "UnreadableToken", "A stored token of the API cannot be read.") from None
