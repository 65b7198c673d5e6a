"""Figures about the services, and checks of them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from core.domain.costs import Usage
    from core.domain.metrics import Metrics


class ServiceMetrics(Protocol):
    """A metrics service's figures of the table of records and of the face engine."""

    def read(self, since: datetime, until: datetime) -> Metrics:
        """The whole periods between ``since`` and ``until`` whose figures are complete, at most ``MAX_POINTS``."""
        ...

    def month_to_date(self, now: datetime) -> Usage:
        """The usage since the beginning of the month of ``now`` (UTC): of the table by everyone who reads or writes
        it, and of the face engine by everyone in this account and region.
        """
        ...

    def close(self) -> None: ...


class ExpiryCheck(Protocol):
    """Looks for records that stay for ever although a service is to delete them when they expire."""

    def count_ignored(self) -> int:
        """How many records have an ``expiresAt`` that this service ignores. Reads the whole store."""
        ...

    def close(self) -> None: ...
