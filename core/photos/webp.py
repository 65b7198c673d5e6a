"""A WebP's parts: what the decoder needs of it, and its metadata."""

from __future__ import annotations

from dataclasses import dataclass, field

#: The most chunks that are looked at. A still photo has about five; each picture of a moving one is a chunk.
MAX_CHUNKS = 10_000

_PICTURE = {b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF", b"ICCP"}
#: The flags of VP8X that announce EXIF and XMP.
_METADATA_FLAGS = 0x08 | 0x04


@dataclass
class Webp:
    """The parts of a WebP file."""

    #: Everything that the decoder needs.
    picture: bytes = b""
    exif: list[bytes] = field(default_factory=list)
    xmp: list[bytes] = field(default_factory=list)


def parts(data: bytes) -> Webp:
    """The parts of a WebP; chunks that are neither of the picture nor metadata are left out."""
    found, pieces, at = Webp(), [], 12
    for _ in range(MAX_CHUNKS):
        if at + 8 > len(data):
            break
        name, start, size = data[at : at + 4], at + 8, int.from_bytes(data[at + 4 : at + 8], "little")
        end = start + size + size % 2
        if name in _PICTURE:
            piece = bytearray(data[at:end])
            if name == b"VP8X" and len(piece) > 8:
                piece[8] &= ~_METADATA_FLAGS
            pieces.append(piece)
        elif name == b"EXIF":
            found.exif.append(data[start : start + size])
        elif name == b"XMP ":
            found.xmp.append(data[start : start + size])
        at = end
    body = b"".join(pieces)
    found.picture = b"RIFF" + (len(body) + 4).to_bytes(4, "little") + b"WEBP" + body
    return found
