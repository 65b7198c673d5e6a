"""Records and registrations as pandas frames: one row each, the same columns and dtypes from every store.

A row of a record speaks for its registration's newest outcome. An absent value is NaN, NaT or NA; the texts that are
never absent (ids, reasons, name, e-mail) are empty instead. Nobody writes into a frame: stores and pages share them.

100,000 records take about 30 MB, nearly all of it ids and photo keys. Confidence and similarity are float64: as
float32 they would save 1 MB and neither show nor export as the number that was stored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pandas.api.types import union_categoricals
from pydantic.alias_generators import to_snake

from core.domain.columns import DOCUMENT, MOMENT, REGISTRATION_COLUMNS, REPORTED, STORED_COLUMNS, UNREADABLE, Column
from core.domain.reading import Unread, Unreadable, is_absent, kind_of, text
from core.domain.records import ValidationRecord, isoformat

#: Columns of categories that are not known beforehand. (A dtype with known ones equals the text "category", too.)
_FREE_CATEGORIES = [
    column.name for column in STORED_COLUMNS if isinstance(column.dtype, str) and column.dtype == "category"
]
_BY_NAME = {column.name: column for column in STORED_COLUMNS}
#: Each column's path in a record in memory.
_IN_MEMORY = {column.name: tuple(map(to_snake, column.path)) for column in STORED_COLUMNS}
#: The fields of a record that a frame shows: those of its columns, and the maps that hold these.
_FIELDS = {".".join(column.path[:depth]) for column in STORED_COLUMNS for depth in range(1, len(column.path) + 1)}
#: Times that Arrow and pandas read as the record does; pandas would take "2026" for a year, where the record sees
#: seconds.
_ISO_TIME = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:?\d\d)?"
#: The length of a time's text as ``core.domain.records.isoformat`` writes it.
_OUR_TIME = len("2026-03-01T12:00:00.000Z")

#: The columns that tell records, and registrations, apart.
_KEYS = ("userId", "registrationId")
#: The columns by which a frame of records is ordered and kept up to date.
KEPT_BY = (*_KEYS, "timestamp", "updatedAt", "expiresAt")

#: A column's values: a list or the like, or Arrow's own.
Values: TypeAlias = Sequence[Any] | pa.Array | pa.ChunkedArray


def record_frame(columns: Mapping[str, Values], names: Sequence[str] | None = None) -> pd.DataFrame:
    """The frame of records given by column: ``RECORD_COLUMNS``, one row a record, in their order.

    ``names`` limits it to these columns, in this order. ``unreadable`` and the columns of a decision, which depend on
    others, must not be among them.

    Values are as the table has them (times as ISO-8601 text, ``expiresAt`` in epoch seconds, ``attempts`` absent for
    one), but reasons as text with a space between; None, or no such column, for what is absent. A value in another
    form is read as ``core.domain.reading`` does; one that is not readable is absent, and named in ``unreadable``.
    """
    rows = len(columns.get("userId", ()))
    wanted = None if names is None else tuple(names)
    return _made_of(columns, rows, wanted) if rows else _without_rows(wanted)


@cache
def _without_rows(names: tuple[str, ...] | None) -> pd.DataFrame:
    """A frame of no records. Most looks at what is new find nothing, and making a frame takes milliseconds."""
    return _made_of({}, 0, names)


def _made_of(columns: Mapping[str, Values], rows: int, names: tuple[str, ...] | None) -> pd.DataFrame:
    frame, unread = {}, list[tuple[int, Unread]]()
    for column in STORED_COLUMNS if names is None else map(_BY_NAME.__getitem__, names):
        values = columns.get(column.name, pa.nulls(rows))
        quick = _read_at_once(column, values)
        frame[column.name] = _read_one_by_one(column, _listed(values), unread) if quick is None else quick
    if names is None:
        frame[UNREADABLE.name] = _unreadable(columns.get(UNREADABLE.name, pa.nulls(rows)), unread)
        # Who decided, and when, means nothing without the decision.
        undecided = frame["decision"].isna()
        for name in ("reviewer", "decidedAt"):
            if (frame[name].notna() & undecided).any():
                frame[name] = frame[name].mask(undecided)
    return pd.DataFrame(frame, copy=False)


def registration_frame(columns: Mapping[str, Values], *, document: bool = False) -> pd.DataFrame:
    """The frame of registrations given by column: ``REGISTRATION_COLUMNS``, one row each, in their order; with
    ``document``, that column before them.
    """
    absent = pa.nulls(len(columns.get("registrationId", ())))
    wanted = (DOCUMENT, *REGISTRATION_COLUMNS) if document else REGISTRATION_COLUMNS
    return pd.DataFrame(
        {column.name: _text(column, _array(columns.get(column.name, absent), column.arrow)) for column in wanted}
    )


def optional(texts: pd.Series[Any]) -> pd.Series[Any]:
    """The texts as Python has them, None for an absent one."""
    return texts.astype(object).where(texts.notna(), None)


def frame_of(records: Sequence[ValidationRecord], names: Sequence[str] | None = None) -> pd.DataFrame:
    """The frame of records in memory, in their order; ``names`` as for ``record_frame``."""
    return record_frame(columns_of(records), names)


def columns_of(records: Sequence[ValidationRecord]) -> dict[str, list[Any]]:
    """The columns of records, as ``record_frame`` takes them."""
    columns = {name: [_value(record, path) for record in records] for name, path in _IN_MEMORY.items()}
    columns["eventId"] = [record.event for record in records]
    for name in REPORTED:
        columns[name] = [reported(name, value) for value in columns[name]]
    columns[UNREADABLE.name] = [" ".join(str(each) for each in _shown(record.unread)) for record in records]
    return columns


def _shown(unread: Sequence[Unread]) -> list[Unread]:
    """Those of the fields that frames show, each once."""
    return [each for each in dict.fromkeys(unread) if each.field in _FIELDS]


def _value(record: ValidationRecord, path: tuple[str, ...]) -> Any:
    """The value at ``path`` as a stored record has it, but a list of texts as one text; None if it is absent."""
    value: Any = record
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)
    match value:
        case datetime():
            return isoformat(value)
        case tuple():
            return " ".join(value)
        case _:
            return value


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
    changes = as_they_became(changes)
    # Few have such a registration: of these it is soon said which are the same records.
    alike = records["registrationId"].isin(changes["registrationId"]).to_numpy().nonzero()[0]
    known = records.iloc[alike]
    places = places_of(changes, known)
    there = places >= 0
    before, after = known.iloc[places[there]], changes[there]
    if there.all() and _comparable(before).equals(_comparable(after)):
        return records
    newer = np.ones(len(changes), dtype=bool)
    newer[there] = ~_is_later(before, after)
    left = np.ones(len(records), dtype=bool)
    left[alike[places[there & newer]]] = False
    return _in_order(joined(records[left], changes[newer]))


def places_of(those: pd.DataFrame, others: pd.DataFrame) -> npt.NDArray[np.int64]:
    """For each row of ``those`` the place in ``others`` of the same user and registration, -1 where there is none.

    pandas' merge, which sorts the keys, takes five times as long.
    """
    found = pc.index_in(_keys(those), value_set=_keys(others))
    at: npt.NDArray[np.int64] = pc.fill_null(found, -1).to_numpy().astype("int64")
    return at


def _keys(frame: pd.DataFrame) -> pa.ChunkedArray:
    """User and registration as one text; with the user's length, so that no two keys are alike."""
    # With the type, because an empty column may have no chunk that tells it.
    kind = pa.large_string()
    users, registrations = (pa.chunked_array([pa.array(frame[name], kind)], kind) for name in _KEYS)
    lengths = pc.binary_length(users).cast(kind)
    return pc.binary_join_element_wise(lengths, users, registrations, pa.scalar(" ", kind))


