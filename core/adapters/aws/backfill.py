"""The event's id at the top level of records that other services wrote: only what has it there is in the index."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from core.adapters.aws.clients import translated
from core.domain.errors import InvalidInput, NotConfigured, Refused
from core.domain.records import KEY_ATTRIBUTES
from core.files.private import make_folder
from core.flow.pace import Pace
from core.flow.retry import Retry

SERVICE = "validation records"
#: Records that a segment reads at once: what it reads again after a kill.
PAGE = 200
#: What an update whose condition is not met costs at least; DynamoDB does not tell.
_UNMET_UNITS = 1.0

#: An item's key as the API has it.
Key = Mapping[str, Mapping[str, str]]
#: ``(done, total)``: records read, and about how many there are (None: unknown).
Progress = Callable[[int, int | None], None]

_NAMES = {"#event": "eventId", "#metadata": "metadata"}
# Nothing, null or an empty text at the top level: such a record is in no index.
_LACKS = "(attribute_not_exists(#event) OR attribute_type(#event, :null) OR #event = :empty)"
_LACKS_VALUES = {":null": {"S": "NULL"}, ":empty": {"S": ""}}


@dataclass(frozen=True)
class Counts:
    """What a run did. Units as DynamoDB bills them, the index's included."""

    scanned: int = 0
    #: Records that got their ``eventId``.
    set: int = 0
    #: Records left alone, for they changed after they were read (or were set by a try whose answer was lost).
    changed: int = 0
    #: Records that name no event in ``metadata.eventId`` either.
    without_event: int = 0
    #: Records that DynamoDB refuses to index: their event or ``timestamp`` is no text, or too long, for a key.
    refused: int = 0
    read_units: float = 0
    write_units: float = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))


