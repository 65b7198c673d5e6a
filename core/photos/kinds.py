"""What a file is, by its content alone, and what to do with one that is no photo that we read."""

from __future__ import annotations

from enum import StrEnum

#: The most brands of a file of the ISO family that are looked at.
MAX_BRANDS = 64


class Kind(StrEnum):
    """A format that we read."""

    JPEG = "JPEG"
    PNG = "PNG"
    WEBP = "WebP"
    HEIF = "HEIC"
    AVIF = "AVIF"


_EXPORT = "save or export the photo as JPEG and send that"
_STILL = "take a still photo and send that"
_PHOTO = "send the photo itself, or a screenshot of it"
#: Other files: what they begin with, what they are called, and what their sender can do.
_OTHERS: tuple[tuple[bytes, str, str], ...] = (
    (b"\xff\x0a", "a JPEG XL file", _EXPORT),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL file", _EXPORT),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 file", _EXPORT),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 file", _EXPORT),
    (b"II\xbc", "a JPEG XR file", _EXPORT),
    (b"GIF8", "a GIF file", "send the photo as JPEG"),
    (b"BM", "a BMP file", _EXPORT),
    (b"8BPS", "a Photoshop file", _EXPORT),
    (b"\0\0\1\0", "an icon", _PHOTO),
    (b"FUJIFILMCCD-RAW", "a camera raw file", _EXPORT),
    (b"IIRO", "a camera raw file", _EXPORT),
    (b"IIRS", "a camera raw file", _EXPORT),
    (b"MMOR", "a camera raw file", _EXPORT),
    (b"IIU\0", "a camera raw file", _EXPORT),
    (b"II*\0", "a TIFF or camera raw file", _EXPORT),
    (b"MM\0*", "a TIFF or camera raw file", _EXPORT),
    (b"II+\0", "a TIFF file", _EXPORT),
    (b"MM\0+", "a TIFF file", _EXPORT),
    (b"%PDF", "a PDF document", _PHOTO),
    (b"%!PS", "a PostScript document", _PHOTO),
    (b"PK\3\4", "a zip archive or an office document", _PHOTO),
    (b"\xd0\xcf\x11\xe0", "an office document", _PHOTO),
    (b"Rar!", "an archive", _PHOTO),
    (b"7z\xbc\xaf", "an archive", _PHOTO),
    (b"\x1f\x8b", "an archive", _PHOTO),
    (b"\x1aE\xdf\xa3", "a video", _STILL),
    (b"\0\0\1\xba", "a video", _STILL),
    (b"FLV\1", "a video", _STILL),
)
_PAGES = ((b"<svg", "a drawing (SVG)"), (b"<!doctype html", "a web page"), (b"<html", "a web page"))
_AVIF = {b"avif", b"avis"}
_HEVC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
#: Brands of still pictures that leave open how these are coded.
_PICTURES = {b"mif1", b"mif2", b"msf1", b"miaf"}
#: The boxes with which films of the ISO family may begin instead of their brands.
_FILM_BOXES = {b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"}


def kind_of(data: bytes) -> Kind | None:
    """The format; None if it is none that we read."""
    if data.startswith(b"\xff\xd8\xff"):
        return Kind.JPEG
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return Kind.PNG
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return Kind.WEBP
    brands = _brands(data)
    coded = next((brand for brand in brands if brand in _AVIF | _HEVC), None)
    if coded is not None:
        return Kind.AVIF if coded in _AVIF else Kind.HEIF
    return Kind.HEIF if _PICTURES.intersection(brands) else None


def refusal_of(data: bytes) -> str:
    """A sentence about a file that we do not read: what it is, if that can be told, and what to do."""
    what, advice = next(((name, advice) for start, name, advice in _OTHERS if data.startswith(start)), ("", ""))
    beginning = data[:1000].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if not what and beginning.startswith(b"<"):
        what, advice = next(((name, _PHOTO) for tag, name in _PAGES if tag in beginning), ("", ""))
    if not what:
        what, advice = _of_media(data)
    if not what:
        return f"This file is not a photo we can read: send a {', '.join([*Kind][:-1])} or {[*Kind][-1]}."
    return f"This is {what}, which we cannot read: {advice}."


def _of_media(data: bytes) -> tuple[str, str]:
    brands = _brands(data)
    if b"crx " in brands:
        return "a camera raw file", _EXPORT
    if brands or data[4:8] in _FILM_BOXES or (data[:4] == b"RIFF" and data[8:12] == b"AVI "):
        return "a video", _STILL
    return "", ""


def _brands(data: bytes) -> list[bytes]:
    """The brands of a file of the ISO family (films, HEIC, AVIF): the major one first, then the compatible ones."""
    if data[4:8] != b"ftyp":
        return []
    end = min(int.from_bytes(data[:4]), len(data), 16 + 4 * MAX_BRANDS)
    return [data[8:12], *(data[at : at + 4] for at in range(16, end - 3, 4))]
