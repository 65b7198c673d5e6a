"""A SQLite file of ours, shared by its stores: its connections, what it must be, and how older files become that.

Uses apsw, which brings its own current SQLite: the one in Python 3.11 (3.40) lies in the range (3.7.0 to 3.51.2) in
which a WAL reset can corrupt the file. Every connection is in WAL mode with synchronous=FULL: what a write
acknowledged is on disk.
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

import apsw
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_random

from core.domain.errors import DiskFull, Refused, Unavailable
from core.files.disk import require_room
from core.files.private import make_file, make_folder

BUSY_TIMEOUT_MS = 5_000
_PASSING = (apsw.BusyError, apsw.LockedError, apsw.IOError, apsw.NoMemError)
#: Errors of SQLite and of text that mean damage -> what is wrong, to follow "The database <name> ".
_DAMAGE: Mapping[type[Exception], str] = {
    apsw.NotADBError: "is not a database, or the beginning of it is damaged",
    apsw.CorruptError: "is damaged",
    UnicodeDecodeError: "is damaged: a text in it is not UTF-8",
}
_OBJECTS = r"SELECT type, name FROM sqlite_schema WHERE name NOT LIKE 'sqlite\_%' ESCAPE '\'"

#: Brings a file from one version to the next, inside a transaction that is not its own.
Step = Callable[[apsw.Connection], None]


@dataclass(frozen=True)
class Schema:
    """What a file of one kind must be.

    ``application_id`` marks files of this kind, ``user_version`` says how many of the ``steps`` a file has had. A
    new file gets them all, an older one those that it lacks. A step that was released is never changed: what comes
    later is a new step at the end.
    """

    application_id: int
    steps: Sequence[Step]
    #: Tables and columns by which files are recognised that were made before there was an ``application_id``.
    before: Mapping[str, frozenset[str]]
    #: What to do about a damaged file, in a sentence.
    remedy: str

    @property
    def version(self) -> int:
        return len(self.steps)

    @cached_property
    def objects(self) -> frozenset[tuple[str, str]]:
        """Kinds and names of the tables, indexes and triggers that a file of this version has."""
        with closing(apsw.Connection(":memory:")) as connection:
            for step in self.steps:
                step(connection)
            return _objects(connection)


def script(sql: str) -> Step:
    """The step that runs ``sql``."""

    def step(connection: apsw.Connection) -> None:
        connection.execute(sql)

    return step


class Database:
    """Connections to one file, any number of threads; errors come out as ``ServiceError`` of ``service``."""

    def __init__(self, path: Path, service: str, schema: Schema, *, new: bool = True, migrate: bool = True) -> None:
        """Open the file, make it if it is missing or empty and may be ``new``, and bring it to the schema's version.

        Without ``migrate`` an older file stays as it is: only to be copied and checked. Raises ``Refused`` for a file
        that is damaged, another program's, or of a later version; that is left as it is, too.
        """
        self._path = path
        self._service = service
        self._schema = schema
        # SQLite's own wait for its lock polls, up to 100 ms apart and in no order; threads here queue instead.
        self._writer = threading.Lock()
        self._idle: queue.SimpleQueue[apsw.Connection] = queue.SimpleQueue()
        self._damage: str | None = None
        with self._translated():
            if not new and (not path.exists() or not path.stat().st_size):
                raise self._missing()
            make_folder(path.parent)
            make_file(path)
            self._inode = path.stat().st_ino
            # By a connection that changes nothing of a file that may not be ours.
            with closing(_connected(path)) as connection, connection:
                self.version = self._version(connection)
        if self.version is None and not new:
            raise self._missing()
        if migrate and self.version != schema.version:
            self._migrate()

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
        """Inside, what was read is taken apart: an error there means that the file is damaged."""
        try:
            yield
        except (ValueError, TypeError, LookupError, NotImplementedError) as error:
            # Not the error's own words: they may name a person.
            what = f"is damaged: an entry of its {self._service} cannot be read"
            raise self._refused(type(error).__name__, what) from error

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

    def copy_to(self, target: Path) -> None:
        """Write all that is committed, and nothing that was deleted, into ``target``, an empty file.

        Durable when it returns. Others go on reading and writing meanwhile.
        """
        with self.read() as connection:
            connection.execute("VACUUM INTO ?", (str(target),))
            with target.open("rb") as file:
                os.fsync(file.fileno())

    def check(self) -> None:
        """Return if the file can be read, is the one that was opened, and passed its last ``check_whole``, and if its
        disk has room.

        Raises ``Refused`` or ``Unavailable`` otherwise. Costs the same whatever the file's size.
        """
        if self._damage:
            raise self._refused("CorruptError", self._damage)
        self._require_same_file()
        with self._translated():
            require_room(self._path.parent, self._service)
        with self.read() as connection, connection:
            if self._version(connection) != self._schema.version:
                raise self._refused("OtherVersion", "was replaced by one of another version while Facedesk runs")

    def check_whole(self) -> None:
        """Read the whole file and return if it is consistent; else raise ``Refused``, as ``check`` does from then on.

        Reads 100 MB in about 0.1 s; others go on meanwhile.
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
        # Sorting and VACUUM must not leave rows in files that are not ours to clean.
        connection.execute("PRAGMA temp_store=MEMORY")
        modes = connection.pragma("journal_mode"), connection.pragma("synchronous")
        if modes != ("wal", 2):
            raise Refused(self._service, f"journal mode and synchronous are {modes}, not ('wal', 2)")
        return connection

    def _migrate(self) -> None:
        with self.write() as connection:
            # Once more: another process may have done it meanwhile.
            version = self._version(connection) or 0
            for step in self._schema.steps[version:]:
                step(connection)
            connection.execute(f"PRAGMA application_id={self._schema.application_id}")
            connection.execute(f"PRAGMA user_version={self._schema.version}")
            self.version = self._schema.version

    def _version(self, connection: apsw.Connection) -> int | None:
        """The file's version; None: it is empty. Inside a transaction, so that it is one moment's."""
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
                f"The database {self._path.name} was made by a newer Facedesk (its schema has the version {version}, "
                f"this one knows {self._schema.version}) (NewerVersion). Install that one, or restore a backup of "
                "this version.",
            )
        if version == self._schema.version and (lacking := self._schema.objects - found):
            kind, name = min(lacking)
            raise self._refused("IncompleteSchema", f"is damaged: it lacks the {kind} {name}")
        return int(version)

    def _is_from_before(self, connection: apsw.Connection) -> bool:
        """Whether it has tables of ours, and each of these the columns that ours have."""
        columns = {
            table: {
                str(column) for (column,) in connection.execute("SELECT name FROM pragma_table_xinfo(?)", (table,))
            }
            for table in self._schema.before
        }
        there = {table: names for table, names in columns.items() if names}
        return bool(there) and all(self._schema.before[table] <= names for table, names in there.items())

    def _require_same_file(self) -> None:
        """What is written to a file that was deleted or moved would be lost."""
        try:
            same = self._path.stat().st_ino == self._inode
        except FileNotFoundError:
            same = False
        if not same:
            raise Refused(
                self._service,
                "ReplacedDatabase",
                f"The database {self._path.name} was moved, deleted or replaced while Facedesk runs "
                "(ReplacedDatabase). Restart Facedesk.",
            )

    def _missing(self) -> Refused:
        what = "is missing or empty, though its folder holds photos or the key of an installation"
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


def _connected(path: Path) -> apsw.Connection:
    # Never made by this: whatever made a file that is gone again would make it empty.
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
    # Where several open a new file at once, SQLite answers "busy" to this without waiting, whatever its timeout.
    connection.execute("PRAGMA journal_mode=WAL")
