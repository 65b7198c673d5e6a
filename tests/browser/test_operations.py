"""The Operations page in a real browser: on an embedded desk, and on production's backend with its metrics."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from core.adapters.aws import clients
from core.adapters.aws.table import EVENT_INDEX
from tests.core.test_cloudwatch import put
from tests.support.browser import dashboard
from tests.support.production import Servers, environment_of, production
from tests.support.servers import REGION

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("operations")
    settings = {"FACEDESK_BACKEND": "embedded", "FACEDESK_DATA_DIR": str(folder / "data")}
    with dashboard(settings, folder / "log") as running:
        yield running


@pytest.fixture(scope="module")
def on_aws(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Production whose table and engine were busy for the last hours."""
    folder: Path = tmp_path_factory.mktemp("operations")
    with production(servers, AWS_ENDPOINT_URL_CLOUDWATCH=servers.s3) as site:
        with environment_of(site.environment):
            client = clients.client("cloudwatch", REGION)
        table = {"TableName": site.environment["DYNAMODB_FACE_VALIDATION_TABLE"]}
        now = datetime.now(UTC)
        for minutes in range(10, 160, 10):
            at = now - timedelta(minutes=minutes)
            put(client, "ConsumedWriteCapacityUnits", at, 60, **table)
            put(client, "ConsumedWriteCapacityUnits", at, 30, **table, GlobalSecondaryIndexName=EVENT_INDEX)
            put(client, "SuccessfulRequestLatency", at, 3, 9, **table, Operation="UpdateItem")
            put(client, "SuccessfulRequestCount", at, 900, Operation="DetectFaces")
            put(client, "ResponseTime", at, 300, Operation="DetectFaces")
            put(client, "ThrottledRequests", at, 2, **table, Operation="UpdateItem")
            put(client, "TimeToLiveDeletedItemCount", at, 5, **table)
        with dashboard(site.environment, folder / "log") as running:
            yield running


def test_whoever_is_on_duty_sees_first_that_every_service_answers(embedded: str, page: Page) -> None:
    page.goto(f"{embedded}/operations")
    expect(page.get_by_text("Every service answers")).to_be_in_viewport()
    expect(page.get_by_text("Records kept")).to_be_in_viewport()


def test_the_page_stands_in_the_navigation(embedded: str, page: Page) -> None:
    page.goto(f"{embedded}/operations")
    page.get_by_role("link", name="Operations").click()
    expect(page.get_by_role("heading", name="Operations")).to_be_visible()


def test_production_shows_its_metrics(on_aws: str, page: Page) -> None:
    page.goto(f"{on_aws}/operations?span=3+h")
    expect(page.locator(".js-plotly-plot")).to_have_count(6)
    expect(page.get_by_text("Every service answers")).to_be_visible()


def test_a_what_if_stands_in_the_link_and_the_link_brings_it_back(on_aws: str, page: Page) -> None:
    page.goto(f"{on_aws}/operations")
    field = page.get_by_label("Validations a day")
    field.fill("50000")
    field.press("Enter")
    page.wait_for_url("**validations=50000**")
    answer = page.get_by_test_id("stMetric").filter(has_text="A month")
    expect(answer).to_contain_text("3,00")
    shown = answer.inner_text()
    page.goto(page.url)
    expect(answer).to_have_text(shown.replace("\n", ""))


@pytest.mark.parametrize("width", [1024, 820])
def test_the_page_is_not_wider_than_its_window(on_aws: str, page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{on_aws}/operations?span=3+h")
    expect(page.locator(".js-plotly-plot")).to_have_count(6)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
