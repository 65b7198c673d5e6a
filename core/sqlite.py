"""The embedded backend's database file, shared by its stores.

Uses apsw, which brings its own current SQLite: the one in Python 3.11 (3.40) lies in the range (3.7.0 to 3.51.2) in
which a WAL reset can corrupt the file. Every connection is in WAL mode with synchronous=FULL: what a write
acknowledged is on disk.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_random

from core.errors import Refused, Unavailable

BUSY_TIMEOUT_MS = 5_000
_PASSING = (apsw.BusyError, apsw.LockedError, apsw.IOError, apsw.FullError, apsw.NoMemError)


class Database:
    """Connections to one file, any number of threads; errors come out as ``ServiceError`` of ``service``."""

    def __init__(self, path: Path, service: str, schema: str) -> None:
        """Open (or make) the file and run ``schema``, which must be repeatable."""
        self._path = path
        self._service = service
        # SQLite's own wait for its lock polls, up to 100 ms apart and in no order; threads here queue instead.
        self._writer = threading.Lock()
        self._idle: queue.SimpleQueue[apsw.Connection] = queue.SimpleQueue()
        with self._translated():
            path.parent.mkdir(parents=True, exist_ok=True)
        with self.write() as connection:
            connection.execute(schema)

    @contextmanager
    def read(self) -> Iterator[apsw.Connection]:
        """A connection to query; it sees what was committed before each statement."""
        with self._translated():
            connection = self._take()
            try:
                yield connection
            finally:
                self._idle.put(connection)

    @contextmanager
    def write(self) -> Iterator[apsw.Connection]:
        """A connection inside a transaction of its own, committed at the end and rolled back by any error.

        It holds the file's one write lock from the start, so what is read inside stays true until the commit.
        """
        with self._turn(), self.read() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def scrub(self) -> None:
        """Leave nothing in the file, nor in its log, of what was deleted; raises ``Unavailable`` while others read.

        Deleting overwrites (``secure_delete``), but pages that were moved about keep copies, which only a file that
        is written anew does not have: needs as much free space as the file takes, and keeps writers out meanwhile.
        """
        with self._turn(), self.read() as connection:
            connection.execute("VACUUM")
            busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()[0]
        if busy:
            raise Unavailable(self._service, "BusyError")

    def check(self) -> None:
        """Return if the file can be read; else raise."""
        with self.read() as connection:
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()

    def close(self) -> None:
        while not self._idle.empty():
            self._idle.get().close()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._writer.acquire(timeout=BUSY_TIMEOUT_MS / 1000):
            raise Unavailable(self._service, "BusyError")
        try:
            yield
        finally:
            self._writer.release()

    def _take(self) -> apsw.Connection:
        try:
            return self._idle.get_nowait()
        except queue.Empty:
            return self._open()

    def _open(self) -> apsw.Connection:
        connection = apsw.Connection(str(self._path))
        connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        _into_wal_mode(connection)
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA secure_delete=ON")
        # Sorting and VACUUM must not leave rows in files that are not ours to clean.
        connection.execute("PRAGMA temp_store=MEMORY")
        modes = connection.pragma("journal_mode"), connection.pragma("synchronous")
        if modes != ("wal", 2):
            raise Refused(self._service, f"journal mode and synchronous are {modes}, not ('wal', 2)")
        return connection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except _PASSING as error:
            raise Unavailable(self._service, type(error).__name__) from error
        except (apsw.Error, OSError, UnicodeEncodeError) as error:
            raise Refused(self._service, type(error).__name__) from error


@retry(
    retry=retry_if_exception_type(apsw.BusyError),
    stop=stop_after_delay(BUSY_TIMEOUT_MS / 1000),
    wait=wait_random(0.005, 0.05),
    reraise=True,
)
def _into_wal_mode(connection: apsw.Connection) -> None:
    # Where several open a new file at once, SQLite answers "busy" to this without waiting, whatever its timeout.
    connection.execute("PRAGMA journal_mode=WAL")
