"""Opens a photo of each format: its size first, which decides whether it is decoded at all.

The libraries that decode are loaded by the worker only (``prepare``).
"""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any, Protocol

from PIL import Image

from core.photos import jpeg, png, webp
from core.photos.orientation import orientation_of

Metadata = tuple[list[bytes], list[bytes]]
Size = tuple[int, int]

#: Threads that decode a HEIC. Their processor time counts together.
THREADS = 2


class Photo(Protocol):
    """A photo that is not decoded yet."""

    @property
    def size(self) -> Size:
        """The width and height as they are stored, in pixels."""

    @property
    def moves(self) -> bool:
        """Whether it has several frames to be shown in turn."""

    @property
    def orientation(self) -> int | None:
        """How the decoded picture is to be turned, as in EXIF."""

    def decoded(self, size: Size) -> Image.Image:
        """The picture, at least of ``size``, with its ``icc_profile``, if any, in ``info``."""


class _ByPillow:
    """A JPEG, PNG or WebP."""

    def __init__(self, data: bytes, kind: str, metadata: Callable[[bytes], Metadata]) -> None:
        self._image: Image.Image = Image.open(BytesIO(data), formats=(kind,))
        self.size = self._image.size
        # A JPEG with several pictures has a main one; the others are depth maps or similar.
        self.moves = kind != "JPEG" and getattr(self._image, "n_frames", 1) > 1
        self.orientation = orientation_of(*metadata(data))

    def decoded(self, size: Size) -> Image.Image:
        self._image.draft(self._image.mode, size)  # a JPEG at a half, quarter or eighth of its size if that is enough
        self._image.load()
        return self._image


class _Heif:
    """The main picture of a HEIC; the others are thumbnails, depth maps or similar."""

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


def open_jpeg(data: bytes) -> Photo:
    return _ByPillow(data, "JPEG", jpeg.metadata)


def open_png(data: bytes) -> Photo:
    return _ByPillow(data, "PNG", png.metadata)


def open_webp(data: bytes) -> Photo:
    return _ByPillow(data, "WEBP", webp.metadata)


def open_heif(data: bytes) -> Photo:
    return _Heif(data)


def prepare() -> None:
    """Load the libraries and set them up, before a photo can take them over or spend its time on them."""
    import pillow_heif
    from PIL import MpoImagePlugin, WebPImagePlugin  # noqa: F401 - else the first WebP would load every format

    Image.preinit()
    pillow_heif.options.DECODE_THREADS = THREADS
    pillow_heif.options.THUMBNAILS = False
    pillow_heif.options.DEPTH_IMAGES = False
    pillow_heif.options.AUX_IMAGES = False
