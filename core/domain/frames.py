"""Records and registrations as pandas frames: one row each, the same columns and dtypes from every store.

A row of a record speaks for its registration's newest outcome. An absent value is NaN, NaT or NA; the texts that are
never absent (ids, reasons, name, e-mail) are empty instead. Nobody writes into a frame: stores and pages share them.

100,000 records take about 30 MB, nearly all of it ids and photo keys. Confidence and similarity are float64: as
float32 they would save 1 MB and neither show nor export as the number that was stored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pandas.api.types import union_categoricals
from pydantic import Field, TypeAdapter, ValidationError

from core.domain.records import Decision, Percent, Quality, Status, Timestamp, ValidationRecord, isoformat

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
#: What Arrow takes a column's values for, where not for text.
_KINDS: Mapping[str, pa.DataType] = {
    **dict.fromkeys(("confidence", "similarity", "threshold"), pa.float64()),
    **dict.fromkeys(("attempts", "expiresAt"), pa.int64()),
    "smile": pa.bool_(),
}
#: Columns of categories that are not known beforehand.
_FREE_CATEGORIES = [
    column for column, dtype in RECORD_DTYPES.items() if isinstance(dtype, str) and dtype == "category"
]
#: Attributes that a face engine reports, and of what kind they are.
REPORTED: Mapping[str, type] = {"age": str, "gender": str, "smile": bool}
#: Columns in which every record has a value.
_REQUIRED = frozenset({"userId", "registrationId", "status", "timestamp"})
#: The least and the greatest value, where a column has such.
_LIMITS: Mapping[str, tuple[int, int]] = {
    **dict.fromkeys(("confidence", "similarity"), (0, 100)),
    "attempts": (-(2**31), 2**31 - 1),
}
#: Times that Arrow and pandas read as the record does; pandas would take "2026" for a year, where the record sees
#: seconds.
_ISO_TIME = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:?\d\d)?"
#: The length of a time's text as ``core.domain.records.isoformat`` writes it.
_OUR_TIME = len("2026-03-01T12:00:00.000Z")
#: The last second of the year 9999: an expiry beyond it is no time that Python can show.
_LAST_SECOND = 253_402_300_799

#: A column's values: a list or the like, or Arrow's own.
Values: TypeAlias = Sequence[Any] | pa.Array | pa.ChunkedArray


def record_frame(columns: Mapping[str, Values]) -> pd.DataFrame:
    """The frame of records given by column: ``RECORD_DTYPES``, one row a record, in their order.

    Values are as the table has them (times as ISO-8601 text, ``expiresAt`` in epoch seconds, ``attempts`` absent for
    one), but reasons as text with a space between; None, or no such column, for what is absent. Raises ``ValueError``
    where a value breaks the record's rules: one sentence that names the registration and the column, but no value.
    """
    rows = len(columns.get("userId", ()))
    frame = {}
    for column, dtype in RECORD_DTYPES.items():
        values = columns.get(column, pa.nulls(rows))
        quick = _checked_at_once(column, values, dtype)
        try:
            frame[column] = _checked_one_by_one(column, _listed(values), dtype) if quick is None else quick
        except ValidationError as error:
            row = error.errors(include_input=False)[0]["loc"][0]
            registration = _listed(columns["registrationId"])[int(row)]
            # Not chained: pydantic's own text quotes the values.
            raise ValueError(
                f"The record of registration {registration!r} cannot be read: its {column} is not valid."
            ) from None
    return pd.DataFrame(frame, copy=False)


def registration_frame(columns: Mapping[str, Sequence[str | None]]) -> pd.DataFrame:
    """The frame of registrations given by column: ``REGISTRATION_DTYPES``, one row each, in their order."""
    rows = len(columns.get("registrationId", ()))
    texts = {name: pa.array(columns.get(name, [None] * rows), pa.large_string()) for name in REGISTRATION_DTYPES}
    return pd.DataFrame({name: _text(name, values) for name, values in texts.items()})


def optional(texts: pd.Series[Any]) -> pd.Series[Any]:
    """The texts as Python has them, None for an absent one."""
    return texts.astype(object).where(texts.notna(), None)


def frame_of(records: Sequence[ValidationRecord]) -> pd.DataFrame:
    """The frame of records in memory, in their order."""
    return record_frame(
        {
            "userId": [record.user_id for record in records],
            "registrationId": [record.registration_id for record in records],
            "eventId": [record.event for record in records],
            "status": [record.validation_status for record in records],
            "confidence": [record.confidence for record in records],
            "quality": [record.quality for record in records],
            "similarity": [record.similarity for record in records],
            "threshold": [r.comparison_result.threshold if r.comparison_result else None for r in records],
            "attempts": [record.verification_attempt for record in records],
            "timestamp": [isoformat(record.timestamp) for record in records],
            "updatedAt": [isoformat(r.updated_at) if r.updated_at else None for r in records],
            "expiresAt": [record.expires_at for record in records],
            "source": [record.metadata.source for record in records],
            "reasons": [" ".join(record.failure_reasons) for record in records],
            "decision": [record.review.decision if record.review else None for record in records],
            "reviewer": [record.review.reviewer if record.review else None for record in records],
            "decidedAt": [isoformat(record.review.decided_at) if record.review else None for record in records],
            "faceImageKey": [record.face_image_key for record in records],
            "storedFaceKey": [record.stored_face_key for record in records],
            **{name: [reported(name, r.attributes.get(name)) for r in records] for name in REPORTED},
        }
    )


def reported(attribute: str, value: Any) -> Any:
    """What a face engine reported, which another writer may have of any kind: one of another is as good as absent."""
    return value if isinstance(value, REPORTED[attribute]) else None


def with_changes(records: pd.DataFrame, changes: pd.DataFrame) -> pd.DataFrame:
    """``records`` with those of ``changes`` added or in the place of what they were, in the order of
    ``alive_in_order``; ``records`` itself where that changes nothing. A change never takes a record back to what it
    was before.
    """
    if changes.empty:
        return records
    known = records[records["registrationId"].isin(changes["registrationId"])]
    if _comparable(known).equals(_comparable(changes)):
        return records
    whole = as_they_became(joined(records, changes))
    return _in_order(whole)


def as_they_became(records: pd.DataFrame) -> pd.DataFrame:
    """Each record once: of several rows of one that with the latest ``timestamp``, then ``updatedAt``; the last one
    of equal ones.
    """
    # Telling keys apart is slow: only where registrations repeat.
    repeated = records["registrationId"].duplicated(keep=False)
    if not repeated.any():
        return records
    newest_last = records[repeated].sort_values(["timestamp", "updatedAt"], na_position="first")
    outdated = newest_last.index[newest_last.duplicated(["userId", "registrationId"], keep="last")]
    return records.drop(index=outdated).reset_index(drop=True)


def alive_of(records: pd.DataFrame, now: datetime) -> pd.DataFrame:
    """The records that have not expired, in their order."""
    expired = records["expiresAt"] <= now
    return records[~expired].reset_index(drop=True) if expired.any() else records


def alive_in_order(records: pd.DataFrame, now: datetime) -> pd.DataFrame:
    """``alive_of``, oldest ``timestamp`` first, equal ones by registration, then user."""
    return _in_order(alive_of(records, now))


def _in_order(records: pd.DataFrame) -> pd.DataFrame:
    ordered = records.sort_values("timestamp", ignore_index=True)
    # Sorting texts is slow: only where times are equal.
    order = ordered.index.to_numpy(copy=True)
    tied = ordered["timestamp"].duplicated(keep=False).to_numpy()
    if not tied.any():
        return ordered
    order[tied] = ordered[tied].sort_values(["timestamp", "registrationId", "userId"]).index
    return ordered.take(order).reset_index(drop=True)


def _comparable(records: pd.DataFrame) -> pd.DataFrame:
    """Equal for equal records, whatever their order and whatever categories other records have."""
    texts = records.astype(dict.fromkeys(_FREE_CATEGORIES, "str"))
    return texts.sort_values(["registrationId", "userId"], ignore_index=True)


def joined(*frames: pd.DataFrame) -> pd.DataFrame:
    """The rows of all frames of records, with their dtypes."""
    whole = pd.concat(frames, ignore_index=True)
    for column in _FREE_CATEGORIES:
        # Of different categories pandas would make objects.
        values = union_categoricals([frame[column] for frame in frames], sort_categories=True)
        whole[column] = values.remove_unused_categories()
    return whole


def _checked_at_once(column: str, values: Values, dtype: Any) -> pd.Series[Any] | None:
    """The column if all of its values are of the usual forms and keep the record's rules; else None."""
    try:
        array = _array(values, _KINDS.get(column, pa.large_string()))
    except (pa.ArrowException, OverflowError, UnicodeError):
        return None
    if array.null_count and column in _REQUIRED:
        return None
    if column in _LIMITS:
        low, high = _LIMITS[column]
        fits = pc.and_(pc.greater_equal(array, low), pc.less_equal(array, high))
        if not pc.all(fits, min_count=0).as_py():
            return None
    if dtype is _MOMENT:
        return _from_seconds(array) if column == "expiresAt" else _usual_moments(array)
    if isinstance(dtype, pd.CategoricalDtype):
        codes = pc.index_in(array, value_set=_array(list(dtype.categories), array.type))
        return _categorical(codes, dtype) if codes.null_count == array.null_count else None
    return _typed(column, array, dtype)


