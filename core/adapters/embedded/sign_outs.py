"""Sign-outs as files in the data folder."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path

from core.domain.clock import Clock
from core.domain.errors import Service
from core.files.disk import SIGNED_OUT, unavailable_on_os_errors
from core.files.private import make_folder

#: How long a file is kept after its session's end, so that a clock that jumps ahead and back loses none.
KEPT = timedelta(days=30)


class FolderSignOuts:
    """``SignOuts`` as a file for each ended session, whose time is the session's end."""

    def __init__(self, data_dir: Path, clock: Clock) -> None:
        self._folder = data_dir / SIGNED_OUT
        self._clock = clock

    def end(self, session_id: str, until: datetime) -> None:
        with unavailable_on_os_errors(Service.SIGN_OUTS):
            make_folder(self._folder)
            with os.scandir(self._folder) as ended:
                for entry in ended:
                    if entry.stat().st_mtime < (self._clock() - KEPT).timestamp():
                        Path(entry).unlink(missing_ok=True)
            mark = self._folder / session_id
            mark.touch(mode=0o600)
            os.utime(mark, (until.timestamp(),) * 2)

    def has_ended(self, session_id: str) -> bool:
        return (self._folder / session_id).exists()

    def ping(self) -> None:
        self.has_ended("ping")

    def close(self) -> None: ...
