"""The worklist of a batch: its items and their results, in a file, so that an interrupted batch can be resumed.

The file names people, so only its owner can read it, and it is deleted when the batch is finished.
"""

from __future__ import annotations

import fcntl
import os
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.domain.errors import Conflict, Service, Unavailable
from core.files.private import FILE, make_folder

if TYPE_CHECKING:
    from core.files.database import Database

_PREFIX = "batch-"
#: Items that one query reads.
_PAGE = 500
#: The tables of a worklist. They have not changed since the first version.
_TABLES = """
CREATE TABLE IF NOT EXISTS run (id TEXT NOT NULL, chosen TEXT NOT NULL, folder TEXT);
CREATE TABLE IF NOT EXISTS items (
    number INTEGER PRIMARY KEY,
    user_id TEXT NOT NULL,
    registration_id TEXT NOT NULL UNIQUE,
    key TEXT,
    file TEXT,
    seen TEXT,
    mark TEXT,
    why TEXT
);
"""


class Mark(StrEnum):
    """The final result of an item."""

    PASSED = "passed"
    WAITING = "waiting"
    FAILED = "failed"
    #: There is no photo under the key, or the file no longer exists.
    MISSING = "missing"
    #: The photo store's object or the file is not an acceptable photo.
    REFUSED = "refused"
    #: The record was validated or decided since the batch began, or the registration was deleted. Nothing was done.
    CHANGED = "changed"


#: The words for the marks, in the order of a summary.
MARK_WORDS = {
    Mark.PASSED: "passed",
    Mark.WAITING: "waiting",
    Mark.FAILED: "failed",
    Mark.MISSING: "photo missing",
    Mark.REFUSED: "photo refused",
    Mark.CHANGED: "changed meanwhile",
}


@dataclass(frozen=True)
class Item:
    """A registration's photo to validate: a ``key`` in the photo store or the name of a ``file``.

    ``seen`` identifies the record's newest attempt when the batch began; None if there was no record.
    """

    user_id: str
    registration_id: str
    key: str | None = None
    file: str | None = None
    seen: str | None = None
    #: Its position in the worklist.
    number: int = 0


@dataclass(frozen=True)
class Run:
    """One batch from its first start to its end, however often it is interrupted.

    ``chosen`` says which photos were chosen, as the caller of ``begin`` named it; ``folder`` has the files.
    """

    id: uuid.UUID
    chosen: str
    folder: str | None


