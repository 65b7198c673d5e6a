from __future__ import annotations

import fcntl
import functools
import io
import os
import random
import signal
import subprocess
import sys
import termios
import textwrap
import threading
import time
import types
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from core.domain.errors import PhotoRefused, PhotoTooLarge, PhotoUnsupported, Unavailable
from core.photos import decoder
from core.photos import sanitiser as sanitising
from core.photos.sanitiser import CleanPhoto, PhotoSanitiser
from tests.support import hostile, portraits

MAX_BYTES = 15 * 1024 * 1024
CANARY = "canary-6c1d"
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test's photos go through a worker, whatever went through it before."""
    monkeypatch.setattr(sanitising, "REMEMBERED", 0)


@pytest.fixture(scope="module")
def sanitiser() -> Iterator[PhotoSanitiser]:
    sanitiser = PhotoSanitiser(MAX_BYTES)
    yield sanitiser
    sanitiser.close()


@pytest.fixture
def own_sanitiser() -> Iterator[PhotoSanitiser]:
    sanitiser = PhotoSanitiser(MAX_BYTES)
    yield sanitiser
    sanitiser.close()


def opened(photo: CleanPhoto) -> Image.Image:
    image = Image.open(io.BytesIO(photo.jpeg))
    image.load()
    return image


def colours(photo: CleanPhoto) -> list[tuple[int, ...]]:
    """The colours in the middle of the four quarters."""
    image = opened(photo)
    places = [(x, y) for y in (0.25, 0.75) for x in (0.25, 0.75)]
    return [image.getpixel((int(image.width * x), int(image.height * y))) for x, y in places]  # type: ignore[misc]


def grid(image: Image.Image) -> list[tuple[int, ...]]:
    """The picture as 8x8 pixels."""
    data = image.resize((8, 8)).tobytes()
    return [tuple(data[at : at + 3]) for at in range(0, len(data), 3)]


def are_close(seen: list[tuple[int, ...]], expected: tuple[tuple[int, ...], ...], within: int = 25) -> bool:
    return all(abs(a - b) <= within for s, e in zip(seen, expected, strict=True) for a, b in zip(s, e, strict=True))


