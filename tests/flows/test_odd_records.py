"""Records as other services write them, on the pages, in the API's answers and in the exports of both backends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import apsw
import orjson
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from starlette.responses import PlainTextResponse

from core.domain.records import Registration
from core.runtime.services import Services
from core.settings import Backend
from dashboard.api.routes import Api
from dashboard.parts import event
from tests.api.conftest import Client, rows
from tests.pages.test_event_overview import metrics
from tests.support.app import BorrowedServices, RunPage
from tests.support.dynamodb import put_items
from tests.support.odd_records import EXAMPLES, ODD_RECORDS, OddRecord, item_of, unreadable_in
from tests.support.production import Servers, Site, embedded, production
from tests.support.stores import table_without_index

#: Records of one event. A page is opened for all of them at once.
RECORDS = 20


@dataclass(frozen=True)
class Place:
    site: Site
    #: Writes items as another service does, past our own code.
    put: Callable[[list[Mapping[str, Any]]], None]


@pytest.fixture(scope="module", params=[Backend.EMBEDDED, Backend.AWS])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    if request.param is Backend.EMBEDDED:
        folder = tmp_path_factory.mktemp("embedded")
        with embedded(folder) as site:
            yield Place(site, lambda items: _insert(folder, items))
    else:
        servers: Servers = request.getfixturevalue("servers")
        client = request.getfixturevalue("dynamodb")
        # With the index the server would refuse some of the records.
        table = table_without_index(client)
        with production(servers, DYNAMODB_FACE_VALIDATION_TABLE=table) as site:
            yield Place(site, lambda items: put_items(client, table, items))


def _insert(folder: Path, items: list[Mapping[str, Any]]) -> None:
    (path,) = folder.glob("*.sqlite3")
    connection = apsw.Connection(str(path))
    connection.setbusytimeout(5000)
    lines = [(orjson.dumps(item).decode(),) for item in items]
    connection.executemany("INSERT INTO faceVerifications (item) VALUES (?)", lines)
    connection.close()


@pytest.fixture
def services(place: Place) -> Services:
    """What ``run_page`` opens pages on."""
    return BorrowedServices(**vars(place.site.services))


@pytest.fixture
def client(run_page: RunPage, services: Services) -> Iterator[Client]:
    api = Api(PlainTextResponse("a page"), services.settings)
    yield Client(api)
    api.close()


@dataclass(frozen=True)
class Event:
    """An event of one person's registrations, each with a record."""

    id: str
    user: str
    #: A registration -> what of its record cannot be read, as ``field:kind``.
    unreadable: Mapping[str, set[str]]

    @property
    def lines(self) -> list[tuple[str, ...]]:
        """The rows of the list of what could not be read."""
        return sorted((name, *each.split(":")) for name, problems in self.unreadable.items() for each in problems)


def an_event(place: Place, odd: list[OddRecord], **names: str) -> Event:
    name = uuid4().hex
    event_id, user = f"event-{name}", f"user-{name}"
    unreadable: dict[str, set[str]] = {}
    items = []
    for number, each in enumerate([*odd, ([], 0)]):
        registration = f"reg-{name}-{number:02}"
        items.append(item_of(each, user=user, registration=registration, event=event_id))
        unreadable[registration] = unreadable_in(each)
    place.put(items)
    place.site.add([Registration(registration_id=each, user_id=user, event_id=event_id) for each in unreadable])
    event.forget_all()
    event._event_ids.clear()
    return Event(event_id, user, unreadable)


_SETTINGS = settings(
    max_examples=max(2, EXAMPLES // RECORDS // 2),
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # a page takes too long to look for the simplest failure
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
_SEVERAL = st.lists(ODD_RECORDS, min_size=RECORDS, max_size=RECORDS)


@_SETTINGS
@given(odd=_SEVERAL)
def test_pages_show_every_record_once_and_list_what_is_unreadable(
    place: Place, run_page: RunPage, odd: list[OddRecord]
) -> None:
    made = an_event(place, odd)
    app = run_page("event_overview", event_id=made.id)
    assert not app.error
    tiles = metrics(app)
    parts = ("Passed", "Waiting for review", "Failed, not yet retried", "Status unknown")
    assert sum(int(tiles.get(f"{part} · now", "0")) for part in parts) == len(made.unreadable)
    assert tiles["Never tried · now"] == "0"
    listed = [each for each in app.expander if "could not be read in full" in each.label]
    assert [tuple(row) for each in listed for row in each.dataframe[0].value.to_numpy()] == made.lines
    for page, query in (
        ("statistics", {"event_id": made.id}),
        ("review", {"event_id": made.id}),
        ("user_lookup", {"user_id": made.user}),
        ("validate", {"registration_id": min(made.unreadable)}),
    ):
        assert not run_page(page, **query).error, page


@_SETTINGS
@given(odd=_SEVERAL)
def test_the_api_and_exports_give_every_record_once_and_name_what_is_unreadable(
    place: Place, client: Client, odd: list[OddRecord]
) -> None:
    made = an_event(place, odd)
    of_user = f"/api/registrations/{made.user}/face-validation"
    answered = client.get(f"/api/registrations/event/{made.id}/face-validations").json()["data"]
    assert Counter(record["registrationId"] for record in answered["data"]) == Counter(made.unreadable.keys())
    named = sorted((each["registrationId"], each["field"], each["kind"]) for each in answered["unreadable"])
    assert named == made.lines
    history = client.get(f"{of_user}/history?limit=100").json()["data"]["data"]
    assert Counter(record["registrationId"] for record in history) == Counter(made.unreadable.keys())
    for registration in made.unreadable:
        assert client.get(f"{of_user}/{registration}").status_code == 200
    assert client.get(f"{of_user}/stats").json()["data"]["totalAttempts"] == len(made.unreadable)
    files = f"/api/exports/events/{made.id}"
    exported = rows(client.get(f"{files}/records.csv"))
    assert Counter(row["registrationId"] for row in exported) == Counter(made.unreadable.keys())
    assert sorted(tuple(row.values()) for row in rows(client.get(f"{files}/unreadable-records.csv"))) == made.lines
    assert not rows(client.get(f"{files}/never-tried.csv"))
    for name in ("records.parquet", "expiring.csv", "what-if.csv?threshold=90"):
        assert client.get(f"{files}/{name}").status_code == 200
