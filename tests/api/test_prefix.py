"""Facedesk under a path, as behind a reverse proxy: everything is there, and nothing is elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest
import streamlit as st
from websockets.exceptions import InvalidStatus

from core.domain.errors import SettingsError
from dashboard.prefix import address_of, check_prefix, prefix
from tests.api.conftest import BARE, is_error
from tests.support.browser import PREFIX, ROOT, dashboard
from tests.support.pages_socket import opened, rerun, send, until


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("prefix")
    settings = {**BARE, "FACEDESK_DATA_DIR": str(folder / "data"), PREFIX: "/desk"}
    with dashboard(settings, folder / "log") as running:
        assert running.endswith("/desk")
        yield running


@pytest.fixture
def outside(address: str) -> str:
    return address.removesuffix("/desk")


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/event_overview", "/api/health", "/api", "/_stcore/health", "/static/js", "/media/x.jpg"),
        *("/desks/", "/desk-/event_overview", "//desk/", "/%64esk/", "/desk%2Fapi/health", "/DESK/"),
    ],
)
def test_outside_of_the_prefix_is_nothing(outside: str, path: str) -> None:
    answer = httpx.get(outside + path)
    assert (answer.status_code, answer.text) == (404, "Not found: Facedesk is at /desk/")
    assert answer.headers["content-type"].startswith("text/plain")


def test_the_prefix_alone_leads_to_the_page_under_it(address: str) -> None:
    answer = httpx.get(f"{address}?event_id=a%2Fb")
    assert (answer.status_code, answer.headers["location"]) == (307, "/desk/?event_id=a%2Fb")


@pytest.mark.parametrize("path", ["/", "/event_overview", "/statistics?event_id=x"])
def test_a_page_is_under_the_prefix_with_all_its_parts(address: str, path: str) -> None:
    answer = httpx.get(address + path, headers={"Accept-Encoding": "br"})
    assert answer.status_code == 200
    assert answer.headers["content-encoding"] == "br"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    scripts = [part.partition('"')[0] for part in answer.text.split('="./static/')[1:]]
    assert scripts
    for script in scripts[:3]:
        assert httpx.get(f"{address}/static/{script}").status_code == 200


@pytest.mark.parametrize("path", ["/_stcore/health", "/_stcore/host-config"])
def test_what_pages_ask_for_is_under_the_prefix(address: str, path: str) -> None:
    assert httpx.get(address + path).status_code == 200


@pytest.mark.parametrize("path", ["/_stcore/metrics", "/_stcore/agent/openapi.json", "/_stcore/script-health-check"])
def test_what_is_closed_is_closed_under_the_prefix(address: str, path: str) -> None:
    assert httpx.get(address + path).status_code == 404


def test_the_api_is_under_the_prefix(address: str) -> None:
    assert httpx.get(f"{address}/api/health").json()["data"]["alive"]
    assert httpx.get(f"{address}/api/exports/events/none/records.csv").status_code == 200
    assert is_error(httpx.get(f"{address}/api/nowhere"), 404)
    assert is_error(httpx.get(f"{address}/api"), 404)


def test_an_encoded_slash_is_part_of_an_id_under_the_prefix(address: str) -> None:
    answer = httpx.get(f"{address}/api/registrations/a%2Fb/face-validation/history")
    assert answer.json()["data"] == {"count": 0, "data": []}


def test_the_openapi_document_names_the_prefix(address: str) -> None:
    assert httpx.get(f"{address}/api/openapi.json").json()["servers"] == [{"url": "/desk"}]


def test_a_foreign_host_is_refused_under_the_prefix(address: str) -> None:
    assert httpx.get(f"{address}/api/health", headers={"Host": "example.com"}).status_code == 400


def test_a_load_balancer_may_ask_for_health_by_an_address_under_the_prefix(address: str) -> None:
    assert httpx.get(f"{address}/api/health", headers={"Host": "10.0.3.17:8501"}).status_code == 200


def test_the_probe_of_a_container_finds_the_server_under_the_prefix(address: str) -> None:
    port = str(httpx.URL(address).port)
    where = {"STREAMLIT_SERVER_PORT": port, "STREAMLIT_SERVER_BASE_URL_PATH": "/desk"}
    asked = [
        subprocess.run([sys.executable, "-m", "dashboard.probe"], cwd=ROOT, env={**os.environ, **each}).returncode
        for each in (where, {**where, "STREAMLIT_SERVER_BASE_URL_PATH": ""})
    ]
    assert asked == [0, 1]


def test_the_websocket_is_under_the_prefix_alone(address: str, outside: str) -> None:
    with opened(address) as socket:
        send(socket, rerun())
        assert until(socket, "script_finished")
    with pytest.raises(InvalidStatus), opened(outside):
        pass


# The setting


@pytest.mark.parametrize(
    ("said", "found"), [("", ""), ("/", ""), ("desk", "/desk"), ("/desk/", "/desk"), ("a/b-c_1", "/a/b-c_1")]
)
def test_the_prefix_is_the_same_however_it_is_written(monkeypatch: pytest.MonkeyPatch, said: str, found: str) -> None:
    monkeypatch.setattr(st, "get_option", {"server.baseUrlPath": said}.__getitem__)
    assert (prefix(), address_of("/api")) == (found, f"{found}/api")
    check_prefix(None)


@pytest.mark.parametrize("said", ["a b", "a/../b", "a//b", "é", "a?b", "a%20b", '"', "a/."])
def test_a_prefix_that_cannot_be_one_is_refused(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    monkeypatch.setattr(st, "get_option", {"server.baseUrlPath": said}.__getitem__)
    with pytest.raises(SettingsError, match=PREFIX):
        check_prefix(None)


@pytest.mark.parametrize(("said", "under"), [("", ""), ("/desk", "/desk")])
def test_people_who_sign_in_must_come_back_under_the_prefix(
    monkeypatch: pytest.MonkeyPatch, said: str, under: str
) -> None:
    monkeypatch.setattr(st, "get_option", {"server.baseUrlPath": said}.__getitem__)
    check_prefix(f"https://desk.example.com{under}/oauth2callback")
    with pytest.raises(SettingsError, match="OIDC_REDIRECT_URI"):
        check_prefix("https://desk.example.com/elsewhere/oauth2callback")
