"""The Load data page: what an empty installation opens with, the sample, the import, failing stores."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Selectbox

from core.adapters.embedded.registrations import SqliteRegistrations
from core.domain.clock import utc_now
from core.domain.profiles import KEEP_DAYS, EventProfile
from core.domain.roles import Principal, Role
from core.runtime.services import Services
from core.services import sample
from core.settings import Settings
from dashboard import services as dashboard_services
from dashboard.jobs import jobs
from dashboard.parts.profiles import DATES_JOB
from tests.pages.test_validate import down, press, text_of
from tests.support.app import RunPage
from tests.support.desk import REGISTERED, Desk
from tests.support.lists import workbook
from tests.support.records import an_outcome

HEADER = "registrationId,userId,eventId,name,email,photo\n"
GOOD = "new-1,user-9,expo,Grace Hopper,grace@example.com,grace.jpg\n"

#: Gives files to the page's two uploaders; ``Import`` then presses the button, too.
Give = Callable[..., AppTest]
Import = Callable[..., AppTest]


@pytest.fixture
def services(services: Services, tmp_path: Path) -> Iterator[Services]:
    """The desk's services, with nobody registered."""
    registrations = SqliteRegistrations(tmp_path / "empty.sqlite3")
    yield replace(services, registrations=registrations, importer=registrations)
    registrations.close()


@pytest.fixture
def give(run_page: RunPage) -> Give:
    def run(table: bytes, archive: bytes | None = None, name: str = "people.csv") -> AppTest:
        app = run_page("start")
        app.file_uploader(key="table").upload(name, table)
        if archive is not None:
            app.file_uploader(key="archive").upload("photos.zip", archive)
        app.run()
        assert not app.exception, app.exception
        return app

    return run


@pytest.fixture
def run_import(give: Give) -> Import:
    def run(*given: bytes) -> AppTest:
        app = give(*given)
        return press(app, import_label(app))

    return run


def import_label(app: AppTest) -> str:
    (label,) = [button.label for button in app.button if button.label.startswith("Import ")]
    return label


