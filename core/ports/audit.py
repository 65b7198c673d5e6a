"""The audit trail."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Protocol

from core.domain.audit import AuditEntry


class AuditTrail(Protocol):
    """Who did what (``core.domain.audit``). Entries are added, but never changed or deleted."""

    def append(self, entry: AuditEntry) -> None:
        """Store the entry. Durable when it returns. Storing an entry with the same time and ``entry_id`` again
        changes nothing, so a retried write results in one entry.
        """
        ...

    def entries(self, since: datetime, until: datetime) -> Iterator[AuditEntry]:
        """The entries from ``since`` on and before ``until``, newest first; entries of the same time by descending
        ``entry_id``.

        They are read from the store only as they are consumed, so the caller may stop at any time. Raises ``Refused``
        for an entry that cannot be read.
        """
        ...

    def ping(self) -> None: ...

    def close(self) -> None: ...
