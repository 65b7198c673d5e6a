"""Figures of events over several servers, and over a restart."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.domain.event_summaries import EventLine
from core.domain.records import Source
from core.runtime.services import Services
from core.services.validation import Submitter
from tests.support.held import held
from tests.support.production import Servers, Site, built, embedded, production

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
ANYBODY = Submitter(Source.API)


@pytest.fixture
def site(servers: Servers) -> Iterator[Site]:
    with production(servers) as site:
        yield site


def submit(site: Site, photo: bytes) -> None:
    registration = site.register(photo)
    site.services.validation.validate_upload(registration.registration_id, photo, "a1", ANYBODY)


def line(services: Services, patience: timedelta | None = None) -> EventLine:
    (found,) = services.event_summaries.all(patience=patience)
    return found


def reads(services: Services) -> int:
    """How often the process has read an event's records."""
    operations = services.operation_metrics.by_minute(LONG_AGO)
    return int(operations.loc[operations["operation"] == "records.event_changes", "count"].sum())


def test_a_second_server_shows_what_the_first_has_read_and_reads_no_records(
    site: Site, astronaut_jpeg: bytes
) -> None:
    submit(site, astronaut_jpeg)
    first = line(site.services)
    with closing(built(site.environment)) as second:
        found = line(second)
        assert (found.summary, found.as_of, reads(second)) == (first.summary, None, 0)
        assert found.summary
        assert found.summary.readiness.passed == 1


def test_a_server_that_writes_in_an_event_shows_it_with_that_at_once(site: Site, astronaut_jpeg: bytes) -> None:
    person = site.register(astronaut_jpeg)
    line(site.services)
    with closing(built(site.environment)) as second:
        second.validation.validate_upload(person.registration_id, astronaut_jpeg, "a1", ANYBODY)
        found = line(second)
        assert found.summary
        assert (found.summary.readiness.passed, reads(second) > 0) == (1, True)


def test_after_a_restart_the_figures_of_before_are_there_with_their_age(
    tmp_path: Path, astronaut_jpeg: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = datetime.now(UTC)
    with embedded(tmp_path) as site:
        submit(site, astronaut_jpeg)
        before = line(site.services)
        environment = site.environment
    with closing(built(environment)) as started:
        may_end = held(monkeypatch, started.event_summaries._records, "event_frame")
        found = line(started, patience=timedelta(0))
        assert found.summary == before.summary
        assert found.as_of
        assert found.as_of >= began
        may_end.set()
        assert line(started).as_of is None
