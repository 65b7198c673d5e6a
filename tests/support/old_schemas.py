"""Every shape that database files had before there were versions: the tables as they were made then."""

from __future__ import annotations

from collections.abc import Mapping

RECORDS_FIRST = """
CREATE TABLE IF NOT EXISTS faceVerifications (
    userId TEXT NOT NULL AS (item ->> '$.userId') STORED,
    registrationId TEXT NOT NULL AS (item ->> '$.registrationId') STORED,
    eventId TEXT AS (coalesce(item ->> '$.eventId', item ->> '$.metadata.eventId')) STORED,
    validationStatus TEXT NOT NULL AS (item ->> '$.validationStatus') STORED,
    confidence REAL AS (item ->> '$.confidence') STORED,
    quality TEXT AS (item ->> '$.quality') STORED,
    similarity REAL AS (item ->> '$.comparisonResult.similarity') STORED,
    verificationAttempt INTEGER NOT NULL AS (coalesce(item ->> '$.verificationAttempt', 1)) STORED,
    timestamp TEXT NOT NULL AS (item ->> '$.timestamp') STORED,
    updatedAt TEXT AS (item ->> '$.updatedAt') STORED,
    expiresAt INTEGER AS (item ->> '$.expiresAt') STORED,
    source TEXT AS (item ->> '$.metadata.source') STORED,
    failureReasons TEXT AS (item -> '$.failureReasons') STORED,
    decision TEXT AS (item ->> '$.review.decision') STORED,
    faceImageKey TEXT AS (item ->> '$.faceImageKey') STORED,
    storedFaceKey TEXT AS (item ->> '$.storedFaceKey') STORED,
    item TEXT NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS faceVerificationsByKey ON faceVerifications (userId, registrationId);
CREATE INDEX IF NOT EXISTS faceVerificationsByEvent ON faceVerifications (eventId, timestamp);
"""
RECORDS_UNNUMBERED = """
CREATE TABLE IF NOT EXISTS faceVerifications (
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
"""
RECORDS_NUMBERED = """
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
"""
REGISTRATIONS_FIRST = """
CREATE TABLE IF NOT EXISTS registrations (
    registration_id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    event_id TEXT NOT NULL,
    name TEXT,
    email TEXT,
    reference_photo_key TEXT,
    folded_email TEXT NOT NULL,
    words TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS registrations_by_user ON registrations (user_id, registration_id);
"""
REGISTRATIONS_BY_EVENT = """
CREATE TABLE IF NOT EXISTS registrations (
    registration_id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    event_id TEXT NOT NULL,
    name TEXT,
    email TEXT,
    reference_photo_key TEXT,
    folded_email TEXT NOT NULL,
    words TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS registrations_by_user ON registrations (user_id, registration_id);
CREATE INDEX IF NOT EXISTS registrations_by_event ON registrations (event_id, registration_id);
"""
REGISTRATIONS_WITH_SUBMITTED = """
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
AUDIT = """
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
ERASURES = """
CREATE TABLE IF NOT EXISTS erasures (
    user TEXT PRIMARY KEY,
    changedAt TEXT NOT NULL,
    finished INTEGER NOT NULL,
    entry TEXT NOT NULL
) WITHOUT ROWID;
"""

#: What an installation of each time had, in order.
OLD_SCHEMAS: Mapping[str, tuple[str, ...]] = {
    "the first pages": (RECORDS_FIRST, REGISTRATIONS_FIRST),
    "event pages": (RECORDS_UNNUMBERED, REGISTRATIONS_BY_EVENT),
    "batches": (RECORDS_UNNUMBERED, REGISTRATIONS_WITH_SUBMITTED),
    "the audit trail": (RECORDS_UNNUMBERED, REGISTRATIONS_WITH_SUBMITTED, AUDIT),
    "erasures": (RECORDS_UNNUMBERED, REGISTRATIONS_WITH_SUBMITTED, AUDIT, ERASURES),
    "numbered rows": (RECORDS_NUMBERED, REGISTRATIONS_WITH_SUBMITTED, AUDIT, ERASURES),
    "exports in order": (
        f"{RECORDS_NUMBERED}CREATE INDEX faceVerificationsInOrder ON faceVerifications (eventId);",
        REGISTRATIONS_WITH_SUBMITTED,
        AUDIT,
        ERASURES,
    ),
    "a start that was cut off": (REGISTRATIONS_FIRST,),
}
