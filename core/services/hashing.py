"""Keyed hashes that replace ids in the operation log, the audit trail and pseudonymised CSVs."""

from __future__ import annotations

import hmac
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Any

from core.domain.errors import SettingsError
from core.files.private import FILE, make_folder
from core.settings import Backend, Settings

#: The file in the data folder with the installation's own key, created once if no key is set.
KEY_FILE = "hash.key"


class IdHash:
    """The hash of an id under a secret key: 16 hexadecimal digits of HMAC-SHA-256, the same for the same id."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def __call__(self, value: Any) -> str:
        text = str(value).encode(errors="surrogatepass")
        return hmac.digest(self._key, text, "sha256").hex()[:16]


def id_hash(settings: Settings) -> IdHash:
    """Returns the hash under the key of the settings, or (embedded backend) the key in the data folder.

    Creates the key in the data folder if it is missing. Raises ``SettingsError`` if the folder cannot be written.
    """
    if settings.hash_key:
        return IdHash(settings.hash_key.get_secret_value().encode())
    if settings.backend is Backend.AWS:
        # The settings refuse this as well. With a key of its own, a process's hashes would match no other's.
        raise SettingsError("HASH_KEY is missing; FACEDESK_BACKEND=aws needs it")
    return IdHash(_kept_key(settings.data_dir / KEY_FILE))


def _kept_key(path: Path) -> bytes:
    try:
        make_folder(path.parent)
        # The file is complete before it gets its name, and the first of several processes wins.
        new = path.with_name(f"{KEY_FILE}.{secrets.token_hex(8)}")
        if not path.exists():
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE), "w") as file:
                file.write(secrets.token_hex(32))
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):
                os.link(new, path)
            new.unlink()
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(f"Cannot keep a key in {path}: {error.strerror}.") from error
