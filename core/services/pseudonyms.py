"""Frames and claims for those who may count people but not know them: pseudonyms instead of ids, and nothing else
that names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from core.domain.cases import Claim
from core.services.hashing import ColumnHash, IdHash

if TYPE_CHECKING:  # half a second to load, and only frames need it
    import pandas as pd

#: Stands for a photo's key: how many people have a photo may be counted.
_WITHHELD = "withheld"
#: Times are cut to this. Every time zone is a multiple of it off UTC, so charts by hour and by day stay exact.
_TIME_STEP = "15min"
#: What rows are sorted by, where a frame has the column. All of these are shown, and never as the real ids.
_ORDER = ("timestamp", "registrationId", "userId")
#: Rows of one batch.
_BATCH_ROWS = 5000

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
    """The same id has the same pseudonym (``ColumnHash``) in every frame of the installation."""

    def __init__(self, hashed: IdHash) -> None:
        self._hash = ColumnHash(hashed, "the key of pseudonyms")
        self._kept = lru_cache(_KEPT_FRAMES)(lambda same: self.frame(same.frame))

    def of(self, ids: pd.Series[Any]) -> pd.Series[Any]:
        return self._hash.of(ids)

    def kept(self, frame: pd.DataFrame) -> pd.DataFrame:
        """As ``frame``, and the very same one for the very same frame: nobody writes into either."""
        return self._kept(_Same(frame))

    def frame(self, frame: pd.DataFrame) -> pd.DataFrame:
        """``frame`` with its columns and dtypes, and nobody's id, name, address or photo in it.

        Times are cut to the quarter of an hour and confidence and similarity to a tenth, so that exact values do not
        link rows with logs. Rows are sorted by time, then by pseudonym, with a fresh index: the order that they came
        in may be that of the real ids.
        """
        return _in_shown_order(self._unnamed(frame))

    def batches(self, frames: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        """The rows of all ``frames`` as ``frame`` shows them, in one order over all batches.

        Which batch a row came in, too, may follow from its real id: all rows are read before the first is given, and
        memory grows with them. Gives an empty frame for each frame that it reads, so that callers can stop meanwhile.
        """
        from core.domain.frames import joined

        held = []
        for frame in frames:
            held.append(self._unnamed(frame))
            yield held[-1].iloc[:0]
        if held:
            whole = _in_shown_order(joined(*held))
            held.clear()
            for start in range(0, len(whole), _BATCH_ROWS):
                yield whole.iloc[start : start + _BATCH_ROWS].reset_index(drop=True)

    def claims(self, claims: Sequence[Claim]) -> list[Claim]:
        """The claims with pseudonyms as in ``frame``, without the names of those who have the cases; in its order."""
        import pandas as pd

        def replaced(ids: Iterable[str]) -> list[str]:
            return list(self.of(pd.Series(list(ids), dtype=object)))

        users = replaced(claim.user_id for claim in claims)
        registrations = replaced(claim.registration_id for claim in claims)
        holders = replaced(claim.holder for claim in claims)
        shown = [
            Claim(
                user_id=user,
                registration_id=registration,
                event_id=claim.event_id,
                holder=holder,
                since=_floored(claim.since),
                until=_floored(claim.until),
            )
            for claim, user, registration, holder in zip(claims, users, registrations, holders, strict=True)
        ]
        return sorted(shown, key=lambda claim: (claim.since, claim.registration_id, claim.user_id))

    def _unnamed(self, frame: pd.DataFrame) -> pd.DataFrame:
        import pandas as pd

        from core.domain.columns import NEVER_ABSENT, PSEUDONYMISED, Pseudonymised

        changed: dict[str, Any] = {}
        for name, column in ((str(name), column) for name, column in frame.items()):
            match PSEUDONYMISED.get(name, Pseudonymised.EMPTIED):
                case Pseudonymised.REPLACED:
                    changed[name] = self.of(column)
                case Pseudonymised.PRESENCE:
                    changed[name] = column.where(column.isna(), _WITHHELD)
                case Pseudonymised.CUT:
                    changed[name] = _cut_to_a_tenth(column)
                case Pseudonymised.SHOWN:
                    if isinstance(column.dtype, pd.DatetimeTZDtype):
                        changed[name] = column.dt.floor(_TIME_STEP)
                case Pseudonymised.EMPTIED:
                    nothing = "" if name in NEVER_ABSENT else None
                    changed[name] = pd.Series(nothing, index=frame.index, dtype=column.dtype)
        return frame.assign(**changed)


def _floored(moment: datetime) -> datetime:
    import pandas as pd

    floored: datetime = pd.Timestamp(moment).floor(_TIME_STEP).to_pydatetime()
    return floored


def _cut_to_a_tenth(values: pd.Series[Any]) -> pd.Series[Any]:
    # Cut, not rounded, so that every comparison with a threshold of at most one decimal, and every bin of a chart,
    # comes out as for the exact number. Multiplying and flooring would turn some exact tenths into the tenth below.
    nearest = values.round(1)
    return nearest.where(nearest <= values, (nearest - 0.1).round(1))


def _in_shown_order(shown: pd.DataFrame) -> pd.DataFrame:
    import pyarrow as pa
    import pyarrow.compute as pc

    keys = [name for name in _ORDER if name in shown]
    columns = pa.Table.from_pandas(shown[keys], preserve_index=False, nthreads=1)
    places = pc.sort_indices(columns, sort_keys=[(name, "ascending") for name in keys])
    return shown.take(places.to_numpy()).reset_index(drop=True)
