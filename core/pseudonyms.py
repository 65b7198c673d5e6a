"""Frames for those who may count people but not know them: pseudonyms instead of ids, and nothing else that names."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
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


#: Frames whose answers are kept.
_KEPT = 4


class Pseudonyms:
    """The same id has the same pseudonym (16 hexadecimal digits) in every frame of the installation.

    It is SipHash under a key made of ``HASH_KEY``: whoever lacks that key cannot try ids out.
    """

    def __init__(self, hashed: IdHash) -> None:
        self._key = hashed("the key of pseudonyms")
        #: A frame's identity -> the frame, which must live for its identity to hold, and what was made of it.
        self._made: OrderedDict[int, tuple[pd.DataFrame, pd.DataFrame]] = OrderedDict()
        self._lock = Lock()

    def of(self, ids: pd.Series[Any]) -> pd.Series[Any]:
        import numpy as np
        import pandas as pd

        numbers = pd.util.hash_array(ids.to_numpy(dtype=object), hash_key=self._key)
        return pd.Series(np.char.mod("%016x", numbers), index=ids.index, dtype="str")

    def frame(self, frame: pd.DataFrame) -> pd.DataFrame:
        """``frame`` with its rows, columns and dtypes, and nobody's id, name, address or photo in it.

        A frame that was given before, unchanged, has the same answer: an event is many times looked at as it is.
        """
        with self._lock:
            if id(frame) in self._made:
                self._made.move_to_end(id(frame))
                return self._made[id(frame)][1]
        made = self._of_frame(frame)
        with self._lock:
            self._made[id(frame)] = frame, made
            while len(self._made) > _KEPT:
                self._made.popitem(last=False)
        return made

    def _of_frame(self, frame: pd.DataFrame) -> pd.DataFrame:
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
