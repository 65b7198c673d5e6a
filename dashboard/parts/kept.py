"""What was made of frames, kept by which frames it was made of.

An event that did not change is the same frame (``core.services.live_events``), so a frame's identity says what a hash
of its content would say, at no cost. Nobody writes into a frame that was handed out. Results are shared only by those
who see the same: a view that hides something is another frame.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from pandas import DataFrame

P = ParamSpec("P")
T = TypeVar("T")

#: Results that are kept, and bytes of the frames that they were made of and that they are.
MAX_RESULTS, MAX_BYTES = 256, 128 * 1024 * 1024


@dataclass(frozen=True)
class _Made:
    result: object
    #: Held so that no other frame gets their identity: frame's identity -> the frame and its bytes.
    frames: dict[int, tuple[DataFrame, int]]


class Kept:
    """Calls functions, and returns the same object for the same arguments, for any number of threads.

    Arguments are frames, lists and tuples of arguments, and what is hashable. The results used last are kept.
    """

    def __init__(self, max_results: int = MAX_RESULTS, max_bytes: int = MAX_BYTES) -> None:
        self._max_results = max_results
        self._max_bytes = max_bytes
        self._made: OrderedDict[Hashable, _Made] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, make: Callable[P, T], *given: P.args, **options: P.kwargs) -> T:
        key = (make, _identity(given), _identity(tuple(sorted(options.items()))))
        with self._lock:
            if made := self._made.get(key):
                self._made.move_to_end(key)
                return made.result  # type: ignore[return-value]
        result = make(*given, **options)
        frames = {id(frame): (frame, _bytes(frame)) for frame in _frames([*given, *options.values(), result])}
        with self._lock:
            # Of two that made it at once both get the first: what is made of it is kept by its identity.
            made = self._made.setdefault(key, _Made(result, frames))
            while len(self._made) > 1 and self._is_too_much():
                self._made.popitem(last=False)
        return made.result  # type: ignore[return-value]

    def clear(self) -> None:
        with self._lock:
            self._made.clear()

    def _is_too_much(self) -> bool:
        held = {identity: size for made in self._made.values() for identity, (_, size) in made.frames.items()}
        return len(self._made) > self._max_results or sum(held.values()) > self._max_bytes


def _identity(value: object) -> Hashable:
    if isinstance(value, DataFrame):
        return DataFrame, id(value)
    return tuple(map(_identity, value)) if isinstance(value, list | tuple) else value


def _frames(value: object) -> Iterator[DataFrame]:
    if isinstance(value, DataFrame):
        yield value
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _frames(each)


def _bytes(frame: DataFrame) -> int:
    return int(frame.memory_usage(deep=True).sum())


#: That of this process.
kept = Kept()
