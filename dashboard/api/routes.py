"""Everything under /api: the JSON API, the files to download, and how the process is.

It stands before Streamlit, not among its routes: those refuse paths that an id may well have, and answer what they do
not know with the dashboard's page.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from pydantic import ValidationError
from python_multipart.multipart import parse_options_header
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core import __version__
from core.domain import statistics
from core.domain.errors import (
    FacedeskError,
    InvalidInput,
    RecordNotFound,
    Refused,
    Service,
    ServiceError,
)
from core.domain.records import Source
from core.domain.roles import Action, Principal
from core.flow.pace import Pace
from core.photos.sanitiser import SMALLER
from core.runtime import health
from core.runtime.facades.guard import GuardedServices
from core.services.validation import Submitter, Validation
from core.settings import Settings
from dashboard.access.authentication import (
    Authenticator,
    TooFast,
    Unauthorized,
    client_address,
    person_of,
    principal_of,
)
from dashboard.api import answers, endpoints, exports, openapi, parameters
from dashboard.api.answers import RETRY_AFTER_SECONDS, error, listed, model, success
from dashboard.api.endpoints import Endpoint
from dashboard.api.parameters import (
    DAYS_BACK,
    EVENT_ID,
    EVENT_LIMIT,
    HISTORY_LIMIT,
    REGISTRATION_ID,
    USER_ID,
)
from dashboard.api.shapes import FaceImage, Verdict
from dashboard.api.workers import Busy, Downloads, PerPerson, Shared, TooMany, Workers, unless_gone
from dashboard.services import services_of, shared

Handler = Callable[[Request], Awaitable[Response]]
#: A request's work, done where it may block.
Work = Callable[[GuardedServices], Response]

#: Bytes of a JSON body, and of what a form may have around its photo.
MAX_JSON_BYTES = 64 * 1024
#: How long what the services told of themselves is good, seconds.
READY_SECONDS = 2
_ON_EVERY_ANSWER = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
#: Wrong tokens that the audit trail is told of: whoever tries many must not fill it.
_WRONG_TOKENS_A_MINUTE, _WRONG_TOKENS_BURST = 6, 60.0


class Api:
    """ASGI middleware: every request for a path under /api is answered here, every other by the ``pages``."""

    def __init__(self, pages: ASGIApp, settings: Settings) -> None:
        self._pages = pages
        self._workers = Workers(settings.api_threads, settings.api_queue)
        # Validations have threads and a line of their own: however slow reads are, no photo waits for them.
        self._validations = Workers(settings.api_threads, settings.api_queue)
        self._downloads = Downloads(settings.api_exports, settings.api_exports_per_person)
        self._requests = PerPerson(settings.api_requests_per_person)
        self._ready = Shared(lambda: health.check(shared().services), READY_SECONDS)
        self._authenticator = Authenticator(settings, lambda: shared().services)
        self._sign_in = settings.sign_in
        self._wrong_tokens = Pace(_WRONG_TOKENS_A_MINUTE / 60, _WRONG_TOKENS_BURST)
        self._max_upload_bytes = settings.max_upload_bytes
        self._app = Starlette(
            routes=self.routes(),
            exception_handlers={
                FacedeskError: answers.failed,
                Unauthorized: self._unauthorized,
                TooFast: answers.too_fast,
                Busy: answers.busy,
                HTTPException: answers.refused,
                ClientDisconnect: answers.nobody_there,
                Exception: answers.unforeseen,
            },
        )
        # Not /api/none/ -> /api/none: what is not here is not here.
        self._app.router.redirect_slashes = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            try:
                await self._pages(scope, receive, send)
            finally:
                self.close()
            return
        if scope["type"] != "http" or not re.match("/api(/|$)", scope["path"]):
            await self._pages(scope, receive, send)
            return

        started = False

        async def with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                MutableHeaders(scope=message).update(_ON_EVERY_ANSWER)
            await send(message)

        try:
            # Nothing under /api is answered elsewhere: who asks is found out here, what they may do by the route.
            asked = {**scope, "path": _exact_path(scope), "state": dict(scope.get("state", {}))}
            await self._app(asked, receive, with_headers)
        except asyncio.CancelledError:  # the server ends, and has waited long enough
            if not started:
                ending = error(503, "Facedesk is being stopped. Try again in a moment.", RETRY_AFTER_SECONDS)
                await ending(scope, receive, with_headers)

    def _handlers(self) -> Mapping[Endpoint, Handler]:
        return {
            endpoints.VALIDATE: self.validate,
            endpoints.EVENT_VALIDATIONS: self.working(event_validations),
            endpoints.HISTORY: self.working(history),
            endpoints.STATS: self.working(stats),
            endpoints.CHECK_RECENT: self.working(check_recent),
            endpoints.RECORD: self.working(record),
            **exports.handlers(self._downloads),
            endpoints.HEALTH: alive,
            endpoints.READY: self.ready,
            endpoints.OPENAPI: self.document,
        }

    def routes(self) -> list[Route]:
        """A route for each endpoint of the table. Raises ``ValueError`` unless each has a handler, and no other."""
        handlers = self._handlers()
        if odd := handlers.keys() ^ set(endpoints.ENDPOINTS):
            raise ValueError(f"Neither endpoint nor handler without the other: {[each.path for each in odd]}")
        return [
            Route(endpoint.path, self._guarded(endpoint, handlers[endpoint]), methods=[endpoint.method])
            for endpoint in endpoints.ENDPOINTS
        ]

    def _guarded(self, endpoint: Endpoint, handler: Handler) -> Handler:
        """The handler, for those who may do what the endpoint takes."""
        if not endpoint.actions:
            return handler

        async def guarded(request: Request) -> Response:
            parameters.require_text(request)
            principal = await run_in_threadpool(self._authenticator.principal, request.scope)
            request.state.principal = principal
            person = request.state.person = principal.id if self._sign_in else None
            if not self._requests.take(person):
                raise TooMany("You have too many requests at once. Try again when one of them is answered.", 1)
            try:
                if not all(map(principal.may, endpoint.actions)):
                    await self._workers.run(lambda: services_of(principal).acting.require(endpoint.actions), person)
                return await handler(request)
            finally:
                self._requests.give_back(person)

        return guarded

    def working(self, work_of: Callable[[Request], Work]) -> Handler:
        """A handler that checks the request with ``work_of``, and does the work in a thread."""

        async def endpoint(request: Request) -> Response:
            return await self._done(self._workers, request, work_of(request))

        return endpoint

    async def validate(self, request: Request) -> Response:
        """Validate a stored photo (JSON) or an uploaded one (form)."""
        rest: dict[str, Any] = {
            "registration_id": REGISTRATION_ID.of(request),
            "attempt_id": parameters.attempt_id(request),
            "submitter": Submitter(Source.API, principal_of(request).name, client_address(request.scope)),
            "must_store": parameters.must_store(request),
        }
        kind, _ = parse_options_header(request.headers.get("content-type"))
        if kind == b"application/json":
            key = _face_image_key(await _limited(request, MAX_JSON_BYTES, "send only the photo's key").body())
            return await self._done(
                self._validations,
                request,
                lambda services: _verdict(partial(services.validation.validate_stored, key=key, **rest)),
            )
        if kind == b"multipart/form-data":
            limited = _limited(request, self._max_upload_bytes + MAX_JSON_BYTES, SMALLER)
            async with limited.form(max_files=1, max_fields=10, max_part_size=MAX_JSON_BYTES) as form:
                photo = form.get("photo")
                if not isinstance(photo, UploadFile):
                    raise InvalidInput("The form needs a file in the field photo.")
                file = photo.file
                return await self._done(
                    self._validations,
                    request,
                    lambda services: _verdict(
                        partial(services.validation.validate_upload, upload=file.read(), **rest)
                    ),
                )
        raise HTTPException(415, "Send application/json with faceImageKey, or multipart/form-data with a file photo.")

    async def ready(self, request: Request) -> Response:
        """Whether each service behind the ports answers: 503 where one does not, unless it is dispensable."""
        try:
            found = await unless_gone(request.receive, self._ready.result())
        except ServiceError as refusal:  # the services could not be made at all
            return error(503, str(refusal), RETRY_AFTER_SECONDS)
        listed = [
            {"service": each.service, "ok": each.ok, "milliseconds": round(each.milliseconds, 1)}
            | ({"error": each.error, "hint": each.hint} if each.error else {})
            for each in found
        ]
        failing = [each for each in found if not each.ok and not each.is_dispensable]
        if failing:
            names = ", ".join(each.service for each in failing)
            sentences = dict.fromkeys([f"Out of order: {names}.", *(each.hint for each in failing if each.hint)])
            return error(503, " ".join(sentences), RETRY_AFTER_SECONDS, data={"dependencies": listed})
        return success({"dependencies": listed})

    async def document(self, _request: Request) -> Response:
        return JSONResponse(openapi.document(sign_in=self._sign_in))

    def close(self) -> None:
        """End the threads, without waiting for those that work."""
        self._workers.close()
        self._validations.close()
        self._ready.close()

    async def _unauthorized(self, request: Request, refusal: Exception) -> Response:
        assert isinstance(refusal, Unauthorized)
        if refusal.told and not self._wrong_tokens.delay():
            self._wrong_tokens.spend()
            stranger = Principal(id="unknown", name=None, roles=frozenset(), ip_address=client_address(request.scope))
            await self._workers.run(
                lambda: services_of(stranger).acting.tell(Action.SIGN_IN, "Unauthorized"), stranger.id
            )
        answer = error(401, str(refusal))
        answer.headers["WWW-Authenticate"] = 'Bearer realm="Facedesk"'
        return answer

    async def _done(self, workers: Workers, request: Request, work: Work) -> Response:
        working = workers.run(lambda: work(services_of(principal_of(request))), person_of(request))
        return await unless_gone(request.receive, working)


def event_validations(request: Request) -> Work:
    event_id, limit = EVENT_ID.of(request), EVENT_LIMIT.of(request)

    def work(services: GuardedServices) -> Response:
        records = services.records.event_records(event_id, limit)
        unreadable = [
            {"registrationId": record.registration_id, "field": each.field, "kind": each.kind}
            for record in records
            for each in record.unread
        ]
        return listed("face validation{s} for event", records, unreadable=unreadable)

    return work


def history(request: Request) -> Work:
    user_id, limit = USER_ID.of(request), HISTORY_LIMIT.of(request)

    def work(services: GuardedServices) -> Response:
        return listed("face validation record{s} for user", services.records.history(user_id, limit))

    return work


def stats(request: Request) -> Work:
    user_id = USER_ID.of(request)

    def work(services: GuardedServices) -> Response:
        found = statistics.user_statistics(user_id, services.records.history(user_id))
        return success(found.model_dump(mode="json", by_alias=True), "Face validation statistics retrieved")

    return work


def check_recent(request: Request) -> Work:
    user_id, days = USER_ID.of(request), DAYS_BACK.of(request)

    def work(services: GuardedServices) -> Response:
        found = statistics.latest_valid(services.records.history(user_id), services.clock(), days)
        data = {"userId": user_id, "hasRecentValidation": found is not None, "daysChecked": days}
        return success(data, f"User has {'valid' if found else 'no valid'} recent face validation")

    return work


def record(request: Request) -> Work:
    user_id, registration_id = USER_ID.of(request), REGISTRATION_ID.of(request)

    def work(services: GuardedServices) -> Response:
        found = services.records.get(user_id, registration_id)
        if found is None:
            raise RecordNotFound()
        return model(found, "Face validation record retrieved")

    return work


async def alive(_request: Request) -> Response:
    """That the process answers; it asks no service."""
    return success({"alive": True, "version": __version__})


def _verdict(validate: Callable[[], Validation]) -> Response:
    try:
        validation = validate()
    except Refused as refusal:
        if refusal.service != Service.RECORDS:
            raise
        message = f"Failed to store face validation: {refusal.code}"
        raise Refused(refusal.service, refusal.code, message) from refusal
    data = Verdict.of(validation).model_dump(mode="json", by_alias=True, exclude_none=True)
    return success(data, dynamodbStored=validation.stored)


def _exact_path(scope: Scope) -> str:
    """The path as it was sent, each character that may be encoded so: an encoded slash is part of an id."""
    return "/".join(quote(unquote_to_bytes(part), safe="") for part in scope["raw_path"].split(b"/"))


def _face_image_key(body: bytes) -> str:
    try:
        return FaceImage.model_validate_json(body).face_image_key
    except ValidationError:
        raise InvalidInput('The body must be JSON with a text faceImageKey: {"faceImageKey": "..."}.') from None


def _limited(request: Request, limit: int, advice: str) -> Request:
    """The request, with an end to its body: 413 beyond ``limit`` bytes, whatever length was announced."""
    too_large = HTTPException(413, f"The body is larger than {limit:,} bytes: {advice}.")
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > limit:
        raise too_large
    received = 0

    async def receive() -> Message:
        nonlocal received
        message = await request.receive()
        received += len(message.get("body", b""))
        if received > limit:
            raise too_large
        return message

    return Request(request.scope, receive)
