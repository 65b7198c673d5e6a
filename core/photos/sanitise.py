"""Uploads made safe: whatever comes in, a plain upright JPEG comes out, or one sentence that says why not.

Two halves. ``PhotoSanitiser`` hands uploads to worker processes and outlives whatever happens to them. A worker is
this module run as a program; there the file is looked into for the first time. It has limits on memory and time, no
credentials in its environment, and answers in plain numbers and bytes.

The workers are started as programs of their own, not through ``multiprocessing``: that runs the parent's main module
again in each child, which under Streamlit is the page being drawn.
"""

from __future__ import annotations

import math
import os
import queue
import re
import resource
import struct
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import IntEnum
from io import BytesIO
from pathlib import Path
from typing import IO

from PIL import Image, ImageCms

from core.errors import PhotoRefused, PhotoTooLarge, PhotoUnsupported, Unavailable

#: Longest side of the result, pixels, and its size, bytes: what Rekognition's guidance and limit ask for.
MAX_SIDE = 1920
MAX_JPEG_BYTES = 5_000_000
#: Shortest side, pixels, that Rekognition takes.
MIN_SIDE = 80
#: Phones' 50 MP cameras make 8192x6144.
MAX_PIXELS = 8192 * 6144
#: Ordinary progressive JPEGs have about ten; each scan passes over the whole picture.
MAX_SCANS = 100
#: Address space of a worker, bytes, its interpreter (about 50 MB) included.
MAX_MEMORY = 512 * 1024 * 1024
#: Wall time for one photo, seconds: with a worker's restart it stays below two.
SECONDS = 1.8
#: Processor time, seconds, after which the system ends a worker whose parent is gone.
PROCESSOR_SECONDS = 6
#: For a worker to come up (0.2 s on an idle machine).
START_SECONDS = 20
#: A worker is replaced after so many, lest what libraries leak add up.
PHOTOS_PER_WORKER = 1000


@dataclass(frozen=True)
class CleanPhoto:
    """An upright RGB JPEG without metadata; ``width`` and ``height`` in pixels."""

    jpeg: bytes
    width: int
    height: int


class _Answer(IntEnum):
    CLEAN = 0
    UNKNOWN = 1
    DAMAGED = 2
    MOVING = 3
    PIXELS = 4
    SMALL = 5
    HEAVY = 6


_SENTENCES = {
    _Answer.UNKNOWN: "This file is not a photo we can read: send a JPEG, PNG, WebP or HEIC.",
    _Answer.DAMAGED: "This photo is damaged or incomplete: send it again, or take a new one.",
    _Answer.MOVING: "This is a moving picture: send a still photo.",
    _Answer.PIXELS: "This photo has more than 50 megapixels: send a smaller one.",
    _Answer.SMALL: f"This photo is too small or too narrow: send one of at least {MIN_SIDE} pixels on each side.",
    _Answer.HEAVY: "This photo takes too long to read: send it again as an ordinary JPEG.",
}

# The worker's messages: READY once; then length + file in, head + JPEG out for each photo.
_READY = b"\x01"
_LENGTH = struct.Struct("<I")
_HEAD = struct.Struct("<BHHI")


class PhotoSanitiser:
    """Makes uploads safe, in ``workers`` processes that start with the first photo and are replaced when they die.

    Any number of threads may call; they are served in the order of their calls.
    """

    def __init__(self, max_bytes: int, workers: int = 1) -> None:
        self._max_bytes = max_bytes
        # The executor's queue is first come, first served; a lock would not be.
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="photo")
        self._idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        for _ in range(workers):
            self._idle.put(_Worker())

    def clean(self, data: bytes) -> CleanPhoto:
        """The photo in a JPEG, PNG, WebP or HEIC file, by its content: upright, on white, in sRGB, no metadata, at
        most ``MAX_SIDE`` pixels a side and ``MAX_JPEG_BYTES``. Of a file with several still pictures the main one.

        Raises ``PhotoTooLarge`` (bytes, pixels) or ``PhotoUnsupported`` (all else, moving pictures included), at the
        latest ``SECONDS`` after its turn came; ``Unavailable`` where no worker can be started.
        """
        if not data:
            raise PhotoUnsupported("This file is empty: send the photo again.")
        if len(data) > self._max_bytes:
            raise PhotoTooLarge(f"This file is larger than {self._max_bytes / 2**20:g} MB: send a smaller photo.")
        return self._threads.submit(self._clean, data).result()

    def close(self) -> None:
        """End the workers, after the photos that are in hand."""
        self._threads.shutdown()
        while not self._idle.empty():
            self._idle.get().stop()

    def _clean(self, data: bytes) -> CleanPhoto:
        worker = self._idle.get()
        try:
            return worker.clean(data)
        finally:
            self._idle.put(worker)


