"""Counts the calls to AWS during one piece of work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from threading import Lock


@dataclass
class Tally:
    """The calls to AWS inside ``counted``; any number of threads may add.

    ``calls`` were sent, counting each retry; ``throttled`` of them were throttled. The units are those that DynamoDB
    reports with an answer. A call that fails reports none, although a refused conditional write consumes some.
    """

    calls: int = 0
    throttled: int = 0
    read_units: float = 0.0
    write_units: float = 0.0
    _lock: Lock = field(default_factory=Lock, repr=False)

    def add(self, name: str, amount: float = 1) -> None:
        with self._lock:
            setattr(self, name, getattr(self, name) + amount)


_tally: ContextVar[Tally | None] = ContextVar("tally", default=None)


def current() -> Tally | None:
    """The tally for calls made here; None outside ``counted``."""
    return _tally.get()


@contextmanager
def counted(tally: Tally) -> Iterator[None]:
    """Calls made in here count in ``tally`` and in no other; so do those of threads in a copy of the context."""
    token = _tally.set(tally)
    try:
        yield
    finally:
        _tally.reset(token)
