"""The sessions that people have ended themselves."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class SignOuts(Protocol):
    """Which sessions were ended before their time. Every request asks, so a question costs no call of a service."""

    def end(self, session_id: str, until: datetime) -> None:
        """End the session, which would have lasted ``until`` then, for every copy of its cookie.

        It has ended in this process at once, even if this raises, and in every other process within half a minute of
        the return. Durable when it returns.
        """
        ...

    def has_ended(self, session_id: str) -> bool:
        """Whether the session was ended. Only the first question of a process may wait for a service.

        Raises ``Unavailable`` if nothing recent is known of the sessions that other processes have ended.
        """
        ...

    def ping(self) -> None:
        """Whether the sign-outs can be read now. Raises ``ServiceError`` if not."""
        ...

    def close(self) -> None: ...
