"""The gate before every answer, in this process: what it adds, and whom it lets through."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from core.settings import Settings
from dashboard.gate import Gate
from tests.support import signin

HTTPS = "https://desk.example"


async def pages(scope: Scope, receive: Receive, send: Send) -> None:
    answer = PlainTextResponse("a page")
    answer.set_cookie("plain", "1", httponly=True)
    answer.set_cookie("other", "1", secure=True)
    await answer(scope, receive, send)


def ask(path: str, origin: str | None, **more: Any) -> httpx.Response:
    """``origin``: where people sign in; None: nobody does."""
    settings = Settings.model_validate(signin.settings(origin) if origin else {})

    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(Gate(pages, settings))
        async with httpx.AsyncClient(transport=transport, base_url="http://desk.example") as client:
            return await client.get(path, **more)

    return asyncio.run(asked())


def test_by_https_browsers_are_told_to_stay_with_it() -> None:
    assert "max-age" in ask("/", HTTPS).headers["Strict-Transport-Security"]


def test_by_http_they_are_not() -> None:
    assert "Strict-Transport-Security" not in ask("/", "http://localhost").headers


def test_by_https_every_cookie_is_for_https_alone_and_once() -> None:
    cookies = ask("/", HTTPS).headers.get_list("set-cookie")
    assert [cookie.lower().count("secure") for cookie in cookies] == [1, 1]


@pytest.mark.parametrize("path", ["/media/x.png", "/_stcore/upload_file/session/file"])
def test_files_of_pages_are_for_those_alone_who_are_signed_in(path: str) -> None:
    assert ask(path, HTTPS).status_code == 401
    cookie = signin.cookie(signin.claims("support", HTTPS))
    header = {"Cookie": f"{signin.COOKIE}={cookie[signin.COOKIE]}"}
    assert ask(path, HTTPS, headers=header).status_code == 200
    assert ask(path, None).status_code == 200


def test_no_file_of_a_page_is_kept_by_a_browser() -> None:
    assert ask("/media/x.png", None).headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("origin", [HTTPS, None])
def test_figures_about_the_process_are_for_nobody(origin: str | None) -> None:
    assert ask("/_stcore/metrics", origin).status_code == 404
