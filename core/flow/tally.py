"""Counts the calls to AWS during one piece of work."""

from __future__ import annotations

from contextlib import AbstractContextManager
from contextvars import ContextVar, Token
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


class counted(AbstractContextManager[None]):  # lower case as contextlib.closing
    """Calls made inside count in ``tally`` only; so do those of threads that run in a copy of the context.

    May be entered again after it was left.
    """

    def __init__(self, tally: Tally) -> None:
        self._counting = tally
        self._before: Token[Tally | None] | None = None

    def __enter__(self) -> None:
        self._before = _tally.set(self._counting)

    def __exit__(self, *_: object) -> None:
        assert self._before is not None
        _tally.reset(self._before)