def workers(parent: int | None = None) -> set[int]:
    """The process ids of the workers that run for ``parent`` (this process, if not given)."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            command = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if decoder.__name__.encode() in command and int(fields[1]) == (parent or os.getpid()) and fields[0] != "Z":
            found.add(int(entry.name))
    return found


def started_worker(sanitiser: PhotoSanitiser) -> int:
    """The process id of the worker that ``sanitiser``, new or with its worker gone, starts for a photo."""
    before = workers()
    sanitiser.clean(hostile.jpeg())
    (worker,) = workers() - before
    return worker


def processor_time() -> float:
    """Seconds that this process and its workers, living and ended, have used the processor."""
    return sum(os.times()[:4]) + sum(map(processor_time_of, workers()))


def processor_time_of(worker: int) -> float:
    user, system = Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def refusal(sanitiser: PhotoSanitiser, data: bytes) -> PhotoRefused | None:
    try:
        sanitiser.clean(data)
    except PhotoRefused as error:
        return error
    return None


def is_one_sentence(error: Exception) -> bool:
    text = str(error)
    return text.endswith(".") and text.count(".") == 1 and "\n" not in text and text[0].isupper()


# What is taken.


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "HEIF", "AVIF"])
def test_each_format_comes_out_as_an_rgb_jpeg_of_the_same_picture(sanitiser: PhotoSanitiser, kind: str) -> None:
    photo = sanitiser.clean(hostile.saved(hostile.corners(), kind))
    image = opened(photo)
    assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (240, 160))
    assert (photo.width, photo.height) == image.size
    assert are_close(colours(photo), hostile.CORNERS)


@pytest.mark.parametrize("portrait", [portraits.astronaut, portraits.hopper])
def test_real_portraits_keep_their_size(sanitiser: PhotoSanitiser, portrait: Callable[[], bytes]) -> None:
    data = portrait()
    photo = sanitiser.clean(data)
    assert (photo.width, photo.height) == Image.open(io.BytesIO(data)).size


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_is_ignored(sanitiser: PhotoSanitiser, orientation: int) -> None:
    photo = sanitiser.clean(hostile.jpeg(exif=hostile.exif(orientation)))
    assert are_close(colours(photo), hostile.CORNERS)


def test_broken_exif_does_not_cost_the_photo(sanitiser: PhotoSanitiser) -> None:
    broken = hostile.segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\x12\x01\x03\0\xff\xff\xff\xff" * 9)
    assert are_close(colours(sanitiser.clean(hostile.with_segments(hostile.jpeg(), broken))), hostile.CORNERS)


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [(4032, 3024, (1920, 1440)), (3024, 4032, (1440, 1920)), (1920, 1080, (1920, 1080)), (2000, 100, (1920, 96))],
)
def test_the_longest_side_is_at_most_1920_pixels(
    sanitiser: PhotoSanitiser, width: int, height: int, expected: tuple[int, int]
) -> None:
    photo = sanitiser.clean(hostile.jpeg(hostile.corners((width, height))))
    assert (photo.width, photo.height) == expected == opened(photo).size


def test_a_12_megapixel_photo_on_its_side_is_turned_and_keeps_its_picture(sanitiser: PhotoSanitiser) -> None:
    photo = sanitiser.clean(portraits.as_jpeg(portraits.hopper(), size=(3024, 4032), orientation=6))
    assert (photo.width, photo.height) == (1440, 1920)
    original = Image.open(io.BytesIO(portraits.hopper())).convert("RGB")
    assert are_close(grid(opened(photo)), tuple(grid(original)), within=12)


def test_a_48_megapixel_photo_passes(sanitiser: PhotoSanitiser) -> None:
    photo = sanitiser.clean(portraits.as_jpeg(portraits.hopper(), size=(8064, 6048)))
    assert (photo.width, photo.height) == (1920, 1440)


def test_a_200_megapixel_jpeg_passes(sanitiser: PhotoSanitiser) -> None:
    photo = sanitiser.clean(hostile.jpeg(hostile.corners((16_384, 12_288)), quality=70))
    assert (photo.width, photo.height) == (1920, 1440)
    assert are_close(colours(photo), hostile.CORNERS)


@pytest.mark.parametrize(("size", "subsampling"), [((8192, 6144), 0), ((11_600, 8_600), 2)], ids=str)
def test_a_progressive_jpeg_passes_that_its_memory_holds(
    sanitiser: PhotoSanitiser, size: tuple[int, int], subsampling: int
) -> None:
    data = hostile.jpeg(hostile.corners(size), quality=70, progressive=True, subsampling=subsampling)
    assert are_close(colours(sanitiser.clean(data)), hostile.CORNERS)


def test_a_12_megapixel_avif_passes(sanitiser: PhotoSanitiser) -> None:
    data = hostile.saved(hostile.corners((4032, 3024)), "AVIF", speed=10)
    assert are_close(colours(sanitiser.clean(data)), hostile.CORNERS)


def test_a_12_megapixel_png_passes(sanitiser: PhotoSanitiser) -> None:
    photo = sanitiser.clean(hostile.saved(hostile.corners((4032, 3024)), "PNG"))
    assert are_close(colours(photo), hostile.CORNERS)


def test_a_12_megapixel_heic_passes(sanitiser: PhotoSanitiser) -> None:
    # A smooth one; above about 4 MB, which is noise, a HEIC takes more processor time than there is.
    data = hostile.saved(hostile.corners((4032, 3024)), "HEIF", enc_params={"preset": "ultrafast"})
    photo = sanitiser.clean(data)
    assert are_close(colours(photo), hostile.CORNERS)


def test_noise_stays_below_five_megabytes(sanitiser: PhotoSanitiser) -> None:
    noise = Image.frombytes("RGB", (1920, 1920), random.Random(1).randbytes(1920 * 1920 * 3))
    assert len(sanitiser.clean(hostile.saved(noise, "PNG", compress_level=1)).jpeg) <= 5_000_000


def test_transparency_becomes_white(sanitiser: PhotoSanitiser) -> None:
    image = hostile.corners()
    image.putalpha(Image.new("L", image.size, 0))
    assert are_close(colours(sanitiser.clean(hostile.saved(image, "PNG"))), ((255, 255, 255),) * 4)


def test_a_palette_with_transparency_becomes_white_there(sanitiser: PhotoSanitiser) -> None:
    image = hostile.corners().quantize(8)
    red = image.getpixel((5, 5))
    photo = sanitiser.clean(hostile.saved(image, "PNG", transparency=red))
    assert are_close(colours(photo), ((255, 255, 255), *hostile.CORNERS[1:]))


def test_a_transparent_webp_becomes_white(sanitiser: PhotoSanitiser) -> None:
    image = Image.new("RGBA", (120, 120), (255, 0, 0, 0))
    assert are_close(colours(sanitiser.clean(hostile.saved(image, "WEBP"))), ((255, 255, 255),) * 4)


def test_a_cmyk_jpeg_keeps_its_colours(sanitiser: PhotoSanitiser) -> None:
    photo = sanitiser.clean(hostile.jpeg(hostile.corners().convert("CMYK")))
    assert are_close(colours(photo), hostile.CORNERS)


def test_a_16_bit_grey_png_keeps_its_brightness(sanitiser: PhotoSanitiser) -> None:
    image = Image.frombytes("I;16", (100, 100), (0x4000).to_bytes(2, "little") * 10_000)
    assert are_close(colours(sanitiser.clean(hostile.saved(image, "PNG"))), ((64, 64, 64),) * 4, within=2)


def test_a_large_16_bit_grey_png_is_shrunk(sanitiser: PhotoSanitiser) -> None:
    photo = sanitiser.clean(hostile.png(3000, 2000, depth=16))
    assert (photo.width, photo.height) == (1920, 1280)
    assert are_close(colours(photo), ((128, 128, 128),) * 4, within=2)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P"])
def test_grey_and_palette_pictures_come_out_in_colour_mode(sanitiser: PhotoSanitiser, mode: str) -> None:
    assert opened(sanitiser.clean(hostile.saved(hostile.corners().convert(mode), "PNG"))).mode == "RGB"


def test_a_colour_profile_is_applied(sanitiser: PhotoSanitiser) -> None:
    red = Image.new("RGB", (100, 100), (250, 0, 0))
    photo = sanitiser.clean(hostile.jpeg(red, icc_profile=hostile.swapped_profile()))
    assert colours(photo)[0][2] > 200 > 60 > colours(photo)[0][0]


@pytest.mark.parametrize("profile", [b"x", b"\0" * 4000, b"acsp" * 1000])
def test_a_broken_colour_profile_is_ignored(sanitiser: PhotoSanitiser, profile: bytes) -> None:
    assert are_close(colours(sanitiser.clean(hostile.jpeg(icc_profile=profile))), hostile.CORNERS)


def test_of_a_jpeg_with_several_pictures_the_first_is_taken(sanitiser: PhotoSanitiser) -> None:
    data = hostile.saved(hostile.corners(), "MPO", save_all=True, append_images=[Image.new("RGB", (240, 160))])
    assert are_close(colours(sanitiser.clean(data)), hostile.CORNERS, within=40)


def test_of_a_heic_with_several_pictures_the_main_one_is_taken(sanitiser: PhotoSanitiser) -> None:
    heif = hostile.pillow_heif.from_pillow(Image.new("RGB", (200, 200)))
    heif.add_from_pillow(hostile.corners())
    out = io.BytesIO()
    heif.save(out, primary_index=1)
    assert are_close(colours(sanitiser.clean(out.getvalue())), hostile.CORNERS)


def test_the_film_that_a_phone_appends_does_not_count_as_scans(sanitiser: PhotoSanitiser) -> None:
    assert are_close(colours(sanitiser.clean(hostile.jpeg() + b"\xff\xda\0\x02" * 5000)), hostile.CORNERS)


# What does not come out.


METADATA = {
    "exif": lambda: hostile.jpeg(exif=hostile.exif(note=CANARY)),
    "xmp": lambda: hostile.jpeg(xmp=f"<x:xmpmeta>{CANARY}</x:xmpmeta>".encode()),
    "comment": lambda: hostile.jpeg(comment=CANARY),
    "colour profile": lambda: hostile.jpeg(icc_profile=hostile.srgb_profile(CANARY)),
    "unknown segment": lambda: hostile.with_segments(hostile.jpeg(), hostile.segment(0xEB, CANARY.encode())),
    "appended archive": lambda: hostile.jpeg() + hostile.zip_archive(CANARY),
    "PNG text": lambda: hostile.saved(hostile.corners(), "PNG", pnginfo=hostile.png_text(CANARY)),
    "PNG exif": lambda: hostile.saved(hostile.corners(), "PNG", exif=hostile.exif(note=CANARY)),
    "WebP exif": lambda: hostile.saved(hostile.corners(), "WEBP", exif=hostile.exif(note=CANARY)),
    "AVIF exif": lambda: hostile.saved(hostile.corners(), "AVIF", exif=hostile.exif(note=CANARY)),
    "HEIC exif": lambda: hostile.saved(hostile.corners(), "HEIF", exif=hostile.exif(note=CANARY).tobytes()),
}


@pytest.mark.parametrize("place", METADATA)
def test_metadata_is_stripped(sanitiser: PhotoSanitiser, place: str) -> None:
    data = METADATA[place]()
    wide = CANARY.encode("utf-16-be")
    assert CANARY.encode() in data or wide in data or place == "PNG text"
    cleaned = sanitiser.clean(data).jpeg
    assert CANARY.encode() not in cleaned
    assert wide not in cleaned


def test_nothing_but_the_picture_is_in_the_result(sanitiser: PhotoSanitiser) -> None:
    data = hostile.jpeg(
        exif=hostile.exif(1, CANARY), comment=CANARY, icc_profile=hostile.srgb_profile(), dpi=(300, 300)
    )
    image = Image.open(io.BytesIO(sanitiser.clean(data).jpeg))
    assert {name for name, _ in image.applist} == {"APP0"}  # type: ignore[attr-defined]


# What is refused.


def _declaring(width: int, height: int) -> bytes:
    """A JPEG with a head that says another size."""
    data = bytearray(hostile.jpeg())
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = height.to_bytes(2) + width.to_bytes(2)
    return bytes(data)


REFUSED: dict[str, tuple[Callable[[], bytes], type[PhotoRefused]]] = {
    "empty": (lambda: b"", PhotoUnsupported),
    "one byte": (lambda: b"\xff", PhotoUnsupported),
    "text": (lambda: b"This is not a photo.", PhotoUnsupported),
    "svg": (lambda: b'<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>', PhotoUnsupported),
    "html": (lambda: b"<!doctype html><script>alert(1)</script>", PhotoUnsupported),
    "html behind a JPEG's first bytes": (lambda: b"\xff\xd8\xff<script>alert(1)</script>", PhotoUnsupported),
    "pdf": (lambda: b"%PDF-1.7\n" + hostile.jpeg(), PhotoUnsupported),
    "zip": (hostile.zip_archive, PhotoUnsupported),
    "gif": (lambda: hostile.saved(hostile.corners(), "GIF"), PhotoUnsupported),
    "tiff": (lambda: hostile.saved(hostile.corners(), "TIFF"), PhotoUnsupported),
    "bmp": (lambda: hostile.saved(hostile.corners(), "BMP"), PhotoUnsupported),
    "postscript": (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n", PhotoUnsupported),
    "riff that is sound": (lambda: b"RIFF\x24\0\0\0WAVEfmt " + bytes(30), PhotoUnsupported),
    "iso media that is film": (lambda: b"\0\0\0\x18ftypisom" + bytes(40), PhotoUnsupported),
    "animated GIF": (lambda: hostile.animated("GIF"), PhotoUnsupported),
    "animated PNG": (lambda: hostile.animated("PNG"), PhotoUnsupported),
    "animated WebP": (lambda: hostile.animated("WEBP"), PhotoUnsupported),
    "animated AVIF": (lambda: hostile.animated("AVIF"), PhotoUnsupported),
    "start of a JPEG alone": (lambda: b"\xff\xd8\xff\xe0", PhotoUnsupported),
    "start of a PNG alone": (lambda: b"\x89PNG\r\n\x1a\n", PhotoUnsupported),
    "start of a WebP alone": (lambda: b"RIFF\xff\xff\xff\xffWEBPVP8 ", PhotoUnsupported),
    "start of an AVIF alone": (lambda: b"\0\0\0\x18ftypavif", PhotoUnsupported),
    "a million brands": (
        lambda: (4_000_016).to_bytes(4) + b"ftypisom\0\0\0\0" + b"mp42" * 1_000_000,
        PhotoUnsupported,
    ),
    "start of a HEIC alone": (lambda: b"\0\0\0\x18ftypheic", PhotoUnsupported),
    "JPEG without size": (lambda: hostile.jpeg_of_scans(1, 0, 0), PhotoUnsupported),
    "79 pixels": (lambda: hostile.jpeg(hostile.corners((79, 400))), PhotoUnsupported),
    "too narrow once shrunk": (lambda: hostile.jpeg(hostile.corners((8000, 90))), PhotoUnsupported),
    "pixel bomb": (lambda: hostile.png(30_000, 30_000, rows=1), PhotoTooLarge),
    "just above the pixels": (lambda: hostile.png(8200, 6200, rows=1), PhotoTooLarge),
    "JPEG just above the pixels": (lambda: _declaring(16_400, 12_300), PhotoTooLarge),
    "progressive JPEG that its memory does not hold": (
        lambda: hostile.jpeg_of_scans(2, 16_000, 12_000),
        PhotoTooLarge,
    ),
    "JPEG of 65,500 pixels a side": (lambda: hostile.jpeg_of_scans(2, 65_500, 65_500), PhotoTooLarge),
    "JPEG of 8,000 scans": (lambda: hostile.jpeg_of_scans(8_000, 4_000, 3_000), PhotoUnsupported),
    "JPEG of 101 scans": (lambda: hostile.jpeg_of_scans(101, 100, 100), PhotoUnsupported),
    "scans hidden behind fill bytes": (
        lambda: hostile.jpeg_of_scans(8_000, 4_000, 3_000).replace(b"\xff\xda", b"\xff\xff\xff\xda"),
        PhotoUnsupported,
    ),
    "four million empty segments": (lambda: b"\xff\xd8" + b"\xff\xe0\0\x02" * 3_900_000, PhotoUnsupported),
    "two million intervals of restarts": (
        lambda: hostile.with_segments(hostile.jpeg(), b"\xff\xdd\0\x04\0\0" * 2_600_000),
        PhotoUnsupported,
    ),
    "WebP too large for the memory": (
        lambda: hostile.saved(Image.new("RGB", (8190, 6100), (90, 90, 90)), "WEBP", method=0),
        PhotoUnsupported,
    ),
}


#: Files that are taken, and must not take long either.
TAKEN: dict[str, Callable[[], bytes]] = {
    "PNG text bomb": lambda: hostile.png(
        100, 100, hostile.png_chunk(b"zTXt", b"Raw profile type exif\0\0" + hostile.zlib_bomb())
    ),
    "PNG colour profile bomb": lambda: hostile.png(
        100, 100, hostile.png_chunk(b"iCCP", b"a\0\0" + hostile.zlib_bomb())
    ),
    "a thousand PNG text bombs": lambda: hostile.png(
        100, 100, *[hostile.png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + hostile.zlib_bomb(1_000_000))] * 1000
    ),
    "EXIF blocks full of entries": lambda: hostile.with_segments(
        hostile.jpeg(),
        *[hostile.segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\x69\x87\x04\0" * 16_000)] * 220,
    ),
    "XMP that never ends what it says": lambda: hostile.with_segments(
        hostile.jpeg(),
        *[hostile.segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + b"tiff:Orientation" + b" " * 65_000)] * 220,
    ),
    "a hundred thousand empty PNG chunks": lambda: hostile.png(
        100, 100, *[hostile.png_chunk(b"tEXt", b"")] * 100_000
    ),
    "a million WebP chunks": lambda: hostile.saved(hostile.corners(), "WEBP") + b"EXIF\0\0\0\0" * 1_000_000,
    "a WebP chunk that reaches over all others": lambda: (
        hostile.saved(hostile.corners(), "WEBP") + b"EXIF\xff\xff\xff\xff" + b"XMP \xff\xff\xff\x7f" * 1000
    ),
    "the most scans that are read": lambda: hostile.jpeg_of_scans(100, 6_000, 4_000),
}

#: Both we and a decoder walk through the segments for seconds.
HEAVY = "two million intervals of restarts"


@functools.cache
def hostile_file(name: str) -> bytes:
    return TAKEN[name]() if name in TAKEN else REFUSED[name][0]()


@pytest.mark.parametrize("name", TAKEN)
def test_hostile_files_with_a_picture_are_taken(sanitiser: PhotoSanitiser, name: str) -> None:
    assert sanitiser.clean(hostile_file(name)).width >= 100


@pytest.mark.parametrize("name", REFUSED)
def test_hostile_files_are_refused_in_one_sentence(sanitiser: PhotoSanitiser, name: str) -> None:
    with pytest.raises(REFUSED[name][1]) as caught:
        sanitiser.clean(hostile_file(name))
    assert is_one_sentence(caught.value)


@LINUX
@pytest.mark.parametrize("name", [*REFUSED, *TAKEN])
def test_an_answer_takes_two_seconds_of_processor_time_at_most(sanitiser: PhotoSanitiser, name: str) -> None:
    # On an idle machine no more than that passes; on a busy one the cap on wall time holds.
    data = hostile_file(name)
    sanitiser.clean(hostile.jpeg())
    started, used = time.monotonic(), processor_time()
    refusal(sanitiser, data)
    assert processor_time() - used < 2
    assert time.monotonic() - started < sanitising.WALL_SECONDS + 2


@LINUX
def test_a_worker_cannot_have_more_than_512_megabytes(own_sanitiser: PhotoSanitiser) -> None:
    limits = Path(f"/proc/{started_worker(own_sanitiser)}/limits").read_text().splitlines()
    (memory,) = (line.split() for line in limits if line.startswith("Max address space"))
    assert memory[3] == str(512 * 1024 * 1024)


def test_a_large_file_is_refused_unread(sanitiser: PhotoSanitiser) -> None:
    with pytest.raises(PhotoTooLarge, match="larger than 15 MB") as caught:
        sanitiser.clean(bytes(MAX_BYTES + 1))
    assert is_one_sentence(caught.value)


def test_an_animation_is_told_to_be_one(sanitiser: PhotoSanitiser) -> None:
    with pytest.raises(PhotoUnsupported, match="moving picture"):
        sanitiser.clean(hostile.animated("WEBP"))


def test_text_is_told_what_to_send(sanitiser: PhotoSanitiser) -> None:
    with pytest.raises(PhotoUnsupported, match="send a JPEG, PNG, WebP, HEIC or AVIF"):
        sanitiser.clean(b"hello")


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "HEIF", "AVIF"])
def test_a_truncated_photo_is_refused_wherever_it_ends(sanitiser: PhotoSanitiser, kind: str) -> None:
    data = hostile.saved(hostile.corners(), kind)
    for end in range(1, len(data) - 16, max(1, len(data) // 40)):
        with pytest.raises(PhotoUnsupported):
            sanitiser.clean(data[:end])


def test_huge_exif_is_taken_or_refused(sanitiser: PhotoSanitiser) -> None:
    block = hostile.segment(0xE1, b"Exif\0\0" + b"A" * 65_000)
    assert are_close(colours(sanitiser.clean(hostile.with_segments(hostile.jpeg(), *[block] * 40))), hostile.CORNERS)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "HEIF", "AVIF"])
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_only_refusals_escape_from_mutated_files(sanitiser: PhotoSanitiser, kind: str, data: st.DataObject) -> None:
    photo = bytearray(hostile.saved(hostile.corners((96, 96)), kind))
    for _ in range(data.draw(st.integers(1, 8))):
        # Headers are worth more attention than pixels.
        at = data.draw(st.integers(0, min(len(photo), 400) - 1) | st.integers(0, len(photo) - 1))
        photo[at] = data.draw(st.integers(0, 255))
    refused = refusal(sanitiser, bytes(photo))
    assert refused is None or is_one_sentence(refused)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(head=st.sampled_from([b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBP", b"\0\0\0\x18ftypheic", b""]))
def test_only_refusals_escape_from_random_bytes(sanitiser: PhotoSanitiser, head: bytes) -> None:
    with pytest.raises(PhotoRefused):
        sanitiser.clean(head + os.urandom(500))


# The worker.


@pytest.fixture
def without_wall_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sanitising, "WALL_SECONDS", 300)


@LINUX
@pytest.mark.usefixtures("without_wall_limit")
def test_a_photo_that_takes_too_much_processor_time_is_given_up(sanitiser: PhotoSanitiser) -> None:
    data = hostile_file(HEAVY)
    sanitiser.clean(hostile.jpeg())
    used = processor_time()
    with pytest.raises(PhotoUnsupported, match="takes too long"):
        sanitiser.clean(data)
    # Times are told in ticks, and the worker's own timer counts them otherwise on a busy machine.
    assert decoder.PROCESSOR_SECONDS - 0.3 < processor_time() - used < 2


@LINUX
@pytest.mark.usefixtures("without_wall_limit")
def test_the_photo_after_one_that_took_too_long_is_clean(own_sanitiser: PhotoSanitiser) -> None:
    worker = started_worker(own_sanitiser)
    assert refusal(own_sanitiser, hostile_file(HEAVY))
    assert are_close(colours(own_sanitiser.clean(hostile.jpeg())), hostile.CORNERS)
    assert worker not in workers()


@LINUX
@pytest.mark.usefixtures("without_wall_limit")
def test_time_without_the_processor_is_not_held_against_a_photo(own_sanitiser: PhotoSanitiser) -> None:
    worker = started_worker(own_sanitiser)
    used = processor_time_of(worker)
    with ThreadPoolExecutor(1) as threads:
        photo = threads.submit(own_sanitiser.clean, hostile.jpeg_of_scans(50, 8_000, 6_000))
        while processor_time_of(worker) < used + 0.05:
            time.sleep(0.005)
        stop(worker)  # amid the decoding
        time.sleep(decoder.PROCESSOR_SECONDS)
        os.kill(worker, signal.SIGCONT)
        assert photo.result().width == 1920


@LINUX
def test_a_worker_that_hangs_is_replaced(own_sanitiser: PhotoSanitiser, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = started_worker(own_sanitiser)
    stop(worker)
    with monkeypatch.context() as patch:
        patch.setattr(sanitising, "WALL_SECONDS", 0.1)
        with pytest.raises(PhotoUnsupported, match="takes too long"):
            own_sanitiser.clean(hostile.jpeg())
    assert are_close(colours(own_sanitiser.clean(hostile.jpeg())), hostile.CORNERS)


@LINUX
def test_a_parent_that_ignores_the_time_signal_does_not_lift_the_limit(own_sanitiser: PhotoSanitiser) -> None:
    before = signal.signal(signal.SIGPROF, signal.SIG_IGN)
    try:
        worker = started_worker(own_sanitiser)
    finally:
        signal.signal(signal.SIGPROF, before)
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{worker}/status").read_text().splitlines())
    assert not int(status["SigIgn"], 16) & 1 << (signal.SIGPROF - 1)


@LINUX
def test_a_worker_killed_between_photos_is_replaced_unnoticed(own_sanitiser: PhotoSanitiser) -> None:
    worker = started_worker(own_sanitiser)
    os.kill(worker, signal.SIGKILL)
    os.waitid(os.P_PID, worker, os.WEXITED | os.WNOWAIT)
    assert are_close(colours(own_sanitiser.clean(hostile.jpeg())), hostile.CORNERS)


@LINUX
def test_a_worker_that_dies_over_a_photo_refuses_it(own_sanitiser: PhotoSanitiser) -> None:
    worker = started_worker(own_sanitiser)
    stop(worker)  # it takes the photo's bytes no further than its pipe
    with ThreadPoolExecutor(1) as threads:
        refused = threads.submit(refusal, own_sanitiser, hostile.jpeg() + bytes(1_000_000))
        wait_for_bytes(worker)
        os.kill(worker, signal.SIGKILL)
        assert isinstance(refused.result(), PhotoUnsupported)


def stop(worker: int) -> None:
    """Returns when the process takes nothing any more; the signal alone may find it about to read."""
    os.kill(worker, signal.SIGSTOP)
    os.waitid(os.P_PID, worker, os.WSTOPPED | os.WNOWAIT)


def wait_for_bytes(worker: int) -> None:
    """Until something lies in the pipe to the worker, which does not read."""
    with Path(f"/proc/{worker}/fd/3").open("rb", buffering=0) as pipe:
        while not any(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4))):
            time.sleep(0.005)


def test_a_worker_is_replaced_after_its_share_of_photos(
    own_sanitiser: PhotoSanitiser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sanitising, "PHOTOS_PER_WORKER", 2)
    for _ in range(5):
        assert are_close(colours(own_sanitiser.clean(hostile.jpeg())), hostile.CORNERS)


def test_a_file_that_comes_again_is_not_decoded_again(
    own_sanitiser: PhotoSanitiser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sanitising, "REMEMBERED", 2)
    first = own_sanitiser.clean(hostile.jpeg())
    assert own_sanitiser.clean(hostile.jpeg()) is first


def test_only_the_last_files_are_remembered(own_sanitiser: PhotoSanitiser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sanitising, "REMEMBERED", 2)
    first = own_sanitiser.clean(hostile.jpeg())
    for shade in (10, 20):
        own_sanitiser.clean(hostile.jpeg(Image.new("RGB", (100, 100), (shade, shade, shade))))
    assert own_sanitiser.clean(hostile.jpeg()) is not first


def test_photos_of_many_threads_do_not_mix(own_sanitiser: PhotoSanitiser) -> None:
    shades = [(8 * number, 255 - 8 * number, 100) for number in range(32)]
    photos = [hostile.jpeg(Image.new("RGB", (100, 100), shade)) for shade in shades]
    with ThreadPoolExecutor(16) as threads:
        cleaned = list(threads.map(own_sanitiser.clean, photos))
    assert all(are_close(colours(photo), (shade,) * 4, 8) for photo, shade in zip(cleaned, shades, strict=True))


@LINUX
def test_waiting_in_the_queue_is_no_reason_to_refuse(
    own_sanitiser: PhotoSanitiser, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = started_worker(own_sanitiser)
    stop(worker)
    with ThreadPoolExecutor(2) as threads:
        threads.submit(own_sanitiser.clean, hostile.jpeg())  # for as long as it may take
        wait_for_bytes(worker)
        # Only now: on a busy machine the first photo would be given up before anybody saw its bytes.
        monkeypatch.setattr(sanitising, "WALL_SECONDS", 2)
        behind = threads.submit(own_sanitiser.clean, hostile.jpeg())
        assert are_close(colours(behind.result()), hostile.CORNERS)


@LINUX
def test_two_workers_clean_at_the_same_time() -> None:
    sanitiser = PhotoSanitiser(MAX_BYTES, workers=2)
    with ThreadPoolExecutor(2) as threads:
        before = workers()
        list(threads.map(sanitiser.clean, [hostile.jpeg()] * 8))
        assert len(workers() - before) == 2
    sanitiser.close()


@LINUX
def test_closing_ends_the_worker(own_sanitiser: PhotoSanitiser) -> None:
    worker = started_worker(own_sanitiser)
    own_sanitiser.close()
    assert not Path(f"/proc/{worker}").exists()


@LINUX
def test_nothing_starts_before_the_first_photo() -> None:
    before = workers(), threading.active_count()
    PhotoSanitiser(MAX_BYTES)
    assert (workers(), threading.active_count()) == before


@LINUX
def test_a_worker_ends_with_a_killed_parent() -> None:
    program = """
        import os, signal
        from core.photos.sanitiser import PhotoSanitiser
        from tests.support import hostile
        PhotoSanitiser(10**7).clean(hostile.jpeg())
        os.kill(os.getpid(), signal.SIGSTOP)
    """
    parent = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)])
    os.waitid(os.P_PID, parent.pid, os.WSTOPPED | os.WNOWAIT)
    (worker,) = workers(parent.pid)
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 10
    while Path(f"/proc/{worker}").exists() and not is_zombie(worker):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_zombie(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_the_main_module_does_not_run_again_in_the_worker(
    own_sanitiser: PhotoSanitiser, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # As under Streamlit, which puts the page being drawn in the place of the main module.
    page, trace = tmp_path / "page.py", tmp_path / "trace"
    page.write_text(f"open({str(trace)!r}, 'w').close()")
    main = types.ModuleType("__main__")
    main.__file__ = str(page)
    monkeypatch.setitem(sys.modules, "__main__", main)
    own_sanitiser.clean(hostile.jpeg())
    assert not trace.exists()


@LINUX
def test_a_worker_has_no_credentials_in_its_environment(
    own_sanitiser: PhotoSanitiser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", CANARY)
    worker = started_worker(own_sanitiser)
    assert CANARY.encode() not in Path(f"/proc/{worker}/environ").read_bytes()


def test_the_worker_loads_no_heavy_library() -> None:
    program = "import sys, core.photos.decoder, pillow_heif; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert not {"boto3", "streamlit", "cv2", "pydantic", "numpy", "subprocess", "core.domain.errors"} & set(
        loaded.split()
    )


def test_a_worker_that_does_not_start_is_an_unavailable_service(
    own_sanitiser: PhotoSanitiser, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))
    with pytest.raises(Unavailable, match="photo check"):
        own_sanitiser.clean(hostile.jpeg())


def test_a_missing_interpreter_is_an_unavailable_service(
    own_sanitiser: PhotoSanitiser, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(Unavailable, match="photo check"):
        own_sanitiser.clean(hostile.jpeg())


def test_after_a_failed_start_the_next_photo_is_tried(
    own_sanitiser: PhotoSanitiser, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", str(tmp_path / "python"))
        with pytest.raises(Unavailable):
            own_sanitiser.clean(hostile.jpeg())
    assert are_close(colours(own_sanitiser.clean(hostile.jpeg())), hostile.CORNERS)
