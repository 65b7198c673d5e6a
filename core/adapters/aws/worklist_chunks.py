"""What the worklists of batches have in the state table: chunks of items, and the results of each chunk."""

from __future__ import annotations

import json
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import astuple

from core.adapters.aws.state_table import hashed
from core.domain.worklists import Item, Mark

#: Items that a chunk has on average, and at most. Its text has at most so many characters, besides the last item's.
AVERAGE, MOST, MOST_TEXT = 100, 200, 200_000

_LETTERS = dict(zip(Mark, "PWFMRC", strict=True))
_MARKS = {letter: mark for mark, letter in _LETTERS.items()}
_NONE = "."
_PROBLEMS = (Mark.MISSING, Mark.REFUSED)


class Results:
    """The results of a chunk: a letter for each item, and the items of each reason."""

    def __init__(self, letters: str = "", whys: str = "{}") -> None:
        self._letters = list(letters)
        self._whys: dict[str, list[int]] = defaultdict(list, json.loads(whys))

    def mark(self, number: int) -> Mark | None:
        return _MARKS.get(self._letters[number]) if number < len(self._letters) else None

    def add(self, number: int, mark: Mark, why: str) -> None:
        self._letters += _NONE * (number + 1 - len(self._letters))
        self._letters[number] = _LETTERS[mark]
        if mark in _PROBLEMS:
            self._whys[why].append(number)

    def counts(self) -> Counter[Mark]:
        return Counter(_MARKS[letter] for letter in self._letters if letter != _NONE)

    def problems(self) -> list[tuple[int, str]]:
        return sorted((number, why) for why, numbers in self._whys.items() for number in set(numbers))

    def stored(self) -> tuple[str, str]:
        """The letters and the reasons, as they are given to a new object."""
        return "".join(self._letters), json.dumps(self._whys)


def chunks(items: Iterable[Item], buckets: int) -> Iterator[tuple[str, bytes]]:
    """The place and the items of each chunk. A bucket has more than one only if a hash, or a person, has so many."""
    texts: dict[int, list[str]] = defaultdict(list)
    for item in items:
        texts[bucket_of(item.user_id, buckets)].append(_text(item))
    for bucket in sorted(texts):
        piece: list[str] = []
        size = number = 0
        for text in texts.pop(bucket):
            if len(piece) == MOST or size > MOST_TEXT:
                yield f"{bucket:06}/{number:04}", _compressed(piece)
                piece, size, number = [], 0, number + 1
            piece.append(text)
            size += len(text)
        yield f"{bucket:06}/{number:04}", _compressed(piece)


def packed(items: Iterable[Item]) -> bytes:
    return _compressed(map(_text, items))


def unpacked(chunk: bytes) -> list[Item]:
    return [Item(*fields) for fields in json.loads(zlib.decompress(chunk))]


def bucket_of(user_id: str, buckets: int) -> int:
    """The one of so many buckets in which the user's items are."""
    return int(hashed(user_id), 16) % buckets


def number_of(place: str, at: int) -> int:
    """The number of an item by its chunk's place and its position in it; ``position_of`` is the reverse."""
    bucket, piece = map(int, place.split("/"))
    return (bucket * 10_000 + piece) * MOST + at


def position_of(number: int) -> tuple[str, int]:
    chunk, at = divmod(number, MOST)
    bucket, piece = divmod(chunk, 10_000)
    return f"{bucket:06}/{piece:04}", at


def _text(item: Item) -> str:
    return json.dumps(astuple(item)[:-1])


def _compressed(texts: Iterable[str]) -> bytes:
    return zlib.compress(f"[{','.join(texts)}]".encode())
