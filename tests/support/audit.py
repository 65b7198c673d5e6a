"""Audit entries with sensible defaults; a test states only what it is about."""

from __future__ import annotations

from typing import Any

from core.domain.audit import AuditEntry
from core.domain.roles import Action
from tests.support.clock import NOON


def an_entry(entry_id: str = "entry-1", **changes: Any) -> AuditEntry:
    return AuditEntry(
        **{
            "entry_id": entry_id,
            "at": NOON,
            "who": "ada@example.com",
            "action": Action.DECIDE,
            "user": "5be9c59e30b67cf1",
            "registration": "0d4f3a77c1be90aa",
            "event_id": "event-1",
            "ip_address": "203.0.113.7",
            "details": {"decision": "approved"},
            **changes,
        }
    )