def figures(app: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


def column(app: AppTest, label: str) -> Selectbox:
    (box,) = [box for box in app.selectbox if box.label == label]
    return box


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
    app = run_page("start")
    assert [button.label for button in app.button] == ["Load the sample event"]
    assert [uploader.label for uploader in app.file_uploader] == [
        "List (CSV or Excel)",
        "Photos (zip), if the list names any",
    ]


def test_the_sample_fills_the_registrations(run_page: RunPage, services: Services) -> None:
    press(run_page("start"), "Load the sample event")
    assert services.registrations.get(f"sample-{sample.COUNT:04}") is not None


def links(app: AppTest) -> dict[str, str]:
    """The pages that the page leads to, and with which query."""
    return {link.proto.page: link.proto.query_string for link in app.get("page_link")}


def test_the_loaded_sample_leads_to_a_case_with_a_portrait(run_page: RunPage, services: Services) -> None:
    app = press(run_page("start"), "Load the sample event")
    assert links(app)["validate"] == "registration_id=sample-0001"
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
    assert [message.value for message in app.success] == ["1 registration was imported."]


class TestNextSteps:
    ONE = (HEADER + "new-1,user-9,expo,,,\n").encode()
    OF_EVENTS: ClassVar = ["review", "event_overview", "event_profile", "statistics"]

    def test_every_role_is_led_to_its_pages_with_the_event(self, run_import: Import) -> None:
        found = links(run_import(self.ONE))
        assert found == dict.fromkeys(["validate", "operations", "audit"], "") | dict.fromkeys(
            self.OF_EVENTS, "event_id=expo"
        )

    def test_an_event_that_has_a_date_needs_none(self, run_import: Import, services: Services) -> None:
        services.profile_service.save(EventProfile(event_id="expo", starts_at=utc_now()), "Ada")
        assert "event_profile" not in links(run_import(self.ONE))

    def test_of_several_events_one_is_chosen(self, run_import: Import) -> None:
        app = run_import((HEADER + "r1,u1,expo,,,\nr2,u2,fair,,,\n").encode())
        column(app, "Event").select("fair").run()
        assert {links(app)[page] for page in self.OF_EVENTS} == {"event_id=fair"}

    def test_profiles_out_of_reach_leave_the_other_steps(
        self, give: Give, services: Services, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        app = give(self.ONE)
        monkeypatch.setattr(services.profile_service, "get", down("profiles"))
        found = links(press(app, import_label(app)))
        assert ("statistics" in found, "event_profile" in found) == (True, False)

    def test_after_nothing_went_in_there_is_no_next_step(self, run_import: Import) -> None:
        assert links(run_import((HEADER + GOOD).encode(), zip_of(grace=b"no photo"))) == {}

    @pytest.mark.parametrize(
        ("roles", "pages"),
        [
            ({Role.ADMIN}, {"event_profile", "operations", "audit"}),
            ({Role.ADMIN, Role.SUPPORT}, {"validate", "review", "event_profile", "operations", "audit"}),
        ],
    )
    def test_nobody_is_led_to_a_page_that_is_not_theirs(
        self, run_import: Import, monkeypatch: pytest.MonkeyPatch, roles: set[Role], pages: set[str]
    ) -> None:
        person = Principal(id="x", name="Grace", roles=frozenset(roles))
        monkeypatch.setattr(dashboard_services, "principal", lambda: person)
        assert links(run_import(self.ONE)).keys() == pages

    def test_the_pages_know_what_was_loaded_at_once(self, run_page: RunPage, run_import: Import) -> None:
        run_page("event_overview")  # reads that there are no events
        run_import(self.ONE)
        assert run_page("event_overview", event_id="expo").selectbox(key="event_id").value == "expo"


def test_after_an_import_the_list_can_be_imported_again(run_import: Import) -> None:
    app = press(run_import((HEADER + "new-1,user-9,expo,,,\n").encode()), "Import this list again")
    assert figures(app) == {"New": "0", "Replaced": "1", "Refused": "0"}


def test_photos_that_are_called_otherwise_are_named(run_import: Import, hopper_jpeg: bytes) -> None:
    app = run_import((HEADER + GOOD).encode(), zip_of(GRACE=hopper_jpeg))
    assert list(app.dataframe[-1].value["What"]) == ["photo 'grace.jpg' is the file 'GRACE.jpg' in the zip archive."]


def test_bad_lines_are_named(run_import: Import) -> None:
    app = run_import((HEADER + "new-1,user-9,expo,,,\n,user-8,expo,,,\nnew-3,user-7,expo,,,none.jpg\n").encode())
    assert list(app.dataframe[1].value["Line"]) == [3, 4]


def test_a_photo_that_is_none_is_named_after_the_import(run_import: Import) -> None:
    app = run_import((HEADER + GOOD).encode(), zip_of(grace=b"no photo"))
    assert [message.value for message in app.error] == ["No registration was imported."]
    assert "grace.jpg" in app.dataframe[1].value["Why"][0]


def test_the_good_lines_beside_bad_ones_go_in(run_import: Import, services: Services) -> None:
    run_import((HEADER + ",user-8,expo,,,\nnew-1,user-9,expo,,,\n").encode())
    assert services.registrations.get("new-1") is not None


class TestPlan:
    def test_nothing_is_stored_before_import_is_pressed(self, give: Give, services: Services) -> None:
        give((HEADER + "new-1,user-9,expo,,,\n").encode())
        assert services.registrations.is_empty()

    def test_new_replaced_and_refused_lines_are_counted(self, give: Give, services: Services) -> None:
        services.importer.import_many([REGISTERED])  # type: ignore[union-attr]
        new = "".join(f"n{n},u,expo,,,\n" for n in range(1200))
        lines = f"{REGISTERED.registration_id},u,expo,,,\n{new},,\n,u\n"
        app = give((HEADER + lines).encode())
        assert figures(app) == {"New": "1,200", "Replaced": "1", "Refused": "1"}
        assert import_label(app) == "Import 1,201 registrations"

    def test_the_first_rows_are_shown_as_they_were_understood(self, give: Give) -> None:
        app = give("Ticketnummer;Teilnehmer-ID;Event-ID;Vorname;Nachname\n1;2;expo;Zoë;Müller\n".encode("cp1252"))
        assert app.dataframe[0].value.iloc[0].to_dict() == {
            "Registration id": "1",
            "User id": "2",
            "Event id": "expo",
            "Name": "Zoë Müller",
        }
        assert column(app, "Registration id").value == "Ticketnummer"
        assert "It was read as Windows-1252" in text_of(app)

    def test_a_column_can_be_changed_in_place(self, give: Give) -> None:
        app = give(b"registrationId,userId,eventId,badge\nr1,u1,expo,Ada\n")
        column(app, "Name").select("badge").run()
        assert app.dataframe[0].value["Name"][0] == "Ada"

    def test_an_event_can_be_given_for_the_whole_list(self, give: Give, services: Services) -> None:
        app = give(b"registrationId,userId\nr1,u1\n")
        assert "Enter below the event id for everybody" in text_of(app)
        assert not [button for button in app.button if button.label.startswith("Import")]
        (field,) = [field for field in app.text_input if field.label.startswith("Event id")]
        field.input("expo").run()
        press(app, "Import 1 registration")
        found = services.registrations.get("r1")
        assert found is not None
        assert found.event_id == "expo"

    def test_a_list_of_unknown_columns_shows_them_and_says_what_to_choose(self, give: Give) -> None:
        app = give(b"Number,Mail address of the guest\n7,a@example.com\n")
        assert list(app.dataframe[0].value.columns) == ["Number", "Mail address of the guest"]
        assert app.info[0].value.count("\n\n") == 2
        column(app, "Registration id").select("Number")
        column(app, "User id").select("Mail address of the guest").run()
        assert [message.value[:18] for message in app.info] == ["Enter below the ev"]

    def test_ids_are_repaired_by_choice(self, give: Give) -> None:
        app = give(b"registrationId,userId,eventId\n1001.0,u1,expo\n")
        assert figures(app)["Refused"] == "1"
        assert [button.disabled for button in app.button if button.label == "Import 0 registrations"] == [True]
        (box,) = app.checkbox
        box.check().run()
        assert figures(app) == {"New": "1", "Replaced": "0", "Refused": "0"}
        assert app.dataframe[0].value["Registration id"][0] == "1001"

    def test_lines_with_photos_are_refused_until_the_photos_come(self, give: Give, hopper_jpeg: bytes) -> None:
        app = give((HEADER + GOOD).encode())
        assert figures(app)["Refused"] == "1"
        app.file_uploader(key="archive").upload("photos.zip", zip_of(grace=hopper_jpeg))
        app.run()
        assert figures(app) == {"New": "1", "Replaced": "0", "Refused": "0"}

    def test_refused_lines_can_be_downloaded(self, give: Give) -> None:
        app = give((HEADER + ",u,expo,,,\n").encode())
        assert [button.proto.label for button in app.get("download_button")] == ["Refused lines as CSV"]

    def test_many_refused_lines_are_shown_in_part(self, give: Give) -> None:
        app = give((HEADER + ",u,expo,,,\n" * 501).encode())
        assert len(app.dataframe[1].value) == 500
        assert "The first 500 of 501." in text_of(app)

    def test_a_workbook_is_read_whatever_its_name(self, give: Give) -> None:
        app = give(workbook(["registrationId", "userId", "eventId"], [1001, "u1", "expo"]), name="people.csv")
        assert app.dataframe[0].value["Registration id"][0] == "1001"

    def test_a_long_list_is_read_once(self, give: Give, monkeypatch: pytest.MonkeyPatch) -> None:
        app = give((HEADER + "new-1,user-9,expo,,,\n").encode())
        monkeypatch.setattr("dashboard.sections.start.read_table", down("list"))
        monkeypatch.setattr("dashboard.sections.start.people_of", down("list"))
        assert not app.run().error

    def test_a_store_that_fails_is_a_banner(
        self, give: Give, services: Services, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(services.importer, "existing", down("registrations"))
        (error,) = give((HEADER + "new-1,user-9,expo,,,\n").encode()).error
        assert error.value.startswith("Could not plan the import.")


EVENTS = "registrationId,userId,eventId,Event Name,Starts at,Event time zone\n"


class TestProfiles:
    ONE = (EVENTS + "r1,u1,expo,Expo 26,2026-11-26 18:00,Europe/Berlin\n").encode()

    def test_the_plan_shows_which_events_get_what(self, give: Give, services: Services) -> None:
        app = give(self.ONE)
        assert app.dataframe[1].value.iloc[0].to_dict() == {
            "Event": "expo",
            "Event's name": "Expo 26",
            "Event's time zone": "Europe/Berlin",
            "Event starts": "2026-11-26 18:00",
            "Event ends": None,
            "Deadline for photos": None,
            "New": "name, time zone, event starts",
        }
        assert services.profile_service.all() == []

    def test_after_the_import_they_have_it(self, run_import: Import, services: Services) -> None:
        app = run_import(self.ONE)
        assert "The settings of these events were completed:" in text_of(app)
        assert services.profile_service.get("expo").name == "Expo 26"

    def test_records_are_dated_by_an_imported_date(self, run_import: Import, services: Services, desk: Desk) -> None:
        record = desk.records.record_attempt(an_outcome(timestamp=utc_now()), timedelta(days=30))
        end = utc_now().replace(microsecond=0) + timedelta(days=90)
        run_import((f"registrationId,userId,eventId,Ends at\nr1,u1,event-1,{end.isoformat()}\n").encode())
        jobs().join(DATES_JOB, "event-1")
        dated = desk.records.get(record.user_id, record.registration_id)
        assert dated
        assert dated.expires_at == int((end + timedelta(days=KEEP_DAYS)).timestamp())

    def test_a_list_without_a_time_zone_asks_for_one(self, give: Give, services: Services) -> None:
        app = give(b"registrationId,userId,eventId,Starts at\nr1,u1,expo,2026-11-26 18:00\n")
        column(app, "Time zone of the event's dates").select("Asia/Kolkata").run()
        press(app, "Import 1 registration")
        assert services.profile_service.get("expo").starts_at == datetime(2026, 11, 26, 12, 30, tzinfo=UTC)

    def test_a_list_without_dates_asks_for_no_time_zone(self, give: Give) -> None:
        app = give(b"registrationId,userId,eventId\nr1,u1,expo\n")
        assert "Time zone of the event's dates" not in [box.label for box in app.selectbox]

    def test_any_column_can_be_chosen_for_what_it_says_of_the_event(self, give: Give) -> None:
        app = give(b"registrationId,userId,eventId,Termin\nr1,u1,expo,26.11.2026 18:00\n")
        column(app, "Event starts").select("Termin").run()
        assert app.dataframe[1].value["Event starts"][0] == "2026-11-26 18:00"

    def test_what_is_left_out_is_said_with_its_line(self, run_import: Import, services: Services) -> None:
        app = run_import((EVENTS + "r1,u1,expo,Expo,05/06/2026,UTC\nr2,u2,expo,Fair,,UTC\n").encode())
        assert list(app.dataframe[-1].value["Line"]) == [2, 3]
        assert services.registrations.get("r2") is not None

    def test_where_another_system_keeps_profiles_the_page_says_so(
        self, give: Give, services: Services, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(services.profile_service, "_edits", None)
        app = give(self.ONE)
        assert "What the list says of events, such as names and dates, is not stored." in text_of(app)
        assert import_label(app) == "Import 1 registration"


def test_a_table_without_lines_says_so(give: Give) -> None:
    assert [message.value for message in give(HEADER.encode()).info] == [
        "The list has no people below the names of its columns."
    ]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        pytest.param(HEADER.encode() + b"new-1,user-9,expo,\x81,,\n", "neither UTF-8 nor", id="no text"),
        pytest.param(b"", "no list that can be read", id="empty"),
        pytest.param(b"PK\x03\x04", "damaged", id="broken workbook"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_sentence(give: Give, table: bytes, said: str) -> None:
    app = give(table)
    assert [error.value for error in app.error] == ["Could not read the list."]
    assert said in text_of(app)


def test_photos_that_are_no_archive_are_one_sentence_and_nothing_goes_in(
    run_import: Import, services: Services
) -> None:
    app = run_import((HEADER + GOOD).encode(), b"no zip archive")
    assert [error.value for error in app.error] == ["Could not import the registrations."]
    assert "not a readable zip" in text_of(app)
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
    assert [button.label for button in app.button] == ["Try again", "Load the sample event"]
    assert len(app.file_uploader) == 2


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
