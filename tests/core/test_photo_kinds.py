"""What a file is follows from its content alone, and a refusal names it and says what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from core.domain.errors import PhotoRefused
from core.photos import kinds
from core.photos.kinds import Kind
from core.photos.sanitiser import PhotoSanitiser
from tests.support import hostile


@pytest.fixture(scope="module")
def sanitiser() -> Iterator[PhotoSanitiser]:
    sanitiser = PhotoSanitiser(15 * 1024 * 1024)
    yield sanitiser
    sanitiser.close()


def branded(major: bytes, *compatible: bytes) -> bytes:
    """The box with which a file of the ISO family begins."""
    body = b"ftyp" + major + bytes(4) + b"".join(compatible)
    return (len(body) + 4).to_bytes(4) + body


@pytest.mark.parametrize(
    ("kind", "brands"),
    [
        ("HEIF", (b"heic", b"mif1", b"heic")),
        ("HEIF", (b"miaf", b"mif1", b"heic")),
        ("HEIF", (b"mif1", b"MiHE", b"miaf", b"heix")),
        ("HEIF", (b"ABCD", b"mif1", b"heic")),
        ("HEIF", (b"mif1",)),
        ("AVIF", (b"avif", b"mif1", b"miaf")),
        ("AVIF", (b"mif1", b"miaf", b"MA1B", b"avif")),
        ("AVIF", (b"miaf", b"avif", b"mif1")),
    ],
    ids=str,
)
def test_brands_tell_heic_and_avif(sanitiser: PhotoSanitiser, kind: str, brands: tuple[bytes, ...]) -> None:
    photo = hostile.saved(hostile.corners(), kind)
    # The box must stay as long as it was, because the file's own offsets count from its start.
    box = int.from_bytes(photo[:4])
    data = branded(*brands, *[brands[-1]] * ((box - 16) // 4 - len(brands) + 1)) + photo[box:]
    assert len(data) == len(photo)
    assert kinds.kind_of(data) is Kind[kind]
    assert sanitiser.clean(data).width == 240


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "JPEG XL": (lambda: b"\xff\x0a" + bytes(50), "JPEG XL file"),
    "JPEG XL in boxes": (lambda: b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(50), "JPEG XL file"),
    "JPEG 2000": (lambda: hostile.saved(hostile.corners(), "JPEG2000"), "JPEG 2000 file"),
    "GIF": (lambda: hostile.saved(hostile.corners(), "GIF"), "GIF file"),
    "TIFF": (lambda: hostile.saved(hostile.corners(), "TIFF"), "TIFF or camera raw"),
    "BMP": (lambda: hostile.saved(hostile.corners(), "BMP"), "BMP file"),
    "camera raw of Canon": (lambda: branded(b"crx ", b"crx ", b"isom") + bytes(50), "camera raw"),
    "camera raw of Nikon": (lambda: b"MM\0*\0\0\0\x08" + bytes(50), "camera raw"),
    "camera raw of Fujifilm": (lambda: b"FUJIFILMCCD-RAW 0201" + bytes(50), "camera raw"),
    "PDF": (lambda: b"%PDF-1.7\n" + hostile.jpeg(), "PDF document"),
    "MP4": (lambda: branded(b"isom", b"iso2", b"avc1", b"mp41") + bytes(50), "video"),
    "MOV": (lambda: branded(b"qt  ", b"qt  ") + bytes(50), "video"),
    "MOV without brands": (lambda: b"\0\0\0\x08wide\0\0\0\0mdat" + bytes(50), "video"),
    "3GP": (lambda: branded(b"3gp4") + bytes(50), "video"),
    "WebM": (lambda: b"\x1aE\xdf\xa3" + bytes(50), "video"),
    "AVI": (lambda: b"RIFF\0\0\0\0AVI LIST" + bytes(50), "video"),
    "SVG": (lambda: b'\xef\xbb\xbf<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "drawing"),
    "web page": (lambda: b"\n<!DOCTYPE html><title>A photo</title>", "web page"),
    "zip": (hostile.zip_archive, "zip archive"),
    "Photoshop": (lambda: b"8BPS\0\1" + bytes(50), "Photoshop file"),
    "something else": (lambda: b"nothing that we know", "send a JPEG, PNG, WebP, HEIC or AVIF"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_names_the_file_and_says_what_to_do(sanitiser: PhotoSanitiser, name: str) -> None:
    data, expected = REFUSED[name][0](), REFUSED[name][1]
    with pytest.raises(PhotoRefused, match=expected) as caught:
        sanitiser.clean(data)
    sentence = str(caught.value)
    assert "send" in sentence
    assert sentence.endswith(".")
    assert sentence.count(".") == 1


@pytest.mark.parametrize("brands", [60, 1000, 1_000_000])
def test_only_the_first_of_many_brands_count(brands: int) -> None:
    data = branded(b"isom", *[b"mp42"] * brands, b"heic")
    assert (kinds.kind_of(data) is Kind.HEIF) == (brands < kinds.MAX_BRANDS)