class Worklist:
    """The worklist of one event's batch, locked by one process at a time."""

    def __init__(self, folder: Path, event_id: str) -> None:
        """Raises ``Conflict`` if a batch of this event is running, ``ServiceError`` if ``folder`` cannot be used."""
        name = _name(event_id)
        try:
            make_folder(folder)
            # The lock ends with its process, however that ends. Deleting its file would be a race, so it is kept.
            self._lock = os.open(folder / f"{name}.lock", os.O_RDWR | os.O_CREAT, FILE)
        except OSError as error:
            raise Unavailable(Service.DATA_FOLDER, type(error).__name__) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise Conflict("A batch of this event is running already.") from error
        self._path = folder / f"{name}.sqlite3"
        self._database = _opened(self._path)

    def run(self) -> Run | None:
        """Returns the unfinished batch; None if there is none."""
        return _run(self._database)

    def begin(self, chosen: str, folder: str | None, items: Iterable[Item]) -> Run:
        """Stores a new batch of ``items`` in one transaction, in place of the former one."""
        run = Run(uuid.uuid4(), chosen, folder)
        rows = ((item.user_id, item.registration_id, item.key, item.file, item.seen) for item in items)
        with self._database.write() as connection:
            connection.execute("DELETE FROM run; DELETE FROM items")
            # A record that changes while the event is read may appear twice; the later one counts.
            connection.executemany(
                "INSERT OR REPLACE INTO items (user_id, registration_id, key, file, seen) VALUES (?, ?, ?, ?, ?)",
                rows,
            )
            connection.execute("INSERT INTO run VALUES (?, ?, ?)", (str(run.id), chosen, folder))
        return run

    def left(self) -> Iterator[Item]:
        """Yields the items without a mark, in order; reads them from the file page by page."""
        last = 0
        while page := self._page(last):
            yield from page
            last = page[-1].number

    def keep(self, item: Item, mark: Mark, why: str) -> None:
        """Stores an item's result durably. ``why`` is the reason if its photo could not be used."""
        with self._database.write() as connection:
            connection.execute("UPDATE items SET mark = ?, why = ? WHERE number = ?", (mark, why, item.number))

    def counts(self) -> Mapping[Mark | None, int]:
        """Counts the items by mark; None counts those without a mark."""
        return _counts(self._database)

    def problems(self, limit: int) -> list[tuple[str, str]]:
        """Returns up to ``limit`` registration ids of missing and refused photos, in order, with the reasons."""
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT registration_id, why FROM items WHERE mark IN (?, ?) ORDER BY number LIMIT ?",
                (Mark.MISSING, Mark.REFUSED, limit),
            )
            return [(str(registration_id), str(why)) for registration_id, why in rows]

    def close(self, *, forget: bool = False) -> None:
        """Releases the lock; with ``forget``, deletes the worklist first."""
        self._database.close()
        if forget:
            for suffix in ("", "-wal", "-shm"):
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        os.close(self._lock)

    def _page(self, after: int) -> list[Item]:
        with self._database.read() as connection:
            rows: list[Any] = connection.execute(
                "SELECT user_id, registration_id, key, file, seen, number FROM items "
                "WHERE mark IS NULL AND number > ? ORDER BY number LIMIT ?",
                (after, _PAGE),
            ).fetchall()
        return [Item(*row) for row in rows]


def unfinished(folder: Path, event_id: str) -> tuple[Run, Mapping[Mark | None, int]] | None:
    """Returns the event's unfinished batch and its counts, running or not; None if there is none."""
    path = folder / f"{_name(event_id)}.sqlite3"
    if not path.exists():
        return None
    database = _opened(path)
    try:
        run = _run(database)
        return (run, _counts(database)) if run else None
    finally:
        database.close()


def forget(folder: Path, user_id: str) -> None:
    """Deletes an erased person from all worklists in ``folder``. Raises ``ServiceError``.

    A running batch may hold an item of theirs in memory, but finds no registration for it.
    """
    for path in folder.glob(f"{_PREFIX}*.sqlite3"):
        database = _opened(path)
        try:
            with database.write() as connection:
                connection.execute("DELETE FROM items WHERE user_id = ?", (user_id,))
                changed = connection.changes()
            if changed:
                database.scrub()
        finally:
            database.close()


def _name(event_id: str) -> str:
    return f"{_PREFIX}{sha256(event_id.encode(errors='surrogatepass')).hexdigest()[:16]}"


def _opened(path: Path) -> Database:
    # Imported here because the command line's help needs no database.
    from core.files.database import Database, Schema, script

    schema = Schema(
        application_id=int.from_bytes(b"FDBL"),
        steps=(script(_TABLES),),
        before={
            "run": frozenset({"id", "chosen", "folder"}),
            "items": frozenset({"number", "registration_id", "mark"}),
        },
        remedy=f"Delete {path} and start the batch again.",
    )
    return Database(path, "batch", schema)


def _run(database: Database) -> Run | None:
    with database.read() as connection:
        row: Any = connection.execute("SELECT id, chosen, folder FROM run").fetchone()
    return Run(uuid.UUID(row[0]), row[1], row[2]) if row else None


def _counts(database: Database) -> Mapping[Mark | None, int]:
    with database.read() as connection:
        rows: list[Any] = connection.execute("SELECT mark, count(*) FROM items GROUP BY mark").fetchall()
    return Counter({Mark(mark) if mark else None: count for mark, count in rows})
