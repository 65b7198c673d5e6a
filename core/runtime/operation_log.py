"""The operation log: one line of JSON for each call of a port or of an observed service.

The lines suit CloudWatch Logs Insights and ``jq``. They never contain a photo, a key, a name, a search or a plain id.
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
    """One call that has ended. ``name`` is, for example, ``records.get`` or ``validation.decide``.

    ``milliseconds`` is the time inside the call; for an iteration, the time inside its steps. ``outcome`` is "ok" or
    the error's class, ``code`` the failing service's own error code. ``failed`` is False if the error is a regular
    answer: nothing found, a photo refused, a conflict. ``ids`` are hashed. ``asked`` counts the AWS calls of the
    innermost operation alone, so that sums over all operations count nothing twice.
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
        """Returns the operation as JSON without a line break. A missing ``code`` or id is left out."""
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
    """Writes operations to the log that ``settings`` choose. Safe for use by several threads."""

    def __init__(self, settings: Settings) -> None:
        self._handler = _handler(settings)

    def write(self, operation: Operation) -> None:
        """Writes one line. Does nothing if the log is off or closed; never raises an error."""
        if handler := self._handler:
            # The handler is called directly, so no other library's configuration mutes or duplicates the lines.
            handler.handle(logging.makeLogRecord({"msg": operation.line()}))

    def close(self) -> None:
        """Closes the log."""
        handler, self._handler = self._handler, None
        if handler:
            handler.close()


class _File(RotatingFileHandler):
    """A log file that only its owner can read. It holds 10 MB, and five older files are kept.

    The file is created with the first line. Processes may share it: each rotates the files when it finds it full.
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
        # The base class takes five steps to find the file's size, which cost more than the rest of a log line.
        if self.stream is None:
            self.stream = self._open()
        return os.fstat(self.stream.fileno()).st_size + len(record.msg) >= self.maxBytes

    def handleError(self, record: logging.LogRecord) -> None:
        # A full disk must neither stop the work nor fill the other logs, so one line is logged once.
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