def _checked_one_by_one(column: str, values: Sequence[Any], dtype: Any) -> pd.Series[Any]:
    """The column by the record's own rules. Raises pydantic's ``ValidationError``."""
    if dtype is _MOMENT and column != "expiresAt":
        return _moments(column, values)
    checked = _RULES[column].validate_python(values)
    if column == "expiresAt":
        return _from_seconds(pa.array(np.array(checked, dtype="float64"), from_pandas=True))
    if isinstance(dtype, pd.CategoricalDtype):
        return pd.Series(checked, dtype=dtype)
    return _typed(column, _array(checked, _KINDS.get(column, pa.large_string())), dtype)


def _listed(values: Values) -> Sequence[Any]:
    listed: Sequence[Any] = values.to_pylist() if isinstance(values, pa.Array | pa.ChunkedArray) else values
    return listed


def _array(values: Values, kind: pa.DataType) -> pa.Array:
    """The values as one array. Raises ``ArrowException`` where they are not all of the kind."""
    match values:
        case pa.ChunkedArray():
            return values.cast(kind).combine_chunks()
        case pa.Array():
            return values.cast(kind)
        case _ if pa.types.is_integer(kind):
            return pa.array(values, pa.float64()).cast(kind)  # directly, Arrow would cut off a fraction
        case _:
            return pa.array(values, kind)


