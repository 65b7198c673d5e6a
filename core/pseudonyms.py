"""Frames for those who may count people but not know them: pseudonyms instead of ids, and nothing else that names."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from core.hashing import IdHash

if TYPE_CHECKING:  # half a second to load, and only frames need it
    import pandas as pd

#: Columns that join rows with rows: a pseudonym keeps that.
_IDS = frozenset({"userId", "registrationId"})
#: Columns of which it is told whether there is something: how many have a reference photo is counted.
_PHOTOS = frozenset({"faceImageKey", "storedFaceKey", "referencePhotoKey"})
_WITHHELD = "withheld"
#: Columns that are shown as they are. What is in none is emptied: a new column names nobody by being forgotten.
_COUNTED = frozenset(
    {
        *("eventId", "status", "becomes", "reasons", "decision", "source", "quality", "attempts"),
        *("confidence", "similarity", "threshold", "age", "gender", "smile"),
        *("timestamp", "updatedAt", "expiresAt", "decidedAt"),
    }
)

#: Few: each holds an event's frame of some time, and the one that was made of it.
_KEPT_FRAMES = 4


class _Same:
    """A frame that equals itself alone."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame

    def __hash__(self) -> int:
        return id(self.frame)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.frame is self.frame


class Pseudonyms:
    """The same id has the same pseudonym (16 hexadecimal digits) in every frame of the installation.

    It is SipHash under a key made of ``HASH_KEY``: whoever lacks that key cannot try ids out.
    """

    def __init__(self, hashed: IdHash) -> None:
        self._key = hashed("the key of pseudonyms")
        self._kept = lru_cache(_KEPT_FRAMES)(lambda same: self.frame(same.frame))

    def of(self, ids: pd.Series[Any]) -> pd.Series[Any]:
        import numpy as np
        import pandas as pd

        plain = ids.to_numpy(dtype=object)
        numbers = pd.util.hash_array(plain, hash_key=self._key, categorize=False)
        digits = np.frombuffer(numbers.astype(">u8").tobytes().hex().encode(), dtype="S16")
        return pd.Series(digits.astype("U16").astype(object), index=ids.index, dtype=ids.dtype)

    def kept(self, frame: pd.DataFrame) -> pd.DataFrame:
        """As ``frame``, and the very same one for the very same frame: nobody writes into either."""
        return self._kept(_Same(frame))

    def frame(self, frame: pd.DataFrame) -> pd.DataFrame:
        """``frame`` with its rows, columns and dtypes, and nobody's id, name, address or photo in it."""
        import pandas as pd

        from core.frames import NEVER_ABSENT

        changed: dict[str, Any] = {}
        for name, column in frame.items():
            if name in _IDS:
                changed[str(name)] = self.of(column)
            elif name in _PHOTOS:
                changed[str(name)] = column.where(column.isna(), _WITHHELD)
            elif name not in _COUNTED:
                nothing = "" if name in NEVER_ABSENT else None
                changed[str(name)] = pd.Series(nothing, index=frame.index, dtype=column.dtype)
        return frame.assign(**changed)
