"""What a batch has to do and what came of it, in a file: a batch that was killed goes on with the rest.

The file is its owner's alone and goes when all is done: it names people.
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

from core.domain.errors import Conflict, Unavailable
from core.files.private import FILE, make_folder

if TYPE_CHECKING:
    from core.files.database import Database

_PREFIX = "batch-"
#: Items that are read at once.
_PAGE = 500
#: A list's tables, of which nothing was ever changed.
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
    """What came of an item for good."""

    PASSED = "passed"
    WAITING = "waiting"
    FAILED = "failed"
    #: There is no photo under its key, or no longer a file.
    MISSING = "missing"
    #: What is there is no photo that we take.
    REFUSED = "refused"
    #: Somebody validated or decided it since the batch began, or the registration went: left as it is.
    CHANGED = "changed"


#: In the order of a summary.
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

    ``seen`` tells which was the record's newest attempt when the batch began; None where there was none.
    """

    user_id: str
    registration_id: str
    key: str | None = None
    file: str | None = None
    seen: str | None = None
    #: Its place in the list.
    number: int = 0


@dataclass(frozen=True)
class Run:
    """One batch from its first start to its end, however often it is interrupted.

    ``chosen`` says which photos, in its maker's words; ``folder`` is where files come from.
    """

    id: uuid.UUID
    chosen: str
    folder: str | None


class Worklist:
    """The list of one event's batch, held by one process at a time."""

    def __init__(self, folder: Path, event_id: str) -> None:
        """Raises ``Conflict`` where a batch of this event runs, ``ServiceError`` where ``folder`` cannot be used."""
        name = _name(event_id)
        try:
            make_folder(folder)
            # The lock ends with its process, however that ends. Its file stays: to remove it would be a race.
            self._lock = os.open(folder / f"{name}.lock", os.O_RDWR | os.O_CREAT, FILE)
        except OSError as error:
            raise Unavailable("data folder", type(error).__name__) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise Conflict("A batch of this event is running already.") from error
        self._path = folder / f"{name}.sqlite3"
        self._database = _opened(self._path)

    def run(self) -> Run | None:
        """The batch that is not done yet; None where there is none."""
        return _run(self._database)

    def begin(self, chosen: str, folder: str | None, items: Iterable[Item]) -> Run:
        """A new batch of ``items``, all of them or none; whatever there was before is dropped."""
        run = Run(uuid.uuid4(), chosen, folder)
        rows = ((item.user_id, item.registration_id, item.key, item.file, item.seen) for item in items)
        with self._database.write() as connection:
            connection.execute("DELETE FROM run; DELETE FROM items")
            # A record that changes while an event is read may be met twice: the later one counts.
            connection.executemany(
                "INSERT OR REPLACE INTO items (user_id, registration_id, key, file, seen) VALUES (?, ?, ?, ?, ?)",
                rows,
            )
            connection.execute("INSERT INTO run VALUES (?, ?, ?)", (str(run.id), chosen, folder))
        return run

    def left(self) -> Iterator[Item]:
        """The items without a mark, in order; read from the file as they are taken."""
        last = 0
        while page := self._page(last):
            yield from page
            last = page[-1].number

    def keep(self, item: Item, mark: Mark, why: str) -> None:
        """Durable when it returns."""
        with self._database.write() as connection:
            connection.execute("UPDATE items SET mark = ?, why = ? WHERE number = ?", (mark, why, item.number))

    def counts(self) -> Mapping[Mark | None, int]:
        """How many items have which mark; None: no mark yet."""
        return _counts(self._database)

    def problems(self, limit: int) -> list[tuple[str, str]]:
        """Registration ids of missing and refused photos, and why, in order; at most ``limit``."""
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT registration_id, why FROM items WHERE mark IN (?, ?) ORDER BY number LIMIT ?",
                (Mark.MISSING, Mark.REFUSED, limit),
            )
            return [(str(registration_id), str(why)) for registration_id, why in rows]

    def close(self, *, forget: bool = False) -> None:
        """Let others have the event; with ``forget`` the list goes for good."""
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
    """The event's batch that is not done yet and its counts, whoever runs it; None where there is none."""
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
    """Take away what the lists in ``folder`` have of a person who is erased; raises ``ServiceError``.

    A batch that runs has them in hand at the most, and finds their registration gone.
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
    # Only now: the command line's help needs no database.
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
