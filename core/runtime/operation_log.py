"""The operation log: each call of a port, and each validation and decision, as a line of JSON.

The lines are for CloudWatch Logs Insights or ``jq``. They never hold a photo, a key, a name, a search or a plain id.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

import orjson

from core.domain.records import isoformat
from core.files.private import FILE, make_folder
from core.flow.tally import Tally
from core.settings import Backend, OperationLog, Settings

logger = logging.getLogger(__name__)

LOG_FILE = Path("logs", "operations.jsonl")
_FILE_BYTES = 10_000_000
_OLDER_FILES = 5


@dataclass(frozen=True)
class Operation:
    """One call that has ended: ``name`` is ``records.get``, ``validation.decide``, ...

    ``milliseconds`` passed inside the call; of an iteration, inside its steps, not between them. ``outcome`` is "ok"
    or the error's class, ``code`` the failing service's own error code. ``failed`` is False where the error is an
    answer: nothing found, a photo refused, a conflict. ``ids`` are hashed. What was asked of AWS counts for the
    innermost operation alone: sums over all operations count nothing twice.
    """

    name: str
    service: str
    ended: datetime
    milliseconds: float
    outcome: str = "ok"
    code: str | None = None
    failed: bool = False
    ids: Mapping[str, str] = field(default_factory=dict)
    asked: Tally = field(default_factory=Tally)

    def line(self) -> str:
        """JSON without a line break; ``code`` and ids are absent where there are none."""
        fields = {
            "time": isoformat(self.ended),
            "operation": self.name,
            "service": self.service,
            "milliseconds": round(self.milliseconds, 3),
            "outcome": self.outcome,
            **({"code": self.code} if self.code else {}),
            **self.ids,
            "calls": self.asked.calls,
            "throttled": self.asked.throttled,
            "readUnits": self.asked.read_units,
            "writeUnits": self.asked.write_units,
        }
        return orjson.dumps(fields).decode()


class LogWriter:
    """Writes operations to the log that ``settings`` name; for any number of threads."""

    def __init__(self, settings: Settings) -> None:
        self._handler = _handler(settings)

    def write(self, operation: Operation) -> None:
        """Adds one line. Does nothing if the log is off or closed; never raises."""
        if handler := self._handler:
            # No logger is asked: no other library's configuration mutes the lines, and no other handler gets them.
            handler.handle(logging.makeLogRecord({"msg": operation.line()}))

    def close(self) -> None:
        """Ends the log."""
        handler, self._handler = self._handler, None
        if handler:
            handler.close()


class _File(RotatingFileHandler):
    """A file for its owner alone, made with the first line; 10 MB, and five such before it are kept.

    Processes may share it: each moves the files on when it finds them full.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, maxBytes=_FILE_BYTES, backupCount=_OLDER_FILES, encoding="utf-8", delay=True)
        self._complained = False

    def _open(self) -> TextIOWrapper:
        path = Path(self.baseFilename)
        make_folder(path.parent)
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, FILE)
        return os.fdopen(descriptor, "a", encoding=self.encoding)

    def shouldRollover(self, record: logging.LogRecord) -> bool:
        # The handler's own asks for the file's size in five steps, which cost more than the rest of a log line.
        if self.stream is None:
            self.stream = self._open()
        return os.fstat(self.stream.fileno()).st_size + len(record.msg) >= self.maxBytes

    def handleError(self, record: logging.LogRecord) -> None:
        # A full disk must neither stop the work nor fill the other logs: said once, in one line.
        if not self._complained:
            self._complained = True
            error = sys.exc_info()[1]
            logger.warning("operations are not logged: %s", getattr(error, "strerror", type(error).__name__))


def _handler(settings: Settings) -> logging.Handler | None:
    match settings.operation_log, settings.backend:
        case OperationLog.OFF, _:
            return None
        case (OperationLog.FILE, _) | (OperationLog.AUTO, Backend.EMBEDDED):
            return _File(settings.data_dir / LOG_FILE)
        case _:
            return logging.StreamHandler()
