"""Makers of files that ought not to be trusted, and of honest ones in unusual forms."""

from __future__ import annotations

import functools
import io
import struct
import zipfile
import zlib
from typing import Any

import pillow_heif
from PIL import Image, ImageCms, ImageDraw, PngImagePlugin

#: The corner colours of ``corners``: top left, top right, bottom left, bottom right.
CORNERS = ((200, 30, 30), (30, 160, 30), (30, 30, 200), (230, 200, 40))


def corners(size: tuple[int, int] = (240, 160)) -> Image.Image:
    """A picture whose four quarters differ, so that it shows which way up it is."""
    image = Image.new("RGB", size)
    draw, (width, height) = ImageDraw.Draw(image), size
    boxes = ((0, 0), (width // 2, 0), (0, height // 2), (width // 2, height // 2))
    for (left, top), colour in zip(boxes, CORNERS, strict=True):
        draw.rectangle((left, top, left + width // 2, top + height // 2), fill=colour)
    return image


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    if kind == "HEIF":
        pillow_heif.from_pillow(image).save(out, **options)
    else:
        image.save(out, kind, **options)
    return out.getvalue()


def jpeg(image: Image.Image | None = None, **options: Any) -> bytes:
    return saved(image or corners(), "JPEG", **{"quality": 92, **options})


def exif(orientation: int | None = None, note: str | None = None) -> Image.Exif:
    made = Image.Exif()
    if orientation is not None:
        made[0x0112] = orientation
    if note is not None:
        made[0x010E] = note
    return made


def segment(marker: int, payload: bytes) -> bytes:
    """A JPEG segment."""
    return bytes((0xFF, marker)) + (len(payload) + 2).to_bytes(2, "big") + payload


def with_segments(photo: bytes, *segments: bytes) -> bytes:
    """A JPEG with more segments behind its start."""
    return photo[:2] + b"".join(segments) + photo[2:]


def jpeg_of_scans(scans: int, width: int, height: int) -> bytes:
    """A valid progressive JPEG, grey all over, of one scan and ``scans - 1`` more that change nothing.

    Each takes a few bytes for 32,767 blocks of 8x8 pixels, while a decoder walks through all of them.
    """
    blocks = -(-width // 8) * -(-height // 8)
    one_code = bytes((1, *(0,) * 15))  # a Huffman table with a single code: the bit 0
    table = segment(0xDB, b"\0" + b"\1" * 64)
    frame = segment(0xC2, struct.pack(">BHHB", 8, height, width, 1) + b"\1\x11\0")
    codes = segment(0xC4, b"\x00" + one_code + b"\x00") + segment(0xC4, b"\x10" + one_code + b"\xe0")
    first = segment(0xDA, b"\1\1\0\0\0\0") + _stuffed("0" * blocks)
    # The code 0 means here: the next 2^14 + (14 bits) blocks have nothing.
    runs, left = "", blocks
    while left >= 1 << 14:
        run = min(left, (1 << 15) - 1)
        runs += "0" + format(run - (1 << 14), "014b")
        left -= run
    more = segment(0xDA, b"\1\1\0\1\x3f\0") + _stuffed(runs)
    return b"\xff\xd8" + table + frame + codes + first + more * (scans - 1) + b"\xff\xd9"


def _stuffed(bits: str) -> bytes:
    padded = bits + "1" * (-len(bits) % 8)
    return int(padded, 2).to_bytes(len(padded) // 8, "big").replace(b"\xff", b"\xff\0") if bits else b""


def png_chunk(name: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + name + payload + struct.pack(">I", zlib.crc32(name + payload))


def with_chunks(photo: bytes, *chunks: bytes) -> bytes:
    """A PNG with more chunks behind its head."""
    return photo[:33] + b"".join(chunks) + photo[33:]


def png(width: int, height: int, *chunks: bytes, rows: int | None = None, depth: int = 8) -> bytes:
    """A PNG that declares ``width`` x ``height`` grey pixels and holds ``rows`` of them (all, if not given)."""
    head = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    row = b"\0" + b"\x80" * (width * depth // 8)
    body = zlib.compress(row * (height if rows is None else rows))
    parts = (png_chunk(b"IHDR", head), *chunks, png_chunk(b"IDAT", body), png_chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@functools.cache
def zlib_bomb(size: int = 100_000_000) -> bytes:
    """A thousandth of ``size``, which it becomes when inflated."""
    deflate = zlib.compressobj()
    block = bytes(1_000_000)
    return b"".join(deflate.compress(block) for _ in range(size // len(block))) + deflate.flush()


def png_text(note: str) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", note)
    info.add_itxt("XML:com.adobe.xmp", f"<x:xmpmeta>{note}</x:xmpmeta>")
    return info


def srgb_profile(description: str | None = None) -> bytes:
    """An ICC profile; its description, if given, replaces the usual one as far as it fits."""
    profile = bytes(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    if description is None:
        return profile
    wide = description.encode("utf-16-be")
    at = profile.index("sRGB".encode("utf-16-be"))
    return profile[:at] + wide + profile[at + len(wide) :]


def swapped_profile() -> bytes:
    """An RGB profile in which red and blue have changed places: a converter that heeds it swaps them."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = int.from_bytes(profile[128:132], "big")
    tags = {bytes(profile[at : at + 4]): at for at in range(132, 132 + 12 * count, 12)}
    red, blue = tags[b"rXYZ"], tags[b"bXYZ"]
    profile[red : red + 4], profile[blue : blue + 4] = b"bXYZ", b"rXYZ"
    return bytes(profile)


def animated(kind: str, frames: int = 3) -> bytes:
    pictures = [Image.new("RGB", (120, 120), (40 * number, 80, 120)) for number in range(frames)]
    return saved(pictures[0], kind, save_all=True, append_images=pictures[1:], duration=100)


def zip_archive(name: str = "photo.jpg") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, jpeg())
    return out.getvalue()
