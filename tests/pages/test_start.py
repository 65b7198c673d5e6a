"""The Load data page: what an empty installation opens with, the sample, the import, failing stores."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.adapters.embedded.registrations import SqliteRegistrations
from core.runtime.services import Services
from core.services import sample
from core.settings import Settings
from dashboard import services as dashboard_services
from tests.pages.test_validate import down, press, text_of
from tests.support.app import RunPage
from tests.support.desk import REGISTERED

HEADER = "registrationId,userId,eventId,name,email,photo\n"
GOOD = "new-1,user-9,expo,Grace Hopper,grace@example.com,grace.jpg\n"

#: Gives files to the page's two uploaders and presses Import.
Import = Callable[..., AppTest]


@pytest.fixture
def services(services: Services, tmp_path: Path) -> Iterator[Services]:
    """The desk's services, with nobody registered."""
    registrations = SqliteRegistrations(tmp_path / "empty.sqlite3")
    yield replace(services, registrations=registrations, importer=registrations)
    registrations.close()


@pytest.fixture
def run_import(run_page: RunPage) -> Import:
    def run(table: bytes, archive: bytes | None = None) -> AppTest:
        app = run_page("start")
        app.file_uploader(key="table").upload("people.csv", table)
        if archive is not None:
            app.file_uploader(key="archive").upload("photos.zip", archive)
        app.run()
        return press(app, "Import")

    return run


def zip_of(**files: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(f"{name}.jpg", data)
    return out.getvalue()


def test_an_empty_installation_says_so(run_page: RunPage) -> None:
    assert "Facedesk is empty." in text_of(run_page("start"))


def test_a_filled_installation_does_not_say_that_it_is_empty(run_page: RunPage, services: Services) -> None:
    services.importer.import_many([REGISTERED])  # type: ignore[union-attr]
    assert "Facedesk is empty." not in text_of(run_page("start"))


def test_both_ways_to_fill_it_are_offered(run_page: RunPage) -> None:
    assert {button.label for button in run_page("start").button} == {"Load the sample event", "Import"}


def test_nothing_can_be_imported_before_a_table_is_given(run_page: RunPage) -> None:
    (button,) = [button for button in run_page("start").button if button.label == "Import"]
    assert button.disabled


def test_the_sample_fills_the_registrations(run_page: RunPage, services: Services) -> None:
    press(run_page("start"), "Load the sample event")
    assert services.registrations.get(f"sample-{sample.COUNT:04}") is not None


def test_the_loaded_sample_leads_to_a_case_with_a_portrait(run_page: RunPage, services: Services) -> None:
    (link,) = press(run_page("start"), "Load the sample event").get("page_link")
    assert (link.proto.page, link.proto.query_string) == ("validate", "registration_id=sample-0001")
    registration = services.registrations.get("sample-0001")
    assert registration is not None
    assert registration.reference_photo_key is not None
    assert services.photos.exists(registration.reference_photo_key)


def test_loading_the_sample_again_changes_nothing(run_page: RunPage, services: Services) -> None:
    people = [f"sample-user-{number:04}" for number in range(1, sample.COUNT + 1)]
    app = press(run_page("start"), "Load the sample event")
    before = [services.records.history(person) for person in people]
    assert any(before)
    press(app, "Load the sample event")
    assert [services.records.history(person) for person in people] == before


def test_a_table_and_its_photos_go_in(run_import: Import, services: Services, hopper_jpeg: bytes) -> None:
    run_import((HEADER + GOOD).encode(), zip_of(grace=hopper_jpeg))
    registration = services.registrations.get("new-1")
    assert registration is not None
    assert registration.reference_photo_key is not None
    assert services.photos.exists(registration.reference_photo_key)


def test_the_page_says_how_many_went_in(run_import: Import, hopper_jpeg: bytes) -> None:
    app = run_import((HEADER + GOOD).encode(), zip_of(grace=hopper_jpeg))
    assert [message.value for message in app.success] == ["1 registrations imported."]


def test_bad_lines_are_named(run_import: Import) -> None:
    app = run_import((HEADER + "new-1,user-9,expo,,,\n,user-8,expo,,,\nnew-3,user-7,expo,,,none.jpg\n").encode())
    assert list(app.dataframe[0].value["Line"]) == [3, 4]


def test_the_good_lines_beside_bad_ones_go_in(run_import: Import, services: Services) -> None:
    run_import((HEADER + ",user-8,expo,,,\nnew-1,user-9,expo,,,\n").encode())
    assert services.registrations.get("new-1") is not None


def test_a_table_without_lines_says_so(run_import: Import) -> None:
    assert [message.value for message in run_import(HEADER.encode()).info] == [
        "The file has no registrations below its first line."
    ]


@pytest.mark.parametrize(
    ("table", "archive", "said"),
    [
        pytest.param(HEADER.encode() + b"new-1,user-9,expo,\x81,,\n", None, "neither UTF-8 nor", id="no text"),
        pytest.param(b"id,name\n1,Ada\n", None, "It is not clear which column has", id="other columns"),
        pytest.param((HEADER + GOOD).encode(), b"no zip archive", "not a readable zip", id="no zip"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_sentence_and_nothing_goes_in(
    run_import: Import, services: Services, table: bytes, archive: bytes | None, said: str
) -> None:
    app = run_import(table, archive)
    assert len(app.error) == 1
    assert said in text_of(app)
    assert services.registrations.is_empty()


def test_a_store_that_fails_during_the_import_is_a_banner(
    run_import: Import, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services.registrations, "import_many", down("registrations"))
    (error,) = run_import((HEADER + "new-1,user-9,expo,,,\n").encode()).error
    assert error.value.startswith("Could not import the registrations.")


def test_a_store_that_fails_while_the_sample_loads_is_a_banner_and_no_success(
    run_page: RunPage, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services.photos, "put", down("photos"))
    app = press(run_page("start"), "Load the sample event")
    assert [error.value.partition(".")[0] for error in app.error] == ["Could not load the sample event"]
    assert not app.success


def test_registrations_out_of_reach_are_a_banner_and_both_ways_stay(
    run_page: RunPage, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services.registrations, "is_empty", down("registrations"))
    app = run_page("start")
    assert [error.value.partition(".")[0] for error in app.error] == ["Could not look up registrations"]
    assert len(app.button) == 2


def test_where_registrations_are_only_read_the_page_says_so_and_offers_nothing(
    run_page: RunPage, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading = replace(services, importer=None, settings=Settings(mongodb_collection="people"))
    monkeypatch.setattr(dashboard_services, "build", lambda _settings: reading)
    app = run_page("start")
    assert {"Registrations are read from MongoDB and cannot be changed here.", "Collection: people"} <= {
        *text_of(app).splitlines()
    }
    assert not app.button
