"""The segments of a JPEG."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

SOI, EOI, SOS, APP1 = 0xD8, 0xD9, 0xDA, 0xE1
#: Excludes stuffed 00 bytes, fill bytes and restart markers, which occur inside a scan.
_MARKER = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")
_EXIF, _XMP = b"Exif\0", b"http://ns.adobe.com/xap/1.0/\0"


class Segment(NamedTuple):
    """A segment by its marker; its content lies in the file from ``start`` to ``end``."""

    marker: int
    start: int
    end: int


def segments(data: bytes) -> Iterator[Segment]:
    """The segments that a decoder would read, up to the end of the picture; appended data does not count."""
    at = 2
    while found := _MARKER.search(data, at):
        marker, at = found[1][0], found.end()
        if marker in (SOI, EOI):
            return
        if marker == 0x01:  # the only other marker without a length
            continue
        end = at + max(2, int.from_bytes(data[at : at + 2]))
        yield Segment(marker, at + 2, end)
        at = end


def metadata(data: bytes) -> tuple[list[bytes], list[bytes]]:
    """The EXIF blocks and the XMP packets."""
    own = [data[each.start : each.end] for each in segments(data) if each.marker == APP1]
    exif = [block for block in own if block.startswith(_EXIF)]
    return exif, [block[len(_XMP) :] for block in own if block.startswith(_XMP)]
