"""DynamoDB's answers to Query and Scan, decoded without botocore's parser, which takes ten times as long.

botocore still signs and sends requests, chooses the endpoint, recognises errors and reads all of an answer but its
items.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from functools import reduce
from typing import Any
from zlib import crc32

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json
from botocore.parsers import ResponseParserError

from core.adapters.aws.event_keys import events_of_keys
from core.adapters.aws.items import Item, record_of
from core.domain.columns import STORED_COLUMNS, UNREADABLE, Column
from core.domain.frames import Values, columns_of

#: A frame's column -> the path of its attribute in an item.
_PATHS: Mapping[str, tuple[str, ...]] = {column.name: column.path for column in STORED_COLUMNS}
#: The attributes that frames need. Whole ones: of a map that another service wrote as text, no part can be asked for.
CHARTED = tuple(dict.fromkeys(path[0] for path in _PATHS.values()))

_OPERATIONS = ("Query", "Scan")
#: Whether the current call wants its items as columns.
_as_columns: ContextVar[bool] = ContextVar("as_columns", default=False)


def decode(client: Any) -> None:
    """Make the answers of ``client`` have their ``Items`` as orjson reads them: ``Item``, with base64 text for bytes.
    Calls ``in_columns`` have a ``Page`` instead. Calling this twice has no further effect.
    """
    for operation in _OPERATIONS:
        client.meta.events.register(
            f"before-parse.dynamodb.{operation}", _take_items, unique_id=f"items-of-{operation}"
        )


def in_columns(call: Callable[..., Any]) -> Callable[..., Any]:
    """``call``, a method of such a client, with a page (``page_of``) instead of items in its answers."""

    def asked(**request: Any) -> Any:
        token = _as_columns.set(True)
        try:
            return call(**request)
        finally:
            _as_columns.reset(token)

    return asked


def page_of(answer: Mapping[str, Any]) -> pa.Table:
    """The records of an answer to a call ``in_columns``, by column as ``core.domain.frames.record_frame`` takes them;
    those whose values are not all of the usual types come last.
    """
    # If orjson could not read the items, botocore has read them.
    return answer["Page"] if "Page" in answer else _read_one_by_one(answer.get("Items", []))


def joined(pages: Sequence[pa.Table]) -> dict[str, Values]:
    """The columns of all pages, in their order."""
    whole = pa.concat_tables([_COLUMNS.empty_table(), *pages])
    return {column: whole[column] for column in whole.column_names}


def of_event(page: pa.Table, event_id: str) -> pa.Table:
    """The records of the page that are the event's."""
    return page.filter(pc.equal(page["eventId"], event_id))


def _take_items(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any) -> None:
    """Take the items out of the answer before botocore parses it."""
    body = response_dict["body"]
    if response_dict["status_code"] != 200:
        return
    _check_sum(response_dict["headers"], body)
    if _as_columns.get() and (read := _read_by_arrow(body)):
        rest, customized_response_dict["Page"] = read
    else:
        try:
            rest = orjson.loads(body)
            items = rest.pop("Items", None)
        except (ValueError, AttributeError, TypeError):
            return  # botocore's parser can read it, or reports what is wrong with it
        if items is not None:
            customized_response_dict["Items"] = items
    response_dict["body"] = orjson.dumps(rest)


def _check_sum(headers: Mapping[str, str], body: bytes) -> None:
    """Raises if the answer was damaged on its way. botocore would only retry, and its client here makes one try."""
    expected = headers.get("x-amz-crc32")
    if expected and "content-encoding" not in headers and crc32(body) != int(expected):
        raise ResponseParserError("The answer's checksum is wrong.")


def _kind(*kinds: tuple[str, pa.DataType]) -> pa.DataType:
    """The type of a value in the API's form that may be of the ``kinds``, or null."""
    return pa.struct([*kinds, ("NULL", pa.bool_())])


_TEXT, _NUMBER = _kind(("S", pa.string())), _kind(("N", pa.string()))
_TRUTH = _kind(("BOOL", pa.bool_()))
_TEXTS = _kind(("L", pa.list_(_kind(("S", pa.string())))))


def _kind_of(column: Column) -> pa.DataType:
    if column.name == "reasons":
        return _TEXTS
    if column.is_text:
        return _TEXT
    return _TRUTH if column.is_truth else _NUMBER


def _read_as(column: Column) -> pa.DataType:
    """The type of the column in a page; the API's numbers may have a fraction."""
    if column.is_text:
        return pa.string()
    return pa.bool_() if column.is_truth else pa.float64()


#: The path of what names the event if the item itself does not.
_EVENT_IN_MAP = ("metadata", "eventId")


