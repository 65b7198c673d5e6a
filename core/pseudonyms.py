"""Frames for those who may count people but not know them: pseudonyms instead of ids, and nothing else that names.

The order of the rows names nobody either. Stores read rows in the order of the real ids or of writing, so whoever has
a list of the people would only have to lay it beside them. Times are coarse for the same reason: an exact one joins a
row with any log, or with what somebody saw at the desk.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from core.hashing import IdHash

if TYPE_CHECKING:  # half a second to load, and only frames need it
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

#: Columns that join rows with rows: a pseudonym keeps that.
_IDS = frozenset({"userId", "registrationId"})
#: Columns of which it is told whether there is something: how many have a reference photo is counted.
_PHOTOS = frozenset({"faceImageKey", "storedFaceKey", "referencePhotoKey"})
_WITHHELD = "withheld"
#: Columns that are shown as they are; times are shown coarsely. What is in none is emptied: a new column names nobody
#: by being forgotten.
_COUNTED = frozenset(
    {
        *("eventId", "status", "becomes", "reasons", "decision", "source", "quality", "attempts"),
        *("confidence", "similarity", "threshold", "age", "gender", "smile"),
    }
)

#: Times are told by quarters of an hour: no chart has finer ones, and every time zone's hours begin with one.
_COARSE = "15min"
#: Told as the end of its quarter, so that no record that is still kept looks expired; all others as the beginning.
_ENDS = frozenset({"expiresAt"})

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
        return _digits(self._numbers(ids), ids)

    def kept(self, frame: pd.DataFrame) -> pd.DataFrame:
        """As ``frame``, and the very same one for the very same frame: nobody writes into either."""
        return self._kept(_Same(frame))

    def frame(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The rows of ``frame`` with its columns and dtypes, and nobody's id, name, address or photo in it.

        They are in the order of what is shown: by ``timestamp``, if there is one, then by pseudonym.
        """
        import numpy as np
        import pandas as pd

        from core.frames import NEVER_ABSENT

        changed: dict[str, Any] = {}
        numbers = {str(name): self._numbers(column) for name, column in frame.items() if name in _IDS}
        for name, column in frame.items():
            if name in _IDS:
                changed[str(name)] = _digits(numbers[str(name)], column)
            elif name in _PHOTOS:
                changed[str(name)] = column.where(column.isna(), _WITHHELD)
            elif isinstance(column.dtype, pd.DatetimeTZDtype):
                changed[str(name)] = column.dt.ceil(_COARSE) if name in _ENDS else column.dt.floor(_COARSE)
            elif name not in _COUNTED:
                nothing = "" if name in NEVER_ABSENT else None
                changed[str(name)] = pd.Series(nothing, index=frame.index, dtype=column.dtype)
        shown = frame.assign(**changed)
        keys = [numbers[name] for name in ("userId", "registrationId") if name in numbers]
        if "timestamp" in shown:
            keys.append(shown["timestamp"].dt.tz_convert(None).to_numpy())
        return shown.iloc[np.lexsort(keys)].reset_index(drop=True) if keys else shown

    def _numbers(self, ids: pd.Series[Any]) -> npt.NDArray[np.uint64]:
        import pandas as pd

        plain = ids.to_numpy(dtype=object)
        return pd.util.hash_array(plain, hash_key=self._key, categorize=False)


def _digits(numbers: npt.NDArray[np.uint64], ids: pd.Series[Any]) -> pd.Series[Any]:
    """16 hexadecimal digits for each number, in the place of these ids."""
    import numpy as np
    import pandas as pd

    digits = np.frombuffer(numbers.astype(">u8").tobytes().hex().encode(), dtype="S16")
    return pd.Series(digits.astype("U16").astype(object), index=ids.index, dtype=ids.dtype)
