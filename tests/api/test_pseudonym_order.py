"""What an analyst is given has no order that follows a real id: every export, every reading and every page's list."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from core.access import ALLOWED, METHODS, ROUTES, Action, Role
from core.bootstrap import Services
from core.guard import Guard
from core.records import ComparisonResult, Outcome, Registration, Status
from dashboard.ui import COLUMN_WORDS
from tests.api.conftest import Client, MakeApi, rows
from tests.api.test_access import API_TOKENS, SIGN_IN, bearer
from tests.pages.test_access import OpenPage, open_page, said
from tests.support.app import BorrowedServices, run_page
from tests.support.desk import REFERENCE_KEY, Desk

__all__ = ["open_page", "run_page"]

EVENT = "expo-26"
PEOPLE = 45
TRIED = 30
ANALYST = Role.ANALYST
#: Files about an event that an analyst may have; the walk over ``ROUTES`` below finds whatever is added.
FILES = [
    path
    for (method, path), actions in ROUTES.items()
    if method == "GET" and Action.EXPORT in actions and all(ANALYST in ALLOWED[action] for action in actions)
]
#: The columns that an order may follow, the first of them that a file has.
TIMES = ("timestamp",)
IDS = ("registrationId", "userId")


@pytest.fixture(autouse=True)
def event(desk: Desk) -> None:
    """People in the order of their ids, as an import and a batch write them; a few moments, each of many people."""
    people = [
        Registration(
            registration_id=f"r{number:03}",
            user_id=f"u{number:03}",
            event_id=EVENT,
            reference_photo_key=REFERENCE_KEY,
        )
        for number in range(PEOPLE)
    ]
    desk.registrations.import_many(people)
    began = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=26)
    for number, person in enumerate(people[:TRIED]):
        outcome = Outcome(
            attempt_id="a1",
            user_id=person.user_id,
            registration_id=person.registration_id,
            event_id=EVENT,
            # A millisecond later each: an exact time would tell the order of writing, which is that of the ids.
            timestamp=began + timedelta(hours=number // 10, milliseconds=number),
            status=Status.PENDING if number % 2 else Status.FAILED,
            face_image_key="face-images/x.jpg",
            comparison_result=ComparisonResult(similarity=72 + number % 3, threshold=80),
        )
        desk.records.record_attempt(outcome, timedelta(days=30))


def follows_what_is_shown(table: list[dict[str, Any]]) -> bool:
    """Whether the rows are sorted by what is in them: time (the oldest or the newest first), then pseudonym."""
    keys = [tuple(row[name] for name in (*TIMES, *IDS) if name in row) for row in table]
    by_ids = [tuple(row[name] for name in IDS) for row in table]
    newest_first = [key for _, key in sorted(zip(keys, by_ids, strict=True), key=lambda pair: pair[0], reverse=True)]
    return len(keys) > 5 and (keys == sorted(keys) or by_ids == newest_first)


@pytest.fixture
def services(services: Services) -> Services:
    """The desk's, where people sign in."""
    settings = services.settings.model_copy(update=SIGN_IN)
    return BorrowedServices(**{**vars(services), "settings": settings})


@pytest.fixture
def client(make_api: MakeApi) -> Client:
    return Client(make_api(**SIGN_IN, api_tokens=API_TOKENS))


@pytest.mark.parametrize("path", FILES)
def test_no_file_is_in_the_order_of_real_ids(client: Client, path: str) -> None:
    query = "?threshold=71" if "what-if" in path else ""
    answer = client.get(path.replace("{eventId}", EVENT) + query, headers=bearer(ANALYST))
    if path.endswith(".parquet"):
        table = pd.read_parquet(io.BytesIO(answer.content)).to_dict("records")
    else:
        table = rows(answer)
    assert follows_what_is_shown(table)
    assert not [row for row in table if row["registrationId"].startswith("r0")]


def test_every_file_of_an_analyst_is_looked_at() -> None:
    assert {path.rpartition("/")[2] for path in FILES} == {
        "records.csv",
        "records.parquet",
        "never-tried.csv",
        "expiring.csv",
        "what-if.csv",
    }


def readings() -> Iterator[str]:
    """The methods of core that give an analyst something."""
    for name, actions in METHODS.items():
        if any(ANALYST in ALLOWED[action] for action in actions):
            yield name


@pytest.mark.parametrize("name", readings())
def test_no_reading_is_in_the_order_of_real_ids(services: Services, name: str) -> None:
    # Each is called with what it takes; a new one has to be added here before it can be called.
    given: dict[str, tuple[str, ...]] = {
        "records.event_frame": (EVENT,),
        "records.event_batches": (EVENT,),
        "records.event_notice": (),
        "registrations.event_frame": (EVENT,),
        "registrations.events": (),
        "registrations.is_empty": (),
    }
    part, _, method = name.partition(".")
    guarded = Guard(services).acting_as(_analyst())
    call: Callable[..., Any] = getattr(getattr(guarded, part), method)
    found = call(*given[name])
    if isinstance(found, Iterator):
        found = pd.concat(found)
    if isinstance(found, pd.DataFrame):
        assert follows_what_is_shown(found.to_dict("records"))
    elif isinstance(found, list):
        assert found == sorted(found)
    else:
        assert found is None or isinstance(found, bool)


def _analyst() -> Any:
    from core.access import Principal

    return Principal(id="analyst", name=None, roles=frozenset({ANALYST}))


@pytest.mark.parametrize("page", ["event_overview", "statistics"])
def test_no_list_of_a_page_is_in_the_order_of_real_ids(open_page: OpenPage, page: str) -> None:
    app = open_page(page, said("analyst"), event_id=EVENT, threshold="71")
    tables = [table.value for table in app.dataframe]
    named = {word: column for column, word in COLUMN_WORDS.items()}
    listed = [table.rename(columns=named).to_dict("records") for table in tables if "Registration" in table]
    assert listed
    assert all(follows_what_is_shown(table) for table in listed if len(table) > 5)
