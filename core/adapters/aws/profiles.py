"""The profiles of events in the table of Facedesk's own state."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from core.adapters.aws.items import Expression, Item
from core.adapters.aws.state_table import StateTable, hashed, is_absent
from core.adapters.shared.profiles import changed_meanwhile
from core.domain.clock import Clock
from core.domain.errors import Refused, Service
from core.domain.profiles import EventProfile, profile_of
from core.domain.records import isoformat
from core.flow.retry import Retry

SERVICE = Service.PROFILES
_PROFILES, _DATED = "profiles", "dated-events"


class DynamoProfiles:
    """``EventProfileEdits`` in DynamoDB: all profiles are one part, of which a single query reads them."""

    def __init__(self, client: Any, table: str, retry: Retry, clock: Clock) -> None:
        self._state = StateTable(client, table, retry, clock, SERVICE)

    def get(self, event_id: str) -> EventProfile | None:
        item = self._state.get(_PROFILES, hashed(event_id))
        return _profile(item) if item else None

    def all(self) -> list[EventProfile]:
        return sorted(map(_profile, self._state.items(_PROFILES)), key=lambda profile: profile.event_id)

    def save(self, profile: EventProfile) -> EventProfile:
        item = {"version": {"N": str(profile.version)}, "profile": {"S": profile.to_json().decode()}}

        def follows(used: Expression) -> str:
            if profile.version == 1:
                return is_absent(used)
            return f"{used.name('version')} = {used.value({'N': str(profile.version - 1)})}"

        if self._state.put(_PROFILES, hashed(profile.event_id), item, follows):
            return profile
        stored = self.get(profile.event_id)
        if stored == profile:  # an earlier try wrote it
            return profile
        raise changed_meanwhile()

    def ping(self) -> None:
        self._state.ping()

    def close(self) -> None:
        self._state.close()


class DynamoDatedEvents:
    """``DatedEvents`` in DynamoDB, as one part."""

    def __init__(self, client: Any, table: str, retry: Retry, clock: Clock) -> None:
        self._state = StateTable(client, table, retry, clock, SERVICE)

    def all(self) -> Mapping[str, datetime | None]:
        return dict(map(_dated, self._state.items(_DATED)))

    def set(self, event_id: str, kept_until: datetime | None) -> None:
        item = {"eventId": {"S": event_id}, **({"keptUntil": {"S": isoformat(kept_until)}} if kept_until else {})}
        self._state.put(_DATED, hashed(event_id), item)

    def close(self) -> None:
        self._state.close()


def _profile(item: Item) -> EventProfile:
    if "S" not in item.get("profile", {}):
        raise _unreadable()
    return profile_of(item["profile"]["S"])


def _dated(item: Item) -> tuple[str, datetime | None]:
    try:
        until = item.get("keptUntil")
        return item["eventId"]["S"], datetime.fromisoformat(until["S"]) if until else None
    except (KeyError, ValueError):
        raise _unreadable() from None


def _unreadable() -> Refused:
    return Refused(SERVICE, "UnreadableProfile", "The profile of an event cannot be read.")
