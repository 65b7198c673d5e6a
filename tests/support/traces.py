"""What is left of a person in files: their ids, their name and address, the bytes of their photos."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import apsw

from core.domain.records import Registration

#: Bytes of a photo that no other file has by chance.
PIECE = 64
#: Bytes that JPEGs of one encoder begin with, whatever they show.
HEAD = 2_000


def of_person(registration: Registration, photos: Iterable[bytes]) -> dict[str, bytes]:
    """What names the person or shows them, each under a name for it. Pieces from all over the photos."""
    texts = {
        "user id": registration.user_id,
        "registration id": registration.registration_id,
        "e-mail": registration.email,
    }
    found = {name: text.encode() for name, text in texts.items() if text}
    for word in (registration.name or "").split():
        found |= {word: word.encode(), f"{word} as searched": word.casefold().encode()}
    for number, photo in enumerate(photos):
        for start in range(HEAD, len(photo) - PIECE, max(PIECE, len(photo) // 20)):
            found[f"photo {number} at {start}"] = photo[start : start + PIECE]
    return found


def found_in(folder: Path, canaries: dict[str, bytes]) -> set[tuple[str, str]]:
    """Which of the canaries are in which files, in their contents or their paths."""
    return {
        (str(path.relative_to(folder)), name)
        for path in folder.rglob("*")
        for name, canary in canaries.items()
        if canary in str(path).encode() or (path.is_file() and canary in path.read_bytes())
    }


def rewritten(database: Path) -> None:
    """The file of a server that has ended, without its free pages: what it had yet to write over is not counted as
    kept, for nothing reads it.
    """
    connection = apsw.Connection(str(database))
    connection.execute("VACUUM")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
