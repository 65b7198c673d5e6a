"""The files under /api/exports/: read, filtered and written batch by batch, only as fast as they are taken."""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

import pandas as pd
from starlette.datastructures import QueryParams
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from core.domain import statistics
from core.domain.audit import AuditFilter, Result
from core.domain.clock import utc_now
from core.domain.errors import NotFound
from core.domain.file_names import content_disposition, file_name
from core.domain.filters import SMILES, filtered
from core.domain.frames import record_frame
from core.domain.people import Group, Order, fitting, listed, people, validated, with_contacts
from core.domain.records import KEY_ATTRIBUTES, Quality, Status
from core.domain.roles import Action
from core.runtime.facades.guard import GuardedServices
from core.services.export import as_csv, as_parquet
from core.services.findings import KEPT
from core.services.tables import (
    CONTACT_COLUMNS,
    PEOPLE_EXPORT,
    RECORD_EXPORT,
    REGISTRATION_EXPORT,
    Batch,
    Table,
    audit_trail,
    chunks,
    of_frame,
    outcomes,
    references,
)
from core.services.workbook import as_xlsx
from dashboard.access.authentication import person_of, principal_of
from dashboard.api import endpoints
from dashboard.api.endpoints import CONTACTS, CSV, ENDINGS, MORE_EVENTS, PARQUET, XLSX, Endpoint
from dashboard.api.parameters import EVENT_ID, USER_ID, WITH, choice, choices, flag, moment, one, span, threshold
from dashboard.api.workers import Download, Downloads, unless_gone
from dashboard.codings import named_codings
from dashboard.services import services_of

logger = logging.getLogger(__name__)

Handler = Callable[[Request], Awaitable[Response]]
Parts = Generator[bytes]
#: Services, event id, query -> what a file about the event has in it.
EventFile = Callable[[GuardedServices, str, QueryParams], Table]
_WRITE: dict[str, Callable[[Table], Iterator[bytes]]] = {CSV: as_csv, XLSX: as_xlsx, PARQUET: as_parquet}
#: Little less is gained by more, at twice the time and beyond.
_COMPRESSION = 5
#: The span of an audit trail where none is asked for.
AUDIT_SPAN = timedelta(days=30)
#: No audit trail is older: days before it need not be read.
FIRST_AUDIT = datetime(2026, 1, 1, tzinfo=UTC)


def handlers(downloads: Downloads) -> dict[Endpoint, Handler]:
    """Those of all the endpoints that answer with such a file."""
    of_event: dict[tuple[Endpoint, ...], EventFile] = {
        endpoints.RECORDS: records,
        endpoints.PEOPLE: people_of_group,
        endpoints.NEVER_TRIED: never_tried,
        endpoints.UNREADABLE_RECORDS: unreadable_records,
        endpoints.UNREADABLE_REGISTRATIONS: unreadable_registrations,
        endpoints.EXPIRING: expiring,
        endpoints.WHAT_IF: what_if,
        endpoints.REFERENCE_PROBLEMS: reference_problems,
    }
    return {
        **{each: _user_history(downloads, each.file) for each in endpoints.USER_HISTORY},
        **{each: _of_event(downloads, each, read) for files, read in of_event.items() for each in files},
        **{each: _audit(downloads, each.file) for each in endpoints.AUDIT},
    }


def _user_history(downloads: Downloads, file_type: str) -> Handler:
    """Every outcome of a user, newest first (columns: ``core.services.tables.OUTCOME_COLUMNS``)."""

    async def endpoint(request: Request) -> Response:
        user_id = USER_ID.of(request)

        def parts() -> Parts:
            services = services_of(principal_of(request))
            written = _WRITE[file_type](outcomes(services.records.history(user_id)))
            yield from services.acting.export("history", written, user_id=user_id)

        return await _file(request, downloads, "face-validation-history", file_type, parts())

    return endpoint


def _of_event(downloads: Downloads, asked: Endpoint, read: EventFile) -> Handler:
    """A file about an event, saved under the name that its path ends with."""
    name = asked.path.rpartition("/")[2].removesuffix(f".{ENDINGS[asked.file]}")

    async def endpoint(request: Request) -> Response:
        query = request.query_params
        others = WITH.all_of(query) if MORE_EVENTS in asked.parameters else ()
        events = list(dict.fromkeys([EVENT_ID.of(request), *others]))
        contacts = CONTACTS in asked.parameters and flag(query, CONTACTS["name"])

        def parts() -> Parts:
            services = services_of(principal_of(request))
            tables = [read(services, each, query) for each in events]
            if contacts:
                tables = [_with_contacts(services, each, table) for each, table in zip(events, tables, strict=True)]
            parts: Iterator[bytes] = _WRITE[asked.file](_joined(tables))
            # Each event has entries of its own in the audit trail.
            for each in events:
                parts = services.acting.export(
                    f"{name}.{ENDINGS[asked.file]}", parts, event_id=each, contacts=contacts
                )
            yield from parts

        called = events[0] if len(events) == 1 else f"{len(events)} events"
        return await _file(request, downloads, name, asked.file, parts(), called)

    return endpoint


