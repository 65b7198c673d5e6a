"""What the latest run of each kind found in an event, as every process sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from core.domain.findings import Findings


class FindingsStore(Protocol):
    """The findings of the latest run of each kind and event. Those that have expired count as absent."""

    def keep(self, kind: str, event_id: str, findings: Findings, expires_at: int) -> None:
        """Store the findings in place of the former ones; they expire at this time (epoch seconds).

        Readers see the former ones or these, and never a part. Of several that are kept at once one stays. Durable
        when it returns.
        """
        ...

    def version(self, kind: str, event_id: str) -> str | None:
        """The version of the findings, as of the last acknowledged write; None if there are none. One small read."""
        ...

    def of(self, kind: str, event_id: str) -> Findings | None:
        """The findings, with their rows in the order in which they were kept; None if there are none. Raises
        ``Refused`` for findings that cannot be read.
        """
        ...

    def drop(self, kind: str, event_id: str) -> None:
        """Delete the findings. Nothing happens if there are none. Durable when it returns."""
        ...

    def forget(self, user_id: str) -> None:
        """Delete every row that is about the person, whichever process keeps it; the others stay. Durable when it
        returns.
        """
        ...

    def close(self) -> None: ...
