"""What Facedesk did: each call of a port, and each validation and decision, as a line of JSON and as a count.

The lines are for CloudWatch Logs Insights or ``jq``, the counts (``Journal``) for the page that shows this process.
Neither ever holds a photo, a key, a name, a search or a plain id.
"""

from __future__ import annotations

import inspect
import logging
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import wraps
from logging.handlers import RotatingFileHandler
from pathlib import Path
from threading import Lock
from types import SimpleNamespace
from typing import IO, TYPE_CHECKING, Any, TypeVar, cast

import orjson

from core.domain.clock import Clock
from core.domain.errors import FacedeskError, ServiceError
from core.domain.records import isoformat
from core.files.private import FILE, make_folder
from core.flow.tally import Tally, counted
from core.services.hashing import id_hash
from core.settings import Backend, OperationLog, Settings

if TYPE_CHECKING:  # half a second to load, and only the journal's frame needs it
    from pandas import DataFrame

T = TypeVar("T")

logger = logging.getLogger(__name__)

#: The first part of an operation's name -> its service, as errors and health name it.
SERVICES: Mapping[str, str] = {
    "records": "validation records",
    "registrations": "registrations",
    "photos": "photos",
    "engine": "face engine",
    "audit": "audit trail",
    "batch": "face engine",
    "metrics": "metrics",
    "validation": "validation",
    "erasures": "erasure",
    "retention": "retention",
}
#: An argument that is an id -> the field of the line that has its hash. Arguments not named here are never looked at.
_IDS: Mapping[str, str] = {"user_id": "user", "registration_id": "registration", "event_id": "event"}
#: Arguments that have ids as attributes of these names.
_WITH_IDS = frozenset({"outcome", "seen"})

LOG_FILE = Path("logs", "operations.jsonl")
_FILE_BYTES = 10_000_000
_OLDER_FILES = 5

#: Minutes that the journal looks back.
_KEPT_MINUTES = 24 * 60
_JOURNAL_DTYPES: Mapping[str, str] = {
    "minute": "datetime64[us, UTC]",
    "operation": "str",
    "service": "str",
    "count": "int64",
    "failed": "int64",
    "mean_ms": "float64",
    "max_ms": "float64",
    "calls": "int64",
    "read_units": "float64",
    "write_units": "float64",
}
_END = object()


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


@dataclass
class _Sums:
    count: int = 0
    failed: int = 0
    milliseconds: float = 0.0
    slowest: float = 0.0
    calls: int = 0
    read_units: float = 0.0
    write_units: float = 0.0


class Journal:
    """What this process did in the last 24 hours, by minute and operation, in memory; for any number of threads."""

    def __init__(self) -> None:
        self._minutes: dict[int, dict[tuple[str, str], _Sums]] = {}
        self._lock = Lock()

    def add(self, operation: Operation) -> None:
        minute = _minute(operation.ended)
        with self._lock:
            if minute not in self._minutes:
                self._minutes[minute] = defaultdict(_Sums)
                for old in [other for other in self._minutes if other <= minute - _KEPT_MINUTES]:
                    del self._minutes[old]
            sums = self._minutes[minute][operation.name, operation.service]
            sums.count += 1
            sums.failed += operation.failed
            sums.milliseconds += operation.milliseconds
            sums.slowest = max(sums.slowest, operation.milliseconds)
            sums.calls += operation.asked.calls
            sums.read_units += operation.asked.read_units
            sums.write_units += operation.asked.write_units

    def by_minute(self, since: datetime) -> DataFrame:
        """One row a minute and operation, oldest minute first, then by name; from the minute that holds ``since``.

        Columns: minute (when it began, UTC), operation, service, count, failed (of them), mean_ms, max_ms, calls (of
        AWS), read_units and write_units (of DynamoDB).
        """
        import pandas as pd

        first = _minute(since)
        with self._lock:
            rows = [
                (
                    datetime.fromtimestamp(minute * 60, UTC),
                    name,
                    service,
                    sums.count,
                    sums.failed,
                    sums.milliseconds / sums.count,
                    sums.slowest,
                    sums.calls,
                    sums.read_units,
                    sums.write_units,
                )
                for minute, operations in self._minutes.items()
                if minute >= first
                for (name, service), sums in operations.items()
            ]
        return pd.DataFrame(sorted(rows), columns=list(_JOURNAL_DTYPES)).astype(_JOURNAL_DTYPES)