def _joined(tables: Sequence[Table]) -> Table:
    """The rows of all tables, which have the same columns."""
    return Table(tables[0].columns, chain.from_iterable(table.batches for table in tables))


def _with_contacts(services: GuardedServices, event_id: str, table: Table) -> Table:
    """The table of records with names and addresses behind its columns.

    The event's registrations are read once, when its first rows are taken.
    """

    def batches() -> Iterator[Batch]:
        registered = None
        for batch in table.batches:
            assert isinstance(batch, pd.DataFrame)
            if registered is None:
                registered = services.registrations.event_frame(event_id)
            yield with_contacts(batch, registered)

    return Table([*table.columns, *CONTACT_COLUMNS], batches())


def _audit(downloads: Downloads, file_type: str) -> Handler:
    """The audit trail's entries that match the filters, newest first (columns:
    ``core.services.tables.AUDIT_COLUMNS``).
    """

    async def endpoint(request: Request) -> Response:
        query = request.query_params

        def parts() -> Parts:
            services = services_of(principal_of(request))
            now = services.clock()
            until = min(moment(query, "until") or now, now)
            since = max(moment(query, "since") or now - AUDIT_SPAN, FIRST_AUDIT)
            found = audit_trail(_audit_filter(query).of(services.audit.entries(since, until)))
            yield from services.acting.export("audit", _WRITE[file_type](found), Action.SEE_AUDIT)

        return await _file(request, downloads, "audit", file_type, parts())

    return endpoint


def records(services: GuardedServices, event_id: str, query: QueryParams) -> Table:
    """The event's records that match the filters (columns: ``core.domain.columns.RECORD_COLUMNS``)."""
    return Table(RECORD_EXPORT, _matching(services, event_id, query))


def people_of_group(services: GuardedServices, event_id: str, query: QueryParams) -> Table:
    """The people of a group that match the filters, as the event's page lists them."""
    group = Group(choice(query, "who", list(Group)) or Group.REGISTERED)
    order = Order(choice(query, "sort", list(Order)) or Order.NAME)
    text = one(query, "search") or ""

    filters = _filters(query)

    def batches() -> Iterator[Batch]:
        registered = services.registrations.event_frame(event_id)
        yield []  # a place to stop at
        rows = validated if group is Group.VALIDATED else people
        everybody = rows(registered, services.records.event_frame(event_id))
        yield from chunks(listed(fitting(everybody, **filters), group, text, order, services.clock()))

    return Table(PEOPLE_EXPORT, batches())


def never_tried(services: GuardedServices, event_id: str, _query: QueryParams) -> Table:
    """The registrations without a record (columns: ``core.domain.columns.REGISTRATION_COLUMNS``)."""

    def batches() -> Iterator[Batch]:
        registered = services.registrations.event_frame(event_id)
        keys = [pd.DataFrame(columns=KEY_ATTRIBUTES, dtype="str")]
        for batch in services.records.event_batches(event_id):
            keys.append(batch[list(KEY_ATTRIBUTES)])
            yield []  # a place to stop at
        tried = pd.concat(keys, ignore_index=True).drop_duplicates()
        yield from chunks(statistics.never_tried(registered, tried))

    return Table(REGISTRATION_EXPORT, batches())


def unreadable_records(services: GuardedServices, event_id: str, _query: QueryParams) -> Table:
    """What could not be read of the records."""

    def batches() -> Iterator[Batch]:
        found = [record_frame({})]
        for batch in services.records.event_batches(event_id):
            found.append(batch[batch["unreadable"] != ""])
            yield []  # a place to stop at
        yield from chunks(statistics.unreadable(*found))

    return Table(statistics.UNREADABLE_COLUMNS, batches())


def unreadable_registrations(services: GuardedServices, event_id: str, _query: QueryParams) -> Table:
    """What could not be read of the registrations."""
    shown = services.registrations.event_frame(event_id)
    found = statistics.unreadable(shown, services.registrations.unreadable(event_id))
    return of_frame(found, statistics.UNREADABLE_COLUMNS)


def expiring(services: GuardedServices, event_id: str, _query: QueryParams) -> Table:
    """The records that expire within a week."""
    now = services.clock()
    batches = services.records.event_batches(event_id)
    return Table(RECORD_EXPORT, (statistics.expiring(batch, now) for batch in batches))


