"""Lists that other programs export, imported in a real browser by somebody who says what the list does not."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from core.adapters.embedded.registrations import SqliteRegistrations
from core.services.lists.meanings import Meaning
from dashboard.sections.start import LABELS
from tests.support.browser import dashboard
from tests.support.exports import EXPORTS, Export

pytestmark = pytest.mark.browser


@dataclass(frozen=True)
class Installation:
    address: str
    data: Path


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("lists")
    bare = {name: "" for name in os.environ if name.startswith(("AWS_", "MONGODB_", "FACEDESK_"))}
    settings = {**bare, "FACEDESK_BACKEND": "embedded", "FACEDESK_DATA_DIR": str(folder / "data")}
    with dashboard(settings, folder / "log") as address:
        yield Installation(address, folder / "data")


def choose(page: Page, meaning: Meaning, column: str) -> None:
    page.get_by_role("combobox", name=re.compile(rf"\b{LABELS[meaning]}$")).click()
    page.get_by_role("option", name=column, exact=True).click()


@pytest.mark.parametrize("export", EXPORTS, ids=str)
def test_an_export_is_imported_on_the_page(installation: Installation, page: Page, export: Export) -> None:
    page.goto(f"{installation.address}/start")
    page.locator("input[type=file]").first.set_input_files(
        {"name": export.file, "mimeType": "application/octet-stream", "buffer": export.data}
    )
    expect(page.get_by_text("How the list was understood")).to_be_visible()
    for meaning, column in export.choices.columns.items():
        choose(page, meaning, column)
    if export.choices.event_id:
        field = page.get_by_label("Event id for everybody on the list")
        field.fill(export.choices.event_id)
        field.press("Enter")
    if export.choices.repair_ids:
        page.get_by_text("Repair ids that a spreadsheet changed").click()
    count = len(export.expected)
    noun = "registration" if count == 1 else "registrations"
    page.get_by_role("button", name=f"Import {count} {noun}").click()
    expect(page.get_by_text(f"{count} {noun} {'was' if count == 1 else 'were'} imported.")).to_be_visible()
    with closing(SqliteRegistrations(installation.data / "facedesk.sqlite3")) as store:
        found = [store.get(registration_id) for registration_id, *_ in export.expected]
    assert [
        (each.registration_id, each.user_id, each.event_id, each.name, each.email) for each in found if each
    ] == list(export.expected)
