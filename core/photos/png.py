"""The chunks of a PNG."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

SIGNATURE = b"\x89PNG\r\n\x1a\n"
#: The most bytes to which a compressed text is inflated.
MAX_TEXT_BYTES = 1 << 20

_XMP = b"XML:com.adobe.xmp\0"
#: Where programs without eXIf put the EXIF block: as hexadecimal digits in a text.
_RAW_EXIF = (b"Raw profile type exif\0", b"Raw profile type APP1\0")


class Chunk(NamedTuple):
    """A chunk by its type; its content lies in the file from ``start`` to ``end``, before its checksum."""

    type: bytes
    start: int
    end: int


def chunks(data: bytes) -> Iterator[Chunk]:
    """The chunks that are there in full, up to the end of the picture."""
    at = len(SIGNATURE)
    while at + 12 <= len(data):
        start, end = at + 8, at + 8 + int.from_bytes(data[at : at + 4])
        if end + 4 > len(data):
            return
        yield Chunk(data[at + 4 : start], start, end)
        if data[at + 4 : start] == b"IEND":
            return
        at = end + 4


def metadata(data: bytes) -> tuple[list[bytes], list[bytes]]:
    """The EXIF blocks and the XMP packets; of those in texts, which may be compressed, the first ones."""
    exif: list[bytes] = []
    raw: list[bytes] = []
    xmp: list[bytes] = []
    for each in chunks(data):
        if each.type == b"eXIf":
            exif.append(data[each.start : each.end])
        elif not raw and each.type in (b"tEXt", b"zTXt") and data.startswith(_RAW_EXIF, each.start):
            raw.append(_raw_profile(data[each.start : each.end], compressed=each.type == b"zTXt"))
        elif not xmp and each.type == b"iTXt" and data.startswith(_XMP, each.start):
            xmp.append(_international_text(data[each.start + len(_XMP) : each.end]))
    return exif + raw, xmp


def inflated(packed: bytes) -> bytes:
    """The inflated bytes, ``MAX_TEXT_BYTES`` of them at most; none if they are damaged."""
    with suppress(zlib.error):
        return zlib.decompressobj().decompress(packed, MAX_TEXT_BYTES)
    return b""


def _raw_profile(content: bytes, *, compressed: bool) -> bytes:
    # The keyword, NUL, (the method of compression, 0,) and: line break, name, line break, length, line break, digits.
    text = content.partition(b"\0")[2]
    lines = (inflated(text[1:]) if compressed else text[:MAX_TEXT_BYTES]).split(b"\n", 3)
    with suppress(ValueError, IndexError):
        return bytes.fromhex(lines[3].decode("ascii"))
    return b""


def _international_text(content: bytes) -> bytes:
    # Whether it is compressed, the method, and, each with a NUL behind it, the language and the translated keyword.
    text = b"".join(content[2:].split(b"\0", 2)[2:])
    return inflated(text) if content[:1] == b"\1" else text