def _is_later(records: pd.DataFrame, others: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Whether each record has a later ``timestamp``, then ``updatedAt``, than the other one; those absent first."""
    (time, update), (other_time, other_update) = (
        [frame[name].to_numpy("datetime64[us]").astype("int64") for name in ("timestamp", "updatedAt")]
        for frame in (records, others)
    )
    later: npt.NDArray[np.bool_] = (time > other_time) | ((time == other_time) & (update > other_update))
    return later


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
    """Equal for equal records in the same order, whatever categories other records have."""
    free = records.columns.intersection(_FREE_CATEGORIES)
    return (records.astype(dict.fromkeys(free, "str")) if len(free) else records).reset_index(drop=True)


def joined(*frames: pd.DataFrame) -> pd.DataFrame:
    """The rows of all frames of records, which have the same columns, with their dtypes."""
    whole = pd.concat(frames, ignore_index=True)
    for column in whole.columns.intersection(_FREE_CATEGORIES):
        # Of different categories pandas would make objects.
        values = union_categoricals([frame[column] for frame in frames], sort_categories=True)
        whole[column] = values.remove_unused_categories()
    return whole


def _read_at_once(column: Column, values: Values) -> pd.Series[Any] | None:
    """The column if all of its values have the usual forms; else None."""
    try:
        array = _array(values, column.arrow)
    except (pa.ArrowException, OverflowError, UnicodeError):
        return None
    if column.limits is not None:
        low, high = column.limits
        fits = pc.and_(pc.greater_equal(array, low), pc.less_equal(array, high))
        if not pc.all(fits, min_count=0).as_py():
            return None
    if column.dtype is MOMENT:
        return _usual_moments(array) if column.is_text else _from_seconds(array)
    if isinstance(column.dtype, pd.CategoricalDtype):
        filled = array if column.default is None else pc.fill_null(array, column.default)
        codes = pc.index_in(filled, value_set=_array(list(column.dtype.categories), array.type))
        return _categorical(codes, column.dtype) if codes.null_count == filled.null_count else None
    return _typed(column, array)


def _read_one_by_one(column: Column, values: Sequence[Any], unread: list[tuple[int, Unread]]) -> pd.Series[Any]:
    """The column, a value at a time; adds what is not readable to ``unread``, each with the number of its row."""
    read: list[Any] = []
    for row, value in enumerate(values):
        try:
            absent = value is None or (column.reader is not text and is_absent(value))
            read.append(None if absent else column.reader(value))
        except Unreadable:
            unread.append((row, Unread(".".join(column.path), kind_of(value))))
            read.append(None)
    if column.dtype is MOMENT:
        return pd.Series(read, dtype=MOMENT) if column.is_text else _from_seconds(pa.array(read, pa.float64()))
    if isinstance(column.dtype, pd.CategoricalDtype):
        named = [column.default if each is None else each.value for each in read]
        return pd.Series(pd.Categorical(named, dtype=column.dtype))
    return _typed(column, pa.array(read, column.arrow))


def _unreadable(known: Values, unread: Sequence[tuple[int, Unread]]) -> pd.Series[Any]:
    texts = _text(UNREADABLE, _array(known, pa.large_string()))
    if unread:
        listed = texts.tolist()
        for row, each in unread:
            listed[row] = f"{listed[row]} {each}".strip()
        texts = pd.Series(listed, dtype="str")
    return texts


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


def _typed(column: Column, array: pa.Array) -> pd.Series[Any]:
    match column.dtype:
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
            return pd.Series(pc.fill_null(array, column.default).to_numpy(zero_copy_only=False).astype("int32"))
        case _:
            numbers: pd.Series[Any] = pd.Series(array.to_numpy(zero_copy_only=False), dtype=column.dtype)
            return numbers


def _text(column: Column, array: pa.Array) -> pd.Series[Any]:
    whole = pc.fill_null(array, "") if column.never_absent else _without_empty(array)
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
    return pd.Series(moments.to_pandas(), dtype=MOMENT).dt.floor("ms")


def _from_seconds(seconds: pa.Array) -> pd.Series[Any]:
    floats = seconds.to_numpy(zero_copy_only=False).astype("float64")
    whole = pa.array(floats, from_pandas=True).cast(pa.int64())
    return pd.Series(whole.cast(pa.timestamp("s", "UTC")).to_pandas(), dtype=MOMENT)