def _typed(column: str, array: pa.Array, dtype: Any) -> pd.Series[Any]:
    match dtype:
        case "str":
            return _text(column, array)
        case "category":
            encoded = _without_empty(array).dictionary_encode()
            names = encoded.dictionary.to_pylist()
            order = sorted(range(len(names)), key=names.__getitem__)
            categories = pd.CategoricalDtype(pd.Index([names[place] for place in order], dtype="str"))
            place_of = pa.array(np.argsort(order), pa.int32())
            return _categorical(place_of.take(encoded.indices), categories)
        case "boolean":
            return pd.Series(pa.chunked_array([array]).to_pandas(types_mapper={pa.bool_(): pd.BooleanDtype()}.get))
        case "int32":
            return pd.Series(pc.fill_null(array, 1).to_numpy(zero_copy_only=False).astype("int32"))
        case _:
            numbers: pd.Series[Any] = pd.Series(array.to_numpy(zero_copy_only=False), dtype=dtype)
            return numbers


def _text(column: str, array: pa.Array) -> pd.Series[Any]:
    whole = pc.fill_null(array, "") if column in NEVER_ABSENT else _without_empty(array)
    # Without a copy, which a Series of a list would be.
    texts: pd.Series[Any] = pa.chunked_array([whole]).to_pandas()
    return texts


def _without_empty(array: pa.Array) -> pa.Array:
    empty = pc.equal(array, "")
    return pc.if_else(empty, None, array) if pc.any(empty).as_py() else array


def _categorical(codes: pa.Array, dtype: pd.CategoricalDtype) -> pd.Series[Any]:
    numbers = pc.fill_null(codes, -1).to_numpy(zero_copy_only=False)
    return pd.Series(pd.Categorical.from_codes(numbers, dtype=dtype))


def _usual_moments(texts: pa.Array) -> pd.Series[Any] | None:
    """Times to the millisecond, if all are written as ours are, or nearly so."""
    # As ours are; of others it takes longer to see that they are usual.
    ours = pc.and_(pc.equal(pc.binary_length(texts), _OUR_TIME), pc.ends_with(texts, "Z"))
    if not pc.all(ours, min_count=0).as_py():
        usual = pc.match_substring_regex(texts, f"^(?:{_ISO_TIME})$")
        if not pc.all(usual, min_count=0).as_py():
            return None
    try:
        moments = texts.cast(pa.timestamp("us", "UTC"))
    except pa.ArrowInvalid:
        return None
    return pd.Series(moments.to_pandas(), dtype=_MOMENT).dt.floor("ms")


def _moments(column: str, values: Sequence[Any]) -> pd.Series[Any]:
    """Times to the millisecond. pandas reads the usual forms ten times faster than the record's rules read any."""
    texts = pd.Series(values, dtype="str")
    usual = texts.where(texts.str.fullmatch(_ISO_TIME, na=False))
    moments: pd.Series[Any] = pd.to_datetime(usual, format="ISO8601", utc=True, errors="coerce")
    moments = moments.astype(_MOMENT).dt.floor("ms")
    if moments.count() < (len(values) if column == "timestamp" else texts.count()):
        moments = pd.Series(_RULES[column].validate_python(values), dtype=_MOMENT)
    return moments


def _from_seconds(seconds: pa.Array) -> pd.Series[Any]:
    floats = seconds.to_numpy(zero_copy_only=False).astype("float64").clip(-_LAST_SECOND, _LAST_SECOND)
    whole = pa.array(floats, from_pandas=True).cast(pa.int64())
    return pd.Series(whole.cast(pa.timestamp("s", "UTC")).to_pandas(), dtype=_MOMENT)