class Observer:
    """Makes operations of calls, and gives each to the log that ``settings`` name and to ``journal``."""

    def __init__(self, settings: Settings, clock: Clock, journal: Journal) -> None:
        self._clock = clock
        self._journal = journal
        self._hash = id_hash(settings)
        # In nobody's tree of loggers: no other library's configuration mutes it, and no other handler gets its lines.
        self._log = logging.Logger("facedesk.operations", logging.INFO)
        self._handler = _handler(settings)
        if self._handler:
            self._log.addHandler(self._handler)

    def observed(self, port: T, name: str) -> T:
        """``port``, each of whose public methods but ``close`` is an operation of the ``SERVICES`` entry ``name``."""
        methods: dict[str, Callable[..., Any]] = {}
        for attribute, method in inspect.getmembers(port, inspect.ismethod):
            if attribute == "close":
                methods[attribute] = method
            elif not attribute.startswith("_"):
                methods[attribute] = self._observing(method, f"{name}.{attribute}", SERVICES[name])
        return cast(T, SimpleNamespace(**methods))

    def close(self) -> None:
        """End the log; what still happens is in the journal alone."""
        if self._handler:
            self._log.removeHandler(self._handler)
            self._handler.close()

    def _observing(self, method: Callable[..., Any], name: str, service: str) -> Callable[..., Any]:
        parameters = list(inspect.signature(method).parameters)

        @wraps(method)
        def observing(*args: Any, **kwargs: Any) -> Any:
            call = _Call(name, service, self._ids({**dict(zip(parameters, args, strict=False)), **kwargs}))
            result = None
            try:
                with call.running():
                    result = method(*args, **kwargs)
            finally:
                if not isinstance(result, Iterator):
                    self._keep(call)
            return self._steps(result, call) if isinstance(result, Iterator) else result

        return observing

    def _steps(self, items: Iterator[T], call: _Call) -> Iterator[T]:
        try:
            while True:
                with call.running():
                    item = next(items, _END)
                if item is _END:
                    return
                yield cast(T, item)
        finally:
            self._keep(call)

    def _ids(self, arguments: Mapping[str, Any]) -> dict[str, str]:
        found: dict[str, Any] = {}
        for name, value in arguments.items():
            if name in _IDS:
                found[_IDS[name]] = value
            elif name in _WITH_IDS:
                found |= {kind: getattr(value, attribute, None) for attribute, kind in _IDS.items()}
        return {kind: self._hash(value) for kind, value in found.items() if value is not None}

    def _keep(self, call: _Call) -> None:
        operation = Operation(
            name=call.name,
            service=call.service,
            ended=self._clock(),
            milliseconds=call.seconds * 1000,
            outcome=call.outcome,
            code=call.code,
            failed=call.failed,
            ids=call.ids,
            asked=call.asked,
        )
        self._journal.add(operation)
        if self._handler:
            self._log.info(operation.line())


@dataclass
class _Call:
    """A call under way: how long it ran, what it asked of AWS and how it ended."""

    name: str
    service: str
    ids: Mapping[str, str]
    asked: Tally = field(default_factory=Tally)
    seconds: float = 0.0
    outcome: str = "ok"
    code: str | None = None
    failed: bool = False

    @contextmanager
    def running(self) -> Iterator[None]:
        began = time.perf_counter()
        try:
            with counted(self.asked):
                yield
        except BaseException as error:
            self.outcome = type(error).__name__
            if isinstance(error, ServiceError):
                # A server's own words: half a character in them must not break the line.
                self.code = error.code.encode("ascii", "replace").decode()
            self.failed = isinstance(error, ServiceError) or not isinstance(error, FacedeskError)
            raise
        finally:
            self.seconds += time.perf_counter() - began


class _File(RotatingFileHandler):
    """A file for its owner alone, made with the first line; 10 MB, and five such before it are kept.

    Processes may share it: each moves the files on when it finds them full.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, maxBytes=_FILE_BYTES, backupCount=_OLDER_FILES, encoding="utf-8", delay=True)
        self._complained = False

    def _open(self) -> IO[str]:  # type: ignore[override]
        path = Path(self.baseFilename)
        make_folder(path.parent)
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, FILE)
        return os.fdopen(descriptor, "a", encoding=self.encoding)

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


def _minute(moment: datetime) -> int:
    """Whole minutes since 1970."""
    return int(moment.timestamp() // 60)