def what_if(services: GuardedServices, event_id: str, query: QueryParams) -> Table:
    """The matching records whose status another ``threshold`` would change, with the column ``becomes``."""
    asked, policy = threshold(query), services.profiles.get(event_id).rules.over(services.settings.policy)
    flipped = (
        statistics.flips(batch, asked, policy.review_threshold, policy.similarity_threshold)
        for batch in _matching(services, event_id, query)
    )
    return Table([*RECORD_EXPORT, "becomes"], flipped)


def reference_problems(services: GuardedServices, event_id: str, _query: QueryParams) -> Table:
    """Whom to ask for another reference photo, by the event's last reference check
    (``core.services.tables.REFERENCE_COLUMNS``).
    """
    audit = services.references.latest(event_id)
    if audit is None:
        days = KEPT.days
        raise NotFound(f"This event's reference photos were not checked in the last {days} days: do so on its page.")
    return references(audit.problems)


def _matching(services: GuardedServices, event_id: str, query: QueryParams) -> Iterable[pd.DataFrame]:
    inferred = {"age": one(query, "age"), "gender": one(query, "gender"), "smile": choice(query, "smile", SMILES)}
    filters = _filters(query) | inferred
    return (filtered(batch, **filters) for batch in services.records.event_batches(event_id))


def _filters(query: QueryParams) -> dict[str, Any]:
    """What is asked for, as ``core.domain.filters.filtered`` takes it."""
    return {
        "statuses": choices(query, "status", [str(status) for status in Status]),
        "quality": choices(query, "quality", [*(str(quality) for quality in Quality), statistics.NOT_MEASURED]),
        "sources": query.getlist("source"),
        "reason": one(query, "reason"),
        "since": moment(query, "since"),
        "until": moment(query, "until"),
        "similarity": span(query, "similarity"),
        "confidence": span(query, "confidence"),
        "attempts": choice(query, "attempts", statistics.TRIES),
    }


def _audit_filter(query: QueryParams) -> AuditFilter:
    return AuditFilter(
        actions=frozenset(choices(query, "action", [str(action) for action in Action])),
        who=one(query, "who"),
        person=one(query, "person"),
        result=next(iter(choices(query, "result", [str(result) for result in Result])), None),
    )


async def _file(
    request: Request, downloads: Downloads, what: str, file_type: str, parts: Parts, event_id: str | None = None
) -> Response:
    """``parts`` as a download. The first is made before the answer begins: what fails till then is told as JSON.

    Text is compressed for clients that accept it; the other types are compressed already.
    """
    headers = {
        "Content-Disposition": content_disposition(file_name(what, ENDINGS[file_type], utc_now(), event_id)),
        "Content-Type": file_type,
    }
    if file_type is CSV:
        headers |= {"Content-Type": f"{CSV}; charset=utf-8", "Vary": "Accept-Encoding"}
        if takes_gzip(request.headers.get("accept-encoding", "")):
            parts, headers["Content-Encoding"] = _compressed(parts), "gzip"
    download = downloads.open(parts, person_of(request))
    try:
        first = await unless_gone(request.receive, download.next())
    except (ClientDisconnect, asyncio.CancelledError):
        download.close()
        raise
    except BaseException:
        # Whoever is told of the failure finds the place free again.
        await asyncio.wrap_future(download.close())
        raise
    return _FileResponse(download, first, headers)


class _FileResponse(Response):
    def __init__(self, download: Download, first: bytes | None, headers: dict[str, str]) -> None:
        super().__init__(headers=headers)
        del self.headers["Content-Length"]
        self._download = download
        self._first = first

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await unless_gone(receive, self._send(scope, send))
        except ClientDisconnect:
            return
        except Exception as failure:  # noqa: BLE001 - the answer has begun: too late for any error but its end
            # Returning with the answer unfinished makes the server break the connection: nobody takes it for whole.
            # Not its own words: they may name a registration.
            logger.warning("a download broke off: %s", type(failure).__name__)
            return
        finally:
            closed = self._download.close()
        # Before the end is told: whoever waited for it finds the place free.
        await asyncio.wrap_future(closed)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send(self, scope: Scope, send: Send) -> None:
        """All but the end."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        part = None if scope["method"] == "HEAD" else self._first
        while part is not None:
            if part:
                await send({"type": "http.response.body", "body": part, "more_body": True})
            part = await self._download.next()


def takes_gzip(accepted: str) -> bool:
    """Whether an Accept-Encoding header allows gzip: by name, or by ``*`` where it is not named."""
    named = named_codings([accepted])
    return named.get("gzip", named.get("*", False))


def _compressed(parts: Parts) -> Parts:
    gzip = zlib.compressobj(_COMPRESSION, wbits=zlib.MAX_WBITS | 16)
    for part in parts:
        yield gzip.compress(part)
    yield gzip.flush()
