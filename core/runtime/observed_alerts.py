"""The port of crossings with every call recorded, and the alerts, each of which is an operation of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.domain.alerts import Crossing
from core.ports import Crossings
from core.runtime.observer import Observed, Observer

if TYPE_CHECKING:  # half a second to load, and only frames need it
    from core.domain.digest import Finding


class ObservedCrossings(Observed):
    """``Crossings`` with every call recorded."""

    def __init__(self, port: Crossings, observer: Observer) -> None:
        super().__init__(observer, "crossings")
        self._port = port

    def all(self) -> list[Crossing]:
        with self._call("all"):
            return self._port.all()

    def change(self, seen: Crossing | None, after: Crossing) -> bool:
        with self._call("change", event_id=after.event_id):
            return self._port.change(seen, after)

    def close(self) -> None:
        self._port.close()


class AlertLog(Observed):
    """Writes alerts to the operations log: the operation is called by the rule, e.g. ``alert.few-ready``."""

    def __init__(self, observer: Observer) -> None:
        super().__init__(observer, "alert")

    def tell(self, finding: Finding) -> None:
        with self._call(finding.rule, event_id=finding.profile.event_id):
            pass

    def never_expire(self) -> None:
        """Tells that there are records whose expiry the store ignores."""
        with self._call("records-never-expire"):
            pass
