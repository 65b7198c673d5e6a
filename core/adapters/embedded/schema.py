"""The tables of the embedded backend's database file, and the migration of files of earlier versions."""

from __future__ import annotations

import apsw

from core.files.database import Schema

# Validation records. The item, with the attribute names of the DynamoDB table, is the source of truth. SQLite
# generates the columns that lists and charts read from it; they are stored before the item, so that reading them does
# not read the item. A change gives a row a new, higher number; AUTOINCREMENT never uses a number twice.
_RECORDS = """
CREATE TABLE IF NOT EXISTS faceVerifications (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    userId TEXT NOT NULL AS (item ->> '$.userId') STORED,
    registrationId TEXT NOT NULL AS (item ->> '$.registrationId') STORED,
    eventId TEXT AS (coalesce(nullif(item ->> '$.eventId', ''), item ->> '$.metadata.eventId')) STORED,
    validationStatus TEXT NOT NULL AS (item ->> '$.validationStatus') STORED,
    confidence REAL AS (item ->> '$.confidence') STORED,
    quality TEXT AS (item ->> '$.quality') STORED,
    similarity REAL AS (item ->> '$.comparisonResult.similarity') STORED,
    threshold REAL AS (item ->> '$.comparisonResult.threshold') STORED,
    verificationAttempt INTEGER NOT NULL AS (coalesce(item ->> '$.verificationAttempt', 1)) STORED,
    timestamp TEXT NOT NULL AS (item ->> '$.timestamp') STORED,
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
    item TEXT NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS faceVerificationsByKey ON faceVerifications (userId, registrationId);
CREATE INDEX IF NOT EXISTS faceVerificationsByEvent ON faceVerifications (eventId, timestamp);
CREATE INDEX IF NOT EXISTS faceVerificationsInOrder ON faceVerifications (eventId);
"""
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


def _definition(connection: apsw.Connection, table: str) -> str | None:
    found = connection.execute("SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?", (table,)).fetchone()
    return str(found[0]) if found else None


SCHEMA = Schema(
    application_id=int.from_bytes(b"FDSK"),
    # To change a table, add a step; never change one that was released.
    steps=(_first_version,),
    before={
        "faceVerifications": frozenset({"userId", "registrationId", "timestamp", "item"}),
        "registrations": frozenset({"registration_id", "user_id", "event_id", "words"}),
        "auditTrail": frozenset({"at", "entryId", "entry"}),
        "erasures": frozenset({"user", "changedAt", "finished", "entry"}),
    },
    remedy="Restore a backup: python -m core restore FILE --replace.",
)
