"""The gate before every answer, in this process: what it adds, and whom it lets through."""

from __future__ import annotations

import asyncio
import weakref
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from streamlit.runtime.memory_session_storage import MemorySessionStorage
from streamlit.runtime.session_manager import SessionInfo

from core.domain.errors import Service, Unavailable
from core.runtime.services import Services
from core.settings import Settings
from dashboard.access.gate import Gate, forget_left_pages
from tests.support import signin

pytestmark = pytest.mark.usefixtures("shared_services")
HTTPS = "https://desk.example"


async def pages(scope: Scope, receive: Receive, send: Send) -> None:
    answer = PlainTextResponse("a page")
    answer.set_cookie("plain", "1", httponly=True)
    answer.set_cookie("other", "1", secure=True)
    await answer(scope, receive, send)


def ask(path: str, origin: str | None, **more: Any) -> httpx.Response:
    """``origin``: the address at which people sign in; None: nobody does."""
    settings = Settings.model_validate(signin.settings(origin) if origin else {})

    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(Gate(pages, settings))
        async with httpx.AsyncClient(
            transport=transport, base_url="http://desk.example" if origin else "http://localhost"
        ) as client:
            return await client.get(path, **more)

    return asyncio.run(asked())


def test_without_sign_in_nothing_is_answered_at_an_address_that_others_can_reach() -> None:
    answer = ask("http://203.0.113.1:8501/", None)
    assert answer.status_code == 403
    assert "FACEDESK_AUTH" in answer.text
    assert answer.headers["X-Frame-Options"] == "DENY"


def test_by_https_browsers_are_told_to_stay_with_it() -> None:
    assert "max-age" in ask("/", HTTPS).headers["Strict-Transport-Security"]


def test_by_http_they_are_not() -> None:
    assert "Strict-Transport-Security" not in ask("/", "http://localhost").headers


def test_by_https_every_cookie_is_for_https_alone_and_once() -> None:
    cookies = ask("/", HTTPS, headers=signed_in()).headers.get_list("set-cookie")
    assert [cookie.lower().count("secure") for cookie in cookies] == [1, 1]


def signed_in(origin: str = HTTPS) -> dict[str, str]:
    cookie = signin.cookie(signin.claims("support", origin))
    return {"Cookie": f"{signin.COOKIE}={cookie[signin.COOKIE]}"}


@pytest.mark.parametrize("path", ["/media/x.png", "/static/js/index.js", "/component/x", "/_stcore/host-config"])
def test_parts_of_pages_are_for_those_alone_who_are_signed_in(path: str) -> None:
    assert ask(path, HTTPS).status_code == 401
    assert ask(path, HTTPS, headers=signed_in()).status_code == 200
    assert ask(path, None).status_code == 200


class Unknown:
    """Sign-outs that cannot be read."""

    def has_ended(self, _session_id: str) -> bool:
        raise Unavailable(Service.SIGN_OUTS, "canary")


def test_where_sign_outs_are_not_known_nobody_is_let_in(
    shared_services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_services.sessions, "_sign_outs", Unknown())
    for path in ("/", "/validate", "/media/x.png"):
        answer = ask(path, HTTPS, headers=signed_in())
        assert answer.status_code == 503
        assert "cannot find out who is signed in" in answer.text
        assert "canary" not in answer.text


def test_strangers_and_probes_are_answered_though_sign_outs_are_not_known(
    shared_services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_services.sessions, "_sign_outs", Unknown())
    assert ask("/", HTTPS).status_code == 401
    assert ask("/_stcore/health", HTTPS, headers=signed_in()).status_code == 200


@pytest.mark.parametrize("path", ["/", "/validate", "/none", "/validate?registration_id=r1"])
def test_a_stranger_gets_the_sign_in_page_in_place_of_every_page(path: str) -> None:
    answer = ask(path, HTTPS)
    assert answer.status_code == 401
    assert "Sign in to go on" in answer.text
    assert "<script" not in answer.text


def test_whoever_was_signed_in_is_told_that_the_session_is_over() -> None:
    over = signin.claims("support", HTTPS, exp=1_700_000_000)
    header = {"Cookie": f"{signin.COOKIE}={signin.cookie(over)[signin.COOKIE]}"}
    assert "Your session is over" in ask("/validate", HTTPS, headers=header).text


def test_the_page_that_was_asked_for_is_shown_after_signing_in() -> None:
    asked = ask("/validate?registration_id=r%201", HTTPS).headers["set-cookie"].partition(";")[0]
    after = ask("/", HTTPS, headers={"Cookie": f"{signed_in()['Cookie']}; {asked}"})
    assert (after.status_code, after.headers["Location"]) == (302, "/validate?registration_id=r%201")


@pytest.mark.parametrize(
    "wanted", ["//evil.example/", "/%2F/evil.example", "https://evil.example/validate", "/none", "/validate?a\r\nb"]
)
def test_signing_in_leads_nowhere_but_to_our_pages(wanted: str) -> None:
    cookie = f"facedesk_next={quote(wanted)}"
    assert ask("/", HTTPS, headers={"Cookie": f"{signed_in()['Cookie']}; {cookie}"}).status_code == 200


def test_no_file_of_a_page_is_kept_by_a_browser() -> None:
    assert ask("/media/x.png", None).headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("origin", [HTTPS, None])
def test_figures_about_the_process_are_for_nobody(origin: str | None) -> None:
    assert ask("/_stcore/metrics", origin).status_code == 404


def test_a_page_that_was_left_gives_back_what_it_holds() -> None:
    class Page:
        id = "left"

    page = Page()
    storage = MemorySessionStorage(ttl_seconds=0)
    storage.save(SessionInfo(client=None, session=page))  # type: ignore[arg-type]
    held = weakref.ref(page)
    del page
    assert held()
    forget_left_pages(SimpleNamespace(_session_mgr=SimpleNamespace(_session_storage=storage)))  # type: ignore[arg-type]
    assert held() is None
