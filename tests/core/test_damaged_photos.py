"""Damage outside of the picture does not refuse a photo; damage within it does."""

from __future__ import annotations

import functools
import io
import random
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from core.domain.errors import PhotoUnsupported
from core.photos import jpeg
from core.photos.sanitiser import PhotoSanitiser
from tests.support import hostile, lying

PHONE, SMALL = (4032, 3024), (320, 240)
#: What a file may end with instead of the end marker.
ENDS = {
    "nothing": b"",
    "an end marker": b"\xff\xd9",
    "a half one": b"\xff",
    "zeros": bytes(4096),
    "text": b"the end" * 20,
    "another marker": b"\xff\x02 is none",
    "another picture": hostile.jpeg(),
}


@pytest.fixture(scope="module")
def sanitiser() -> Iterator[PhotoSanitiser]:
    sanitiser = PhotoSanitiser(15 * 1024 * 1024)
    yield sanitiser
    sanitiser.close()


def is_taken(sanitiser: PhotoSanitiser, data: bytes) -> bool:
    try:
        sanitiser.clean(data)
    except PhotoUnsupported as refused:
        if "send it again" not in str(refused):
            raise
        return False
    return True


@functools.cache
def even_jpeg(size: tuple[int, int], **options: Any) -> bytes:
    """A JPEG with detail everywhere, so that a share of its bytes is the same share of its rows."""
    width, height = size[0] // 4, size[1] // 4
    mode = options.pop("mode", "RGB")
    noise = Image.frombytes("RGB", (width, height), random.Random(1).randbytes(width * height * 3))
    return hostile.jpeg(noise.resize(size).convert(mode), **{"quality": 80, **options})


def cut(photo: bytes, percent: float) -> bytes:
    """The head and the given share of the picture's bytes."""
    start = photo.index(b"\xff\xda")
    return photo[: start + int((len(photo) - start) * percent / 100)]


@pytest.mark.parametrize("size", [PHONE, SMALL], ids=["12 megapixels", "small"])
@pytest.mark.parametrize("percent", range(90, 101))
def test_a_jpeg_is_taken_with_95_percent_of_its_rows(
    sanitiser: PhotoSanitiser, size: tuple[int, int], percent: int
) -> None:
    assert is_taken(sanitiser, cut(even_jpeg(size), percent)) == (percent >= 95)


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("percent", [50, 93, 95, 99.9])
def test_it_does_not_matter_what_a_cut_jpeg_ends_with(sanitiser: PhotoSanitiser, percent: float, end: bytes) -> None:
    assert is_taken(sanitiser, cut(even_jpeg(SMALL), percent) + end) == (percent >= 95)


@pytest.mark.parametrize(
    "options",
    [
        {"subsampling": 0},
        {"subsampling": 1},
        {"restart_marker_rows": 1},
        {"restart_marker_blocks": 7},
        {"mode": "L"},
        {"mode": "CMYK"},
    ],
    ids=str,
)
@pytest.mark.parametrize("percent", [70, 92, 94, 95.5, 98])
def test_a_cut_is_found_however_a_jpeg_is_stored(
    sanitiser: PhotoSanitiser, percent: float, options: dict[str, Any]
) -> None:
    assert is_taken(sanitiser, cut(even_jpeg(SMALL, **options), percent)) == (percent >= 95)


@pytest.mark.parametrize("size", [(97, 83), (160, 120), (333, 500), (1000, 750)], ids=str)
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_a_jpeg_that_lacks_only_its_end_marker_is_taken(
    sanitiser: PhotoSanitiser, size: tuple[int, int], end: bytes
) -> None:
    assert is_taken(sanitiser, even_jpeg(size)[:-2] + end)


def scans_of(photo: bytes) -> list[int]:
    """Where the scans of a progressive JPEG begin."""
    return [at for at in range(len(photo)) if photo.startswith(b"\xff\xda", at)]


