"""Sign-outs in the table of Facedesk's own state."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from core.adapters.aws.state_table import StateTable, expiring
from core.adapters.aws.table import STATE_KEY
from core.domain.clock import Clock, Stopwatch, elapsed
from core.domain.errors import Service, ServiceError
from core.flow.refreshed import Refreshed
from core.flow.retry import Retry

#: Time between two readings of all sign-outs. An idle page asks every 20 s, so a sign-out holds everywhere within
#: half a minute. A thousand sign-outs in the lifetime of a session make a reading of 27 read units.
READ_EVERY = timedelta(seconds=5)
#: For how long sessions go on while the sign-outs cannot be read. Afterwards nobody gets in by a session.
GOOD_FOR = timedelta(minutes=10)
#: One part, so that a single query finds all.
_SIGN_OUTS = "sign-outs"


class DynamoSignOuts:
    """``SignOuts`` in DynamoDB: an item for each ended session, which expires when the session would have ended.

    Each process keeps all of them in memory. What it has ended itself it knows without the table, and writes again
    with its next readings if that failed.
    """

    def __init__(
        self,
        client: Any,
        table: str,
        retry: Retry,
        clock: Clock,
        *,
        stopwatch: Stopwatch = elapsed,
        every: timedelta = READ_EVERY,
    ) -> None:
        self._state = StateTable(client, table, retry, clock, Service.SIGN_OUTS)
        self._clock = clock
        self._lock = threading.Lock()
        #: The sessions that this process has ended, and those of them that the table does not have yet.
        self._ours: Mapping[str, datetime] = {}
        self._unwritten: Mapping[str, datetime] = {}
        self._all = Refreshed(
            self._read, service=Service.SIGN_OUTS, every=every, good_for=GOOD_FOR, stopwatch=stopwatch
        )

    def end(self, session_id: str, until: datetime) -> None:
        now = self._clock()
        with self._lock:
            standing = {each: end for each, end in self._ours.items() if end > now}
            self._ours = {**standing, session_id: until}
        try:
            self._write(session_id, until)
        except ServiceError:
            with self._lock:
                self._unwritten = {**self._unwritten, session_id: until}
            raise

    def has_ended(self, session_id: str) -> bool:
        return session_id in self._ours or session_id in self._all()

    def ping(self) -> None:
        self._state.ping()

    def close(self) -> None:
        self._all.close()
        self._state.close()

    def _write(self, session_id: str, until: datetime) -> None:
        self._state.put(_SIGN_OUTS, session_id, expiring(until))

    def _read(self) -> frozenset[str]:
        for session_id, until in self._unwritten.items():
            self._write(session_id, until)
            with self._lock:
                self._unwritten = {each: end for each, end in self._unwritten.items() if each != session_id}
        place = STATE_KEY[1]
        return frozenset(item[place]["S"] for item in self._state.items(_SIGN_OUTS))
