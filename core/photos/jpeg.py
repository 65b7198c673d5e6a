"""A JPEG's parts: what the decoder needs of it, its metadata, and whether its end is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

END = b"\xff\xd9"
_START = b"\xff\xd8"

_TEM, _SOI, _EOI, _SOS, _APP0, _APP1, _APP2, _APP14, _COM = 0x01, 0xD8, 0xD9, 0xDA, 0xE0, 0xE1, 0xE2, 0xEE, 0xFE
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
#: What may stand between two scans: tables, the interval of restarts, another scan.
_BETWEEN_SCANS = {0xC4, 0xCC, 0xDB, 0xDD, _SOS}
_RESTARTS = range(0xD0, 0xD8)
_APPLICATION = {*range(0xE0, 0xF0), _COM}
#: The segments of applications that the decoder needs: they say how the colours are stored.
_NEEDED = {_APP0: b"JFIF\0", _APP2: b"ICC_PROFILE\0", _APP14: b"Adobe"}
#: Excludes stuffed 00 bytes, fill bytes and restart markers, which occur inside a scan.
_MARKER = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")
#: No two bytes in it are alike, and none is a marker's first.
_GARBAGE = bytes(each * 89 % 251 for each in range(1, 251))
_EXIF, _XMP = b"Exif\0", b"http://ns.adobe.com/xap/1.0/\0"


class _Segment(NamedTuple):
    """A segment from its marker ``at`` to its ``end``, which is behind a scan's data; its content has a ``start``."""

    marker: int
    at: int
    start: int
    end: int


class Scan(NamedTuple):
    """A pass over the picture, for some of its components and coefficients."""

    components: bytes
    coefficients: range
    #: It adds precision to coefficients that an earlier scan has sent.
    refines: bool


@dataclass
class Jpeg:
    """The parts of a JPEG file."""

    #: Everything that the decoder needs, up to the end of the picture, without the end marker.
    picture: bytes = b""
    exif: list[bytes] = field(default_factory=list)
    xmp: list[bytes] = field(default_factory=list)
    components: bytes = b""
    #: The width and height of the blocks in which a scan goes through the picture, in pixels.
    block: tuple[int, int] = (8, 8)
    #: Bytes of the coefficients of a pixel, of all components, each of which may have fewer of them than pixels.
    pixel_bytes: float = 2.0
    progressive: bool = False
    scans: list[Scan] = field(default_factory=list)
    #: The picture has its end marker. Without it the last scan may be cut, and others may be missing.
    ended: bool = False

    #: Where the last scan begins in the picture.
    last_scan: int = 0

    @property
    def garbage(self) -> bytes:
        """Bytes of which a decoder makes blocks that are not grey, if it still expects some in the last scan."""
        restarts = [self.picture.rfind(bytes((0xFF, each)), self.last_scan) for each in _RESTARTS]
        last = restarts.index(max(restarts)) if max(restarts) >= 0 else -1
        return b"".join(_GARBAGE + bytes((0xFF, _RESTARTS[(last + each) % 8])) for each in range(1, 9))

    @property
    def is_whole(self) -> bool:
        """Whether no scan is to come: in a file that is not progressive, once each component had one."""
        return not self.progressive and {*self.components} <= {
            part for scan in self.scans for part in scan.components
        }

    @property
    def lacks_scans(self) -> bool:
        """Whether the file ends before some coefficients are begun."""
        begun = {(part, each) for scan in self.scans for part in scan.components for each in scan.coefficients}
        return not self.ended and len(begun) < 64 * len(self.components)

    @property
    def may_lack_rows(self) -> bool:
        """Whether the file may end before the last row.

        A scan that refines may be cut anywhere: every row is there, and some lack their last bits of precision.
        """
        return not self.ended and not self.scans[-1].refines


def parts(data: bytes) -> Jpeg:
    """The parts of a JPEG. Raises ``ValueError`` if there is no picture in it.

    Whatever is neither a part of the picture nor its metadata is left out, such as damaged segments of applications
    and everything behind the picture.
    """
    found, pieces, scan = Jpeg(), [_START], 0
    for each in _segments(data):
        if found.scans and (found.is_whole or each.marker not in _BETWEEN_SCANS | _APPLICATION):
            found.ended = each.marker == _EOI
            break
        if each.marker == _APP1:
            _add_metadata(found, data[each.start : each.end])
        if _is_needed(data, each):
            pieces.append(data[each.at : each.end])
        if each.marker in _FRAMES:
            _add_frame(found, each.marker, data[each.start : each.end])
        if each.marker == _SOS:
            found.scans.append(_scan(data[each.start : each.start + 256], found.progressive))
            scan = len(pieces) - 1
    if not found.scans:
        raise ValueError("There is no picture.")
    # Recovered files are filled up with zeros. A marker's first byte must not become another marker's.
    end = (pieces[scan] if found.ended else pieces[scan].rstrip(b"\0")).rstrip(b"\xff")
    found.last_scan = sum(map(len, pieces[:scan]))
    found.picture = b"".join([*pieces[:scan], end])
    return found


def _segments(data: bytes) -> Iterator[_Segment]:
    """The segments that are there in full, up to the end of the picture."""
    found = _MARKER.search(data, 2)
    while found and found[1][0] != _SOI:
        marker, at = found[1][0], found.end()
        end = at if marker in (_TEM, _EOI) else at + max(2, int.from_bytes(data[at : at + 2]))
        if end > len(data):
            return
        found = None if marker == _EOI else _MARKER.search(data, end)
        if marker == _SOS:
            end = found.start() if found else len(data)
        yield _Segment(marker, at - 2, at + 2, end)


def _is_needed(data: bytes, segment: _Segment) -> bool:
    if segment.marker not in _APPLICATION:
        return True
    return segment.marker in _NEEDED and data.startswith(_NEEDED[segment.marker], segment.start)


def _add_metadata(found: Jpeg, content: bytes) -> None:
    if content.startswith(_EXIF):
        found.exif.append(content)
    elif content.startswith(_XMP):
        found.xmp.append(content[len(_XMP) :])


def _add_frame(found: Jpeg, marker: int, content: bytes) -> None:
    # Precision, height, width, the number of components; and for each its id, its factors of sampling and a table.
    found.progressive = marker & 3 == 2
    found.components = content[6::3][: int.from_bytes(content[5:6])]
    factors = [(each >> 4, each & 15) for each in content[7::3]] if len(found.components) > 1 else [(1, 1)]
    if not all(map(all, factors)):
        raise ValueError("The picture's head is damaged.")
    width, height = max(width for width, _ in factors), max(height for _, height in factors)
    found.block = 8 * width, 8 * height
    found.pixel_bytes = 2 * sum(width * height for width, height in factors) / (width * height)


def _scan(content: bytes, progressive: bool) -> Scan:
    # The number of components; for each its id and tables; the coefficients, and the bits sent before and now.
    at = 1 + 2 * int.from_bytes(content[:1])
    if not progressive:
        return Scan(content[1:at:2], range(64), refines=False)
    first, last, bits = content[at : at + 3]
    return Scan(content[1:at:2], range(first, min(last, 63) + 1), refines=bits > 15)
