"""What a check or a search found at one instance, seen at another and after a restart, the same for both backends."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from uuid import uuid4

import pytest

from core.domain.roles import local
from core.runtime.services import Services
from core.settings import Backend
from tests.support.production import Site, backend_of, built

SETTINGS = {"DUPLICATE_THRESHOLD": "80", "HASH_KEY": "a key of these tests"}


@pytest.fixture(scope="module", params=list(Backend))
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with backend_of(request, tmp_path_factory, **SETTINGS) as site:
        yield site


@pytest.fixture
def event(site: Site) -> Iterator[str]:
    """An event for which searches for duplicates are switched on."""
    event = f"expo-{uuid4().hex}"
    site.services.duplicates.set_switch(event, on=True, reason="these tests", who="an admin")
    yield event
    site.services.duplicates.set_switch(event, on=False, reason="", who="an admin")


@pytest.fixture
def other(site: Site) -> Iterator[Services]:
    """Another instance: with ``embedded``, the process of a command."""
    with closing(built(site.environment)) as other:
        yield other


def test_a_check_is_seen_elsewhere_as_where_it_ran(site: Site, event: str, other: Services) -> None:
    site.register(event_id=event, name="Ada")
    checked = site.services.references.run(event, threading.Event())
    assert [problem.person.name for problem in checked.problems] == ["Ada"]
    assert other.references.latest(event) == site.services.references.latest(event) == checked


def test_a_search_is_seen_elsewhere_as_where_it_ran(
    site: Site, event: str, other: Services, hopper_jpeg: bytes
) -> None:
    people = [site.register(hopper_jpeg, event_id=event) for _ in range(2)]
    found = site.services.duplicates.search(event, threading.Event())
    assert len(found.pairs) == 1
    assert other.duplicates.latest(event) == found
    assert other.duplicates.photo(event, people[0].registration_id).jpeg
    other.duplicates.set_switch(event, on=False, reason="", who="an admin")
    assert site.services.duplicates.latest(event) is None


def test_an_erasure_elsewhere_takes_the_person_out_of_both(
    site: Site, event: str, other: Services, hopper_jpeg: bytes
) -> None:
    person, _ = (site.register(hopper_jpeg, event_id=event) for _ in range(2))
    missing = site.register(event_id=event)
    site.services.duplicates.search(event, threading.Event())
    site.services.references.run(event, threading.Event())
    for services in (site.services, other):
        assert (services.references.latest(event), services.duplicates.latest(event)) != (None, None)
    for user_id in (person.user_id, missing.user_id):
        other.erasures.erase(user_id, user_id, local("an admin"))
    site.services.forgetting.look()
    for services in (site.services, other):
        checked, searched = services.references.latest(event), services.duplicates.latest(event)
        assert checked
        assert searched
        assert (checked.problems, searched.pairs) == ((), ())
