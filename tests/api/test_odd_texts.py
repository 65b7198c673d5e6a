"""Bytes and characters that are no text are bad requests, wherever they stand."""

from __future__ import annotations

import httpx
import pytest

from core.domain.roles import ApiToken, Role
from core.services.tokens import new_token
from tests.api.conftest import Client, MakeApi, is_error
from tests.api.test_access import SIGN_IN, sent
from tests.api.test_exports import RECORDS
from tests.api.test_json_api import HISTORY, VALIDATE
from tests.support import signin

#: A lone surrogate as bytes, percent-encoded, and in JSON.
BYTES, ENCODED, ESCAPED = b"\xed\xa0\x80", "%ED%A0%80", r"\ud800"
TOKEN, HASHED = new_token()


@pytest.mark.parametrize(
    "path",
    [
        f"/api/registrations/{ENCODED}/face-validation/history",
        f"/api/registrations/user-1/face-validation/{ENCODED}",
        f"/api/exports/events/{ENCODED}/records.csv",
        f"{HISTORY}?limit={ENCODED}",
        f"{RECORDS}?reason={ENCODED}",
        f"{RECORDS}?source=%ff",
        f"/api/exports/audit.csv?who={ENCODED}",
        f"/api/ready?{ENCODED}=1",
    ],
)
def test_addresses(client: Client, path: str) -> None:
    assert is_error(client.get(path), 400)


@pytest.mark.parametrize("body", [f'{{"faceImageKey": "{ESCAPED}"}}'.encode(), b'{"faceImageKey": "' + BYTES + b'"}'])
def test_bodies(client: Client, body: bytes) -> None:
    answer = client.post(VALIDATE, content=body, headers={"Content-Type": "application/json"})
    assert is_error(answer, 400)


def test_a_key_of_an_attempt(client: Client) -> None:
    headers = [("Content-Type", "application/json"), (b"Idempotency-Key", BYTES)]
    assert is_error(client.post(VALIDATE, content=b'{"faceImageKey": "x"}', headers=httpx.Headers(headers)), 400)  # type: ignore[arg-type]


@pytest.mark.parametrize("header", [{b"Authorization": b"Bearer " + BYTES}, {b"Cookie": b"_streamlit_user=" + BYTES}])
def test_who_asks(make_api: MakeApi, header: dict[bytes, bytes]) -> None:
    client = Client(make_api(**SIGN_IN, api_tokens=(ApiToken(name="a", hash=HASHED, roles={Role.SUPPORT}),)))
    assert is_error(client.get(HISTORY, headers=httpx.Headers(header)), 401)


@pytest.mark.parametrize("claim", ["name", "email"])
def test_whom_the_provider_names(make_api: MakeApi, claim: str) -> None:
    client = Client(make_api(**SIGN_IN))
    claims = {**signin.claims("support", "http://localhost"), claim: "\ud800"}
    assert is_error(client.get(HISTORY, headers=sent(signin.cookie(claims))), 401)
