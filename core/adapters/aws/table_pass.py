"""A pass over the whole table that finds records of some kind and repairs them: paced, in parallel and resumable."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from core.adapters.aws.clients import translated
from core.adapters.aws.items import Expression, Item, of_records
from core.adapters.aws.repair import Finding, Keeper, Key, PassCounts, Repair, Search, found, units
from core.domain.clock import Clock, utc_now
from core.domain.errors import InvalidInput, NotConfigured, Service
from core.domain.records import KEY_ATTRIBUTES, isoformat
from core.files.private import make_folder, new_file
from core.flow.pace import Pace
from core.flow.progress import Counting
from core.flow.retry import Retry

SERVICE = Service.RECORDS
#: Records on a page of a segment. After a kill, at most one page per segment is read again.
PAGE = 200


class TablePass:
    """Reads the table once, and repairs what ``search`` finds; it changes nothing else. The journal is no part of it.

    The table is scanned in ``segments`` in parallel. An update requires that what the search has read of the record
    is unchanged: a record that changed meanwhile is left as it is, and repeating a run is harmless. The file
    ``state`` keeps the position of each segment and is deleted when all are done; a run after a kill continues there.
    Records written meanwhile to parts that were already read are left to the next pass. Without ``state`` records are
    only counted, not repaired, and every run begins at the beginning.

    ``writes`` and ``reads`` limit the capacity units consumed. Only one run at a time.
    """

    def __init__(
        self,
        client: Any,
        table: str,
        retry: Retry,
        search: Search,
        *,
        writes: Pace,
        reads: Pace,
        segments: int,
        state: Path | None,
        page: int = PAGE,
        keeper: Keeper | None = None,
        clock: Clock = utc_now,
    ) -> None:
        self._client = client
        self._table = table
        self._retry = retry
        self._search = search
        self._repair = Repair(client, search, self._call, keeper)
        self._writes = writes
        self._reads = reads
        self._segments = segments
        self._state = state
        self._page = page
        self._keeper = keeper
        self._clock = clock
        self._stop = threading.Event()

    def run(self, progress: Counting = lambda done, total: None) -> PassCounts:
        """One pass over the table, or the rest of an interrupted one; returns what this run did.

        Raises ``NotConfigured`` if there is no table and ``InvalidInput`` if ``state`` cannot be written.
        """
        self._stop.clear()
        description = self._description()
        # An earlier table may have had this name: positions in it would mean nothing.
        of_table = f"{description['TableArn']} {description['CreationDateTime'].timestamp()}"
        search = f"{self._search.name} {self._keeper.begin()}" if self._keeper else self._search.name
        places = _Places(self._state, search, of_table, self._segments, self._clock())
        about = description.get("ItemCount")
        counts, lock = PassCounts(), threading.Lock()

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
        if self._keeper:
            self._keeper.completed(places.began)
        places.forget()
        return counts

    def _description(self) -> Any:
        try:
            return self._call(self._client.describe_table)["Table"]
        except NotConfigured as error:
            raise NotConfigured(SERVICE, error.code, f"There is no table {self._table}.") from error

    def _pages(self, segment: int, place: Key | None) -> Iterator[tuple[PassCounts, Key | None]]:
        """What was done with each page, and where the next one begins (None after the last)."""
        while place is not None:
            answer = self._scan(segment, place)
            page = PassCounts(scanned=answer["ScannedCount"], read_units=units(answer))
            for item in answer["Items"]:
                if finding := self._search.finding(item):
                    page += self._repaired(item, finding)
            place = answer.get("LastEvaluatedKey")
            yield page, place

    def _scan(self, segment: int, place: Key) -> Any:
        used = Expression()
        self._wait(self._reads)
        answer = self._call(
            self._client.scan,
            Segment=segment,
            TotalSegments=self._segments,
            Limit=self._page,
            ReturnConsumedCapacity="TOTAL",
            FilterExpression=f"{of_records(used)} AND {self._search.condition(used)}",
            ProjectionExpression=used.projection((*KEY_ATTRIBUTES, *self._search.reads)),
            ExpressionAttributeNames=used.names,
            ExpressionAttributeValues=used.values,
            **({"ExclusiveStartKey": place} if place else {}),
        )
        self._reads.spend(units(answer))
        return answer

    def _repaired(self, item: Item, finding: Finding) -> PassCounts:
        if self._state is None:
            return found(item, finding)
        if finding.values:
            self._wait(self._writes)
        done = self._repair(item, finding)
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


class _Places:
    """The position at which each segment continues, kept in a file: ``{}`` at its beginning, None when it is done.

    Positions are keys of records and thus personal data: only the file's owner may read it. Without a path nothing is
    kept.
    """

    def __init__(self, path: Path | None, search: str, of_table: str, segments: int, now: datetime) -> None:
        self._path = path
        self._header = {"search": search, "table": of_table, "segments": segments}
        #: When the pass began, in this run or an earlier one.
        self.began = now
        self._places: list[Key | None] = self._kept() or [{}] * segments

    def of(self, segment: int) -> Key | None:
        return self._places[segment]

    def keep(self, segment: int, place: Key | None) -> None:
        """Durable when it returns; a kill leaves either the old file or the new one."""
        self._places[segment] = place
        if self._path is None:
            return
        text = json.dumps({**self._header, "began": isoformat(self.began), "places": self._places})
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
        if self._path:
            self._path.unlink(missing_ok=True)

    def _kept(self) -> list[Key | None] | None:
        """The positions in the file; None if it is missing, unreadable, of another table, or of a finished pass."""
        if self._path is None:
            return None
        try:
            kept = json.loads(self._path.read_bytes())
            places: list[Key | None] = kept.pop("places")
            began = datetime.fromisoformat(kept.pop("began"))
        except (OSError, ValueError, TypeError, AttributeError, KeyError):
            return None
        is_unfinished = kept == self._header and places != [None] * len(places)
        if not is_unfinished:
            return None
        self.began = began
        return places
