"""DynamoDB's answers to Query and Scan, decoded without botocore's parser, which takes ten times as long.

botocore still signs and sends requests, chooses the endpoint, recognises errors and reads all of an answer but its
items.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any, TypeAlias
from zlib import crc32

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json
from botocore.parsers import ResponseParserError

from core.domain.columns import RECORD_COLUMNS, REPORTED, Column
from core.domain.frames import Values, reported

#: An item in the API's form: name -> ``{"S": "..."}``, ``{"N": "..."}``, ... ; binary values in base64.
Item = Mapping[str, Mapping[str, Any]]
#: The records of one answer: by column, if all values are of the usual kinds, else as items.
Page: TypeAlias = pa.Table | list[Item]

#: A frame's column -> the path of its attribute in an item.
PATHS: Mapping[str, tuple[str, ...]] = {column.name: column.path for column in RECORD_COLUMNS}

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


def page_of(answer: Mapping[str, Any]) -> Page:
    """The page of an answer to a call ``in_columns``."""
    # If orjson could not read the items, botocore has read them.
    page: Page = answer["Page"] if "Page" in answer else answer.get("Items", [])
    return page


def columns_of(pages: Sequence[Page]) -> dict[str, Values]:
    """The columns of ``PATHS`` of all pages, in their order, as ``core.domain.frames.record_frame`` takes them.

    A value of a type that its column cannot have stays in the API's form, and ``record_frame`` refuses it.
    """
    if all(isinstance(page, pa.Table) for page in pages):
        whole = pa.concat_tables([_COLUMNS.empty_table(), *pages])
        return {column: whole[column] for column in PATHS}
    return {column: [value for page in pages for value in _values(page, column)] for column in PATHS}


def of_event(page: Page, event_id: str) -> Page:
    """The records of the page whose own ``eventId`` is the event's, or which have none."""
    fitting = (None, "", event_id)
    if isinstance(page, pa.Table):
        return page.filter(pc.is_in(page["eventId"], pa.array(fitting, pa.string())))
    return [item for item in page if value_at(item, ("eventId",)) in fitting]


def value_at(item: Item, path: tuple[str, ...]) -> Any:
    """The text, number or Boolean at ``path``, None if there is nothing.

    Any other value stays in the API's form, which no column accepts.
    """
    value: Mapping[str, Any] = {"M": item}
    for name in path:
        value = value.get("M", {}).get(name, {"NULL": True})
    match value:
        case {"NULL": _}:
            return None
        case {"S": inner} | {"BOOL": inner}:
            return inner
        case {"N": number}:
            return float(number)
        case _:
            return value


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
            customized_response_dict["Page" if _as_columns.get() else "Items"] = items
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
    return _TRUTH if column.kind is bool else _NUMBER


def _read_as(column: Column) -> pa.DataType:
    """The type of the column in a page; the API's numbers may have a fraction."""
    if column.is_text:
        return pa.string()
    return pa.bool_() if column.kind is bool else pa.float64()


def _item_type() -> pa.StructType:
    maps: dict[str, list[tuple[str, pa.DataType]]] = {}
    fields: list[tuple[str, pa.DataType]] = []
    for column in RECORD_COLUMNS:
        path = column.path
        (fields if len(path) == 1 else maps.setdefault(path[0], [])).append((path[-1], _kind_of(column)))
    return pa.struct([*fields, *((name, _kind(("M", pa.struct(inner)))) for name, inner in maps.items())])


#: The columns of a page.
_COLUMNS = pa.schema([(column.name, _read_as(column)) for column in RECORD_COLUMNS])
#: The parts of an answer that this project's reads use.
_ANSWER = pa.schema(
    [
        ("Items", pa.list_(_item_type())),
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


def _read_by_arrow(body: bytes) -> tuple[Mapping[str, Any], Page] | None:
    """The answer without its items, and the items; None if Arrow cannot read it or a value has an unusual type.

    Arrow skips what the schema does not name, so a value of another type is a struct without any of its fields.
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
    if not all(_is_usual(items, column) for column in PATHS):
        return None
    (rest,) = table.drop_columns("Items").to_pylist()
    return _without_nulls(rest), pa.table({column: _column(column, items) for column in PATHS}, _COLUMNS)


def _is_usual(items: pa.StructArray, column: str) -> bool:
    """Whether all values are of the column's type, null or absent."""
    if column in REPORTED:
        return True
    value = _typed_values(items, column)
    usual, null = value.field(0), value.field("NULL")
    if column == "reasons" and usual.values.field("S").null_count:
        return False
    return bool(usual.null_count == value.null_count + len(null) - null.null_count)


def _typed_values(items: pa.StructArray, column: str) -> pa.StructArray:
    name, *inner = PATHS[column]
    value = items.field(name)
    for each in inner:
        value = value.field("M").field(each)
    return value


def _column(column: str, items: pa.StructArray) -> pa.Array:
    values = _typed_values(items, column).field(0)
    if column == "reasons":
        codes = pa.ListArray.from_arrays(values.offsets, values.values.field("S"), mask=values.is_null())
        return pc.binary_join(codes, " ")
    return values.cast(_COLUMNS.field(column).type)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(inner) for name, inner in value.items() if inner is not None}
    return value


def _values(page: Page, column: str) -> Sequence[Any]:
    listed: Sequence[Any] = (
        page[column].to_pylist() if isinstance(page, pa.Table) else [_read(column, item) for item in page]
    )
    return listed


def _read(column: str, item: Item) -> Any:
    value = value_at(item, PATHS[column])
    if column in REPORTED:
        return reported(column, value)
    return _codes(item.get("failureReasons", {"L": []})) if column == "reasons" else value


def _codes(value: Mapping[str, Any]) -> Any:
    """A list of texts as one text; any other value stays in the API's form, which no column accepts."""
    match value:
        case {"NULL": _}:
            return None
        case {"L": listed} if all("S" in code for code in listed):
            return " ".join(code["S"] for code in listed)
        case {"SS": codes}:
            return " ".join(sorted(codes))
        case _:
            return value
