"""The chunks of a WebP."""

from __future__ import annotations

#: The most chunks that are looked at: a still photo has about five.
MAX_CHUNKS = 1000


def metadata(data: bytes) -> tuple[list[bytes], list[bytes]]:
    """The EXIF blocks and the XMP packets."""
    found: dict[bytes, list[bytes]] = {b"EXIF": [], b"XMP ": []}
    at = 12
    for _ in range(MAX_CHUNKS):
        if at + 8 > len(data):
            break
        start, size = at + 8, int.from_bytes(data[at + 4 : at + 8], "little")
        if data[at : at + 4] in found:
            found[data[at : at + 4]].append(data[start : start + size])
        at = start + size + size % 2
    return found[b"EXIF"], found[b"XMP "]
