"""What is under /api, asked in this process, or served by a server of its own in a thread."""

from __future__ import annotations

import asyncio
import csv
import io
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pandas as pd
import pytest
import uvicorn
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp

from core.domain.clock import utc_now
from core.runtime.services import Services
from core.services.export import BOM
from dashboard import services as dashboard_services
from dashboard.api.routes import Api
from tests.support.app import with_settings
from tests.support.desk import Desk
from tests.support.records import an_outcome
from tests.support.servers import free_port

#: Settings that a developer's shell may have and that a process of a test must not see.
BARE = {name: "" for name in os.environ if name.startswith(("AWS_", "MONGODB_", "FACEDESK_"))}
MakeApi = Callable[..., Api]
#: Puts other batches in the place of the store's.
PutBatches = Callable[[Callable[[], Iterable[pd.DataFrame]]], None]
#: What lies behind the API, in place of the dashboard's pages.
A_PAGE = "a page"


@dataclass(frozen=True)
class Client:
    """Asks ``app`` in this process (Starlette's own test client decodes paths twice)."""

    app: Api

    def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False, client=("203.0.113.7", 1))
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                return await client.request(method, path, **more)

        return asyncio.run(ask())

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.request("GET", path, **more)

    def post(self, path: str, **more: Any) -> httpx.Response:
        return self.request("POST", path, **more)


def rows(answer: httpx.Response) -> list[dict[str, str]]:
    text = answer.content.removeprefix(BOM).decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


def is_error(answer: httpx.Response, status: int) -> bool:
    """Whether the answer is the API's error, in JSON and with all its parts."""
    said = answer.json()
    return (
        answer.status_code == status
        and said["status"] == "error"
        and said["statusCode"] == status
        and bool(said["message"])
    )


@contextmanager
def serving(app: ASGIApp, **config: Any) -> Iterator[str]:
    """The address of a server of it."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, lifespan="off", log_level="critical", **config))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = server.force_exit = True
        thread.join()


@pytest.fixture
def shared_services(services: Services, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    """The desk's services, as what the process shares."""
    dashboard_services.shared.clear()
    monkeypatch.setattr(dashboard_services, "build", lambda _settings: services)
    yield services
    dashboard_services.shared.clear()


@pytest.fixture
def make_api(shared_services: Services, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeApi]:
    """Makes it on the desk's services, with these settings."""
    with ExitStack() as made:

        def make(**settings: Any) -> Api:
            changed = with_settings(shared_services, shared_services.settings.model_copy(update=settings))
            monkeypatch.setattr(dashboard_services, "build", lambda _settings: changed)
            dashboard_services.shared.clear()
            api = Api(PlainTextResponse(A_PAGE), changed.settings)
            made.callback(api.close)
            return api

        yield make


@pytest.fixture
def client(make_api: MakeApi) -> Client:
    return Client(make_api())


@pytest.fixture
def served(make_api: MakeApi) -> Iterator[str]:
    with serving(make_api()) as address:
        yield address


@pytest.fixture
def batches(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> PutBatches:
    def put(make: Callable[[], Iterable[pd.DataFrame]]) -> None:
        monkeypatch.setattr(desk.records, "event_batches", lambda _event_id: iter(make()))

    return put


@pytest.fixture
def recorded(desk: Desk) -> None:
    """reg-1 passed at 95 and expires soon, reg-3 failed at 20; reg-2 is registered and never tried."""
    passed = an_outcome("a1", timestamp=utc_now())
    failed = an_outcome(
        "a2",
        registration_id="reg-3",
        timestamp=utc_now(),
        status="failed",
        quality=None,
        source="batch",
        reasons=("FACE_MISMATCH",),
        comparison_result={"similarity": 20, "threshold": 80, "is_match": False},
    )
    desk.records.record_attempt(passed, timedelta(days=3))
    desk.records.record_attempt(failed, timedelta(days=30))
