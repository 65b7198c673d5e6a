"""The tables of the embedded backend's database file, and the migration of files of earlier versions."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import apsw

from core.domain.search import search_keys, search_text
from core.files.database import Schema, script


# Validation records. The item, with the attribute names of the DynamoDB table, is the source of truth. SQLite
# generates the columns that lists and charts read from it; they are stored before the item, so that reading them does
# not read the item. A change gives a row a new, higher number; AUTOINCREMENT never uses a number twice.
def _records(event: str, presence: str = "", more: str = "") -> str:
    """SQL for the table of records: how ``event`` is found, the ``presence`` of status and time, ``more`` columns.

    A released version of the table is a call that stays as it is.
    """
    return f"""
CREATE TABLE IF NOT EXISTS faceVerifications (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    userId TEXT NOT NULL AS (item ->> '$.userId') STORED,
    registrationId TEXT NOT NULL AS (item ->> '$.registrationId') STORED,
    eventId TEXT AS ({event}) STORED,
    validationStatus TEXT {presence}AS (item ->> '$.validationStatus') STORED,
    confidence REAL AS (item ->> '$.confidence') STORED,
    quality TEXT AS (item ->> '$.quality') STORED,
    similarity REAL AS (item ->> '$.comparisonResult.similarity') STORED,
    threshold REAL AS (item ->> '$.comparisonResult.threshold') STORED,
    verificationAttempt INTEGER NOT NULL AS (coalesce(item ->> '$.verificationAttempt', 1)) STORED,
    timestamp TEXT {presence}AS (item ->> '$.timestamp') STORED,
    updatedAt TEXT AS (item ->> '$.updatedAt') STORED,
    expiresAt INTEGER AS (item ->> '$.expiresAt') STORED,
    source TEXT AS (item ->> '$.metadata.source') STORED,
    failureReasons TEXT AS (item -> '$.failureReasons') STORED,
    decision TEXT AS (item ->> '$.review.decision') STORED,
    reviewer TEXT AS (item ->> '$.review.reviewer') STORED,
    decidedAt TEXT AS (item ->> '$.review.decidedAt') STORED,
    faceImageKey TEXT AS (item ->> '$.faceImageKey') STORED,
    storedFaceKey TEXT AS (item ->> '$.storedFaceKey') STORED,
    age TEXT AS (CASE json_type(item, '$.attributes.age') WHEN 'text' THEN item ->> '$.attributes.age' END) STORED,
    gender TEXT AS (
        CASE json_type(item, '$.attributes.gender') WHEN 'text' THEN item ->> '$.attributes.gender' END
    ) STORED,
    smile INTEGER AS (CASE json_type(item, '$.attributes.smile') WHEN 'true' THEN 1 WHEN 'false' THEN 0 END) STORED,
{more}    item TEXT NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS faceVerificationsByKey ON faceVerifications (userId, registrationId);
CREATE INDEX IF NOT EXISTS faceVerificationsByEvent ON faceVerifications (eventId, timestamp);
CREATE INDEX IF NOT EXISTS faceVerificationsInOrder ON faceVerifications (eventId);
"""


_RECORDS = _records("coalesce(nullif(item ->> '$.eventId', ''), item ->> '$.metadata.eventId')", "NOT NULL ")
_TEXT, _NUMBER = ("text",), ("integer", "real")


def _other_type(path: str, *types: str) -> str:
    """SQL: the value at ``path`` is neither absent nor null nor of one of the ``types``."""
    listed = ", ".join(f"'{name}'" for name in (*types, "null"))
    return f"coalesce(json_type(item, '$.{path}') NOT IN ({listed}), 0)"


#: SQL: the item has a value that the columns cannot take as it is. ``eventId`` and the keys are converted.
_ODD = " OR ".join(
    [
        *(
            _other_type(name, *_TEXT)
            for name in ("userId", "registrationId", "eventId", "validationStatus", "quality")
        ),
        *(_other_type(name, *_TEXT) for name in ("timestamp", "updatedAt", "faceImageKey", "storedFaceKey")),
        *(_other_type(name, *_NUMBER) for name in ("confidence", "verificationAttempt")),
        *(_other_type(name, "object") for name in ("comparisonResult", "metadata", "review", "attributes")),
        *(_other_type(f"comparisonResult.{name}", *_NUMBER) for name in ("similarity", "threshold")),
        *(_other_type(f"metadata.{name}", *_TEXT) for name in ("eventId", "source")),
        *(_other_type(f"review.{name}", *_TEXT) for name in ("decision", "reviewer", "decidedAt")),
        "coalesce(json_type(item, '$.review') = 'object' AND item ->> '$.review.decision' IS NULL, 0)",
        _other_type("failureReasons", "array"),
        _other_type("expiresAt", "integer"),
        "coalesce(abs(item ->> '$.expiresAt') > 100000000000, 0)",
        "coalesce((item ->> '$.timestamp') NOT GLOB '[12][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9][T ]*', 1)",
    ]
)


def _as_text(path: str) -> str:
    """SQL: the value at ``path`` as text, as ``core.domain.reading.text`` makes it; null for a list or a map."""
    value = f"item ->> '$.{path}'"
    return (
        f"CASE json_type(item, '$.{path}') WHEN 'text' THEN nullif({value}, '')"
        f" WHEN 'integer' THEN CAST({value} AS TEXT) WHEN 'real' THEN format('%.15g', {value})"
        f" WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' END"
    )


#: SQL: the metadata's event, if that is JSON text.
_EVENT_IN_TEXT = (
    "CASE WHEN json_type(item, '$.metadata') = 'text' AND json_valid(item ->> '$.metadata')"
    " THEN (item ->> '$.metadata') ->> '$.eventId' END"
)
_EVENT = f"coalesce({_as_text('eventId')}, {_as_text('metadata.eventId')}, {_EVENT_IN_TEXT})"
_ODD_INDEX = "CREATE INDEX faceVerificationsOdd ON faceVerifications (eventId) WHERE odd;\n"
_LENIENT_RECORDS = _records(_EVENT, more=f"    odd INTEGER NOT NULL AS ({_ODD}) STORED,\n") + _ODD_INDEX
_PROVENANCE = ("engine", "model", "rules")
_ODD_PROVENANCE = " OR ".join(
    [
        _other_type("metadata.provenance", "object"),
        *(_other_type(f"metadata.provenance.{name}", *_TEXT) for name in _PROVENANCE),
    ]
)
_RECORDS_WITH_PROVENANCE = (
    _records(
        _EVENT,
        more="".join(
            f"    {name} TEXT AS (item ->> '$.metadata.provenance.{name}') STORED,\n" for name in _PROVENANCE
        )
        + f"    odd INTEGER NOT NULL AS ({_ODD} OR {_ODD_PROVENANCE}) STORED,\n",
    )
    + _ODD_INDEX
)
_REGISTRATIONS = """
CREATE TABLE IF NOT EXISTS registrations (
    registration_id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    event_id TEXT NOT NULL,
    name TEXT,
    email TEXT,
    reference_photo_key TEXT,
    folded_email TEXT NOT NULL,
    words TEXT NOT NULL,
    submitted_photo_key TEXT
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS registrations_by_user ON registrations (user_id, registration_id);
CREATE INDEX IF NOT EXISTS registrations_by_event ON registrations (event_id, registration_id);
"""
# The file itself refuses to change or delete an entry, for every connection. Inserting an entry that exists is
# ignored before it can replace anything, because a replacement would fire no trigger for the row that it deletes.
_AUDIT = """
CREATE TABLE IF NOT EXISTS auditTrail (
    at TEXT NOT NULL,
    entryId TEXT NOT NULL,
    entry TEXT NOT NULL,
    PRIMARY KEY (at, entryId)
) WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS auditTrailOnce BEFORE INSERT ON auditTrail
WHEN EXISTS (SELECT * FROM auditTrail WHERE at = NEW.at AND entryId = NEW.entryId)
BEGIN SELECT RAISE(IGNORE); END;
CREATE TRIGGER IF NOT EXISTS auditTrailUnchanged BEFORE UPDATE ON auditTrail
BEGIN SELECT RAISE(ABORT, 'audit entries are never changed'); END;
CREATE TRIGGER IF NOT EXISTS auditTrailKept BEFORE DELETE ON auditTrail
BEGIN SELECT RAISE(ABORT, 'audit entries are never taken away'); END;
"""
_ERASURES = """
CREATE TABLE IF NOT EXISTS erasures (
    user TEXT PRIMARY KEY,
    changedAt TEXT NOT NULL,
    finished INTEGER NOT NULL,
    entry TEXT NOT NULL
) WITHOUT ROWID;
"""

_CASES = """
CREATE TABLE claims (
    user_id TEXT NOT NULL,
    registration_id TEXT NOT NULL,
    holder TEXT NOT NULL,
    until TEXT NOT NULL,
    claim TEXT NOT NULL,
    PRIMARY KEY (user_id, registration_id)
) WITHOUT ROWID;
CREATE TABLE notes (
    user_id TEXT NOT NULL,
    registration_id TEXT NOT NULL,
    note_id TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    note TEXT NOT NULL,
    PRIMARY KEY (user_id, registration_id, note_id)
) WITHOUT ROWID;
CREATE INDEX notes_by_expiry ON notes (expires_at);
"""
# Looks are added, and never changed or deleted.
_SECOND_LOOKS = """
CREATE TABLE second_looks (
    event_id TEXT NOT NULL,
    case_hash TEXT NOT NULL,
    look TEXT NOT NULL,
    PRIMARY KEY (event_id, case_hash)
) WITHOUT ROWID;
"""
# The profile is the source of truth of its version, too.
_PROFILES = """
CREATE TABLE event_profiles (
    event_id TEXT PRIMARY KEY,
    version INTEGER NOT NULL AS (profile ->> '$.version') STORED,
    profile TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE dated_events (
    event_id TEXT PRIMARY KEY,
    kept_until TEXT
) WITHOUT ROWID;
"""
_CROSSINGS = """
CREATE TABLE crossings (
    event_id TEXT NOT NULL,
    rule TEXT NOT NULL,
    crossing TEXT NOT NULL,
    PRIMARY KEY (event_id, rule)
) WITHOUT ROWID;
"""
_DUPLICATES = """
CREATE TABLE duplicate_switches (
    event_id TEXT PRIMARY KEY,
    switch TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE judged_pairs (
    event_id TEXT NOT NULL,
    first TEXT NOT NULL,
    second TEXT NOT NULL,
    first_user TEXT NOT NULL,
    second_user TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    pair TEXT NOT NULL,
    PRIMARY KEY (event_id, first, second)
) WITHOUT ROWID;
CREATE INDEX judged_pairs_by_first_user ON judged_pairs (first_user);
CREATE INDEX judged_pairs_by_second_user ON judged_pairs (second_user);
CREATE INDEX judged_pairs_by_expiry ON judged_pairs (expires_at);
"""
# The users of a row are a list in JSON.
_FINDINGS = """
CREATE TABLE findings (
    kind TEXT NOT NULL,
    event_id TEXT NOT NULL,
    version TEXT NOT NULL,
    summary TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (kind, event_id)
) WITHOUT ROWID;
CREATE TABLE finding_rows (
    kind TEXT NOT NULL,
    event_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    users TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (kind, event_id, number)
) WITHOUT ROWID;
"""
_SUMMARIES = """
CREATE TABLE event_summaries (
    event_id TEXT PRIMARY KEY,
    summary TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) WITHOUT ROWID;
"""


def _first_version(connection: apsw.Connection) -> None:
    """Creates all tables; adds what is missing to tables that are older than schema versions."""
    if "AUTOINCREMENT" not in (_definition(connection, "faceVerifications") or "AUTOINCREMENT"):
        # Rows had no explicit number, so the number of a deleted row could be used again. The order of the rows is
        # kept. The first tables also lacked some of the columns.
        connection.execute("ALTER TABLE faceVerifications RENAME TO unnumbered")
        connection.execute(_RECORDS.partition(";")[0])
        connection.execute(
            "INSERT INTO faceVerifications (number, item) SELECT rowid, item FROM unnumbered ORDER BY rowid"
        )
        connection.execute("DROP TABLE unnumbered")
    if "submitted_photo_key" not in (_definition(connection, "registrations") or "submitted_photo_key"):
        connection.execute("ALTER TABLE registrations ADD COLUMN submitted_photo_key TEXT")
    for tables in (_RECORDS, _REGISTRATIONS, _AUDIT, _ERASURES):
        connection.execute(tables)


def _second_version(connection: apsw.Connection) -> None:
    """Takes records of any form, and tells the unusual ones: ``odd`` is 1 if a value is of another type than its
    column's, or if SQL cannot compare its times. Such records are read one by one.
    """
    _made_anew(connection, _LENIENT_RECORDS)


def _third_version(connection: apsw.Connection) -> None:
    """Keeps what a search compares (``core.domain.search``) as it is folded now."""
    connection.execute("ALTER TABLE registrations RENAME COLUMN folded_email TO keys")
    functions = {"search_keys": (search_keys, 3), "search_text": (search_text, 2)}
    for name, (function, count) in functions.items():
        connection.create_scalar_function(name, cast("Callable[..., str]", function), count)
    keys, words = "search_keys(registration_id, user_id, email)", "search_text(name, email)"
    connection.execute(f"UPDATE registrations SET keys = {keys}, words = {words}")
    for name, (_, count) in functions.items():
        connection.create_scalar_function(name, None, count)


def _provenance_in_columns(connection: apsw.Connection) -> None:
    """Adds the columns of what made a record's verdict. Records of before have none of it."""
    connection.execute("DROP INDEX faceVerificationsOdd")
    _made_anew(connection, _RECORDS_WITH_PROVENANCE)


def _made_anew(connection: apsw.Connection, records: str) -> None:
    """Replaces the table of records by the one that the SQL ``records`` creates; its rows keep their numbers."""
    connection.execute("ALTER TABLE faceVerifications RENAME TO earlier")
    for index in ("ByKey", "ByEvent", "InOrder"):
        connection.execute(f"DROP INDEX faceVerifications{index}")
    connection.execute(records)
    connection.execute(
        "INSERT INTO faceVerifications (number, item) SELECT number, item FROM earlier ORDER BY number"
    )
    connection.execute("DROP TABLE earlier")


def _definition(connection: apsw.Connection, table: str) -> str | None:
    found = connection.execute("SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?", (table,)).fetchone()
    return str(found[0]) if found else None


SCHEMA = Schema(
    application_id=int.from_bytes(b"FDSK"),
    # To change a table, add a step; never change one that was released.
    steps=(
        _first_version,
        _second_version,
        _third_version,
        script(_CASES),  # adds the claims of cases and the notes on them
        script(_SECOND_LOOKS),
        _provenance_in_columns,
        script(_PROFILES),
        script(_CROSSINGS),
        script(_DUPLICATES),
        script(_FINDINGS),
        script(_SUMMARIES),
    ),
    before={
        "faceVerifications": frozenset({"userId", "registrationId", "timestamp", "item"}),
        "registrations": frozenset({"registration_id", "user_id", "event_id", "words"}),
        "auditTrail": frozenset({"at", "entryId", "entry"}),
        "erasures": frozenset({"user", "changedAt", "finished", "entry"}),
    },
    remedy="Restore a backup: python -m core restore FILE --replace.",
)
