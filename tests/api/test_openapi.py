"""The OpenAPI document says what is served, and what is served is as it says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jsonschema
import pytest
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from core import __version__
from core.domain.errors import NotConfigured, Refused, Unavailable
from core.settings import Settings
from dashboard.api import endpoints, openapi, parameters
from dashboard.api.parameters import Count, Id
from dashboard.api.routes import Api
from tests.api.conftest import Client
from tests.api.test_json_api import CHECK, EVENT, HISTORY, READS, RECORD, STATS, STORED, VALIDATE, record_attempts
from tests.support.desk import Desk

DOCUMENT = openapi.document(sign_in=False)
TEMPLATES = {
    VALIDATE: "/api/registrations/{registrationId}/validate-face-image",
    HISTORY: "/api/registrations/{userId}/face-validation/history",
    STATS: "/api/registrations/{userId}/face-validation/stats",
    CHECK: "/api/registrations/{userId}/face-validation/check-recent",
    RECORD: "/api/registrations/{userId}/face-validation/{registrationId}",
    EVENT: "/api/registrations/event/{eventId}/face-validations",
    "/api/health": "/api/health",
    "/api/ready": "/api/ready",
    "/api/openapi.json": "/api/openapi.json",
}


def documented() -> dict[tuple[str, str], dict[str, Any]]:
    return {(path, method): said for path, item in DOCUMENT["paths"].items() for method, said in item.items()}


def routed() -> Iterator[tuple[str, str]]:
    for route in Api(PlainTextResponse(""), Settings()).routes():
        assert isinstance(route, Route)
        yield from ((route.path, method.lower()) for method in route.methods or () if method != "HEAD")


def test_it_is_served(client: Client) -> None:
    assert client.get("/api/openapi.json").json() == DOCUMENT


def test_it_names_the_release() -> None:
    assert DOCUMENT["info"]["version"] == __version__


def test_an_endpoint_without_a_handler_ends_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    other = replace(endpoints.HEALTH, path="/api/other")
    monkeypatch.setattr(endpoints, "ENDPOINTS", (*endpoints.ENDPOINTS, other))
    with pytest.raises(ValueError, match="/api/other"):
        Api(PlainTextResponse(""), Settings())


def test_a_handler_without_an_endpoint_ends_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "ENDPOINTS", endpoints.ENDPOINTS[1:])
    with pytest.raises(ValueError, match="validate-face-image"):
        Api(PlainTextResponse(""), Settings())


def test_every_route_is_documented_and_everything_documented_is_routed() -> None:
    assert set(documented()) == set(routed())


def test_every_reference_leads_somewhere() -> None:
    def references(node: Any) -> Iterator[str]:
        if isinstance(node, dict):
            if "$ref" in node:
                yield node["$ref"]
            for value in node.values():
                yield from references(value)
        elif isinstance(node, list):
            for value in node:
                yield from references(value)

    schemas = {f"#/components/schemas/{name}" for name in DOCUMENT["components"]["schemas"]}
    assert set(references(DOCUMENT)) <= schemas


def test_each_parameter_in_a_path_is_described() -> None:
    for (path, _), said in documented().items():
        described = {each["name"] for each in said.get("parameters", ()) if each["in"] == "path"}
        assert described == {part[1:-1] for part in path.split("/") if part.startswith("{")}, path


@pytest.mark.parametrize("known", [value for value in vars(parameters).values() if isinstance(value, Id | Count)])
def test_each_parameter_that_is_read_is_described(known: Id | Count) -> None:
    said = [each for each in map(dict, _parameters()) if each["name"] == known.name]
    schemas = [each["schema"].get("items", each["schema"]) for each in said]
    most = {schema.get("maxLength", schema.get("maximum")) for schema in schemas}
    assert (known.max_bytes if isinstance(known, Id) else known.most) in most


def _parameters() -> Iterator[dict[str, Any]]:
    for said in documented().values():
        yield from said.get("parameters", ())


def check(path: str, method: str, status: int, body: Any) -> None:
    """Fails where the answer has a status or a shape that is not documented."""
    said = DOCUMENT["paths"][TEMPLATES[path]][method]["responses"]
    assert str(status) in said, f"{status} of {path} is not documented"
    schema = said[str(status)]["content"]["application/json"]["schema"]
    jsonschema.validate(body, schema | {"components": DOCUMENT["components"]}, jsonschema.Draft202012Validator)


@pytest.mark.parametrize("path", [path for path in TEMPLATES if path != VALIDATE])
def test_a_success_is_as_documented(client: Client, desk: Desk, path: str) -> None:
    record_attempts(desk, 2)
    answer = client.get(path)
    assert answer.status_code == 200
    check(path, "get", 200, answer.json())


@pytest.mark.parametrize("similarity", [95, 75, 20])
def test_a_verdict_is_as_documented(client: Client, desk: Desk, similarity: float) -> None:
    desk.engine.similarity = similarity
    check(VALIDATE, "post", 200, client.post(VALIDATE, json=STORED).json())


@pytest.mark.parametrize("path", READS)
def test_a_record_of_another_service_is_as_documented(client: Client, desk: Desk, path: str) -> None:
    record_attempts(desk, confidence=None, quality=None, comparison_result=None, attributes={})
    check(path, "get", 200, client.get(path).json())


@pytest.mark.parametrize(
    "failure",
    [
        Unavailable("validation records", "ConnectTimeout"),
        NotConfigured("validation records", "ResourceNotFoundException"),
        Refused("validation records", "AccessDeniedException"),
        KeyError("unforeseen"),
    ],
)
@pytest.mark.parametrize("path", [*READS, VALIDATE, "/api/ready"])
def test_whatever_a_store_raises_ends_in_a_documented_answer(
    client: Client, desk: Desk, monkeypatch: pytest.MonkeyPatch, path: str, failure: Exception
) -> None:
    def fail(*_args: object, **_more: object) -> None:
        raise failure

    for method in ("get", "history", "event_records", "record_attempt", "ping"):
        monkeypatch.setattr(desk.records, method, fail)
    method = "post" if path == VALIDATE else "get"
    answer = client.request(method, path, **({"json": STORED} if path == VALIDATE else {}))
    check(path, method, answer.status_code, answer.json())


@pytest.mark.parametrize("path", READS)
def test_a_bad_parameter_ends_in_a_documented_answer(client: Client, path: str) -> None:
    bad = path.replace("user-1", "%00").replace("event-1", "%00")
    check(path, "get", 400, client.get(bad).json())


@pytest.mark.parametrize(
    ("status", "asked"),
    [
        (400, {"json": {}}),
        (404, {"json": {"faceImageKey": "none"}}),
        (413, {"files": {"photo": ("a", bytes(15 * 2**20 + 1))}}),
        (415, {"files": {"photo": ("a", b"x")}}),
        (415, {"content": b"x"}),
    ],
)
def test_a_refused_photo_ends_in_a_documented_answer(client: Client, status: int, asked: dict[str, Any]) -> None:
    answer = client.post(VALIDATE, **asked)
    assert answer.status_code == status
    check(VALIDATE, "post", status, answer.json())