def test_a_progressive_jpeg_may_lack_precision(sanitiser: PhotoSanitiser) -> None:
    # The last scan makes up a fifth of the bytes; without it each row is there.
    photo = even_jpeg(SMALL, progressive=True)
    last = scans_of(photo)[-1]
    assert last < len(photo) * 0.85
    assert all(is_taken(sanitiser, photo[:end]) for end in range(last, len(photo), len(photo) // 20))


def test_a_progressive_jpeg_must_have_begun_all_scans_that_send_something_new(sanitiser: PhotoSanitiser) -> None:
    photo = even_jpeg(SMALL, progressive=True)
    scans = scans_of(photo)
    first_refinement = 5  # Pillow writes the colours, then the details of each, then what refines them
    assert not any(is_taken(sanitiser, photo[: at + 40]) for at in scans[:first_refinement])
    assert is_taken(sanitiser, photo[: scans[first_refinement]])


def test_the_bottom_of_a_grey_photo_is_not_missing(sanitiser: PhotoSanitiser) -> None:
    picture = hostile.corners()
    picture.paste((128, 128, 128), (0, 60, 240, 160))
    assert is_taken(sanitiser, hostile.jpeg(picture))
    assert is_taken(sanitiser, hostile.jpeg(Image.new("RGB", (200, 200), (128, 128, 128))))


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_a_cut_photo_keeps_what_is_there(sanitiser: PhotoSanitiser, mode: str) -> None:
    whole = sanitiser.clean(even_jpeg(SMALL, mode=mode)).jpeg
    part = sanitiser.clean(cut(even_jpeg(SMALL, mode=mode), 97)).jpeg
    box = (0, 0, 320, 200)
    there, kept = (Image.open(io.BytesIO(each)).crop(box).tobytes() for each in (whole, part))
    assert max(abs(a - b) for a, b in zip(there, kept, strict=True)) < 4


def test_damaged_segments_of_applications_do_not_matter(sanitiser: PhotoSanitiser) -> None:
    segments = (
        hostile.segment(0xE2, b"MPF\0II*\0" + b"\xff" * 80),
        hostile.segment(0xE1, b"Exif\0\0" + b"\xff" * 200),
        hostile.segment(0xED, b"Photoshop 3.0\x008BIM" + b"\xff" * 50),
        hostile.segment(0xE0, b"JFXX"),
        b"\xff\xfe\0\0",  # a comment shorter than its own length
    )
    assert is_taken(sanitiser, hostile.with_segments(hostile.jpeg(), *segments))


@pytest.mark.parametrize("factors", [b"\x00", b"\x20", b"\x02"])
def test_a_jpeg_whose_head_makes_no_sense_is_refused(sanitiser: PhotoSanitiser, factors: bytes) -> None:
    data = hostile.jpeg()
    at = data.index(b"\xff\xc0") + 11
    assert not is_taken(sanitiser, data[:at] + factors + data[at + 1 :])
    with pytest.raises(ValueError, match="head is damaged"):
        jpeg.parts(data[:at] + factors + data[at + 1 :])


def photo(kind: str = "PNG", **options: Any) -> bytes:
    return hostile.saved(hostile.corners(), kind, **options)


def wrong(chunk: bytes) -> bytes:
    """The chunk with a wrong checksum."""
    return chunk[:-1] + bytes((chunk[-1] ^ 1,))


ANCILLARY = {
    "two megabytes of text": hostile.png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + bytes(2_000_000)),
    "two compressed megabytes": hostile.png_chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2_000_000))),
    "a hundred compressed megabytes": hostile.png_chunk(b"zTXt", b"a\0\0" + hostile.zlib_bomb()),
    "a profile of a hundred megabytes": hostile.png_chunk(b"iCCP", b"a\0\0" + hostile.zlib_bomb()),
    "a profile that is none": hostile.png_chunk(b"iCCP", b"a\0\0" + zlib.compress(b"no profile")),
    "a profile that cannot be inflated": hostile.png_chunk(b"iCCP", b"a\0\0nothing"),
    "a profile cut short": hostile.png_chunk(b"iCCP", b"a\0\0" + zlib.compress(hostile.srgb_profile())[:50]),
    "a profile without a name": hostile.png_chunk(b"iCCP", b""),
    "text with a wrong checksum": wrong(hostile.png_chunk(b"tEXt", b"Comment\0hello")),
    "gamma of a wrong length": hostile.png_chunk(b"gAMA", b"\0"),
    "physical size of a wrong length": hostile.png_chunk(b"pHYs", b""),
    "colours of a wrong length": hostile.png_chunk(b"cHRM", b"\0\0"),
    "an animation of one picture": hostile.png_chunk(b"acTL", b"\0\0\0\1\0\0\0\0"),
    "an animation with a wrong checksum": wrong(hostile.png_chunk(b"acTL", b"\0\0\0\2\0\0\0\0")),
}


@pytest.mark.parametrize("chunk", ANCILLARY.values(), ids=ANCILLARY)
def test_chunks_that_a_png_does_not_need_do_not_matter(sanitiser: PhotoSanitiser, chunk: bytes) -> None:
    assert is_taken(sanitiser, hostile.with_chunks(photo(), chunk))


@pytest.mark.parametrize("name", [b"IHDR", b"IDAT", b"PLTE"])
def test_a_critical_chunk_with_a_wrong_checksum_refuses_a_png(sanitiser: PhotoSanitiser, name: bytes) -> None:
    data = hostile.saved(hostile.corners().quantize(8), "PNG")
    at = data.index(name)
    end = at + 4 + int.from_bytes(data[at - 4 : at])
    assert not is_taken(sanitiser, data[:end] + bytes((data[end] ^ 1,)) + data[end + 1 :])


@pytest.mark.parametrize("end", [b"", b"\0\0", b"\xff\xff\xff\xfftEXtcut", b"text" * 50, b"\0\0\0\0IEND\0\0\0\0"])
def test_a_png_may_end_with_anything_behind_its_picture(sanitiser: PhotoSanitiser, end: bytes) -> None:
    assert is_taken(sanitiser, photo()[:-12] + end)


def test_a_png_that_lacks_a_part_of_its_picture_is_refused(sanitiser: PhotoSanitiser) -> None:
    noise = Image.frombytes("RGB", (300, 300), random.Random(2).randbytes(270_000))
    data = hostile.saved(noise, "PNG")
    parts = [at - 4 for at in range(len(data)) if data.startswith(b"IDAT", at)]
    assert len(parts) > 2
    assert not any(is_taken(sanitiser, data[:end]) for end in (*parts, parts[-1] + 100, len(data) - 17))


def test_chunks_that_a_webp_does_not_need_do_not_matter(sanitiser: PhotoSanitiser) -> None:
    data = lying.webp(lying.corners(6), lying.BLOCKS["intact"](">", 6), b"<x/>")
    assert data[-12:-8] == b"XMP "
    assert is_taken(sanitiser, data[:-6])
    assert is_taken(sanitiser, data + b"ODD?\xff\xff\xff\xff")