class _Worker:
    """One process; used by one thread at a time."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._photos = 0

    def clean(self, data: bytes) -> CleanPhoto:
        process = self._running()
        self._photos += 1
        with _killed_after(SECONDS, process) as killed:
            answer, photo = _ask(process, data)
        if killed.is_set() or answer is _Answer.HEAVY or self._photos == PHOTOS_PER_WORKER:
            self.stop()
        if photo is None:
            raise _refusal(answer)
        return photo

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        self.stop()
        self._photos = 0
        try:
            self._process = _start()
        except OSError as error:
            raise Unavailable("photo check", type(error).__name__) from error
        with _killed_after(START_SECONDS, self._process):
            ready = _pipe_from(self._process).read(len(_READY))
        if ready != _READY:
            self.stop()
            raise Unavailable("photo check", "WorkerNotStarted")
        return self._process


def _start() -> subprocess.Popen[bytes]:
    # Only what the interpreter may need to find its libraries: whoever takes over a worker finds no credentials.
    needed = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "SYSTEMROOT")
    # With one heap, threads do not each reserve address space of their own.
    environment = {name: os.environ[name] for name in needed if name in os.environ} | {"MALLOC_ARENA_MAX": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        env=environment,
        start_new_session=True,  # Ctrl-C is for the server, which then ends the worker
    )


@contextmanager
def _killed_after(seconds: float, process: subprocess.Popen[bytes]) -> Iterator[threading.Event]:
    """Kills ``process`` unless the block ends in time, and then sets the event."""
    killed = threading.Event()

    def kill() -> None:
        killed.set()
        process.kill()

    timer = threading.Timer(seconds, kill)
    timer.daemon = True
    timer.start()
    try:
        yield killed
    finally:
        timer.cancel()
        timer.join()  # afterwards it has either struck or never will


def _ask(process: subprocess.Popen[bytes], data: bytes) -> tuple[_Answer, CleanPhoto | None]:
    """The worker's answer, or HEAVY where it ended instead of giving one."""
    try:
        source, sink = _pipe_from(process), process.stdin
        assert sink is not None
        sink.write(_LENGTH.pack(len(data)) + data)
        sink.flush()
        code, width, height, length = _HEAD.unpack(source.read(_HEAD.size))
        jpeg = source.read(min(length, MAX_JPEG_BYTES))
        answer = _Answer(code)
    except (OSError, struct.error, ValueError):
        return _Answer.HEAVY, None
    if answer is not _Answer.CLEAN:
        return answer, None
    if len(jpeg) != length:
        return _Answer.HEAVY, None
    return answer, CleanPhoto(jpeg, width, height)


def _pipe_from(process: subprocess.Popen[bytes]) -> IO[bytes]:
    assert process.stdout is not None
    return process.stdout


def _refusal(answer: _Answer) -> PhotoRefused:
    kind = PhotoTooLarge if answer is _Answer.PIXELS else PhotoUnsupported
    return kind(_SENTENCES[answer])


# The worker's half.


class _Refused(Exception):
    def __init__(self, answer: _Answer) -> None:
        self.answer = answer


_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"})
#: Not a stuffed 00, a fill byte or a restart marker: those stand inside a scan.
_JPEG_MARKER = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")
_SOI, _EOI, _SOS = 0xD8, 0xD9, 0xDA
_ORIENTATION = 0x0112
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
    """The worker: clean one photo after another until the parent is gone."""
    from PIL import MpoImagePlugin, WebPImagePlugin  # noqa: F401 - or the first WebP would load every format there is
    from pillow_heif import register_heif_opener

    Image.preinit()
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    register_heif_opener(thumbnails=False, depth_images=False, aux_images=False, decode_threads=2)
    # A library that prints must not garble the answers, nor fill the server's log.
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    warnings.simplefilter("ignore")
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    _limit(resource.RLIMIT_AS, MAX_MEMORY)
    _limit(resource.RLIMIT_CORE, 0)  # a core file would hold the photo
    _limit(resource.RLIMIT_FSIZE, 0)
    sink.write(_READY)
    sink.flush()
    while head := source.read(_LENGTH.size):
        _limit(resource.RLIMIT_CPU, math.ceil(time.process_time()) + PROCESSOR_SECONDS)
        answer, photo = _try_to_clean(source.read(*_LENGTH.unpack(head)))
        sink.write(_HEAD.pack(answer, photo.width, photo.height, len(photo.jpeg)) + photo.jpeg)
        sink.flush()


