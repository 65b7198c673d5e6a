"""Records and registrations as pandas frames: one row each, the same columns and dtypes from every store.

A row of a record speaks for its registration's newest outcome. An absent value is NaN, NaT or NA; the texts that are
never absent (ids, reasons, name, e-mail) are empty instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field, TypeAdapter, ValidationError

from core.records import Decision, Percent, Quality, Status, Timestamp

_STATUS = pd.CategoricalDtype([Status.SUCCESS.value, Status.PENDING.value, Status.FAILED.value])
_QUALITY = pd.CategoricalDtype([quality.value for quality in Quality])
_DECISION = pd.CategoricalDtype([decision.value for decision in Decision])
_MOMENT = pd.DatetimeTZDtype("us", "UTC")

#: Columns of a record's frame and their dtypes. ``confidence``, ``similarity``: 0-100. ``attempts``: how many there
#: were. ``reasons``: codes with a space between. ``category``: whatever values there are, sorted.
RECORD_DTYPES: Mapping[str, Any] = {
    "userId": "str",
    "registrationId": "str",
    "eventId": "str",
    "status": _STATUS,
    "confidence": "float64",
    "quality": _QUALITY,
    "similarity": "float64",
    "threshold": "float64",
    "attempts": "int32",
    "timestamp": _MOMENT,
    "updatedAt": _MOMENT,
    "expiresAt": _MOMENT,
    "source": "category",
    "reasons": "str",
    "decision": _DECISION,
    "reviewer": "str",
    "decidedAt": _MOMENT,
    "faceImageKey": "str",
    "storedFaceKey": "str",
    "age": "category",
    "gender": "category",
    "smile": "boolean",
}
REGISTRATION_DTYPES: Mapping[str, Any] = {
    "registrationId": "str",
    "userId": "str",
    "eventId": "str",
    "name": "str",
    "email": "str",
    "referencePhotoKey": "str",
    "submittedPhotoKey": "str",
}

#: Text columns in which nothing is the empty text.
NEVER_ABSENT = frozenset({"userId", "registrationId", "eventId", "reasons", "name", "email"})
#: The record's own rules, for a whole column at once.
_RULES: Mapping[str, TypeAdapter[Any]] = {
    **dict.fromkeys(("userId", "registrationId"), TypeAdapter(list[str])),
    **dict.fromkeys(
        ("eventId", "source", "reasons", "reviewer", "faceImageKey", "storedFaceKey", "age", "gender"),
        TypeAdapter(list[str | None]),
    ),
    **dict.fromkeys(("confidence", "similarity"), TypeAdapter(list[Percent | None])),
    **dict.fromkeys(("updatedAt", "decidedAt"), TypeAdapter(list[Timestamp | None])),
    "timestamp": TypeAdapter(list[Timestamp]),
    "status": TypeAdapter(list[Status]),
    "quality": TypeAdapter(list[Quality | None]),
    "threshold": TypeAdapter(list[float | None]),
    "attempts": TypeAdapter(list[Annotated[int, Field(lt=2**31)] | None]),
    "expiresAt": TypeAdapter(list[int | None]),
    "decision": TypeAdapter(list[Decision | None]),
    "smile": TypeAdapter(list[bool | None]),
}
#: Times that pandas reads as the record does; it would take "2026" for a year, where the record sees seconds.
_ISO_TIME = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:?\d\d)?"
#: The last second of the year 9999: an expiry beyond it is no time that Python can show.
_LAST_SECOND = 253_402_300_799


def record_frame(columns: Mapping[str, Sequence[Any]]) -> pd.DataFrame:
    """The frame of records given by column: ``RECORD_DTYPES``, one row a record, in their order.

    Values are as the table has them (times as ISO-8601 text, ``expiresAt`` in epoch seconds, ``attempts`` absent for
    one), but reasons as text with a space between; None, or no such column, for what is absent. Raises ``ValueError``
    where a value breaks the record's rules: one sentence that names the registration and the column, but no value.
    """
    rows = len(columns.get("userId", ()))
    frame = {}
    for column, dtype in RECORD_DTYPES.items():
        try:
            frame[column] = _record_column(column, columns.get(column, [None] * rows), dtype)
        except ValidationError as error:
            row = error.errors(include_input=False)[0]["loc"][0]
            registration = columns["registrationId"][int(row)]
            # Not chained: pydantic's own text quotes the values.
            raise ValueError(
                f"The record of registration {registration!r} cannot be read: its {column} is not valid."
            ) from None
    return pd.DataFrame(frame)


def registration_frame(columns: Mapping[str, Sequence[str | None]]) -> pd.DataFrame:
    """The frame of registrations given by column: ``REGISTRATION_DTYPES``, one row each, in their order."""
    rows = len(columns.get("registrationId", ()))
    return pd.DataFrame({name: _text(name, columns.get(name, [None] * rows)) for name in REGISTRATION_DTYPES})


def alive_in_order(records: pd.DataFrame, now: datetime) -> pd.DataFrame:
    """The records that have not expired, oldest ``timestamp`` first, equal ones by registration, then user."""
    alive = records[~(records["expiresAt"] <= now)].sort_values("timestamp", ignore_index=True)
    # Sorting texts is slow: only where times are equal.
    order = alive.index.to_numpy(copy=True)
    tied = alive["timestamp"].duplicated(keep=False).to_numpy()
    order[tied] = alive[tied].sort_values(["timestamp", "registrationId", "userId"]).index
    return alive.take(order).reset_index(drop=True)


def _record_column(column: str, values: Sequence[Any], dtype: Any) -> pd.Series[Any]:
    if dtype is _MOMENT and column != "expiresAt":
        return _moments(column, values)
    checked = _RULES[column].validate_python(values)
    if column == "expiresAt":
        return _from_seconds(checked)
    if column == "attempts":
        checked = [1 if value is None else value for value in checked]
    if dtype == "str":
        return _text(column, checked)
    typed: pd.Series[Any] = pd.Series(_text(column, checked) if dtype == "category" else checked, dtype=dtype)
    return typed


def _text(column: str, values: Sequence[str | None]) -> pd.Series[Any]:
    texts: pd.Series[Any] = pd.Series(list(values), dtype="str")
    return texts.fillna("") if column in NEVER_ABSENT else texts.mask(texts == "")


def _moments(column: str, values: Sequence[Any]) -> pd.Series[Any]:
    """Times to the millisecond. pandas reads the usual forms ten times faster than the record's rules read any."""
    texts = pd.Series(values, dtype="str")
    usual = texts.where(texts.str.fullmatch(_ISO_TIME, na=False))
    moments: pd.Series[Any] = pd.to_datetime(usual, format="ISO8601", utc=True, errors="coerce")
    moments = moments.astype(_MOMENT).dt.floor("ms")
    if moments.count() < (len(values) if column == "timestamp" else texts.count()):
        moments = pd.Series(_RULES[column].validate_python(values), dtype=_MOMENT)
    return moments


def _from_seconds(values: Sequence[int | None]) -> pd.Series[Any]:
    seconds = np.array(values, dtype="float64").clip(-_LAST_SECOND, _LAST_SECOND)
    return pd.to_datetime(pd.Series(seconds), unit="s", utc=True).astype(_MOMENT)
