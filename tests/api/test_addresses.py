"""Where a request comes from is an IP address, or it is not known."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import httpx
import pytest
import streamlit as st
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from core.domain.roles import ApiToken, Role
from core.runtime.services import Services
from core.services.tokens import new_token
from dashboard import services as dashboard_services
from dashboard.access.authentication import plain_address
from tests.api.conftest import MakeApi
from tests.api.test_access import SIGN_IN
from tests.support.app import RunPage

TOKEN, HASHED = new_token()
KNOWN = {
    "203.0.113.9": "203.0.113.9",
    " 203.0.113.9 ": "203.0.113.9",
    "203.0.113.9:4711": "203.0.113.9",
    "2001:db8::1": "2001:db8::1",
    "2001:0DB8:0:0:0:0:0:1": "2001:db8::1",
    "[2001:db8::1]:4711": "2001:db8::1",
    "[2001:db8::1]": "2001:db8::1",
    "fe80::1%eth0": "fe80::1",
    "::ffff:203.0.113.9": "203.0.113.9",
}
NONE = [
    "",
    "unknown",
    "_hidden",
    "<script>",
    "=1+1",
    "203.0.113",
    "203.0.113.999",
    "a.example.com",
    "1" * 10_000,
    "::g",
    "[",
]


@pytest.mark.parametrize(("text", "address"), KNOWN.items())
def test_an_address_is_read_however_it_is_written(text: str, address: str) -> None:
    assert plain_address(text) == address


@pytest.mark.parametrize("text", [None, *NONE], ids=lambda text: str(text)[:20])
def test_what_is_no_address_is_none(text: str | None) -> None:
    assert plain_address(text) is None


@pytest.mark.parametrize(
    ("forwarded", "kept"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("<b>me</b>", None),
        ("=HYPERLINK(1)", None),
        ("[2001:db8::1]:80", "2001:db8::1"),
    ],
)
def test_the_trail_keeps_of_a_forwarded_address_nothing_else(
    make_api: MakeApi, services: Services, forwarded: str, kept: str | None
) -> None:
    token = ApiToken(name="support", hash=HASHED, roles={Role.SUPPORT})
    app = ProxyHeadersMiddleware(make_api(**SIGN_IN, api_tokens=(token,)), "*")  # type: ignore[arg-type]

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:  # type: ignore[arg-type]
            headers = {"Authorization": f"Bearer {TOKEN}", "X-Forwarded-For": forwarded}
            return await client.get("/api/exports/users/user-1/history.csv", headers=headers)

    assert asyncio.run(ask()).status_code == 200
    now = datetime.now(UTC)
    entries = list(services.audit.entries(now - timedelta(hours=1), now + timedelta(hours=1)))
    assert {entry.ip_address for entry in entries} == {kept}


def test_a_page_takes_nothing_else_for_an_address(run_page: RunPage, monkeypatch: pytest.MonkeyPatch) -> None:
    run_page("home")
    for said, kept in {"<b>me</b>": None, "[2001:db8::1]:80": "2001:db8::1"}.items():
        monkeypatch.setattr(st, "context", SimpleNamespace(ip_address=said, cookies={}))
        person = dashboard_services.principal()
        assert person
        assert person.ip_address == kept
