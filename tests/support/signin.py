"""A provider of OpenID Connect on this machine, and the settings that make Facedesk sign people in with it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import oidc_provider_mock
from itsdangerous import TimestampSigner, URLSafeTimedSerializer
from playwright.sync_api import Page, expect

from core.domain.roles import Role
from core.settings import Settings

COOKIE = "_streamlit_user"
COOKIE_SECRET = "the secret that signs cookies in these tests"
EVENT = "sample-event"
#: Whoever can sign in, by the name of their role; one has none.
PEOPLE: Mapping[str, Mapping[str, Any]] = {
    **{
        str(role): {
            "name": f"{role.capitalize()} Person",
            "email": f"{role}@example.com",
            "email_verified": True,
            "roles": [str(role)],
        }
        for role in Role
    },
    "nobody": {"name": "Nobody Yet", "roles": ["visitor"]},
}


def settings(address: str, metadata_url: str = "http://localhost:9/none") -> dict[str, str]:
    """Of Facedesk at ``address``."""
    return {
        "FACEDESK_AUTH": "oidc",
        "OIDC_METADATA_URL": metadata_url,
        "OIDC_CLIENT_ID": "facedesk",
        "OIDC_CLIENT_SECRET": "canary-client-secret",
        "OIDC_REDIRECT_URI": f"{address}/oauth2callback",
        "COOKIE_SECRET": COOKIE_SECRET,
    }


def as_fields(environment: Mapping[str, str]) -> dict[str, Any]:
    """The same as fields of ``Settings``."""
    read = Settings.model_validate(dict(environment))
    return {name: getattr(read, name) for name in read.model_fields_set}


@contextmanager
def provider() -> Iterator[str]:
    """The address of its metadata; ``PEOPLE`` can sign in there, each with a click."""
    users = [oidc_provider_mock.User(sub=name, claims=dict(claims)) for name, claims in PEOPLE.items()]
    with oidc_provider_mock.run_server_in_thread(user_claims=users) as server:
        yield f"http://localhost:{server.server_port}/.well-known/openid-configuration"


def sign_in(page: Page, address: str, person: str) -> None:
    """From Facedesk's gate through the provider and back."""
    page.goto(address)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name=person, exact=True).click()
    page.wait_for_url(f"{address}/**")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


def claims(person: str, origin: str, **changed: Any) -> dict[str, Any]:
    """What Streamlit keeps in the cookie of a person who has just signed in."""
    now = datetime.now(UTC)
    times = {"iat": int(now.timestamp()), "exp": int((now + timedelta(hours=1)).timestamp())}
    rest = {"iss": "http://localhost", "sub": person, "nonce": f"nonce-{now.timestamp()}", "provider": "default"}
    return {**PEOPLE[person], **times, **rest, "origin": origin, "is_logged_in": True, **changed}


def cookie(said: Mapping[str, Any], secret: str = COOKIE_SECRET, signed: datetime | None = None) -> dict[str, str]:
    """The cookie that says so, signed at a moment."""

    class Signer(TimestampSigner):
        def get_timestamp(self) -> int:
            return int(signed.timestamp()) if signed else super().get_timestamp()

    serializer = URLSafeTimedSerializer(secret, salt=COOKIE, signer=Signer)
    return {COOKIE: str(serializer.dumps(json.dumps(said)))}