def _map_type(path: tuple[str, ...] = ()) -> pa.StructType:
    """The type of the map at ``path``, with the columns in it; without a path, of the item itself."""
    fields: dict[str, pa.DataType] = {}
    for column in STORED_COLUMNS:
        if column.path[: len(path)] == path:
            inner = column.path[: len(path) + 1]
            is_value = inner == column.path
            fields[inner[-1]] = _kind_of(column) if is_value else _kind(("M", _map_type(inner)))
    if path == _EVENT_IN_MAP[:-1]:
        fields[_EVENT_IN_MAP[-1]] = _TEXT
    return pa.struct(list(fields.items()))


#: The columns of a page.
_COLUMNS = pa.schema(
    [*((column.name, _read_as(column)) for column in STORED_COLUMNS), (UNREADABLE.name, pa.string())]
)
#: The paths of all values that must be of their type: those of columns but for what engines reported, of the maps
#: that they are in, and of the event.
_CHECKED = {
    column.path[:depth]: None
    for column in STORED_COLUMNS
    for depth in range(1, len(column.path) + (not column.reported))
} | {_EVENT_IN_MAP: None}
#: The parts of an answer that this project's reads use.
_ANSWER = pa.schema(
    [
        ("Items", pa.list_(_map_type())),
        ("Count", pa.int64()),
        ("ScannedCount", pa.int64()),
        ("ConsumedCapacity", pa.struct([("TableName", pa.string()), ("CapacityUnits", pa.float64())])),
        (
            "LastEvaluatedKey",
            pa.struct(
                [
                    (name, pa.struct([("S", pa.string())]))
                    for name in ("userId", "registrationId", "eventId", "timestamp")
                ]
            ),
        ),
    ]
)


def _read_by_arrow(body: bytes) -> tuple[Mapping[str, Any], pa.Table] | None:
    """The answer without its items, and the items by column; None if Arrow cannot read it.

    Arrow skips what the schema does not name, so a value of another type is a struct without any of its fields. The
    items that have such a value are read one by one, as any record of another service.
    """
    try:
        table = pyarrow.json.read_json(
            pa.BufferReader(body),
            # One block and one thread: other threads read other pages.
            read_options=pyarrow.json.ReadOptions(use_threads=False, block_size=len(body) + 1),
            parse_options=pyarrow.json.ParseOptions(
                explicit_schema=_ANSWER, newlines_in_values=True, unexpected_field_behavior="ignore"
            ),
        )
    except ValueError:
        return None
    listed = table["Items"].combine_chunks()
    if table.num_rows != 1 or listed.null_count:
        return None
    items = listed.flatten()
    page = pa.table({**{column: _column(column, items) for column in _PATHS}, UNREADABLE.name: pa.nulls(len(items))})
    page = page.cast(_COLUMNS)
    odd = _odd(items)
    if odd.any():
        unusual = [item for item, is_odd in zip(orjson.loads(body)["Items"], odd, strict=True) if is_odd]
        page = pa.concat_tables([page.filter(pa.array(~odd)), _read_one_by_one(unusual)])
    (rest,) = table.drop_columns("Items").to_pylist()
    return _without_nulls(rest), page


def _read_one_by_one(items: Sequence[Item]) -> pa.Table:
    return pa.table(columns_of([record_of(item) for item in items]), _COLUMNS)


def _odd(items: pa.StructArray) -> Any:
    """Which items have a value that is neither of its column's type nor null nor absent."""
    unusual = [_is_odd(_at(items, path)) for path in _CHECKED]
    for column in STORED_COLUMNS:
        if column.needed:
            within = _at(items, column.path[:-1]).field("M")
            unusual.append(_valid(within) & ~_valid(_at(items, column.path).field(0)))
    reasons = _at(items, _PATHS["reasons"]).field("L")
    if reasons.values.field("S").null_count:
        whole = np.zeros(len(items), bool)
        places = pc.list_parent_indices(reasons).to_numpy()
        missing = ~_valid(reasons.flatten().field("S"))
        whole[places[missing]] = True
        unusual.append(whole)
    return reduce(np.logical_or, unusual)


def _is_odd(values: pa.StructArray) -> Any:
    return _valid(values) & ~_valid(values.field(0)) & ~_valid(values.field("NULL"))


def _valid(values: pa.Array) -> Any:
    return values.is_valid().to_numpy(zero_copy_only=False)


def _at(items: pa.StructArray, path: tuple[str, ...]) -> pa.StructArray:
    name, *inner = path
    value = items.field(name)
    for each in inner:
        value = value.field("M").field(each)
    return value


def _column(column: str, items: pa.StructArray) -> pa.Array:
    values = _at(items, _PATHS[column]).field(0)
    if column == "reasons":
        codes = pa.ListArray.from_arrays(values.offsets, values.values.field("S"), mask=values.is_null())
        return pc.binary_join(codes, " ")
    if column == "eventId":
        return events_of_keys(values, _at(items, _EVENT_IN_MAP).field(0))
    return values.cast(_COLUMNS.field(column).type)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(inner) for name, inner in value.items() if inner is not None}
    return value
