"""Keyed hashes that replace ids in the operation log, the audit trail, pseudonymised CSVs and second looks."""

from __future__ import annotations

import hmac
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.domain.errors import SettingsError
from core.files.private import FILE, make_folder
from core.settings import Backend, Settings

if TYPE_CHECKING:  # half a second to load, and only columns need them
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

#: The file in the data folder with the installation's own key, created once if no key is set.
KEY_FILE = "hash.key"


class IdHash:
    """The hash of an id under a secret key: 16 hexadecimal digits of HMAC-SHA-256, the same for the same id."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def __call__(self, value: Any) -> str:
        text = str(value).encode(errors="surrogatepass")
        return hmac.digest(self._key, text, "sha256").hex()[:16]


class ColumnHash:
    """The hashes of a column of texts: 16 hexadecimal digits of SipHash each, the same ones for the same text.

    The key is made of that of ``hashed`` and the ``purpose``: whoever lacks ``HASH_KEY`` cannot try texts out, and
    the hashes of two purposes have nothing in common. For a column ``IdHash`` takes ten times as long.
    """

    def __init__(self, hashed: IdHash, purpose: str) -> None:
        self._key = hashed(purpose)

    def of(self, texts: pd.Series[Any]) -> pd.Series[Any]:
        """The hashes of the column's texts, as a column of the same type."""
        import pandas as pd

        return pd.Series(self.digits(self.numbers(texts)), index=texts.index, dtype=texts.dtype)

    def numbers(self, texts: pd.Series[Any]) -> npt.NDArray[np.uint64]:
        """The hashes as numbers of 64 bits."""
        import pandas as pd

        return pd.util.hash_array(texts.to_numpy(dtype=object), hash_key=self._key, categorize=False)

    @staticmethod
    def digits(numbers: npt.NDArray[np.uint64]) -> npt.NDArray[np.object_]:
        """These numbers as hexadecimal digits."""
        import numpy as np

        written = np.frombuffer(numbers.astype(">u8").tobytes().hex().encode(), dtype="S16")
        return written.astype("U16").astype(object)


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
