"""A PNG's parts: what the decoder needs of it, and its metadata."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

#: The most bytes to which a compressed text or colour profile is inflated.
MAX_TEXT_BYTES = 1 << 20

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_END = b"\0\0\0\0IEND\xae\x42\x60\x82"
#: What the decoder is given besides the colour profile. Chunks whose names begin in upper case are critical.
_PICTURE = {b"IHDR", b"PLTE", b"tRNS", b"IDAT"}
_XMP = b"XML:com.adobe.xmp\0"
#: Where programs without eXIf put the EXIF block: as hexadecimal digits in a text.
_RAW_EXIF = (b"Raw profile type exif\0", b"Raw profile type APP1\0")


class _Chunk(NamedTuple):
    """A chunk from its length ``at`` to its ``end``, behind its checksum, which is ``sound`` or not."""

    name: bytes
    at: int
    end: int
    content: bytes
    sound: bool


@dataclass
class Png:
    """The parts of a PNG file."""

    #: Everything that the decoder needs.
    picture: bytes = b""
    exif: list[bytes] = field(default_factory=list)
    xmp: list[bytes] = field(default_factory=list)
    moves: bool = False


def parts(data: bytes) -> Png:
    """The parts of a PNG. Raises ``ValueError`` if a chunk is damaged without which there is no picture.

    All others are left out where they are damaged, and texts always.
    """
    found, pieces = Png(), [_SIGNATURE]
    raw: list[bytes] = []
    for each in _chunks(data):
        if not each.sound:
            if each.name[:1].isupper():
                raise ValueError("A critical chunk is damaged.")
        elif each.name in _PICTURE or (each.name == b"iCCP" and _is_profile(each.content)):
            pieces.append(data[each.at : each.end])
        elif each.name == b"acTL":
            found.moves = int.from_bytes(each.content[:4]) > 1
        elif each.name == b"eXIf":
            found.exif.append(each.content)
        elif not raw and each.name in (b"tEXt", b"zTXt") and each.content.startswith(_RAW_EXIF):
            raw.append(_raw_profile(each.content, compressed=each.name == b"zTXt"))
        elif not found.xmp and each.name == b"iTXt" and each.content.startswith(_XMP):
            found.xmp.append(_international_text(each.content[len(_XMP) :]))
    found.picture = b"".join([*pieces, _END])
    found.exif += raw
    return found


def _chunks(data: bytes) -> Iterator[_Chunk]:
    """The chunks that are there in full, up to the end of the picture; a cut one of the picture is not sound."""
    at = len(_SIGNATURE)
    while at + 8 <= len(data) and (name := data[at + 4 : at + 8]) != b"IEND":
        start, end = at + 8, at + 12 + int.from_bytes(data[at : at + 4])
        if end > len(data):
            if name == b"IDAT":
                yield _Chunk(name, at, len(data), b"", sound=False)
            return
        content = data[start : end - 4]
        sound = zlib.crc32(content, zlib.crc32(name)) == int.from_bytes(data[end - 4 : end])
        yield _Chunk(name, at, end, content, sound)
        at = end


def _is_profile(content: bytes) -> bool:
    """Whether a colour profile can be inflated; its name and its method of compression are before it."""
    inflating = zlib.decompressobj()
    with suppress(zlib.error):
        inflating.decompress(content.partition(b"\0")[2][1:], MAX_TEXT_BYTES)
    return inflating.eof


def _inflated(packed: bytes) -> bytes:
    """The inflated bytes, ``MAX_TEXT_BYTES`` of them at most; none if they are damaged."""
    with suppress(zlib.error):
        return zlib.decompressobj().decompress(packed, MAX_TEXT_BYTES)
    return b""


def _raw_profile(content: bytes, *, compressed: bool) -> bytes:
    # The keyword, NUL, (the method of compression, 0,) and: line break, name, line break, length, line break, digits.
    text = content.partition(b"\0")[2]
    lines = (_inflated(text[1:]) if compressed else text[:MAX_TEXT_BYTES]).split(b"\n", 3)
    with suppress(ValueError, IndexError):
        return bytes.fromhex(lines[3].decode("ascii"))
    return b""


def _international_text(content: bytes) -> bytes:
    # Whether it is compressed, the method, and, each with a NUL behind it, the language and the translated keyword.
    text = b"".join(content[2:].split(b"\0", 2)[2:])
    return _inflated(text) if content[:1] == b"\1" else text
