"""Makes uploads safe: any file becomes a plain upright JPEG, or is refused with a sentence that says why.

``PhotoSanitiser`` hands uploads to worker processes (``core.photos.decoder``) and survives whatever happens to them.

The workers are separate programs, not children of ``multiprocessing``: that would run the parent's main module again
in each child, and under Streamlit that is the current page.
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
from core.photos.kinds import refusal_of

__all__ = ["CleanPhoto", "PhotoSanitiser"]

#: Wall time for one photo in seconds. It is reached only if the machine is very busy or a worker hangs; otherwise the
#: limit on processor time (``decoder.PROCESSOR_SECONDS``) is reached first.
WALL_SECONDS = 6
#: Seconds for the start of a worker, which takes 0.2 s on an idle machine.
START_SECONDS = 20
#: Number of results that are kept; each takes some hundred kilobytes.
REMEMBERED = 32
#: A worker is replaced after this many photos, so that memory leaks of libraries do not add up.
PHOTOS_PER_WORKER = 1000

SMALLER = "send it in a smaller size, for example as a screenshot, or e-mail it to yourself as “medium” and send that"
_SENTENCES = {
    Answer.DAMAGED: "This photo is damaged or incomplete: send it again, or take a new one.",
    Answer.MOVING: "This is a moving picture: send a still photo.",
    Answer.PIXELS: f"This photo has too many pixels: {SMALLER}.",
    Answer.SMALL: f"This photo is too small or too narrow: send one of at least {MIN_SIDE} pixels on each side.",
    Answer.HEAVY: f"This photo takes too long to read: {SMALLER}.",
}


class PhotoSanitiser:
    """Makes uploads safe in ``workers`` processes, which start with the first photo and are replaced if they end.

    Any number of threads may call; they are served in the order of their calls. The last ``REMEMBERED`` results are
    kept by the content of the file, because a reference photo is used again with each attempt and each page view.
    """

    def __init__(self, max_bytes: int, workers: int = 1) -> None:
        self._max_bytes = max_bytes
        # The executor's queue keeps the order of the calls; a lock would not.
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="photo")
        self._idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        for _ in range(workers):
            self._idle.put(_Worker())
        self._seen: OrderedDict[bytes, CleanPhoto] = OrderedDict()
        self._seen_lock = threading.Lock()

    def clean(self, data: bytes) -> CleanPhoto:
        """The photo in a file of one of ``kinds.Kind`` (recognised by its content), or its main picture.

        The result is upright, on white, in sRGB and without metadata, with at most ``decoder.MAX_SIDE`` pixels per
        side and ``decoder.MAX_JPEG_BYTES``.

        Raises ``PhotoTooLarge`` for too many bytes or pixels, and ``PhotoUnsupported`` for any other file, such as a
        moving picture or one that takes more than ``decoder.PROCESSOR_SECONDS`` to read; at the latest
        ``WALL_SECONDS`` after its turn has come. Raises ``Unavailable`` if no worker can be started.
        """
        if not data:
            raise PhotoUnsupported("This file is empty: send the photo again.")
        if len(data) > self._max_bytes:
            raise PhotoTooLarge(f"This file is larger than {self._max_bytes / 2**20:g} MB: {SMALLER}.")
        digest = hashlib.sha256(data).digest()
        with self._seen_lock:
            known = self._seen.get(digest)
        return known or self._remember(digest, self._threads.submit(self._clean, data).result())

    def close(self) -> None:
        """End the workers after the photos in progress."""
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
            raise _refusal(answer, data)
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
    # Only what the interpreter needs to find its libraries: an attacker who takes over a worker finds no credentials.
    needed = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "SYSTEMROOT")
    # A single heap, so that threads do not each reserve address space.
    environment = {name: os.environ[name] for name in needed if name in os.environ} | {"MALLOC_ARENA_MAX": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", decoder.__name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        env=environment,
        start_new_session=True,  # Ctrl-C must reach only the server, which then ends the worker
    )


@contextmanager
def _killed_after(seconds: float, process: subprocess.Popen[bytes]) -> Iterator[threading.Event]:
    """Kills ``process`` and sets the event if the block does not end within ``seconds``."""
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
        timer.join()  # afterwards the process either was killed or no longer can be


def _ask(process: subprocess.Popen[bytes], data: bytes) -> tuple[Answer, CleanPhoto | None]:
    """The worker's answer; HEAVY if the worker ended without one."""
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


def _refusal(answer: Answer, data: bytes) -> PhotoRefused:
    if answer is Answer.UNKNOWN:
        return PhotoUnsupported(refusal_of(data))
    kind = PhotoTooLarge if answer is Answer.PIXELS else PhotoUnsupported
    return kind(_SENTENCES[answer])
