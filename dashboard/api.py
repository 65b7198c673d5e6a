"""HTTP routes beside the pages. Streamlit answers every path it does not know with the dashboard's page, so the
rest of /api is taken here and answers in JSON.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from functools import wraps

import pandas as pd
from starlette.concurrency import run_in_threadpool
from starlette.convertors import PathConvertor, register_url_convertor
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from core import statistics
from core.bootstrap import Services
from core.errors import FacedeskError, InvalidInput
from core.export import frame_csv, outcomes_csv, registrations_csv
from core.records import Quality, Status
from dashboard.services import get_services

logger = logging.getLogger(__name__)

Endpoint = Callable[[Request], Awaitable[Response]]
#: Makes a CSV of one event: services, event id, query -> encoded lines.
EventCsv = Callable[[Services, str, QueryParams], Iterable[bytes]]


class _AnyText(PathConvertor):
    """Starlette's own ``path`` ends at a line break, which an id may have."""

    regex = "(?s:.*)"


register_url_convertor("any", _AnyText())


def routes() -> list[BaseRoute]:
    event = "/api/exports/events/{event_id:any}"
    # An application instead of a function is asked for every method.
    nothing = error(404, "There is nothing at this path.")
    return [
        Route("/api/exports/users/{user_id:any}/history.csv", user_history_csv),
        Route(f"{event}/records.csv", _event_csv("records", _records)),
        Route(f"{event}/never-tried.csv", _event_csv("never-tried", _never_tried)),
        Route(f"{event}/expiring.csv", _event_csv("expiring", _expiring)),
        Route(f"{event}/what-if.csv", _event_csv("what-if", _what_if)),
        Route("/api", nothing),
        Route("/api/{path:any}", nothing),
    ]


def failing_as_json(endpoint: Endpoint) -> Endpoint:
    """``endpoint``, whose errors become answers: 400 what the caller got wrong, 503 a service, 500 what is ours."""

    @wraps(endpoint)
    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except InvalidInput as refusal:
            return error(400, str(refusal))
        except FacedeskError as failure:
            return error(503, str(failure))
        except Exception:
            logger.exception("a route failed")
            return error(500, "Something went wrong here. Try again, and tell who runs Facedesk if it stays.")

    return answer


@failing_as_json
async def user_history_csv(request: Request) -> Response:
    """Every outcome of a user, newest first, as CSV (columns: ``core.export.OUTCOME_COLUMNS``)."""
    user_id = request.path_params["user_id"]
    return await _csv("face-validation-history", lambda: outcomes_csv(get_services().records.history(user_id)))


def error(status: int, message: str) -> Response:
    return JSONResponse({"status": "error", "message": message, "statusCode": status}, status_code=status)


def _event_csv(name: str, make: EventCsv) -> Endpoint:
    @failing_as_json
    async def route(request: Request) -> Response:
        event_id = request.path_params["event_id"]
        return await _csv(name, lambda: make(get_services(), event_id, request.query_params))

    return route


async def _csv(name: str, make: Callable[[], Iterable[bytes]]) -> Response:
    """The lines that ``make`` gives, streamed; the stores are read before the answer begins."""
    lines = await run_in_threadpool(make)
    return StreamingResponse(
        lines,
        media_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="{name}.csv"',
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        },
    )


def _records(services: Services, event_id: str, query: QueryParams) -> Iterable[bytes]:
    """The event's records that match the filters (columns: ``core.frames.RECORD_DTYPES``)."""
    return frame_csv(_matching(services, event_id, query))


def _never_tried(services: Services, event_id: str, _query: QueryParams) -> Iterable[bytes]:
    """The registrations without a record (columns: ``core.frames.REGISTRATION_DTYPES``)."""
    registered = services.registrations.event_frame(event_id)
    return registrations_csv(statistics.never_tried(registered, services.records.event_frame(event_id)))


def _expiring(services: Services, event_id: str, _query: QueryParams) -> Iterable[bytes]:
    """The records that expire within a week."""
    return frame_csv(statistics.expiring(services.records.event_frame(event_id), services.clock()))


def _what_if(services: Services, event_id: str, query: QueryParams) -> Iterable[bytes]:
    """The matching records whose status another ``threshold`` would change, with the column ``becomes``."""
    try:
        threshold = float(query.get("threshold", ""))
    except ValueError:
        raise InvalidInput("The parameter threshold must be a number from 0 to 100.") from None
    if not 0 <= threshold <= 100:
        raise InvalidInput("The parameter threshold must be a number from 0 to 100.")
    records = _matching(services, event_id, query)
    policy = services.settings.policy
    return frame_csv(statistics.flips(records, threshold, policy.review_threshold, policy.similarity_threshold))


def _matching(services: Services, event_id: str, query: QueryParams) -> pd.DataFrame:
    filters = {
        "statuses": _choices(query, "status", [str(status) for status in Status]),
        "quality": _choices(query, "quality", [str(quality) for quality in Quality]),
        "sources": query.getlist("source"),
        "reason": query.get("reason"),
        "since": _moment(query, "since"),
        "until": _moment(query, "until"),
    }
    return statistics.filtered(services.records.event_frame(event_id), **filters)


def _choices(query: QueryParams, name: str, known: list[str]) -> list[str]:
    given = query.getlist(name)
    if not set(given) <= set(known):
        raise InvalidInput(f"The parameter {name} must be one of {', '.join(known)}.")
    return given


def _moment(query: QueryParams, name: str) -> datetime | None:
    text = query.get(name)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(f"The parameter {name} must be a time in ISO-8601.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
