"""Instances as processes of their own, over one table: what a person and a program begin at one and go on with at
another.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
import pytest

from core.domain.roles import Role
from core.runtime.services import Services
from tests.support import signin
from tests.support.browser import dashboard
from tests.support.production import Servers, production
from tests.support.servers import free_port


@dataclass(frozen=True)
class Site:
    """Two instances, and the address at which people find them."""

    instances: Sequence[str]
    address: str
    services: Services

    def ask(self, client: httpx.Client, instance: int, url: str) -> httpx.Response:
        """The answer of that instance to a request for a URL of the site, as a balancer would pass it on."""
        asked = urlsplit(url)
        path = asked.path + (f"?{asked.query}" if asked.query else "")
        return client.get(self.instances[instance] + path, headers={"Host": urlsplit(self.address).netloc})


@pytest.fixture(scope="module")
def site(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder, address = tmp_path_factory.mktemp("instances"), f"http://localhost:{free_port()}"
    with signin.provider() as url, ExitStack() as running:
        made = running.enter_context(production(servers, **signin.settings(address, url)))
        # Each with a data folder of its own: what they share is in the stores.
        instances = [
            running.enter_context(
                dashboard({**made.environment, "FACEDESK_DATA_DIR": str(folder / name)}, folder / f"{name}.log")
            )
            for name in ("one", "two")
        ]
        yield Site(instances, address, made.services)


def comes(true: Callable[[], bool]) -> bool:
    give_up = time.monotonic() + 60
    while not true():
        assert time.monotonic() < give_up
        time.sleep(0.2)
    return True


def signed_in(site: Site, client: httpx.Client, begin: int, end: int) -> httpx.Response:
    """Sign in as support: begin at one instance and come back from the provider to another."""
    leading = site.ask(client, begin, f"{site.address}/auth/login")
    asked = leading.headers["location"]
    back = client.post(asked, data={"sub": "support"})
    assert back.status_code == 302
    return site.ask(client, end, back.headers["location"])


def test_a_sign_in_that_begins_at_one_instance_ends_at_another(site: Site) -> None:
    with httpx.Client() as client:
        answer = signed_in(site, client, begin=0, end=1)
        assert signin.COOKIE in answer.headers.get("set-cookie", "")
        assert [site.ask(client, each, site.address).status_code for each in (0, 1)] == [200, 200]


def test_a_sign_out_at_one_instance_holds_at_the_other(site: Site) -> None:
    with httpx.Client() as client:
        signed_in(site, client, begin=0, end=0)
        # What a copy of the cookie gets, after the browser has forgotten its own.
        copied = dict(client.cookies)
        site.ask(client, 0, f"{site.address}/auth/logout")
    with httpx.Client(cookies=copied) as thief:
        assert site.ask(thief, 0, site.address).status_code == 401
        assert comes(lambda: site.ask(thief, 1, site.address).status_code == 401)


def test_a_token_that_is_made_and_revoked_anywhere_is_good_and_refused_everywhere(site: Site) -> None:
    assert site.services.token_service
    token, _ = site.services.token_service.make("kiosk-7", [Role.SUPPORT], [], None, "Ada")
    with httpx.Client(headers={"Authorization": f"Bearer {token}"}) as client:

        def everywhere(status: int) -> bool:
            document = f"{site.address}/api/openapi.json"
            return all(site.ask(client, each, document).status_code == status for each in (0, 1))

        assert comes(lambda: everywhere(200))
        site.services.token_service.revoke("kiosk-7")
        assert comes(lambda: everywhere(401))
