"""The blind second looks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from core.domain.second_looks import SecondLook


class SecondLooks(Protocol):
    """What second reviewers said (``core.domain.second_looks``): one look a case. Looks are never changed."""

    def add(self, look: SecondLook) -> SecondLook:
        """Store the look if its event has none of the same case, and return the one that is stored then.

        Durable when it returns. Of several looks at one case, also at the same time, the first one stays. So a
        retried write, or one whose answer was lost, returns the same look.
        """
        ...

    def of_event(self, event_id: str) -> list[SecondLook]:
        """All looks at cases of the event as of the last acknowledged write, by case; empty if there are none.

        Raises ``Refused`` for a look that cannot be read.
        """
        ...

    def close(self) -> None: ...
