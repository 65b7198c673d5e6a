"""What a request may say in its path and query; ``InvalidInput`` names what is not as it must be."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_to_bytes

from starlette.datastructures import QueryParams
from starlette.requests import Request

from core.domain.errors import InvalidInput
from core.domain.filters import Span, span_of


@dataclass(frozen=True)
class Id:
    """An id, in the path percent-encoded, with any characters but NUL; 1 to ``max_bytes`` bytes in UTF-8."""

    name: str
    max_bytes: int

    @property
    def schema(self) -> dict[str, Any]:
        """What OpenAPI can say of it: the length counts characters there."""
        return {"type": "string", "minLength": 1, "maxLength": self.max_bytes, "pattern": "^[^\\x00]+$"}

    def of(self, request: Request) -> str:
        return self._read(unquote_to_bytes(request.path_params[self.name]))

    def all_of(self, query: QueryParams) -> list[str]:
        """The ids that the query has under this name."""
        return [self._read(text.encode()) for text in query.getlist(self.name)]

    def _read(self, encoded: bytes) -> str:
        if not encoded:
            raise InvalidInput(f"The parameter {self.name} is empty.")
        if len(encoded) > self.max_bytes:
            raise InvalidInput(f"The parameter {self.name} is longer than {self.max_bytes} bytes.")
        try:
            text = encoded.decode()
        except UnicodeDecodeError:
            raise InvalidInput(f"The parameter {self.name} is not UTF-8.") from None
        if "\0" in text:
            raise InvalidInput(f"The parameter {self.name} holds the character NUL.")
        return text


@dataclass(frozen=True)
class Count:
    """A whole number in the query, ``least`` to ``most``."""

    name: str
    default: int
    most: int
    least: int = 1

    def of(self, request: Request) -> int:
        text = one(request.query_params, self.name)
        if text is None:
            return self.default
        if not re.fullmatch("[0-9]{1,9}", text) or not self.least <= int(text) <= self.most:
            raise InvalidInput(f"The parameter {self.name} must be a whole number from {self.least} to {self.most}.")
        return int(text)


#: The limits are DynamoDB's: of a partition key, of a sort key, of an index's partition key.
USER_ID = Id("userId", 2048)
REGISTRATION_ID = Id("registrationId", 1024)
EVENT_ID = Id("eventId", 2048)
#: Further events of a file that can have several.
WITH = Id("with", EVENT_ID.max_bytes)
HISTORY_LIMIT = Count("limit", default=10, most=1000)
EVENT_LIMIT = Count("limit", default=100, most=1000)
DAYS_BACK = Count("daysBack", default=30, most=365)


def require_text(request: Request) -> None:
    """Raises ``InvalidInput`` if the query is no UTF-8: its odd bytes would be read as if they were others."""
    try:
        unquote_to_bytes(request.scope["query_string"]).decode()
    except UnicodeDecodeError:
        raise InvalidInput("The query is not UTF-8.") from None


def one(query: QueryParams, name: str) -> str | None:
    """The parameter's only value; None where it is not given."""
    given = query.getlist(name)
    if len(given) > 1:
        raise InvalidInput(f"The parameter {name} was given more than once.")
    return given[0] if given else None


def flag(query: QueryParams, name: str) -> bool:
    """Whether the parameter is ``true``; false where it is not given."""
    given = one(query, name)
    if given not in (None, "true", "false"):
        raise InvalidInput(f"The parameter {name} must be true or false.")
    return given == "true"


def threshold(query: QueryParams) -> float:
    """The similarity that is asked about, 0 to 100, which must be given."""
    try:
        threshold = float(one(query, "threshold") or "")
    except ValueError:
        threshold = -1
    if not 0 <= threshold <= 100:
        raise InvalidInput("The parameter threshold must be a number from 0 to 100.")
    return threshold


def choice(query: QueryParams, name: str, known: Sequence[str]) -> str | None:
    """The parameter's only value, one of ``known``; None if it is not given."""
    one(query, name)
    return next(iter(choices(query, name, known)), None)


def choices(query: QueryParams, name: str, known: Sequence[str]) -> list[str]:
    """The parameter's values, all of ``known``."""
    given = query.getlist(name)
    if not set(given) <= set(known):
        raise InvalidInput(f"The parameter {name} must be one of: {', '.join(known)}.")
    return given


def span(query: QueryParams, name: str) -> Span | None:
    """Two numbers from 0 to 100, such as 60-65; None if the parameter is not given."""
    text = one(query, name)
    try:
        return None if text is None else span_of(text)
    except ValueError:
        raise InvalidInput(f"The parameter {name} must be two numbers from 0 to 100, such as 60-65.") from None


def moment(query: QueryParams, name: str) -> datetime | None:
    """A time in ISO-8601, of UTC if it names no zone; None if the parameter is not given."""
    text = one(query, name)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidInput(f"The parameter {name} must be a time in ISO-8601.") from None


def attempt_id(request: Request) -> str:
    """The attempt's id: the header Idempotency-Key, or a new one."""
    given = request.headers.getlist("idempotency-key")
    if not given:
        return str(uuid.uuid4())
    if len(given) > 1 or not re.fullmatch("[ -~]{1,255}", given[0]):
        raise InvalidInput("The header Idempotency-Key must be 1 to 255 printable characters of ASCII, given once.")
    return given[0]


def must_store(request: Request) -> bool:
    """Whether a verdict that cannot be stored is an error: not with ``store=optional``."""
    given = one(request.query_params, "store")
    if given not in (None, "optional"):
        raise InvalidInput("The parameter store can only be: optional.")
    return given is None
