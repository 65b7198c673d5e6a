"""The worker program of ``core.photos.sanitiser``: the only code that decodes an upload.

It has limits on memory and processor time and no credentials in its environment, and it answers with plain numbers
and bytes. It imports little, because a malicious photo could only take over what this process has loaded.
"""

from __future__ import annotations

import os
import resource
import signal
import struct
import warnings
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from io import BytesIO

from PIL import Image, ImageCms

from core.photos import formats

#: Longest side of the result in pixels, and its size in bytes, by Rekognition's guidance and limit.
MAX_SIDE = 1920
MAX_JPEG_BYTES = 5_000_000
#: Shortest side, in pixels, that Rekognition accepts.
MIN_SIDE = 80
#: Address space of a worker in bytes, including its interpreter (about 50 MB).
MAX_MEMORY = 512 * 1024 * 1024
#: Processor time for one photo in seconds, for all threads together. A limit on wall time would refuse good photos on
#: a busy machine. On an idle one an answer takes at most two seconds, including the start of a worker (0.2 s).
PROCESSOR_SECONDS = 1.7


@dataclass(frozen=True)
class CleanPhoto:
    """An upright RGB JPEG without metadata; ``width`` and ``height`` in pixels."""

    jpeg: bytes
    width: int
    height: int


class Answer(IntEnum):
    """The worker's verdict on a photo."""

    CLEAN = 0
    UNKNOWN = 1
    DAMAGED = 2
    MOVING = 3
    PIXELS = 4
    SMALL = 5
    HEAVY = 6


# The protocol: READY once; then for each photo, LENGTH and the file in, and HEAD (an Answer, width, height, length)
# and the JPEG out.
READY = b"\x01"
LENGTH = struct.Struct("<I")
HEAD = struct.Struct("<BHHI")


class _Refused(Exception):
    def __init__(self, answer: Answer) -> None:
        self.answer = answer


_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _serve() -> None:
    """Clean one photo after another until the parent process ends."""
    formats.prepare()
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    # A library that prints must neither damage the answers nor fill the server's log.
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    warnings.simplefilter("ignore")
    _limit(resource.RLIMIT_AS, MAX_MEMORY)
    _limit(resource.RLIMIT_CORE, 0)  # a core file would hold the photo
    _limit(resource.RLIMIT_FSIZE, 0)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)  # ends the process, even inside a decoder
    sink.write(READY)
    sink.flush()
    while head := source.read(LENGTH.size):
        data = source.read(*LENGTH.unpack(head))
        signal.setitimer(signal.ITIMER_PROF, PROCESSOR_SECONDS)
        answer, photo = _try_to_clean(data)
        signal.setitimer(signal.ITIMER_PROF, 0)
        sink.write(HEAD.pack(answer, photo.width, photo.height, len(photo.jpeg)) + photo.jpeg)
        sink.flush()


def _limit(resource_id: int, soft: int) -> None:
    # Systems other than Linux lack some of the limits; the time limit works there too.
    with suppress(ValueError, OSError):
        resource.setrlimit(resource_id, (soft, resource.getrlimit(resource_id)[1]))


def _try_to_clean(data: bytes) -> tuple[Answer, CleanPhoto]:
    nothing = CleanPhoto(b"", 0, 0)
    try:
        return Answer.CLEAN, _clean(data)
    except _Refused as error:
        return error.answer, nothing
    except (formats.TooHeavy, MemoryError):
        return Answer.HEAVY, nothing
    except RuntimeError as error:  # those of HEIC and AVIF say only in words that the memory is used up
        return Answer.HEAVY if "memory" in str(error).lower() else Answer.DAMAGED, nothing
    except Exception:  # noqa: BLE001 - decoders raise nearly every kind of error, and each means a damaged file
        return Answer.DAMAGED, nothing


def _clean(data: bytes) -> CleanPhoto:
    photo = formats.opened(data)
    if photo is None:
        raise _Refused(Answer.UNKNOWN)
    if photo.size[0] * photo.size[1] > photo.max_pixels:
        raise _Refused(Answer.PIXELS)
    if photo.moves:
        raise _Refused(Answer.MOVING)
    size = _fitting(photo.size)
    if min(*size, *photo.size) < MIN_SIDE:
        raise _Refused(Answer.SMALL)
    image = photo.decoded(size)
    profile = image.info.get("icc_profile")
    image = _shrunk(_plain(image), _fitting(image.size))
    if photo.orientation in _UPRIGHT:
        image = image.transpose(_UPRIGHT[photo.orientation])
    image = _in_srgb(_on_white(image), profile)
    return CleanPhoto(_encoded(image), *image.size)


def _fitting(size: tuple[int, int]) -> tuple[int, int]:
    scale = min(1.0, MAX_SIDE / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _plain(image: Image.Image) -> Image.Image:
    """The image in a mode that can be resized: L, RGB, RGBA or CMYK with eight bits each."""
    if image.mode.startswith("I;16"):
        # The upper byte of each value. Pillow's own conversion would clip the values instead.
        return Image.frombytes("L", image.size, image.tobytes("raw", "I;16B")[::2])
    if image.has_transparency_data:
        return image.convert("RGBA")
    return image if image.mode in ("L", "RGB", "CMYK") else image.convert("RGB")


def _shrunk(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=1.0) if size != image.size else image


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode != "RGBA":
        return image
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image.getchannel("A"))
    return white


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    if profile:
        with suppress(OSError, ValueError, TypeError, ImageCms.PyCMSError):
            theirs, srgb = ImageCms.ImageCmsProfile(BytesIO(profile)), ImageCms.createProfile("sRGB")
            converted = ImageCms.profileToProfile(image, theirs, srgb, outputMode="RGB")
            if converted is not None:
                return converted
    return image.convert("RGB")


def _encoded(image: Image.Image) -> bytes:
    image.info = {}  # Pillow would write a comment from it into the result
    for quality in (90, 75, 50):
        out = BytesIO()
        image.save(out, "JPEG", quality=quality)
        if out.tell() <= MAX_JPEG_BYTES:
            return out.getvalue()
    raise _Refused(Answer.HEAVY)


if __name__ == "__main__":
    _serve()
