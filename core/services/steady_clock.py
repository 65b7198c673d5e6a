"""Decides whether the clock can be trusted to say what has expired: a wrong clock must not delete anything."""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import orjson

from core.domain.clock import Clock
from core.domain.errors import Service, Unavailable
from core.domain.records import isoformat

logger = logging.getLogger(__name__)

#: The file in the data folder that holds the time of the last look at the clock, and since when it has been steady.
MARK = "clock.json"
#: If the clock is ahead of the last look by more than this, it has jumped, or Facedesk did not run: the two cannot be
#: distinguished.
GAP = timedelta(days=8)
#: If the clock is behind the last look by more than this, it was ahead then, or has been set back.
BACK = timedelta(hours=1)
#: How long the clock must have been steady, so that somebody can notice and correct a wrong one.
STEADY = timedelta(days=3)


class SteadyClock:
    """Compares the clock with its last look, which a file holds: a wrong clock is most likely after a restart."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._path = folder / MARK
        self._clock = clock

    def __call__(self) -> bool:
        """Looks at the clock; returns whether all looks of the last ``STEADY`` found it steady.

        Raises ``Unavailable`` if the file cannot be written.
        """
        now = self._clock()
        since, seen = self._marks() or (now, now)
        if not -BACK <= now - seen <= GAP:
            logger.warning("the clock says %s, but %s when it was last looked at", isoformat(now), isoformat(seen))
            since = now
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            written = self._path.with_suffix(".new")
            written.touch(mode=0o600)
            written.write_bytes(orjson.dumps({"steadySince": isoformat(since), "seen": isoformat(now)}))
            written.replace(self._path)
        except OSError as error:
            raise Unavailable(Service.DATA_FOLDER, type(error).__name__) from error
        return now - since >= STEADY

    def _marks(self) -> tuple[datetime, datetime] | None:
        with suppress(OSError, ValueError, KeyError, TypeError):
            marks = orjson.loads(self._path.read_bytes())
            return datetime.fromisoformat(marks["steadySince"]), datetime.fromisoformat(marks["seen"])
        return None