def _limit(resource_id: int, soft: int) -> None:
    # Systems other than Linux do not have every limit; the time limit holds there too.
    with suppress(ValueError, OSError):
        resource.setrlimit(resource_id, (soft, resource.getrlimit(resource_id)[1]))


def _try_to_clean(data: bytes) -> tuple[_Answer, CleanPhoto]:
    nothing = CleanPhoto(b"", 0, 0)
    try:
        return _Answer.CLEAN, _clean(data)
    except _Refused as error:
        return error.answer, nothing
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return _Answer.PIXELS, nothing
    except MemoryError:
        return _Answer.HEAVY, nothing
    except Exception:  # noqa: BLE001 - decoders let nearly every kind escape, and each says the same of the file
        return _Answer.DAMAGED, nothing


def _clean(data: bytes) -> CleanPhoto:
    kind = _format(data)
    if kind is None:
        raise _Refused(_Answer.UNKNOWN)
    if kind == "JPEG" and _scans(data) > MAX_SCANS:
        raise _Refused(_Answer.HEAVY)
    image: Image.Image = Image.open(BytesIO(data), formats=(kind,))
    if image.width * image.height > MAX_PIXELS:
        raise _Refused(_Answer.PIXELS)
    # A JPEG or HEIC with several pictures has a main one, and depth maps or the like beside it.
    if kind in ("PNG", "WEBP") and getattr(image, "n_frames", 1) > 1:
        raise _Refused(_Answer.MOVING)
    size = _fitting(image.size)
    if min(*size, *image.size) < MIN_SIDE:
        raise _Refused(_Answer.SMALL)
    if kind == "JPEG":
        image.draft(image.mode, size)  # decodes at a half, quarter or eighth where that is still enough
    image.load()
    orientation, profile = _orientation(image), image.info.get("icc_profile")
    image = _shrunk(_plain(image), _fitting(image.size))
    if orientation in _UPRIGHT:
        image = image.transpose(_UPRIGHT[orientation])
    image = _in_srgb(_on_white(image), profile)
    return CleanPhoto(_encoded(image), *image.size)


def _format(data: bytes) -> str | None:
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp" and data[8:12] in _HEIC_BRANDS:
        return "HEIF"
    return None


def _scans(data: bytes) -> int:
    """How many scans a decoder would read: up to the end of the image, whatever is appended to it."""
    scans, at = 0, 2
    while found := _JPEG_MARKER.search(data, at):
        marker, at = found[1][0], found.end()
        if marker in (_SOI, _EOI):
            break
        scans += marker == _SOS
        if marker != 0x01:  # the one other marker that has no length
            at += int.from_bytes(data[at : at + 2])
    return scans


def _fitting(size: tuple[int, int]) -> tuple[int, int]:
    scale = min(1.0, MAX_SIDE / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _orientation(image: Image.Image) -> int | None:
    try:
        return image.getexif().get(_ORIENTATION)
    except Exception:  # noqa: BLE001 - broken metadata does not make the picture worse
        return None


def _plain(image: Image.Image) -> Image.Image:
    """In a mode that can be resized: L, RGB, RGBA or CMYK, eight bits each."""
    if image.mode.startswith("I;16"):
        # The upper byte of each value; Pillow's own conversion clips instead.
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
    image.info = {}  # Pillow would write a comment found there
    for quality in (90, 75, 50):
        out = BytesIO()
        image.save(out, "JPEG", quality=quality)
        if out.tell() <= MAX_JPEG_BYTES:
            return out.getvalue()
    raise _Refused(_Answer.HEAVY)


if __name__ == "__main__":
    _serve()
