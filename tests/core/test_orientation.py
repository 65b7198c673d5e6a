"""A photo is upright whatever its metadata are like."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator

import pytest
from PIL import Image

from core.photos import orientation
from core.photos.sanitiser import PhotoSanitiser
from tests.support import hostile, lying


@pytest.fixture(scope="module")
def sanitiser() -> Iterator[PhotoSanitiser]:
    sanitiser = PhotoSanitiser(15 * 1024 * 1024)
    yield sanitiser
    sanitiser.close()


def is_upright(sanitiser: PhotoSanitiser, data: bytes) -> bool:
    """Whether the four corners of the cleaned photo have the colours of ``hostile.corners``."""
    photo = sanitiser.clean(data)
    image = Image.open(io.BytesIO(photo.jpeg))
    places = [(x, y) for y in (40, 120) for x in (60, 180)]
    return (photo.width, photo.height) == (240, 160) and all(
        abs(seen - expected) <= 25
        for place, colour in zip(places, hostile.CORNERS, strict=True)
        for seen, expected in zip(image.getpixel(place), colour, strict=True)  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("value", range(1, 9))
@pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])
@pytest.mark.parametrize("block", lying.BLOCKS)
@pytest.mark.parametrize("kind", lying.FORMATS)
def test_exif_turns_a_photo_whatever_else_is_in_it(
    sanitiser: PhotoSanitiser, kind: str, block: str, order: str, value: int
) -> None:
    exif = lying.BLOCKS[block](order, value)
    assert is_upright(sanitiser, lying.FORMATS[kind](lying.corners(value), exif, b""))


@pytest.mark.parametrize("value", range(1, 9))
@pytest.mark.parametrize("form", lying.XMP)
@pytest.mark.parametrize("kind", lying.FORMATS)
def test_xmp_turns_a_photo_without_exif(sanitiser: PhotoSanitiser, kind: str, form: str, value: int) -> None:
    xmp = lying.XMP[form].format(value).encode()
    assert is_upright(sanitiser, lying.FORMATS[kind](lying.corners(value), b"", xmp))


UNUSABLE = {
    "no orientation": lying.tiff("<", lying.entry("<", 0x010F, lying.SHORT, 1, 6)),
    "no directory": b"II*\0\xff\xff\xff\x7f",
    "an orientation that does not exist": lying.tiff(">", lying.orientation(">", 9)),
}


@pytest.mark.parametrize("exif", UNUSABLE.values(), ids=UNUSABLE)
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_xmp_turns_a_photo_whose_exif_does_not(sanitiser: PhotoSanitiser, kind: str, exif: bytes) -> None:
    xmp = lying.XMP["attribute"].format(6).encode()
    assert is_upright(sanitiser, lying.FORMATS[kind](lying.corners(6), exif, xmp))


def test_exif_precedes_xmp(sanitiser: PhotoSanitiser) -> None:
    exif, xmp = lying.BLOCKS["intact"]("<", 1), lying.XMP["element"].format(6).encode()
    assert is_upright(sanitiser, lying.jpeg(lying.corners(1), exif, xmp))


@pytest.mark.parametrize("prefix", [b"Exif\0\0", b"Exif\0\xff", b"\0\0\0\0", b"\0\0\0\x06Exif\0\0"])
def test_exif_with_something_before_it_is_found(sanitiser: PhotoSanitiser, prefix: bytes) -> None:
    exif = prefix + lying.BLOCKS["intact"](">", 8)
    assert is_upright(sanitiser, lying.webp(lying.corners(8), exif))


def test_the_second_exif_block_counts_where_the_first_says_nothing(sanitiser: PhotoSanitiser) -> None:
    first = hostile.segment(0xE1, b"Exif\0\0" + UNUSABLE["no orientation"])
    second = lying.jpeg(lying.corners(3), lying.BLOCKS["intact"]("<", 3))
    assert is_upright(sanitiser, hostile.with_segments(second, first))


@pytest.mark.parametrize("name", ["exif", "APP1"])
@pytest.mark.parametrize("compressed", [False, True])
def test_exif_in_the_text_of_a_png_turns_it(sanitiser: PhotoSanitiser, name: str, compressed: bool) -> None:
    digits = (b"Exif\0\0" + lying.BLOCKS["intact"](">", 6)).hex()
    text = f"\n{name}\n{len(digits) // 2:8}\n{digits[:72]}\n{digits[72:]}\n".encode()
    keyword = f"Raw profile type {name}\0".encode()
    chunk = (
        hostile.png_chunk(b"zTXt", keyword + b"\0" + zlib.compress(text))
        if compressed
        else hostile.png_chunk(b"tEXt", keyword + text)
    )
    assert is_upright(sanitiser, hostile.with_chunks(hostile.saved(lying.corners(6), "PNG"), chunk))


def test_compressed_xmp_turns_a_png(sanitiser: PhotoSanitiser) -> None:
    packed = zlib.compress(lying.XMP["attribute"].format(7).encode())
    chunk = hostile.png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0en\0\0" + packed)
    assert is_upright(sanitiser, hostile.with_chunks(hostile.saved(lying.corners(7), "PNG"), chunk))


@pytest.mark.parametrize("value", range(1, 9))
@pytest.mark.parametrize("kind", ["HEIF", "AVIF"])
def test_a_photo_that_its_properties_turn_is_turned_once(sanitiser: PhotoSanitiser, kind: str, value: int) -> None:
    # The libraries write the orientation as properties; that of HEIC as EXIF too.
    block = lying.BLOCKS["intact"](">", value)
    assert is_upright(sanitiser, hostile.saved(lying.corners(value), kind, exif=block))


HOSTILE_BLOCKS = {
    "empty": b"",
    "only a mark": b"II*\0",
    "a directory in its own head": b"II*\0\0\0\0\0" + bytes(40),
    "a directory that follows itself": lying.tiff("<", *[lying.entry("<", 0x8769, lying.LONG, 1, 8)] * 9)[:-4]
    + (8).to_bytes(4, "little"),
    "65,535 entries": lying.tiff("<", *[lying.entry("<", 0x8769, lying.LONG, 1, 8)] * 65535),
    "an orientation that is cut": lying.tiff("<", lying.orientation("<", 6))[:-8],
    "an orientation as text": lying.tiff("<", lying.entry("<", 0x0112, lying.ASCII, 1, 6)),
}


@pytest.mark.parametrize("block", HOSTILE_BLOCKS.values(), ids=HOSTILE_BLOCKS)
def test_a_block_that_says_nothing_leaves_the_photo_as_it_is(block: bytes) -> None:
    assert orientation.orientation_of([block], []) is None
