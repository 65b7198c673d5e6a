"""The keys of submitted photos. Nothing of a key was typed by anybody."""

from __future__ import annotations

import uuid
from hashlib import sha256

#: How the key of every submitted photo begins; such photos go with their records.
SUBMITTED = "face-images/"
_KEYS = uuid.UUID("6f1c0a52-5a0e-4c3e-9d43-2f6f0c1e8b7d")


def folder_of(registration_id: str) -> str:
    """How the keys of all photos begin that were uploaded for a registration, whether a record names them or not."""
    return f"{SUBMITTED}{uuid.uuid5(_KEYS, registration_id)}/"


def key_of(registration_id: str, attempt_id: str, jpeg: bytes) -> str:
    """The same for a retried upload, different for any other."""
    name = "\0".join((registration_id, attempt_id, sha256(jpeg).hexdigest()))
    return f"{folder_of(registration_id)}{uuid.uuid5(_KEYS, name)}.jpg"
