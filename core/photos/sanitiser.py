"""Uploads made safe: whatever comes in, a plain upright JPEG comes out, or one sentence that says why not.

``PhotoSanitiser`` hands uploads to worker processes (``core.photos.decoder``) and outlives whatever happens to them.

The workers are started as programs of their own, not through ``multiprocessing``: that runs the parent's main module
again in each child, which under Streamlit is the page being drawn.
"""

from __future__ import annotations

import hashlib
import os
import queue
import struct
import subprocess
import sys
import threading
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from core.domain.errors import PhotoRefused, PhotoTooLarge, PhotoUnsupported, Unavailable
from core.photos import decoder
from core.photos.decoder import MIN_SIDE, Answer, CleanPhoto

__all__ = ["CleanPhoto", "PhotoSanitiser"]

#: Wall time for one photo, seconds. Reached only where the machine is so busy, or a worker so stuck, that the
#: processor time it may have (``decoder.PROCESSOR_SECONDS``) is not used up before.
WALL_SECONDS = 6
#: For a worker to come up (0.2 s on an idle machine).
START_SECONDS = 20
#: Results that are kept; some hundred kilobytes each.
REMEMBERED = 32
#: A worker is replaced after so many, lest what libraries leak add up.
PHOTOS_PER_WORKER = 1000

_SENTENCES = {
    Answer.UNKNOWN: "This file is not a photo we can read: send a JPEG, PNG, WebP or HEIC.",
    Answer.DAMAGED: "This photo is damaged or incomplete: send it again, or take a new one.",
    Answer.MOVING: "This is a moving picture: send a still photo.",
    Answer.PIXELS: "This photo has more than 50 megapixels: send a smaller one.",
    Answer.SMALL: f"This photo is too small or too narrow: send one of at least {MIN_SIDE} pixels on each side.",
    Answer.HEAVY: "This photo takes too long to read: send it again as an ordinary JPEG.",
}


class PhotoSanitiser:
    """Makes uploads safe, in ``workers`` processes that start with the first photo and are replaced when they die.

    Any number of threads may call; they are served in the order of their calls. The last ``REMEMBERED`` results are
    kept by the content of the file: a reference photo comes again with each attempt, and with each look at the page.
    """

    def __init__(self, max_bytes: int, workers: int = 1) -> None:
        self._max_bytes = max_bytes
        # The executor's queue is first come, first served; a lock would not be.
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="photo")
        self._idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        for _ in range(workers):
            self._idle.put(_Worker())
        self._seen: OrderedDict[bytes, CleanPhoto] = OrderedDict()
        self._seen_lock = threading.Lock()

    def clean(self, data: bytes) -> CleanPhoto:
        """The photo in a JPEG, PNG, WebP or HEIC file, by its content: upright, on white, in sRGB, no metadata, at
        most ``decoder.MAX_SIDE`` pixels a side and ``decoder.MAX_JPEG_BYTES``. Of a file with several still pictures
        the main one.

        Raises ``PhotoTooLarge`` (bytes, pixels) or ``PhotoUnsupported`` (all else: moving pictures, and what takes
        more than ``decoder.PROCESSOR_SECONDS`` to read), at the latest ``WALL_SECONDS`` after its turn came;
        ``Unavailable`` where no worker can be started.
        """
        if not data:
            raise PhotoUnsupported("This file is empty: send the photo again.")
        if len(data) > self._max_bytes:
            raise PhotoTooLarge(f"This file is larger than {self._max_bytes / 2**20:g} MB: send a smaller photo.")
        digest = hashlib.sha256(data).digest()
        with self._seen_lock:
            known = self._seen.get(digest)
        return known or self._remember(digest, self._threads.submit(self._clean, data).result())

    def close(self) -> None:
        """End the workers, after the photos that are in hand."""
        self._threads.shutdown()
        while not self._idle.empty():
            self._idle.get().stop()

    def _remember(self, digest: bytes, photo: CleanPhoto) -> CleanPhoto:
        with self._seen_lock:
            self._seen[digest] = photo
            while len(self._seen) > REMEMBERED:
                self._seen.popitem(last=False)
        return photo

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
        with _killed_after(WALL_SECONDS, process) as killed:
            answer, photo = _ask(process, data)
        if killed.is_set() or answer is Answer.HEAVY or self._photos == PHOTOS_PER_WORKER:
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
            ready = _pipe_from(self._process).read(len(decoder.READY))
        if ready != decoder.READY:
            self.stop()
            raise Unavailable("photo check", "WorkerNotStarted")
        return self._process


def _start() -> subprocess.Popen[bytes]:
    # Only what the interpreter may need to find its libraries: whoever takes over a worker finds no credentials.
    needed = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "SYSTEMROOT")
    # With one heap, threads do not each reserve address space of their own.
    environment = {name: os.environ[name] for name in needed if name in os.environ} | {"MALLOC_ARENA_MAX": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", decoder.__name__],
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


def _ask(process: subprocess.Popen[bytes], data: bytes) -> tuple[Answer, CleanPhoto | None]:
    """The worker's answer, or HEAVY where it ended instead of giving one."""
    try:
        source, sink = _pipe_from(process), process.stdin
        assert sink is not None
        sink.write(decoder.LENGTH.pack(len(data)) + data)
        sink.flush()
        code, width, height, length = decoder.HEAD.unpack(source.read(decoder.HEAD.size))
        jpeg = source.read(min(length, decoder.MAX_JPEG_BYTES))
        answer = Answer(code)
    except (OSError, struct.error, ValueError):
        return Answer.HEAVY, None
    if answer is not Answer.CLEAN:
        return answer, None
    if len(jpeg) != length:
        return Answer.HEAVY, None
    return answer, CleanPhoto(jpeg, width, height)


def _pipe_from(process: subprocess.Popen[bytes]) -> IO[bytes]:
    assert process.stdout is not None
    return process.stdout


def _refusal(answer: Answer) -> PhotoRefused:
    kind = PhotoTooLarge if answer is Answer.PIXELS else PhotoUnsupported
    return kind(_SENTENCES[answer])
