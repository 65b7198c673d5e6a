"""The worklists of batches in files, one for each event, so that an interrupted batch can be resumed.

A file names people, so only its owner can read it, and it is deleted when the batch is finished.
"""

from __future__ import annotations

import fcntl
import os
import threading
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from core.domain.errors import Conflict, Service, Unavailable
from core.domain.worklists import Item, Mark, Run
from core.files.database import Database, Schema, script
from core.files.private import FILE, make_folder

_PREFIX = "batch-"
#: Items that one query reads.
_PAGE = 500
_ITEM = "user_id, registration_id, key, file, seen, number"
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


class SqliteWorklists:
    """``Worklists`` in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def open(self, event_id: str) -> SqliteWorklist:
        return SqliteWorklist(self._folder, event_id)

    def unfinished(self, event_id: str) -> tuple[Run, Mapping[Mark | None, int]] | None:
        path = self._folder / f"{_name(event_id)}.sqlite3"
        if not path.exists():
            return None
        database = _opened(path)
        try:
            run = _run(database)
            return (run, _counts(database)) if run else None
        finally:
            database.close()

    def abandoned(self) -> list[tuple[str, Run]]:
        return []

    def forget(self, user_id: str) -> None:
        for path in self._folder.glob(f"{_PREFIX}*.sqlite3"):
            database = _opened(path)
            try:
                with database.write() as connection:
                    connection.execute("DELETE FROM items WHERE user_id = ?", (user_id,))
                    changed = connection.changes()
                if changed:
                    database.scrub()
            finally:
                database.close()

    def close(self) -> None:
        pass


class SqliteWorklist:
    """``Worklist`` in a file that one process at a time has locked. A lock is never lost."""

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
        return _run(self._database)

    def begin(
        self, chosen: str, folder: str | None, items: Iterable[Item], operator: str | None, ip_address: str | None
    ) -> Run:
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

    def resume(self, operator: str | None, ip_address: str | None) -> None:
        pass  # nobody continues it but a person, who gives a name then

    def stops(self, stop: threading.Event) -> None:
        pass

    def rest(self) -> None:
        pass

    def left(self) -> Iterator[Item]:
        last = 0
        while page := self._page(last):
            yield from page
            last = page[-1].number

    def keep(self, item: Item, mark: Mark, why: str) -> None:
        with self._database.write() as connection:
            connection.execute("UPDATE items SET mark = ?, why = ? WHERE number = ?", (mark, why, item.number))

    def counts(self) -> Mapping[Mark | None, int]:
        return _counts(self._database)

    def problems(self, limit: int) -> list[tuple[Item, str]]:
        with self._database.read() as connection:
            rows: list[Any] = connection.execute(
                f"SELECT {_ITEM}, why FROM items WHERE mark IN (?, ?) ORDER BY number LIMIT ?",
                (Mark.MISSING, Mark.REFUSED, limit),
            ).fetchall()
        return [(Item(*item), str(why)) for *item, why in rows]

    def close(self, *, forget: bool = False) -> None:
        self._database.close()
        if forget:
            for suffix in ("", "-wal", "-shm"):
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        os.close(self._lock)

    def _page(self, after: int) -> list[Item]:
        with self._database.read() as connection:
            rows: list[Any] = connection.execute(
                f"SELECT {_ITEM} FROM items WHERE mark IS NULL AND number > ? ORDER BY number LIMIT ?",
                (after, _PAGE),
            ).fetchall()
        return [Item(*row) for row in rows]


def _name(event_id: str) -> str:
    return f"{_PREFIX}{sha256(event_id.encode(errors='surrogatepass')).hexdigest()[:16]}"


def _opened(path: Path) -> Database:
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
