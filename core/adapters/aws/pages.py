"""Reads of many items from DynamoDB: page by page, and from several parts at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from contextvars import copy_context
from functools import partial
from itertools import chain, takewhile
from typing import Any, TypeAlias, TypeVar

from core.adapters.aws.items import Item
from core.flow.retry import Retry

T = TypeVar("T")
#: What a Query or Scan takes.
Request: TypeAlias = Mapping[str, Any]
#: Makes one call, with its retries, and returns the answer.
Ask: TypeAlias = Callable[[Request], Any]

#: Segments of a table that a scan reads in parallel; also the number of parts of a large event read at once.
SCAN_SEGMENTS = 4


def asking(call: Callable[..., Any], retry: Retry, errors: Callable[[], AbstractContextManager[None]]) -> Ask:
    """``call``, a method of a client, with retries; ``errors`` translates those of a single try."""

    def ask(request: Request) -> Any:
        def once() -> Any:
            with errors():
                return call(**request)

        return retry(once)

    return ask


def pages(ask: Ask, request: Request) -> Iterator[Any]:
    """The answers to ``request``, page by page; a page is asked for only when it is needed."""
    while True:
        answer = ask(request)
        yield answer
        if "LastEvaluatedKey" not in answer:
            return
        request = {**request, "ExclusiveStartKey": answer["LastEvaluatedKey"]}


def items_of(answers: Iterator[Any]) -> Iterator[Item]:
    return chain.from_iterable(answer["Items"] for answer in answers)


def segments(request: Request) -> list[Request]:
    """The scan ``request`` in segments that can be read in parallel."""
    return [{**request, "TotalSegments": SCAN_SEGMENTS, "Segment": number} for number in range(SCAN_SEGMENTS)]


def scan_pages(ask: Ask, request: Request) -> Iterator[Any]:
    """The answers of a scan, ``side_by_side``, so that memory does not grow with the table."""
    return side_by_side([pages(ask, segment) for segment in segments(request)])


def side_by_side(reading: Sequence[Iterator[T]]) -> Iterator[T]:
    """The answers of several readings, one page of each in parallel.

    The next pages are asked for only when all of these have been used.
    """
    while reading:
        with ThreadPoolExecutor(min(len(reading), SCAN_SEGMENTS)) as threads:
            asked = [threads.submit(copy_context().run, _next_page, each) for each in reading]
        answers = [page.result() for page in asked]
        yield from (answer for answer in answers if answer is not None)
        reading = [each for each, answer in zip(reading, answers, strict=True) if answer is not None]


def read_at_once(parts: Sequence[Callable[[], Iterator[T]]]) -> list[T]:
    """All results of all parts, in the order of the parts, read by several threads.

    If one part fails, the others stop and the error is raised.
    """
    failed = threading.Event()

    def read(part: Callable[[], Iterator[T]]) -> list[T]:
        try:
            return list(takewhile(lambda _: not failed.is_set(), part()))
        except BaseException:
            failed.set()
            raise

    with ThreadPoolExecutor(SCAN_SEGMENTS) as threads:
        asked = [threads.submit(copy_context().run, partial(read, part)) for part in parts]
    return [result for part in asked for result in part.result()]


def _next_page(answers: Iterator[T]) -> T | None:
    """None after the last page."""
    return next(answers, None)
