"""``kill -9`` between any two steps of an erasure: what was begun ends at the next start, and leaves nothing."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path

import pytest

from core.domain.audit import BEGUN, AuditEntry
from core.domain.cases import LEASE
from core.domain.clock import utc_now
from core.domain.roles import Action, local
from core.photos.keys import folder_of
from core.runtime.housekeeping import Housekeeping
from core.settings import Backend
from tests.faults.eraser import erase
from tests.support import traces
from tests.support.cases import a_claim, a_note
from tests.support.dynamodb import running_server
from tests.support.production import Servers, Site, built, embedded, production
from tests.support.records import an_outcome

pytestmark = pytest.mark.faults

KILLS = 20
#: More calls than any erasure of these tests makes: some of the processes end by themselves.
CALLS = 48
PATIENCE = 60
ATTEMPTS = 3
TTL = timedelta(days=30)

_processes = get_context("forkserver")
_processes.set_forkserver_preload(["tests.faults.eraser"])


@contextmanager
def opened(backend: Backend, request: pytest.FixtureRequest, folder: Path) -> Iterator[Site]:
    if backend is Backend.EMBEDDED:
        with embedded(folder) as site:
            yield site
    else:
        elsewhere: Servers = request.getfixturevalue("servers")
        with (
            running_server(folder) as url,
            production(Servers(url, elsewhere.s3, elsewhere.mongodb, elsewhere.rekognition)) as site,
        ):
            yield site


def ended_at_a_start(site: Site) -> None:
    """A server of its own, as after a restart: its housekeeping ends what was begun."""
    services = built(site.environment)
    keeping = Housekeeping(lambda: services)
    give_up = time.monotonic() + PATIENCE
    while services.erasures.unfinished():
        assert time.monotonic() < give_up, "an erasure did not end"
        time.sleep(0.02)
    keeping.close()
    services.close()


def told(site: Site) -> list[AuditEntry]:
    now = utc_now()
    entries = site.services.audit.entries(now - timedelta(hours=1), now + timedelta(hours=1))
    return [entry for entry in entries if entry.action is Action.ERASE]


@pytest.mark.parametrize("backend", [Backend.EMBEDDED, Backend.AWS])
def test_an_erasure_that_is_killed_ends_at_the_next_start(
    request: pytest.FixtureRequest, tmp_path: Path, backend: Backend
) -> None:
    luck = random.Random(20261124)
    outcomes: dict[str, int] = {"not begun": 0, "ended at the start": 0, "ended before the kill": 0}
    canaries: dict[str, bytes] = {}
    with opened(backend, request, tmp_path) as site:
        services = site.services
        bystander = site.register()
        for number in range(KILLS):
            photo = luck.randbytes(4_000)
            person = site.register(photo, name=f"Zelda{number} Quixote{number}")
            for attempt in range(ATTEMPTS):
                key = f"{folder_of(person.registration_id)}{attempt}.jpg"
                services.photos.put(key, luck.randbytes(4_000) + photo)
                ids = person.model_dump(include={"user_id", "registration_id", "event_id"})
                named = {"face_image_key": key, "stored_face_key": person.reference_photo_key}
                services.records.record_attempt(an_outcome(f"a{attempt}", timestamp=utc_now(), **ids, **named), TTL)
            now, note = utc_now(), f"a note about Zelda{number}"
            services.claims.take(a_claim(since=now, until=now + LEASE, **ids), "ada-1")
            services.notes.add(a_note(text=note, at=now, **ids), TTL)
            canaries[f"{number} note"] = note.encode()
            canaries |= {f"{number} {name}": found for name, found in traces.of_person(person, [photo]).items()}

            begun_before = [entry for entry in told(site) if entry.outcome == BEGUN]
            given = (site.environment, person.user_id, luck.randint(1, CALLS), luck.random() < 0.5)
            process = _processes.Process(target=erase, args=given)
            process.start()
            process.join(PATIENCE)
            assert process.exitcode in (0, -signal.SIGKILL)

            under_way = bool(services.erasures.unfinished())
            ended_at_a_start(site)
            left = services.erasures.preview(person.user_id).counts
            if left.nothing:
                outcomes["ended at the start" if under_way else "ended before the kill"] += 1
            else:
                # Killed before it began: then nothing of it was done.
                assert (left.records, left.attempts, left.case_notes) == (1, ATTEMPTS, 1)
                assert not under_way
                outcomes["not begun"] += 1
                services.erasures.erase(person.user_id, person.user_id, local("ada"))
                assert services.erasures.preview(person.user_id).counts.nothing
            assert len([entry for entry in told(site) if entry.outcome == BEGUN]) > len(begun_before)
            assert len([entry for entry in told(site) if entry.outcome == "ok"]) == number + 1
            assert services.claims.standing() == []
            assert not [key for key in site.photo_keys() if folder_of(person.registration_id) in key]
        assert services.registrations.get(bystander.registration_id) == bystander
        if backend is Backend.EMBEDDED:
            assert traces.found_in(tmp_path, canaries) == set()
    if backend is Backend.AWS:
        traces.rewritten(tmp_path / "tables.db")
    assert traces.found_in(tmp_path, canaries) == set()
    assert outcomes["ended at the start"] >= KILLS / 4, outcomes
