"""Tells somebody of each event that crosses a limit, once, whichever of the servers sees it first."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

from core.domain.alerts import Limits, next_crossing
from core.domain.clock import Clock
from core.domain.digest import Finding, findings
from core.domain.event_summaries import Phase, phase_of
from core.ports import Crossings
from core.services.event_summaries import EventSummaries

#: How long a look waits for what must be read.
PATIENCE = timedelta(minutes=1)


class Alerts:
    """Compares what is found in the events with the crossings in the store.

    Any number of servers may do so at once: of those that see a crossing, one stores it, and that one tells. It tells
    afterwards, so a server that is killed at that very moment tells nobody; the pages show the finding in any case.
    """

    def __init__(
        self,
        summaries: EventSummaries,
        crossings: Crossings,
        limits: Limits,
        clock: Clock,
        tell: Callable[[Finding], None],
    ) -> None:
        self._summaries = summaries
        self._crossings = crossings
        self._limits = limits
        self._clock = clock
        self._tell = tell

    def look(self) -> None:
        """Reads what is new of all events but those that are over, and tells of each limit that was crossed.

        An event that cannot be read now, or not within ``PATIENCE``, is left for the next look. Raises
        ``ServiceError`` if the list of events or the crossings cannot be read, or a crossing cannot be stored.
        """
        stored = {(each.event_id, each.rule): each for each in self._crossings.all()}
        now = self._clock()
        lines = self._summaries.all(patience=PATIENCE, which=lambda profile: phase_of(profile, now) is not Phase.PAST)
        found = {(each.profile.event_id, each.rule): each for each in findings(lines, self._limits, now)}
        unread = {line.profile.event_id for line in lines if line.summary is None or line.as_of or line.failure}
        # Nothing is wrong any more with events that are over, or gone.
        for event_id, rule in sorted({*stored, *found}):
            if event_id in unread:
                continue
            key = event_id, rule
            seen = stored.get(key)
            after = next_crossing(seen, event_id, rule, key in found, now, uuid4().hex)
            if after and self._crossings.change(seen, after) and after.stands:
                self._tell(found[key])

    def close(self) -> None:
        self._crossings.close()
