"""A SQLite file that several stores share: its connections, its checks, and its migration to the current schema.

Uses apsw, which brings its own current SQLite: the one in Python 3.11 (3.40) is among the versions (3.7.0 to 3.51.2)
in which a WAL reset can corrupt the file. Every connection is in WAL mode with synchronous=FULL, so an acknowledged
write is on disk.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from weakref import WeakValueDictionary

import apsw
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_random

from core.domain.errors import DiskFull, Refused, Unavailable
from core.files.disk import require_room
from core.files.private import make_file, make_folder

BUSY_TIMEOUT_MS = 5_000
_PASSING = (apsw.BusyError, apsw.LockedError, apsw.IOError, apsw.NoMemError)
#: Errors that mean a damaged file -> what is wrong, to follow "The database <name> " in a message.
_DAMAGE: Mapping[type[Exception], str] = {
    apsw.NotADBError: "is not a database, or the beginning of it is damaged",
    apsw.CorruptError: "is damaged",
    UnicodeDecodeError: "is damaged: a text in it is not UTF-8",
}
_OBJECTS = r"SELECT type, name FROM sqlite_schema WHERE name NOT LIKE 'sqlite\_%' ESCAPE '\'"

#: By device and inode; each is kept while a ``Database`` has it.
_writers: WeakValueDictionary[tuple[int, int], threading.Lock] = WeakValueDictionary()
_writers_lock = threading.Lock()

#: Migrates a file from one version to the next, inside the caller's transaction.
Step = Callable[[apsw.Connection], None]


@dataclass(frozen=True)
class Schema:
    """The schema of one kind of file.

    ``application_id`` marks files of this kind. Their ``user_version`` is the number of ``steps`` that were applied:
    a new file gets all of them, an older one those that it lacks. A released step is never changed; later changes are
    new steps at the end.
    """

    application_id: int
    steps: Sequence[Step]
    #: Tables and columns that identify files from before there was an ``application_id``.
    before: Mapping[str, frozenset[str]]
    #: A sentence that says what to do about a damaged file.
    remedy: str

    @property
    def version(self) -> int:
        return len(self.steps)

    @cached_property
    def objects(self) -> frozenset[tuple[str, str]]:
        """The types and names of the tables, indexes and triggers of a file of this version."""
        with closing(apsw.Connection(":memory:")) as connection:
            for step in self.steps:
                step(connection)
            return _objects(connection)


def script(sql: str) -> Step:
    """A step that runs ``sql``."""

    def step(connection: apsw.Connection) -> None:
        connection.execute(sql)

    return step


class Database:
    """Connections to one file, for any number of threads. Errors are raised as ``ServiceError`` of ``service``."""

    def __init__(self, path: Path, service: str, schema: Schema, *, new: bool = True, migrate: bool = True) -> None:
        """Opens the file and migrates it to the schema's version; creates it if it is missing or empty and ``new``.

        Without ``migrate`` an older file is not changed; it may then only be copied and checked. Raises ``Refused``,
        without changing the file, if it is damaged, belongs to another program or has a later version.
        """
        self._path = path
        self._service = service
        self._schema = schema
        self._idle: queue.SimpleQueue[apsw.Connection] = queue.SimpleQueue()
        self._damage: str | None = None
        with self._translated():
            if not new and (not path.exists() or not path.stat().st_size):
                raise self._missing()
            make_folder(path.parent)
            make_file(path)
            found = path.stat()
            self._inode = found.st_ino
            self._writer = _writer_of(found)
            # This connection changes nothing, because the file may belong to another program.
            with closing(_connected(path)) as connection, connection:
                self.version = self._version(connection)
        if self.version is None and not new:
            raise self._missing()
        if migrate and self.version != schema.version:
            self._migrate()

    @contextmanager
    def read(self) -> Iterator[apsw.Connection]:
        """A connection for queries. Each statement sees what was committed before it."""
        with self._translated():
            connection = self._take()
            try:
                yield connection
            finally:
                self._idle.put(connection)

    @contextmanager
    def write(self) -> Iterator[apsw.Connection]:
        """A connection inside a transaction, committed at the end or rolled back by any error.

        It holds the file's write lock from the start, so what is read inside cannot change until the commit.
        """
        with self._turn(), self.read() as connection:
            self._require_same_file()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def decoding(self) -> Iterator[None]:
        """Wraps the decoding of what was read: an error inside means that the file is damaged."""
        try:
            yield
        except (ValueError, TypeError, LookupError, NotImplementedError) as error:
            # Without the error's text, which may name a person.
            what = f"is damaged: an entry of its {self._service} cannot be read"
            raise self._refused(type(error).__name__, what) from error

    def scrub(self) -> None:
        """Remove all traces of deleted data from the file and its log. Raises ``Unavailable`` while others read.

        Deleting overwrites the data (``secure_delete``), but moved pages leave copies, which only rewriting the file
        removes. That needs as much free space as the file takes, and blocks writers meanwhile.
        """
        with self._turn(), self.read() as connection:
            connection.execute("VACUUM")
            busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()[0]
        if busy:
            raise Unavailable(self._service, "BusyError")

    def copy_to(self, target: Path) -> None:
        """Write everything that is committed, and nothing that was deleted, into ``target``, an empty file.

        Durable when it returns. Others can read and write meanwhile.
        """
        with self.read() as connection:
            connection.execute("VACUUM INTO ?", (str(target),))
            with target.open("rb") as file:
                os.fsync(file.fileno())

    def check(self) -> None:
        """Return if the file is readable, is the one that was opened, passed its last ``check_whole``, and has free
        disk space.

        Raises ``Refused`` or ``Unavailable`` otherwise. Takes the same time for any size of the file.
        """
        if self._damage:
            raise self._refused("CorruptError", self._damage)
        self._require_same_file()
        with self._translated():
            require_room(self._path.parent, self._service)
        with self.read() as connection, connection:
            if self._version(connection) != self._schema.version:
                what = "was replaced by one of another version while Facedesk was running"
                raise self._refused("OtherVersion", what)

    def check_whole(self) -> None:
        """Read the whole file. Raises ``Refused`` if it is inconsistent, as ``check`` does from then on.

        Reads 100 MB in about 0.1 s. Others can read and write meanwhile.
        """
        with self.read() as connection:
            try:
                ((found,),) = connection.execute("PRAGMA quick_check(1)").fetchall()
            except apsw.CorruptError as error:
                found = str(error)
        self._damage = None if found == "ok" else f"is damaged: {' '.join(str(found).split())}"
        if self._damage:
            raise self._refused("CorruptError", self._damage)

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
        connection = _connected(self._path)
        _into_wal_mode(connection)
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA secure_delete=ON")
        # Sorting and VACUUM must not leave rows in temporary files, which are never overwritten.
        connection.execute("PRAGMA temp_store=MEMORY")
        modes = connection.pragma("journal_mode"), connection.pragma("synchronous")
        if modes != ("wal", 2):
            raise Refused(self._service, f"journal mode and synchronous are {modes}, not ('wal', 2)")
        return connection

    def _migrate(self) -> None:
        with self.write() as connection:
            # Asked again, because another process may have migrated the file meanwhile.
            version = self._version(connection) or 0
            for step in self._schema.steps[version:]:
                step(connection)
            connection.execute(f"PRAGMA application_id={self._schema.application_id}")
            connection.execute(f"PRAGMA user_version={self._schema.version}")
            self.version = self._schema.version

    def _version(self, connection: apsw.Connection) -> int | None:
        """The file's version, None if it is empty. Call it inside a transaction, for a consistent result."""
        application, version = connection.pragma("application_id"), connection.pragma("user_version")
        found = _objects(connection)
        if (application, version) == (0, 0) and not found:
            return None
        if (application, version) == (0, 0) and self._is_from_before(connection):
            return 0
        if application != self._schema.application_id:
            raise self._refused("ForeignDatabase", "belongs to another program")
        if version > self._schema.version:
            raise Refused(
                self._service,
                "NewerVersion",
                f"The database {self._path.name} was made by a newer Facedesk: its schema has version {version}, and "
                f"this Facedesk supports version {self._schema.version} (NewerVersion). Install the newer Facedesk, "
                "or restore a backup made by this one.",
            )
        if version == self._schema.version and (lacking := self._schema.objects - found):
            kind, name = min(lacking)
            raise self._refused("IncompleteSchema", f"is damaged: it lacks the {kind} {name}")
        return int(version)

    def _is_from_before(self, connection: apsw.Connection) -> bool:
        """Whether the file has any of the identifying tables, each with its columns."""
        columns = {
            table: {
                str(column) for (column,) in connection.execute("SELECT name FROM pragma_table_xinfo(?)", (table,))
            }
            for table in self._schema.before
        }
        there = {table: names for table, names in columns.items() if names}
        return bool(there) and all(self._schema.before[table] <= names for table, names in there.items())

    def _require_same_file(self) -> None:
        """Raises ``Refused`` if the file was deleted or moved: what is written to it would be lost."""
        try:
            same = self._path.stat().st_ino == self._inode
        except FileNotFoundError:
            same = False
        if not same:
            raise Refused(
                self._service,
                "ReplacedDatabase",
                f"The database {self._path.name} was moved, deleted or replaced while Facedesk was "
                "running (ReplacedDatabase). Restart Facedesk.",
            )

    def _missing(self) -> Refused:
        what = "is missing or empty, although its folder contains photos or the key of an installation"
        return self._refused("MissingDatabase", what)

    def _refused(self, code: str, what: str) -> Refused:
        message = f"The database {self._path.name} {what} ({code}). {self._schema.remedy}"
        return Refused(self._service, code, message)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except apsw.FullError as error:
            raise DiskFull(self._service, type(error).__name__) from error
        except _PASSING as error:
            raise Unavailable(self._service, type(error).__name__) from error
        except tuple(_DAMAGE) as error:
            raise self._refused(type(error).__name__, _DAMAGE[type(error)]) from error
        except (apsw.Error, OSError, UnicodeEncodeError) as error:
            if "malformed JSON" in str(error):
                what = "is damaged: an entry of it is not JSON"
                raise self._refused(type(error).__name__, what) from error
            raise Refused(self._service, type(error).__name__) from error


def _writer_of(file: os.stat_result) -> threading.Lock:
    """The lock that the writers of a file have in this process.

    To wait for its lock SQLite polls, up to 100 ms apart and in no order, so that one of many writers may wait for
    seconds. Threads queue for this lock instead, whichever ``Database`` they use.
    """
    with _writers_lock:
        return _writers.setdefault((file.st_dev, file.st_ino), threading.Lock())


def _connected(path: Path) -> apsw.Connection:
    # Does not create the file: if it was deleted meanwhile, a new one would be empty.
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    connection.set_busy_timeout(BUSY_TIMEOUT_MS)
    return connection


def _objects(connection: apsw.Connection) -> frozenset[tuple[str, str]]:
    return frozenset((str(kind), str(name)) for kind, name in connection.execute(_OBJECTS))


@retry(
    retry=retry_if_exception_type(apsw.BusyError),
    stop=stop_after_delay(BUSY_TIMEOUT_MS / 1000),
    wait=wait_random(0.005, 0.05),
    reraise=True,
)
def _into_wal_mode(connection: apsw.Connection) -> None:
    # If several connections open a new file at once, SQLite answers "busy" to this at once, whatever its timeout.
    connection.execute("PRAGMA journal_mode=WAL")
