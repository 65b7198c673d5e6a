"""HTTP routes beside the pages. Streamlit answers every path it does not know with the dashboard's page, so the
rest of /api is taken here and answers in JSON.
"""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from core.errors import ServiceError
from core.export import outcomes_csv
from dashboard.services import get_services


def routes() -> list[BaseRoute]:
    return [
        Route("/api/exports/users/{user_id:path}/history.csv", user_history_csv, methods=["GET"]),
        Route("/api/{path:path}", unknown, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
    ]


async def user_history_csv(request: Request) -> Response:
    """Every outcome of a user, newest first, as CSV (columns: ``core.export.OUTCOME_COLUMNS``)."""
    try:
        records = await run_in_threadpool(get_services().records.history, request.path_params["user_id"])
    except ServiceError as failure:
        return error(503, str(failure))
    return StreamingResponse(
        outcomes_csv(records),
        media_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": 'attachment; filename="face-validation-history.csv"',
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        },
    )


async def unknown(_request: Request) -> Response:
    return error(404, "There is nothing at this path.")


def error(status: int, message: str) -> Response:
    return JSONResponse({"status": "error", "message": message, "statusCode": status}, status_code=status)
