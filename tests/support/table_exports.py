"""Exports of tables in the format of ExportTableToPointInTime (DynamoDB JSON), and their import into new tables.

The local servers can do neither by themselves: a scan makes the export, and writes make the import.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

#: Items in a file.
_PER_FILE = 50


def export(client: Any, table: str, folder: Path) -> int:
    """Writes the table's items into ``folder``, as S3 would have them below ``AWSDynamoDB/<id>/``; returns how many.

    Nobody may write to the table meanwhile: unlike an export by DynamoDB, a scan is of no single moment.
    """
    pages = client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
    items = [item for page in pages for item in page["Items"]]
    files = []
    (folder / "data").mkdir(parents=True)
    for start in range(0, len(items), _PER_FILE):
        name = f"data/{start:06}.json.gz"
        part = items[start : start + _PER_FILE]
        lines = "".join(f"{json.dumps({'Item': _changed(item, _written)})}\n" for item in part)
        (folder / name).write_bytes(gzip.compress(lines.encode()))
        files.append({"itemCount": len(part), "dataFileS3Key": name})
    (folder / "manifest-files.json").write_text("".join(f"{json.dumps(each)}\n" for each in files))
    (folder / "manifest-summary.json").write_text(
        json.dumps({"outputFormat": "DYNAMODB_JSON", "exportType": "FULL_EXPORT", "itemCount": len(items)})
    )
    return len(items)


def exported(folder: Path) -> Iterator[dict[str, Any]]:
    """The items of an export, in the typed form of the API."""
    summary = json.loads((folder / "manifest-summary.json").read_text())
    assert summary["outputFormat"] == "DYNAMODB_JSON"
    for line in (folder / "manifest-files.json").read_text().splitlines():
        for item in gzip.decompress((folder / json.loads(line)["dataFileS3Key"]).read_bytes()).decode().splitlines():
            yield _changed(json.loads(item)["Item"], _read)


def import_into(client: Any, table: str, folder: Path) -> None:
    """Writes an export into a table that was made for it."""
    for item in exported(folder):
        client.put_item(TableName=table, Item=item)


def _changed(item: Any, binary: Callable[[Any], Any]) -> Any:
    """The item with ``binary`` applied to each value of type B."""
    if isinstance(item, dict):
        return {
            name: binary(value)
            if name == "B" and not isinstance(value, dict)
            else [binary(each) for each in value]
            if name == "BS" and isinstance(value, list)
            else _changed(value, binary)
            for name, value in item.items()
        }
    return [_changed(each, binary) for each in item] if isinstance(item, list) else item


def _written(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _read(text: str) -> bytes:
    return base64.b64decode(text)
