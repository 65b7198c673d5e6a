"""Measures calls: how long each took, what it consumed of AWS, and how it ended."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import TypeVar

from core.domain.clock import Clock
from core.domain.errors import FacedeskError, Service, ServiceError
from core.flow.tally import Tally, counted
from core.runtime.operation_log import LogWriter, Operation
from core.runtime.operation_metrics import OperationMetrics
from core.services.hashing import id_hash
from core.settings import Settings

T = TypeVar("T")

#: Maps the first part of an operation's name to its service, as errors and health checks name it.
SERVICES: Mapping[str, str] = {
    "records": Service.RECORDS,
    "registrations": Service.REGISTRATIONS,
    "photos": Service.PHOTOS,
    "templates": Service.PHOTOS,
    "engine": Service.ENGINE,
    "audit": Service.AUDIT,
    "claims": Service.CASES,
    "notes": Service.CASES,
    "profiles": Service.PROFILES,
    "dated events": Service.PROFILES,
    "looks": Service.SECOND_LOOKS,
    "batch": Service.ENGINE,
    "metrics": Service.METRICS,
    "validation": Service.VALIDATION,
    "erasures": Service.ERASURE,
    "retention": Service.RETENTION,
    "crossings": Service.ALERTS,
    "duplicates": Service.DUPLICATES,
    "faces": Service.DUPLICATES,
    "findings": Service.FINDINGS,
    "summaries": Service.SUMMARIES,
    "alert": Service.ALERTS,
    "tokens": Service.TOKENS,
    "unmapped": Service.RECORDS,
}


class Observer:
    """Turns each call into an operation, and adds it to the operation log and to ``metrics``."""

    def __init__(self, settings: Settings, clock: Clock, metrics: OperationMetrics) -> None:
        self._clock = clock
        self._metrics = metrics
        self._hash = id_hash(settings)
        self._log = LogWriter(settings)

    def call(
        self,
        name: str,
        service: str,
        user_id: str | None = None,
        registration_id: str | None = None,
        event_id: str | None = None,
    ) -> Call:
        """Returns a call to run in a ``with`` statement. It holds the ids as hashes.

        ``name`` is the operation's name, for example ``records.get``. ``service`` is the name that errors and health
        checks use.
        """
        ids = {"user": user_id, "registration": registration_id, "event": event_id}
        hashes = {kind: self._hash(value) for kind, value in ids.items() if value is not None}
        return Call(self, name, service, hashes)

    def steps(self, call: Call, items: Iterator[T]) -> Iterator[T]:
        """Yields ``items``, measured by ``call``, which is logged after the last item or when the reader stops.

        The time that the reader spends between two items does not count.
        """
        try:
            while True:
                with call.running():
                    try:
                        item = next(items)
                    except StopIteration:
                        return
                yield item
        finally:
            self.keep(call)

    def keep(self, call: Call) -> None:
        """Logs and counts a call that has ended."""
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
        self._metrics.add(operation)
        self._log.write(operation)

    def close(self) -> None:
        """Closes the log; later operations are only counted."""
        self._log.close()


class Call:
    """One measured call. As a context manager it runs the whole call and logs it at the end."""

    def __init__(self, observer: Observer, name: str, service: str, ids: dict[str, str]) -> None:
        self.name = name
        self.service = service
        self.ids = ids
        self.asked = Tally()
        self.seconds = 0.0
        self.outcome = "ok"
        self.code: str | None = None
        self.failed = False
        self._observer = observer
        self._counting = counted(self.asked)
        self._began = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Runs one part of the call in a ``with`` statement, without logging the call yet."""
        self._begin()
        try:
            yield
        except BaseException as error:
            self._end(error)
            raise
        self._end(None)

    def __enter__(self) -> None:
        self._begin()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(error)
        self._observer.keep(self)

    def _begin(self) -> None:
        self._began = time.perf_counter()
        self._counting.__enter__()

    def _end(self, error: BaseException | None) -> None:
        self._counting.__exit__()
        self.seconds += time.perf_counter() - self._began
        if error is not None:
            self.outcome = type(error).__name__
            if isinstance(error, ServiceError):
                # The server chose the code: an invalid character in it must not break the log line.
                self.code = error.code.encode("ascii", "replace").decode()
            self.failed = isinstance(error, ServiceError) or not isinstance(error, FacedeskError)


class Observed:
    """The common base of what records each call of a port or service: names their operations."""

    def __init__(self, observer: Observer, name: str) -> None:
        """``name`` is one of ``SERVICES``."""
        self._observer = observer
        self._name = name
        self._service = SERVICES[name]

    def _call(
        self,
        method: str,
        user_id: str | None = None,
        registration_id: str | None = None,
        event_id: str | None = None,
    ) -> Call:
        return self._observer.call(f"{self._name}.{method}", self._service, user_id, registration_id, event_id)
