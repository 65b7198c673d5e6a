"""A record that belongs to no event, from another service's write to the pages that list it, and off them again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from core.adapters.aws.stream import StreamRepairs
from core.domain.clock import utc_now
from core.domain.records import isoformat
from tests.core.test_stream import follower
from tests.support.browser import dashboard
from tests.support.dynamodb import put_item, stored_item
from tests.support.production import Servers, Site, production
from tests.support.streams import batch, change

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def site(servers: Servers) -> Iterator[Site]:
    with production(servers, AWS_ENDPOINT_URL_CLOUDWATCH=servers.s3, EVENT_INDEX_STREAM="true") as site:
        yield site


@pytest.fixture(scope="module")
def desk(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with dashboard(site.environment, tmp_path_factory.mktemp("unmapped") / "log") as running:
        yield running


@pytest.fixture(scope="module")
def written(dynamodb: Any, site: Site) -> dict[str, Any]:
    """A record of somebody who is registered for the event, which does not say so, once the stream has brought it."""
    person = site.register()
    table, state_table = (site.environment[f"DYNAMODB_{name}_TABLE"] for name in ("FACE_VALIDATION", "STATE"))
    key = {"userId": person.user_id, "registrationId": person.registration_id}
    put_item(dynamodb, table, {**key, "validationStatus": "success", "timestamp": isoformat(utc_now())})
    stream: StreamRepairs = follower(dynamodb, table, state_table, clock=utc_now)
    stream.follow(batch(change(stored_item(dynamodb, table, person.user_id, person.registration_id))))
    return key


@pytest.mark.parametrize("page_of", ["operations", "event_overview?event_id=event-1"])
def test_a_page_lists_the_record_and_why(desk: str, written: dict[str, Any], page: Page, page_of: str) -> None:
    page.goto(f"{desk}/{page_of}")
    listed = page.get_by_text("that belong to no event: 1")
    listed.click()
    expect(page.get_by_text("Another service wrote them so.")).to_be_visible()
