"""Sets the top-level eventId on records that other services wrote without it: the event index needs it there."""

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
from core.adapters.aws.table import EVENT_NAMES, LACKS_EVENT_ID, LACKS_EVENT_ID_VALUES
from core.domain.errors import InvalidInput, NotConfigured, Refused, Service
from core.domain.records import KEY_ATTRIBUTES
from core.files.private import make_folder, new_file
from core.flow.pace import Pace
from core.flow.progress import Counting
from core.flow.retry import Retry

SERVICE = Service.RECORDS
#: Records on a page of a segment. After a kill, at most one page per segment is read again.
PAGE = 200
#: The least that an update consumes whose condition is not met; DynamoDB does not report the amount.
_UNMET_UNITS = 1.0

#: An item's key as the API has it.
Key = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class BackfillCounts:
    """What a run did. The units are those that DynamoDB bills, including those for the index."""

    scanned: int = 0
    #: Records that got their ``eventId``.
    set: int = 0
    #: Records left as they are, because they changed after they were read (or an earlier try, whose answer was lost,
    #: has set them).
    changed: int = 0
    #: Records without an event in ``metadata.eventId`` either.
    without_event: int = 0
    #: Records that DynamoDB cannot index: their event or ``timestamp`` is not a text, or too long for a key.
    refused: int = 0
    read_units: float = 0
    write_units: float = 0

    def __add__(self, other: BackfillCounts) -> BackfillCounts:
        return BackfillCounts(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))


class Backfill:
    """Sets ``eventId`` to ``metadata.eventId`` on every record that lacks it, and changes nothing else.

    The table is scanned in ``segments`` in parallel. An update requires that the record still names that event and
    still lacks it at the top level: a record that changed meanwhile is left as it is, and repeating a run is
    harmless. The file ``state`` keeps the position of each segment and is deleted when all are done; a run after a
    kill continues there. Records written meanwhile to parts that were already read are left to the next pass.

    ``writes`` and ``reads`` limit the capacity units consumed. Only one run at a time.
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

    def run(self, progress: Counting = lambda done, total: None) -> BackfillCounts:
        """One pass over the table, or the rest of an interrupted one; returns what this run did.

        Raises ``NotConfigured`` if there is no table and ``InvalidInput`` if ``state`` cannot be written.
        """
        self._stop.clear()
        description = self._description()
        # An earlier table may have had this name: positions in it would mean nothing.
        of_table = f"{description['TableArn']} {description['CreationDateTime'].timestamp()}"
        places = _Places(self._state, of_table, self._segments)
        about = description.get("ItemCount")
        counts, lock = BackfillCounts(), threading.Lock()

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
                # A segment failed, or this thread was interrupted: the others end with their current call.
                self._stop.set()
        for part in parts:
            part.result()
        places.forget()
        return counts

    def _description(self) -> Any:
        try:
            return self._call(self._client.describe_table)["Table"]
        except NotConfigured as error:
            raise NotConfigured(SERVICE, error.code, f"There is no table {self._table}.") from error

    def _pages(self, segment: int, place: Key | None) -> Iterator[tuple[BackfillCounts, Key | None]]:
        """What was done with each page, and where the next one begins (None after the last)."""
        while place is not None:
            answer = self._scan(segment, place)
            page = BackfillCounts(scanned=answer["ScannedCount"], read_units=_units(answer))
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
            FilterExpression=LACKS_EVENT_ID,
            ProjectionExpression=", ".join([*key_names, "#metadata.#event"]),
            ExpressionAttributeNames={**EVENT_NAMES, **key_names},
            ExpressionAttributeValues=LACKS_EVENT_ID_VALUES,
            **({"ExclusiveStartKey": place} if place else {}),
        )
        self._reads.spend(_units(answer))
        return answer

    def _set(self, item: Mapping[str, Any]) -> BackfillCounts:
        event = item.get("metadata", {}).get("M", {}).get("eventId", {}).get("S")
        if not event:
            return BackfillCounts(without_event=1)
        self._wait(self._writes)
        try:
            answer = self._call(
                self._client.update_item,
                Key={name: item[name] for name in KEY_ATTRIBUTES},
                ReturnConsumedCapacity="TOTAL",
                UpdateExpression="SET #event = :event",
                ConditionExpression=f"#metadata.#event = :event AND {LACKS_EVENT_ID}",
                ExpressionAttributeNames=EVENT_NAMES,
                ExpressionAttributeValues={":event": {"S": event}, **LACKS_EVENT_ID_VALUES},
            )
        except Refused as error:
            match error.code:
                case "ConditionalCheckFailedException":
                    done = BackfillCounts(changed=1, write_units=_UNMET_UNITS)
                case "ValidationException":
                    done = BackfillCounts(refused=1)
                case _:
                    raise
        else:
            done = BackfillCounts(set=1, write_units=_units(answer))
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
    """The position at which each segment continues, kept in a file: ``{}`` at its beginning, None when it is done.

    Positions are keys of records and thus personal data: only the file's owner may read it.
    """

    def __init__(self, path: Path, of_table: str, segments: int) -> None:
        self._path = path
        self._header = {"table": of_table, "segments": segments}
        self._places: list[Key | None] = self._kept() or [{}] * segments

    def of(self, segment: int) -> Key | None:
        return self._places[segment]

    def keep(self, segment: int, place: Key | None) -> None:
        """Durable when it returns; a kill leaves either the old file or the new one."""
        self._places[segment] = place
        text = json.dumps({**self._header, "places": self._places})
        new = self._path.with_name(f"{self._path.name}.new")
        try:
            make_folder(self._path.parent)
            new.unlink(missing_ok=True)
            with new_file(new) as file:
                file.write(text.encode())
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._path)
        except OSError as error:
            raise InvalidInput(f"Cannot write {self._path}: {error.strerror}.") from error

    def forget(self) -> None:
        self._path.unlink(missing_ok=True)

    def _kept(self) -> list[Key | None] | None:
        """The positions in the file; None if it is missing, unreadable, of another table, or of a finished pass."""
        try:
            kept = json.loads(self._path.read_bytes())
            places: list[Key | None] = kept.pop("places")
        except (OSError, ValueError, TypeError, AttributeError, KeyError):
            return None
        is_unfinished = kept == self._header and places != [None] * len(places)
        return places if is_unfinished else None
