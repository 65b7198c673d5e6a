"""A count of what was asked of AWS during one piece of work."""

from __future__ import annotations

from contextlib import AbstractContextManager
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from threading import Lock


@dataclass
class Tally:
    """What was asked of AWS inside ``counted``; any number of threads may add.

    ``calls`` went out, each retry for itself; of them ``throttled`` were turned away. The units are what DynamoDB
    reports with an answer: a call that fails reports none, though a conditional write that is refused costs some.
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
    """The tally in which calls made here count; None outside of ``counted``."""
    return _tally.get()


class counted(AbstractContextManager[None]):  # lower case as contextlib.closing
    """Calls made in here count in ``tally`` and in no other; so do those of threads in a copy of the context.

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
