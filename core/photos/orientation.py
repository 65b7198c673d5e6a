"""Which way up a photo is by its metadata: one of the eight orientations of EXIF.

The walks here read bytes of strangers. Each is bounded, and none raises an error: what cannot be read is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Literal

#: The most entries of a directory that are looked at. Cameras write fewer than a hundred.
MAX_ENTRIES = 1000
#: How far into a block its TIFF header may begin: files differ in what they write before it.
MAX_PREFIX = 16

_ORIENTATION = 0x0112
#: EXIF's whole numbers, by type: their bytes. The standard says SHORT (3); BYTE, LONG and signed ones are met too.
_WHOLE_NUMBERS = {1: 1, 3: 2, 4: 4, 6: 1, 8: 2, 9: 4}
_IN_XMP = re.compile(rb"tiff:Orientation\s*(?:=\s*[\"']|>)\s*([1-8])\s*[\"'<]")


def orientation_of(exif: Iterable[bytes], xmp: Iterable[bytes]) -> int | None:
    """The orientation (1 to 8) in the first EXIF block that has one, else in the first XMP packet; else None."""
    return next(_found(map(in_exif, exif)), None) or next(_found(map(in_xmp, xmp)), None)


def in_exif(block: bytes) -> int | None:
    """The orientation in an EXIF block's first directory, whatever its other entries are like.

    An entry takes twelve bytes in its place, and the orientation's value is in the entry itself: where other values
    are, and whether they are there at all, does not matter.
    """
    header = min((at for mark in (b"II*\0", b"MM\0*") if (at := block.find(mark, 0, MAX_PREFIX)) >= 0), default=None)
    if header is None:
        return None
    tiff = memoryview(block)[header:]
    order: Literal["little", "big"] = "little" if tiff[0] == ord("I") else "big"

    def number(at: int, size: int) -> int:
        return int.from_bytes(tiff[at : at + size], order)

    directory = number(4, 4)
    first = directory + 2
    entries = min(number(directory, 2), MAX_ENTRIES, (len(tiff) - first) // 12)
    for at in range(first, first + 12 * entries, 12):
        size = _WHOLE_NUMBERS.get(number(at + 2, 2))
        if number(at, 2) == _ORIENTATION and size and 1 <= (value := number(at + 8, size)) <= 8:
            return value
    return None


def in_xmp(packet: bytes) -> int | None:
    """The orientation in an XMP packet, as an attribute or as an element."""
    found = _IN_XMP.search(packet)
    return int(found[1]) if found else None


def _found(values: Iterable[int | None]) -> Iterator[int]:
    return (value for value in values if value is not None)
