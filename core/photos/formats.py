"""Opens a photo of each format: its size first, which decides whether it is decoded at all.

The libraries that decode are loaded by the worker only (``prepare``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any, Protocol

from PIL import Image, ImageChops

from core.photos import jpeg, png, webp
from core.photos.kinds import Kind, kind_of
from core.photos.orientation import orientation_of

Size = tuple[int, int]

#: Phones with 50 MP cameras take photos of 8192x6144 pixels, and those with 200 MP cameras JPEGs of 16384x12288. Only
#: a JPEG can be decoded at a part of its size.
MAX_PIXELS = 8192 * 6144
MAX_JPEG_PIXELS = 16384 * 12288
#: A JPEG of several scans is kept as coefficients until the last. As many bytes as those of MAX_PIXELS at most.
MAX_COEFFICIENT_BYTES = 6 * MAX_PIXELS
#: Threads that decode a HEIC or AVIF. Their processor time counts together.
THREADS = 2
#: Ordinary progressive JPEGs have about ten scans. Each scan covers the whole picture.
MAX_SCANS = 100
#: The share of a JPEG's rows that must be there: 95 %, to the whole percent.
ENOUGH = 0.945


class Photo(Protocol):
    """A photo that is not decoded yet."""

    @property
    def size(self) -> Size:
        """The width and height as they are stored, in pixels."""

    @property
    def max_pixels(self) -> int:
        """The most pixels that can be decoded."""

    @property
    def moves(self) -> bool:
        """Whether it has several frames to be shown in turn."""

    @property
    def orientation(self) -> int | None:
        """How the decoded picture is to be turned, as in EXIF."""

    def decoded(self, size: Size) -> Image.Image:
        """The picture, at least of ``size``, with its ``icc_profile``, if any, in ``info``."""


class Incomplete(Exception):
    """A part of the picture is missing."""


class TooHeavy(Exception):
    """The picture takes too long to decode."""


class _ByPillow:
    """A PNG or WebP: ``picture`` is the part of the file that the decoder needs."""

    max_pixels = MAX_PIXELS

    def __init__(self, kind: str, picture: bytes, orientation: int | None, *, moves: bool = False) -> None:
        self._image = _by_pillow(kind, picture)
        self.size = self._image.size
        self.moves = moves or getattr(self._image, "n_frames", 1) > 1
        self.orientation = orientation

    def decoded(self, size: Size) -> Image.Image:
        self._image.load()
        return self._image


class _Jpeg:
    """The main picture of a JPEG; any others are thumbnails, depth maps or similar.

    Pillow's decoder fills missing rows with grey and says nothing of it, if it meets an end marker. Without one it
    may miss rows that are there. So it always gets one; if something seems to be missing, the picture is decoded
    again with other bytes at the end, and all that comes from the file lies before the first difference.
    """

    moves = False

    def __init__(self, data: bytes) -> None:
        self._file = jpeg.parts(data)
        if len(self._file.scans) > MAX_SCANS:
            raise TooHeavy
        self.size: Size = self._opened(jpeg.END).size
        several = self._file.progressive or len(self._file.scans) > 1
        self.max_pixels = int(MAX_COEFFICIENT_BYTES / self._file.pixel_bytes) if several else MAX_JPEG_PIXELS
        self.orientation = orientation_of(self._file.exif, self._file.xmp)

    def decoded(self, size: Size) -> Image.Image:
        if self._file.lacks_scans:
            raise Incomplete
        image = self._decoded(size, jpeg.END)
        doubtful = self._file.may_lack_rows or _is_grey_at_the_end(image)
        if doubtful and self._share(image, self._decoded(size, self._file.garbage + jpeg.END)) < ENOUGH:
            raise Incomplete
        return image

    def _decoded(self, size: Size, end: bytes) -> Image.Image:
        image = self._opened(end)
        image.draft(image.mode, size)  # at a half, quarter or eighth of its size, if that is enough
        image.load()
        return image

    def _opened(self, end: bytes) -> Image.Image:
        return _by_pillow("JPEG", self._file.picture + end)

    def _share(self, image: Image.Image, other: Image.Image) -> float:
        """The share of the picture before the two differ, in the order in which a scan goes through its blocks."""
        difference = ImageChops.difference(image, other)
        box = difference.getbbox()
        if box is None:
            return 1.0
        width, height = (
            max(1, round(side * part / whole))
            for side, part, whole in zip(self._file.block, image.size, self.size, strict=True)
        )
        # The colours of a block may tinge the pixel before it, and those of the next row the last pixels of this one.
        row = (box[1] + 1) // height
        top = row * height
        begun = difference.crop((0, top, image.width, top + max(1, height - 1))).getbbox()
        column = (begun[0] + 1) // width if begun else 0
        columns = -(-image.width // width)
        return (top + min(height, image.height - top) * (column + 1) / columns) / image.height


def _by_pillow(kind: str, picture: bytes) -> Image.Image:
    return Image.open(BytesIO(picture), formats=(kind,))


def _is_grey_at_the_end(image: Image.Image) -> bool:
    last = image.getpixel((image.width - 1, image.height - 1))
    return all(each in (127, 128) for each in (last if isinstance(last, tuple) else (last,)))


class _Heif:
    """The main picture of a HEIC; the others are thumbnails, depth maps or similar."""

    max_pixels = MAX_PIXELS
    moves = False

    def __init__(self, data: bytes) -> None:
        from pillow_heif import HeifFile

        # Not by the library's plugin for Pillow, which overwrites the orientation in the EXIF block.
        file: Any = HeifFile(BytesIO(data), remove_stride=False)  # type: ignore[no-untyped-call]
        self._image = file[file.primary_index]
        self.size: Size = self._image.size
        # The decoder turns the picture as these properties of the file say. They precede what the metadata say.
        turned = any(name in ("irot", "imir") for name, *_ in self._image._c_image.transformations)
        info = self._image.info
        self.orientation = None if turned else orientation_of([info["exif"] or b""], [info.get("xmp") or b""])

    def decoded(self, size: Size) -> Image.Image:
        picture: Image.Image = self._image.to_pillow()
        return picture


class _Avif:
    """The picture of an AVIF."""

    max_pixels = MAX_PIXELS

    def __init__(self, data: bytes) -> None:
        from PIL import _avif

        # Not by Pillow's plugin, which overwrites the orientation in the EXIF block, and goes by the major brand.
        self._decoder = _avif.AvifDecoder(data, "auto", THREADS)
        self.size: Size
        self.size, frames, self._mode, self._profile, exif, turned, xmp = self._decoder.get_info()
        self.moves = frames > 1
        # Properties of the file say how to turn it (irot, imir); they precede what the metadata say.
        self.orientation = turned if turned != 1 else orientation_of([exif or b""], [xmp or b""])

    def decoded(self, size: Size) -> Image.Image:
        pixels, *_ = self._decoder.get_frame(0)
        image = Image.frombytes(self._mode, self.size, pixels)
        image.info["icc_profile"] = self._profile
        return image


def opened(data: bytes) -> Photo | None:
    """The photo in a file, by its content; None if it is of another kind. Raises many kinds of error if damaged."""
    kind = kind_of(data)
    return _OPENERS[kind](data) if kind else None


def _png(data: bytes) -> Photo:
    file = png.parts(data)
    return _ByPillow("PNG", file.picture, orientation_of(file.exif, file.xmp), moves=file.moves)


def _webp(data: bytes) -> Photo:
    file = webp.parts(data)
    return _ByPillow("WEBP", file.picture, orientation_of(file.exif, file.xmp))


_OPENERS: Mapping[Kind, Callable[[bytes], Photo]] = {
    Kind.JPEG: _Jpeg,
    Kind.PNG: _png,
    Kind.WEBP: _webp,
    Kind.HEIF: _Heif,
    Kind.AVIF: _Avif,
}


def prepare() -> None:
    """Load the libraries and set them up, before a photo can take them over or spend its time on them."""
    import pillow_heif
    from PIL import AvifImagePlugin, WebPImagePlugin  # noqa: F401 - else the first WebP would load every format

    Image.preinit()
    Image.MAX_IMAGE_PIXELS = None  # each photo has a limit of its own
    pillow_heif.options.DECODE_THREADS = THREADS
    pillow_heif.options.THUMBNAILS = False
    pillow_heif.options.DEPTH_IMAGES = False
    pillow_heif.options.AUX_IMAGES = False
