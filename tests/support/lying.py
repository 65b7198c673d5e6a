"""Photos that lie on their side and say so: the same picture in each format, with metadata of each kind."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable

import pillow_heif
from PIL import Image

from tests.support import hostile

#: How a picture lies that its orientation turns upright.
LYING = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
BYTE, ASCII, SHORT, LONG, RATIONAL = 1, 2, 3, 4, 5
TYPES = {BYTE: "B", SHORT: "H", LONG: "L"}


def corners(orientation: int) -> Image.Image:
    picture = hostile.corners()
    return picture.transpose(LYING[orientation]) if orientation in LYING else picture


def entry(order: str, tag: int, kind: int, count: int, value: int = 0) -> bytes:
    """An entry of a TIFF directory; a value of fewer than four bytes stands at their start."""
    packed = struct.pack(order + TYPES.get(kind, "L"), value)
    return struct.pack(order + "HHL", tag, kind, count) + packed.ljust(4, b"\0")


def tiff(order: str, *entries: bytes, said: int | None = None) -> bytes:
    """A TIFF with one directory, which says that it has ``said`` entries."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    count = len(entries) if said is None else said
    return mark + struct.pack(order + "LH", 8, count) + b"".join(entries) + bytes(4)


def orientation(order: str, value: int, kind: int = SHORT) -> bytes:
    return entry(order, 0x0112, kind, 1, value)


#: What is wrong with an EXIF block -> the block that still says the orientation.
BLOCKS: dict[str, Callable[[str, int], bytes]] = {
    "intact": lambda order, value: tiff(order, orientation(order, value)),
    "an entry of no type before": lambda order, value: tiff(
        order, entry(order, 0x0100, 0, 1, 7), entry(order, 0x0101, 99, 1, 7), orientation(order, value)
    ),
    "an entry of four thousand million values before": lambda order, value: tiff(
        order, entry(order, 0x010F, RATIONAL, 0xFFFFFFFF, 26), orientation(order, value)
    ),
    "an offset out of the file before": lambda order, value: tiff(
        order, entry(order, 0x010F, ASCII, 40, 0x00FFFFFF), orientation(order, value)
    ),
    "entries in a wrong order": lambda order, value: tiff(
        order, entry(order, 0x9999, SHORT, 1, 1), orientation(order, value), entry(order, 0x0100, LONG, 1, 7)
    ),
    "more entries said than there are": lambda order, value: tiff(order, orientation(order, value), said=65535),
    "one of two that does not exist": lambda order, value: tiff(
        order, orientation(order, 9), orientation(order, value)
    ),
    "a byte": lambda order, value: tiff(order, orientation(order, value, BYTE)),
    "a long": lambda order, value: tiff(order, orientation(order, value, LONG)),
}
XMP = {
    "attribute": '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="{}"/></x:xmpmeta>',
    "element": '<x:xmpmeta xmlns:x="adobe:ns:meta/"><tiff:Orientation>{}</tiff:Orientation></x:xmpmeta>',
}


def jpeg(picture: Image.Image, exif: bytes = b"", xmp: bytes = b"") -> bytes:
    segments = [hostile.segment(0xE1, b"Exif\0\0" + exif)] if exif else []
    if xmp:
        segments.append(hostile.segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp))
    return hostile.with_segments(hostile.jpeg(picture), *segments)


def png(picture: Image.Image, exif: bytes = b"", xmp: bytes = b"") -> bytes:
    chunks = [hostile.png_chunk(b"eXIf", exif)] if exif else []
    if xmp:
        chunks.append(hostile.png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp))
    return hostile.with_chunks(hostile.saved(picture, "PNG"), *chunks)


def webp(picture: Image.Image, exif: bytes = b"", xmp: bytes = b"") -> bytes:
    # Pillow would take a prefix off.
    return hostile.saved(picture, "WEBP", exif=b"x" * len(exif), xmp=xmp).replace(b"x" * len(exif or b"no"), exif)


def heic(picture: Image.Image, exif: bytes = b"", xmp: bytes = b"") -> bytes:
    """A HEIC that only its metadata turn; the library would write how it is turned, if it understood them."""
    out = io.BytesIO()
    placeholder = exif[:4] + b"x" * (len(exif) - 4)
    heif = pillow_heif.from_pillow(picture)
    heif.save(out, **({"exif": placeholder} if exif else {}), **({"xmp": b"x" * len(xmp)} if xmp else {}))
    data = out.getvalue()
    return data.replace(placeholder, exif) if exif else data.replace(b"x" * len(xmp), xmp) if xmp else data


def avif(picture: Image.Image, exif: bytes = b"", xmp: bytes = b"") -> bytes:
    """An AVIF that only its metadata turn; Pillow would write how it is turned, if it understood them."""
    placeholder = exif[:4] + b"x" * (len(exif) - 4)
    data = hostile.saved(picture, "AVIF", exif=placeholder, xmp=xmp)
    return data.replace(placeholder, exif) if exif else data


FORMATS: dict[str, Callable[[Image.Image, bytes, bytes], bytes]] = {
    "JPEG": jpeg,
    "PNG": png,
    "WebP": webp,
    "HEIC": heic,
    "AVIF": avif,
}