class Backfill:
    """Sets ``eventId`` to ``metadata.eventId`` on every record that lacks it, and touches nothing else.

    The table is read in ``segments`` at once. An update is made only if the record still names that event and
    still lacks it at the top level: a record that changed meanwhile is left as it is, and doing it all again is
    harmless. The file ``state`` keeps how far each segment is and goes when all are done; a run after a kill
    begins there. What is written meanwhile to parts that were read is for the next pass.

    ``writes`` and ``reads`` pace the capacity units consumed. One run at a time.
    """

    def __init__(
        self,
        client: Any,
        table: str,
        retry: Retry,
        *,
        writes: Pace,
        reads: Pace,
        segments: int,
        state: Path,
        page: int = PAGE,
    ) -> None:
        self._client = client
        self._table = table
        self._retry = retry
        self._writes = writes
        self._reads = reads
        self._segments = segments
        self._state = state
        self._page = page
        self._stop = threading.Event()

    def run(self, progress: Progress = lambda done, total: None) -> Counts:
        """One pass over the table, or the rest of one; returns what this run did.

        Raises ``NotConfigured`` where there is no table and ``InvalidInput`` where ``state`` cannot be written.
        """
        self._stop.clear()
        description = self._description()
        # Another table may have had this name: places in it would mean nothing.
        of_table = f"{description['TableArn']} {description['CreationDateTime'].timestamp()}"
        places = _Places(self._state, of_table, self._segments)
        about = description.get("ItemCount")
        counts, lock = Counts(), threading.Lock()

        def read(segment: int) -> None:
            nonlocal counts
            with suppress(_Stopped):
                for page, place in self._pages(segment, places.of(segment)):
                    with lock:
                        places.keep(segment, place)
                        counts += page
                        progress(counts.scanned, max(about, counts.scanned) if about else None)

        with ThreadPoolExecutor(self._segments) as threads:
            try:
                parts = [threads.submit(read, segment) for segment in range(self._segments)]
                wait(parts, return_when=FIRST_EXCEPTION)
            finally:
                # One failed, or whoever waits was interrupted: the others end with the call that they are at.
                self._stop.set()
        for part in parts:
            part.result()
        places.forget()
        return counts

    def _description(self) -> Any:
        try:
            return self._call(self._client.describe_table)["Table"]
        except NotConfigured as error:
            message = f"There is no table {self._table}. Make it with: python -m core provision"
            raise NotConfigured(SERVICE, error.code, message) from error

    def _pages(self, segment: int, place: Key | None) -> Iterator[tuple[Counts, Key | None]]:
        """What was done with each page, and where the next one begins; None: that was the last."""
        while place is not None:
            answer = self._scan(segment, place)
            page = Counts(scanned=answer["ScannedCount"], read_units=_units(answer))
            for item in answer["Items"]:
                page += self._set(item)
            place = answer.get("LastEvaluatedKey")
            yield page, place

    def _scan(self, segment: int, place: Key) -> Any:
        key_names = {f"#key{number}": name for number, name in enumerate(KEY_ATTRIBUTES)}
        self._wait(self._reads)
        answer = self._call(
            self._client.scan,
            Segment=segment,
            TotalSegments=self._segments,
            Limit=self._page,
            ReturnConsumedCapacity="TOTAL",
            FilterExpression=_LACKS,
            ProjectionExpression=", ".join([*key_names, "#metadata.#event"]),
            ExpressionAttributeNames={**_NAMES, **key_names},
            ExpressionAttributeValues=_LACKS_VALUES,
            **({"ExclusiveStartKey": place} if place else {}),
        )
        self._reads.spend(_units(answer))
        return answer

    def _set(self, item: Mapping[str, Any]) -> Counts:
        event = item.get("metadata", {}).get("M", {}).get("eventId", {}).get("S")
        if not event:
            return Counts(without_event=1)
        self._wait(self._writes)
        try:
            answer = self._call(
                self._client.update_item,
                Key={name: item[name] for name in KEY_ATTRIBUTES},
                ReturnConsumedCapacity="TOTAL",
                UpdateExpression="SET #event = :event",
                ConditionExpression=f"#metadata.#event = :event AND {_LACKS}",
                ExpressionAttributeNames=_NAMES,
                ExpressionAttributeValues={":event": {"S": event}, **_LACKS_VALUES},
            )
        except Refused as error:
            match error.code:
                case "ConditionalCheckFailedException":
                    done = Counts(changed=1, write_units=_UNMET_UNITS)
                case "ValidationException":
                    done = Counts(refused=1)
                case _:
                    raise
        else:
            done = Counts(set=1, write_units=_units(answer))
        self._writes.spend(done.write_units)
        return done

    def _wait(self, pace: Pace) -> None:
        if self._stop.wait(pace.delay()):
            raise _Stopped

    def _call(self, method: Callable[..., Any], **request: Any) -> Any:
        def once() -> Any:
            if self._stop.is_set():
                raise _Stopped
            with translated(SERVICE):
                return method(TableName=self._table, **request)

        return self._retry(once)


class _Stopped(Exception):
    """Another segment failed, or the whole run was interrupted."""


def _units(answer: Any) -> float:
    return float(answer["ConsumedCapacity"]["CapacityUnits"])


class _Places:
    """Where each segment goes on, kept in a file: ``{}`` at its beginning, None when it is done.

    Places are keys, thus personal data: the file is its owner's alone.
    """

    def __init__(self, path: Path, of_table: str, segments: int) -> None:
        self._path = path
        self._header = {"table": of_table, "segments": segments}
        self._places: list[Key | None] = self._kept() or [{}] * segments

    def of(self, segment: int) -> Key | None:
        return self._places[segment]

    def keep(self, segment: int, place: Key | None) -> None:
        """Durable when it returns; a kill leaves the file as it was or as it is."""
        self._places[segment] = place
        text = json.dumps({**self._header, "places": self._places})
        new = self._path.with_name(f"{self._path.name}.new")
        try:
            make_folder(self._path.parent)
            new.unlink(missing_ok=True)
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._path)
        except OSError as error:
            raise InvalidInput(f"Cannot write {self._path}: {error.strerror}.") from error

    def forget(self) -> None:
        self._path.unlink(missing_ok=True)

    def _kept(self) -> list[Key | None] | None:
        """The places in the file; None where there is none that is readable, of this table, and not at its end."""
        try:
            kept = json.loads(self._path.read_bytes())
            places: list[Key | None] = kept.pop("places")
        except (OSError, ValueError, TypeError, AttributeError, KeyError):
            return None
        goes_on = kept == self._header and places != [None] * len(places)
        return places if goes_on else None
