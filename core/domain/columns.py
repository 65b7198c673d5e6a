"""The columns of the frames of records and registrations, one line each. Everything else about a column is derived.

A new column needs one line here (and one in the embedded backend's schema, if that is to store it). It is exported
only if it is added to the public order in ``core.services.tables``, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, get_args

import pandas as pd
import pyarrow as pa
from annotated_types import Interval

from core.domain.reading import Reader, reader_of
from core.domain.records import Count, Decision, EpochSeconds, Percent, Quality, Status, Timestamp


class Pseudonymised(Enum):
    """What people who may count others, but not know them, see of a column."""

    EMPTIED = "nothing: this is the default, so that a new column reveals nobody by oversight"
    SHOWN = "the value, times cut to the quarter of an hour"
    CUT = "the number, cut to a tenth"
    REPLACED = "a pseudonym, the same one for the same id"
    PRESENCE = "whether there is a value"


#: The order in which outcomes are listed and stacked.
STATUSES = (Status.SUCCESS.value, Status.PENDING.value, Status.FAILED.value, Status.UNKNOWN.value)
_STATUS = pd.CategoricalDtype(list(STATUSES))
_QUALITY = pd.CategoricalDtype([quality.value for quality in Quality])
_DECISION = pd.CategoricalDtype([decision.value for decision in Decision])
#: The dtype of times.
MOMENT = pd.DatetimeTZDtype("us", "UTC")

_ARROW: Mapping[Any, pa.DataType] = {float: pa.float64(), int: pa.int64(), bool: pa.bool_()}


@dataclass(frozen=True)
class Column:
    """One column.

    ``kind``: the type of a stored value, as the record's model annotates it. ``stored``: its path in the stored
    record; empty if that is the column's own name. ``default``: what an absent value is, if that is not nothing.
    ``never_absent``: an absent text is the empty text, not NaN. ``reported``: a face engine reports it as an
    attribute; a value of another kind is as good as absent. ``needed``: the map that it is in is unreadable without
    it.
    """

    name: str
    dtype: Any
    pseudonymised: Pseudonymised = Pseudonymised.EMPTIED
    kind: Any = str
    stored: tuple[str, ...] = ()
    default: Any = None
    never_absent: bool = False
    reported: bool = False
    needed: bool = False

    @property
    def path(self) -> tuple[str, ...]:
        """The names that lead to the value in a stored record, outermost first."""
        return self.stored or (self.name,)

    @property
    def arrow(self) -> pa.DataType:
        """The Arrow type of the values as stored: everything but numbers and truth values is text."""
        return _ARROW.get(self._plain_kind, pa.large_string())

    @property
    def is_text(self) -> bool:
        return self._plain_kind not in _ARROW

    @property
    def is_truth(self) -> bool:
        return self.kind is bool

    @property
    def limits(self) -> tuple[Any, Any] | None:
        """The least and the greatest value."""
        marks = (mark for mark in get_args(self.kind) if isinstance(mark, Interval))
        return next(((mark.ge, mark.le) for mark in marks), None)

    @property
    def reader(self) -> Reader:
        """Reads a stored value, whoever wrote it."""
        return reader_of(self.kind)

    @property
    def _plain_kind(self) -> Any:
        return (get_args(self.kind) or (self.kind,))[0]


_EMPTIED, _SHOWN, _CUT = Pseudonymised.EMPTIED, Pseudonymised.SHOWN, Pseudonymised.CUT
_REPLACED, _PRESENCE = Pseudonymised.REPLACED, Pseudonymised.PRESENCE

#: The columns of a frame of records that come from one stored value each. ``confidence``, ``similarity``: 0-100.
#: ``attempts``: how many there were. ``reasons``: codes separated by spaces. ``category``: whatever values
#: occur, sorted.
STORED_COLUMNS = (
    Column("userId", "str", _REPLACED, never_absent=True),
    Column("registrationId", "str", _REPLACED, never_absent=True),
    Column("eventId", "str", _SHOWN, never_absent=True),
    Column("status", _STATUS, _SHOWN, Status, ("validationStatus",), default=Status.UNKNOWN.value),
    Column("confidence", "float64", _CUT, Percent),
    Column("quality", _QUALITY, _SHOWN, Quality),
    Column("similarity", "float64", _CUT, Percent, ("comparisonResult", "similarity")),
    Column("threshold", "float64", _SHOWN, float, ("comparisonResult", "threshold")),
    Column("attempts", "int32", _SHOWN, Count, ("verificationAttempt",), default=1),
    Column("timestamp", MOMENT, _SHOWN, Timestamp),
    Column("updatedAt", MOMENT, _SHOWN, Timestamp),
    Column("expiresAt", MOMENT, _SHOWN, EpochSeconds),
    Column("source", "category", _SHOWN, str, ("metadata", "source")),
    Column("reasons", "str", _SHOWN, str, ("failureReasons",), never_absent=True),
    Column("decision", _DECISION, _SHOWN, Decision, ("review", "decision"), needed=True),
    Column("reviewer", "str", _EMPTIED, str, ("review", "reviewer")),
    Column("decidedAt", MOMENT, _SHOWN, Timestamp, ("review", "decidedAt")),
    Column("faceImageKey", "str", _PRESENCE),
    Column("storedFaceKey", "str", _PRESENCE),
    Column("age", "category", _SHOWN, str, ("attributes", "age"), reported=True),
    Column("gender", "category", _SHOWN, str, ("attributes", "gender"), reported=True),
    Column("smile", "boolean", _SHOWN, bool, ("attributes", "smile"), reported=True),
    Column("engine", "category", _SHOWN, str, ("metadata", "provenance", "engine")),
    Column("model", "category", _SHOWN, str, ("metadata", "provenance", "model")),
    Column("rules", "category", _SHOWN, str, ("metadata", "provenance", "rules")),
)
#: What could not be read, as ``field:kind`` with spaces between (``core.domain.reading.Unread``). No export has it.
UNREADABLE = Column("unreadable", "str", _SHOWN, never_absent=True)
#: The columns of a frame of records, in their order.
RECORD_COLUMNS = (*STORED_COLUMNS, UNREADABLE)
#: The columns of a frame of registrations, in their order.
REGISTRATION_COLUMNS = (
    Column("registrationId", "str", _REPLACED, never_absent=True),
    Column("userId", "str", _REPLACED, never_absent=True),
    Column("eventId", "str", _SHOWN, never_absent=True),
    Column("name", "str", never_absent=True),
    Column("email", "str", never_absent=True),
    Column("referencePhotoKey", "str", _PRESENCE),
    Column("submittedPhotoKey", "str"),
    UNREADABLE,
)
#: By what a store tells documents of registrations apart, in the frames of ``core.domain.registration_documents``.
DOCUMENT = Column("document", "str", never_absent=True)
#: The column that the what-if table adds to a frame of records: the status that a record would have.
BECOMES = Column("becomes", _STATUS, _SHOWN, Status)

RECORD_DTYPES: Mapping[str, Any] = {column.name: column.dtype for column in RECORD_COLUMNS}
REGISTRATION_DTYPES: Mapping[str, Any] = {column.name: column.dtype for column in REGISTRATION_COLUMNS}
_ALL = (*RECORD_COLUMNS, *REGISTRATION_COLUMNS, BECOMES)
#: Text columns in which an absent value is the empty text.
NEVER_ABSENT = frozenset(column.name for column in _ALL if column.never_absent)
#: What people who may count others see of each column.
PSEUDONYMISED: Mapping[str, Pseudonymised] = {column.name: column.pseudonymised for column in _ALL}
#: Attributes that a face engine reports, and the type of each.
REPORTED: Mapping[str, type] = {column.name: column.kind for column in STORED_COLUMNS if column.reported}
