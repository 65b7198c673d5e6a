"""Database files that are not as they should be, each made of a good one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import apsw

from core.domain.clock import utc_now
from core.domain.records import isoformat

Damage = Callable[[Path], None]


def run(path: Path, *statements: str) -> None:
    with closing(apsw.Connection(str(path))) as connection:
        for statement in statements:
            connection.execute(statement)


def settled(path: Path) -> int:
    """Have all of it in the one file, and return its size in bytes."""
    run(path, "PRAGMA wal_checkpoint(TRUNCATE)")
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    return path.stat().st_size


def truncated(path: Path) -> None:
    size = settled(path)
    with path.open("r+b") as file:
        file.truncate(size // 2)


def flipped(path: Path) -> None:
    """Every page but the first lost its beginning."""
    size = settled(path)
    with path.open("r+b") as file:
        for page in range(4096, size, 4096):
            file.seek(page)
            file.write(b"\x55" * 64)


def no_database(path: Path) -> None:
    settled(path)
    path.write_bytes(b"no database at all" * 1000)


def foreign(path: Path) -> None:
    settled(path)
    path.unlink()
    run(path, "CREATE TABLE bookmarks (address TEXT)")


def foreign_with_a_mark(path: Path) -> None:
    run(path, "PRAGMA application_id=1234")


def newer(path: Path) -> None:
    run(path, "PRAGMA user_version=999")


def lacking(path: Path) -> None:
    run(path, "DROP TRIGGER auditTrailKept")


def empty(path: Path) -> None:
    settled(path)
    path.write_bytes(b"")


def missing(path: Path) -> None:
    settled(path)
    path.unlink()


def without_tables(path: Path) -> None:
    missing(path)
    run(path, "PRAGMA journal_mode=WAL")


#: How the file is before Facedesk starts -> the code of the error.
BEFORE_THE_START: Mapping[str, tuple[Damage, str]] = {
    "truncated": (truncated, "CorruptError"),
    "flipped": (flipped, "CorruptError"),
    "no database": (no_database, "NotADBError"),
    "of another program": (foreign, "ForeignDatabase"),
    "marked by another program": (foreign_with_a_mark, "ForeignDatabase"),
    "of a newer version": (newer, "NewerVersion"),
    "without a trigger": (lacking, "IncompleteSchema"),
    "empty": (empty, "MissingDatabase"),
    "missing": (missing, "MissingDatabase"),
    "without tables": (without_tables, "MissingDatabase"),
}


def undecodable(path: Path) -> None:
    run(
        path,
        "UPDATE registrations SET name = CAST(x'41ff42' AS TEXT), event_id = CAST(x'65ff' AS TEXT)",
        "UPDATE faceVerifications SET item = replace(item, 'support', CAST(x'ff' AS TEXT))",
        f"INSERT INTO auditTrail VALUES ('{isoformat(utc_now())}', 'x', CAST(x'ff' AS TEXT))",
        "INSERT INTO erasures VALUES ('x', '2999', 0, CAST(x'ff' AS TEXT))",
    )


def half_characters(path: Path) -> None:
    """A surrogate alone, as some programs write it."""
    run(
        path,
        "UPDATE registrations SET name = CAST(x'eda080' AS TEXT), event_id = CAST(x'65eda080' AS TEXT)",
        "UPDATE faceVerifications SET item = replace(item, 'support', CAST(x'eda080' AS TEXT))",
        f"INSERT INTO auditTrail VALUES ('{isoformat(utc_now())}', 'x', CAST(x'eda080' AS TEXT))",
        "INSERT INTO erasures VALUES ('x', '2999', 0, CAST(x'eda080' AS TEXT))",
    )


def no_json(path: Path) -> None:
    """The columns of a record are as they were; its item is no JSON."""
    run(
        path,
        f"INSERT INTO auditTrail VALUES ('{isoformat(utc_now())}', 'x', 'no JSON')",
        "INSERT INTO erasures VALUES ('x', '2999', 0, 'no JSON')",
    )
    settled(path)
    path.write_bytes(path.read_bytes().replace(b'{"userId":"', b'!"userId":"'))


#: How rows are that Facedesk finds while it runs.
WHILE_IT_RUNS: Mapping[str, Damage] = {
    "undecodable text": undecodable,
    "half characters": half_characters,
    "no JSON": no_json,
}
