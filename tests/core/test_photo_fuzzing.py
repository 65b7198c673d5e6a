"""No file, however damaged, ends the walks through photos with anything but their own errors."""

from __future__ import annotations

import os
import random
import zlib
from collections.abc import Callable

import pytest

from core.photos import jpeg, kinds, orientation, png, webp
from tests.support import hostile, lying

#: `FACEDESK_TEST_EXAMPLES=200000` looks longer, at so many files per test.
EXAMPLES = int(os.environ.get("FACEDESK_TEST_EXAMPLES", "2000"))
ORIENTATIONS = {None, *range(1, 9)}

BLOCKS = [make(order, 6) for make in lying.BLOCKS.values() for order in "<>"]
SMALL = lying.corners(6).resize((8, 8))


def photos(kind: str) -> list[bytes]:
    """Photos with metadata of each kind."""
    return [lying.FORMATS[kind](SMALL, block, lying.XMP["element"].format(6).encode()) for block in BLOCKS]


JPEGS = [*photos("JPEG"), hostile.jpeg(SMALL, progressive=True), hostile.jpeg_of_scans(3, 64, 64)]
PNGS = [*photos("PNG"), hostile.animated("PNG"), hostile.saved(SMALL.quantize(4), "PNG")]
WEBPS = [*photos("WebP"), hostile.animated("WEBP")]
OTHERS = [hostile.saved(hostile.corners(), kind)[:64] for kind in ("HEIF", "AVIF", "GIF", "TIFF", "BMP")]


def mutated(photo: bytes, chance: random.Random) -> bytes:
    """The photo with some bytes changed, taken away, added or copied; most of them in its head."""
    data = bytearray(photo)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(min(len(data), 400 if chance.random() < 0.7 else len(data)) or 1)
        size = chance.randint(1, 12)
        match chance.randrange(6):
            case 0 | 1:
                data[at : at + 1] = bytes((chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256))),))
            case 2:
                del data[at : at + size]
            case 3:
                data[at:at] = chance.randbytes(size)
            case 4:
                data[at:at] = data[chance.randrange(len(data) or 1) :][: 4 * size]
            case 5 if chance.random() < 0.3:
                del data[at:]
    return bytes(data)


def with_right_checksums(photo: bytes) -> bytes:
    """A PNG whose chunks are sound, so that what is in them is looked at."""
    data, at = bytearray(photo), 8
    while (end := at + 8 + int.from_bytes(data[at : at + 4])) + 4 <= len(data):
        data[end : end + 4] = zlib.crc32(data[at + 4 : end]).to_bytes(4)
        at = end + 4
    return bytes(data)


def walk_jpeg(data: bytes) -> None:
    found = jpeg.parts(data)
    assert orientation.orientation_of(found.exif, found.xmp) in ORIENTATIONS
    assert found.picture.startswith(b"\xff\xd8")
    assert min(found.block) >= 8
    assert found.pixel_bytes > 0
    assert {found.lacks_scans, found.may_lack_rows} <= {True, False}
    assert found.garbage


def walk_png(data: bytes) -> None:
    for each in (data, with_right_checksums(data)):
        found = png.parts(each)
        assert orientation.orientation_of(found.exif, found.xmp) in ORIENTATIONS
        assert found.picture.endswith(b"IEND\xae\x42\x60\x82")


def walk_webp(data: bytes) -> None:
    found = webp.parts(data)
    assert orientation.orientation_of(found.exif, found.xmp) in ORIENTATIONS
    assert len(found.picture) == 8 + int.from_bytes(found.picture[4:8], "little")


def walk_block(data: bytes) -> None:
    assert orientation.orientation_of([data], [data]) in ORIENTATIONS


def walk_kinds(data: bytes) -> None:
    assert kinds.kind_of(data) in {None, *kinds.Kind}
    assert kinds.refusal_of(data).endswith(".")


WALKS: dict[str, tuple[Callable[[bytes], None], list[bytes]]] = {
    "JPEG": (walk_jpeg, JPEGS),
    "PNG": (walk_png, PNGS),
    "WebP": (walk_webp, WEBPS),
    "EXIF": (walk_block, BLOCKS),
    "kinds": (walk_kinds, [*OTHERS, *[each[:64] for each in (JPEGS[0], PNGS[0], WEBPS[0], b"<html>" + bytes(40))]]),
}


@pytest.mark.parametrize("name", WALKS)
def test_no_file_ends_a_walk(name: str) -> None:
    walk, seeds = WALKS[name]
    chance = random.Random(name)
    for _ in range(EXAMPLES):
        data = mutated(chance.choice(seeds), chance)
        try:
            walk(data)
        except ValueError:  # there is no picture, or it is damaged
            assert name in ("JPEG", "PNG")
        except Exception:
            print(data.hex())  # noqa: T201 - shown with the failure
            raise
