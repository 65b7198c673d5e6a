"""After an erasure nothing is found: in the database, the photos, the log, the file of DynamoDB's server."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from core.adapters.aws import clients
from core.cli.main import app
from core.domain.cases import LEASE
from core.domain.clock import utc_now
from core.domain.errors import NotFound, Unavailable
from core.domain.records import Registration, Source
from core.domain.roles import local
from core.photos.keys import folder_of
from core.runtime.housekeeping import Housekeeping
from core.services.batch import Choice
from core.services.validation import Submitter
from core.settings import Backend
from tests.support import traces
from tests.support.cases import a_claim, a_note
from tests.support.dynamodb import Proxy, put_item, running_server
from tests.support.production import Gate, Servers, Site, built, embedded, environment_of, production
from tests.support.records import a_foreign_item
from tests.support.servers import REGION, require_our_servers

AT_THE_DESK = Submitter(Source.DASHBOARD, "asha", "127.0.0.1")
ADMIN = local("ada")
OTHERS = 30


@dataclass(frozen=True)
class Place:
    site: Site
    #: Files that are ours, or of a server of ours.
    files: Path

    def submit(self, registration: Registration, photo: bytes) -> None:
        self.site.services.validation.validate_upload(registration.registration_id, photo, uuid4().hex, AT_THE_DESK)

    def erase(self, registration: Registration) -> None:
        self.site.services.erasures.erase(registration.user_id, registration.user_id, ADMIN)

    def note(self, registration: Registration, note_id: str, text: str = "They called.") -> None:
        """Somebody opens the case and adds a note."""
        ids = registration.model_dump(include={"user_id", "registration_id", "event_id"})
        services, now = self.site.services, utc_now()
        services.claims.take(a_claim(since=now, until=now + LEASE, **ids), "ada-1")
        services.notes.add(a_note(note_id, text=text, at=now, **ids), services.settings.record_ttl)

    def photos(self) -> list[bytes]:
        return [self.site.services.photos.get(key) for key in self.site.photo_keys() if not key.startswith(".")]


@contextmanager
def opened(backend: Backend, elsewhere: Servers, folder: Path) -> Iterator[Place]:
    if backend is Backend.EMBEDDED:
        with embedded(folder) as site:
            yield Place(site, folder)
    else:
        require_our_servers("its files cannot be searched")
        with running_server(folder) as url, production(replace(elsewhere, dynamodb=url)) as site:
            yield Place(site, folder)


@pytest.mark.parametrize("backend", [Backend.EMBEDDED, Backend.AWS])
def test_nothing_of_an_erased_person_is_in_any_file(
    servers: Servers,
    tmp_path: Path,
    backend: Backend,
    astronaut_jpeg: bytes,
    hopper_jpeg: bytes,
    landscape_jpeg: bytes,
) -> None:
    with opened(backend, servers, tmp_path) as place:
        person = place.site.register(astronaut_jpeg, name="Zelda Quixote")
        place.submit(person, hopper_jpeg)
        place.submit(person, astronaut_jpeg)
        place.note(person, "note-1", "They have a scar.")
        canaries = {**traces.of_person(person, place.photos()), "note": b"They have a scar."}
        # Others come and go around them, so that pages are split, moved and used again.
        others = [place.site.register(name=f"Other {number}") for number in range(OTHERS)]
        for other in others:
            place.submit(other, landscape_jpeg)
            place.note(other, "note-1")
        for other in others[::2]:
            place.erase(other)
        place.submit(person, hopper_jpeg)
        assert {name for _, name in traces.found_in(tmp_path, canaries)} >= {"user id", "registration id", "note"}
        place.erase(person)
        if backend is Backend.EMBEDDED:
            # While it runs: the write-ahead log is there, and part of what is searched.
            assert (tmp_path / "facedesk.sqlite3-wal").exists()
            assert traces.found_in(tmp_path, canaries) == set()
        assert place.site.services.erasures.preview(person.user_id).counts.nothing
        assert len(place.site.services.records.history(others[1].user_id)) == 1
        assert len(place.site.services.notes.of(others[1].user_id)) == 1
        claimed = {claim.user_id for claim in place.site.services.claims.standing()}
        assert claimed == {other.user_id for other in others[1::2]}
        left = {folder_of(other.registration_id) for other in others[1::2]}
        assert {f"{key.rpartition('/')[0]}/" for key in place.site.photo_keys()} - {"reference-faces/"} == left
    if backend is Backend.AWS:
        # The server that plays DynamoDB never writes over what it deletes: only what it still has counts.
        traces.rewritten(next(tmp_path.glob("*.db")))
    assert traces.found_in(tmp_path, canaries) == set()


def test_an_erasure_of_photos_in_upload_folders_scans_no_table(
    servers: Servers, dynamodb_proxy: Proxy, landscape_jpeg: bytes
) -> None:
    with production(replace(servers, dynamodb=dynamodb_proxy.url)) as site:
        place = Place(site, Path())
        person, other = site.register(), site.register()
        for each in (person, other):
            place.submit(each, landscape_jpeg)
        dynamodb_proxy.seen.clear()
        place.erase(person)
        assert "Scan" not in dynamodb_proxy.seen
        assert site.services.erasures.preview(person.user_id).counts.nothing
        assert site.photo_keys() == set(site.services.photos.under(folder_of(other.registration_id)))


def test_after_a_backfill_an_erasure_of_photos_elsewhere_scans_no_table(
    servers: Servers, dynamodb_proxy: Proxy, landscape_jpeg: bytes
) -> None:
    with production(replace(servers, dynamodb=dynamodb_proxy.url)) as site:
        person, other = site.register(), site.register()
        keys = {name: f"face-images/{name}.jpg" for name in ("own", "both", "foreign")}
        for key in keys.values():
            site.services.photos.put(key, landscape_jpeg)
            site.services.validation.validate_stored(person.registration_id, key, uuid4().hex, AT_THE_DESK)
        site.services.validation.validate_stored(other.registration_id, keys["both"], "a1", AT_THE_DESK)
        item = a_foreign_item(userId="user-of-others", faceImageKey=keys["foreign"])
        with environment_of(site.environment):
            put_item(clients.client("dynamodb", REGION), site.environment["DYNAMODB_FACE_VALIDATION_TABLE"], item)
            assert CliRunner().invoke(app, ["backfill-index"]).exit_code == 0
        dynamodb_proxy.seen.clear()
        receipt = site.services.erasures.erase(person.user_id, person.user_id, ADMIN)
        assert "Scan" not in dynamodb_proxy.seen
        assert (receipt.counts.shared_photos, site.photo_keys()) == (2, {keys["both"], keys["foreign"]})


def test_what_else_knows_an_erased_person_forgets_them(tmp_path: Path, landscape_jpeg: bytes) -> None:
    """The list of a batch that is not done, the event in memory, and the last check of reference photos."""
    with embedded(tmp_path) as site:
        services, event = site.services, "event-of-batches"
        person = site.register(landscape_jpeg, name="Zelda Quixote", event_id=event)
        Place(site, tmp_path).submit(person, landscape_jpeg)
        site.register(landscape_jpeg, event_id=event)
        assert person.user_id in set(services.records.event_frame(event)["userId"])
        services.references.run(event, threading.Event())
        with closing(services.batches.open(event, Choice.ALL, Submitter(Source.BATCH))) as batch:
            assert batch.progress().total == 1
        canaries = traces.of_person(person, Place(site, tmp_path).photos())
        assert any(file.startswith("batch-") for file, _ in traces.found_in(tmp_path, canaries))
        services.erasures.erase(person.user_id, person.user_id, ADMIN)
        checked = services.references.latest(event)
        assert checked
        assert [problem.person.user_id for problem in checked.problems] != []
        assert person.user_id not in {problem.person.user_id for problem in checked.problems}
        assert services.records.event_frame(event).empty
        assert {name for _, name in traces.found_in(tmp_path, canaries) if not name.startswith("photo")} == set()


@pytest.mark.parametrize("backend", [Backend.EMBEDDED, Backend.AWS])
def test_a_server_forgets_whom_another_process_erased(
    servers: Servers, tmp_path: Path, backend: Backend, landscape_jpeg: bytes
) -> None:
    with opened(backend, servers, tmp_path) as place:
        server, event = place.site.services, "event-of-both"
        person, other = (place.site.register(landscape_jpeg, event_id=event) for _ in range(2))
        for each in (person, other):
            place.submit(each, landscape_jpeg)
        server.references.run(event, threading.Event())
        assert set(server.records.event_frame(event)["userId"]) == {person.user_id, other.user_id}
        told: list[tuple[bool, bool]] = []
        server.forgetting.on_erased(lambda is_erased: told.append(tuple(map(is_erased, known))))  # type: ignore[arg-type]
        known = (person.user_id, other.user_id)
        command = built(place.site.environment)
        command.erasures.erase(person.user_id, person.user_id, ADMIN)
        command.close()
        server.forgetting.look()
        assert told == [(True, False)]
        assert set(server.records.event_frame(event)["userId"]) == {other.user_id}
        checked = server.references.latest(event)
        assert checked
        assert {problem.person.user_id for problem in checked.problems} == {other.user_id}


@pytest.mark.parametrize("backend", [Backend.EMBEDDED, Backend.AWS])
def test_claims_and_notes_that_race_with_an_erasure_leave_nothing(
    servers: Servers, tmp_path: Path, backend: Backend, landscape_jpeg: bytes
) -> None:
    with opened(backend, servers, tmp_path) as place:
        person = place.site.register()
        place.submit(person, landscape_jpeg)
        going = threading.Event()

        def write(writer: int) -> None:
            for number in range(500):
                try:
                    place.note(person, f"note-{writer}-{number}")
                except NotFound:
                    return
                going.set()

        threads = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
        for thread in threads:
            thread.start()
        assert going.wait(60)
        place.erase(person)
        for thread in threads:
            thread.join()
        services = place.site.services
        assert (services.notes.of(person.user_id), services.claims.standing()) == ([], [])


@pytest.mark.parametrize("part", ["dynamodb", "s3"])
def test_a_service_that_goes_away_midway_is_waited_for(
    servers: Servers, astronaut_jpeg: bytes, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(getattr(servers, part))
    gated = replace(servers, **{part: gate.url})
    with production(gated, STORE_DEADLINE_SECONDS="7") as site:
        person = site.register(astronaut_jpeg)
        Place(site, Path()).submit(person, astronaut_jpeg)
        services = site.services
        inner = services.erasures._of
        carry_on = inner._carry_on

        def cut_off(entry: object) -> object:
            gate.shut()
            return carry_on(entry)

        monkeypatch.setattr(inner, "_carry_on", cut_off)
        with pytest.raises(Unavailable):
            Place(site, Path()).erase(person)
        monkeypatch.undo()
        gate.open()
        assert len(services.erasures.unfinished()) == 1
        housekeeping = Housekeeping(lambda: services)
        give_up = time.monotonic() + 60
        while services.erasures.unfinished() and time.monotonic() < give_up:
            time.sleep(0.1)
        housekeeping.close()
        assert services.erasures.preview(person.user_id).counts.nothing
        assert site.photo_keys() == {person.reference_photo_key}
