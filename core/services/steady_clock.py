"""Whether the clock can be trusted to say what has expired. A clock that is wrong must not destroy anything."""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import orjson

from core.domain.clock import Clock
from core.domain.errors import Unavailable
from core.domain.records import isoformat

logger = logging.getLogger(__name__)

#: In the data folder: when the clock was last looked at, and since when it has been steady.
MARK = "clock.json"
#: A clock that is so much ahead of the last look has jumped, or nobody looked for as long: nobody can tell which.
GAP = timedelta(days=8)
#: A clock that is so much behind the last look was ahead then, or has jumped back.
BACK = timedelta(hours=1)
#: How long the clock must have been steady: long enough for somebody to notice and correct it.
STEADY = timedelta(days=3)


class Steadiness:
    """Looks at the clock now and then, and remembers it in a file, as a wrong clock is most likely after a start."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._path = folder / MARK
        self._clock = clock

    def __call__(self) -> bool:
        """Whether the clock has been steady for ``STEADY``, as far as its looks tell; this is one of them.

        Raises ``Unavailable`` if the look cannot be remembered.
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
            raise Unavailable("data folder", type(error).__name__) from error
        return now - since >= STEADY

    def _marks(self) -> tuple[datetime, datetime] | None:
        with suppress(OSError, ValueError, KeyError, TypeError):
            marks = orjson.loads(self._path.read_bytes())
            return datetime.fromisoformat(marks["steadySince"]), datetime.fromisoformat(marks["seen"])
        return None
