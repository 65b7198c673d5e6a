"""The runbook "Restoring tables" of ``docs/operations.md``, as far as it can be played on the local servers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any
from uuid import uuid4

import pytest
from click.testing import Result
from typer.testing import CliRunner

from core.adapters.aws import clients
from core.adapters.aws import table as definition
from core.adapters.aws.photo_owners import PhotoOwners
from core.cli.main import app
from core.domain.cases import LEASE
from core.domain.clock import utc_now
from core.domain.records import Decision, Registration, Source, isoformat
from core.domain.roles import Role, local
from core.runtime.services import Services
from core.services.validation import Submitter
from tests.support.cases import a_claim, a_note
from tests.support.dynamodb import made, put_item
from tests.support.production import Servers, Site, built, environment_of, production
from tests.support.records import a_foreign_item
from tests.support.servers import REGION, fresh_name
from tests.support.stores import PATIENT
from tests.support.table_exports import export, import_into

EVENT = "event-1"
AT_THE_DESK = Submitter(Source.DASHBOARD, "asha", "127.0.0.1")
#: A photo of another service, in no upload folder.
ELSEWHERE = "face-images/of-another-service.jpg"
#: What the command says of how many were erased, and how many are back.
COUNT = "{} people were erased since then, of whom {} are here again."
_TABLES = {
    "DYNAMODB_FACE_VALIDATION_TABLE": definition.create_table,
    "DYNAMODB_AUDIT_TABLE": definition.create_audit_table,
    "DYNAMODB_STATE_TABLE": definition.create_state_table,
}


@dataclass(frozen=True)
class Disaster:
    """Production whose tables are restored to the ``moment``, at which they were exported into the ``folder``."""

    site: Site
    client: Any
    folder: Path
    moment: datetime
    #: Those who are not erased, and the two who were erased after the moment.
    people: list[Registration]
    later: list[Registration]
    #: What was known at the moment, of all of these and of the two.
    known: Mapping[str, Any]


@dataclass(frozen=True)
class Restored:
    """An installation with restored tables, of the same settings for the rest."""

    environment: Mapping[str, str]
    disaster: Disaster

    @contextmanager
    def services(self) -> Iterator[Services]:
        with closing(built(self.environment)) as services:
            yield services

    def command(self, *arguments: str) -> Result:
        with environment_of(self.environment):
            return CliRunner().invoke(app, arguments)

    def erase_again(self, *more: str) -> Result:
        trail = self.disaster.site.environment["DYNAMODB_AUDIT_TABLE"]
        since = isoformat(self.disaster.moment)
        return self.command("erase-again", "--since", since, "--audit-table", trail, *more)


@pytest.fixture(scope="module")
def disaster(
    servers: Servers, tmp_path_factory: pytest.TempPathFactory, hopper_jpeg: bytes, astronaut_jpeg: bytes
) -> Iterator[Disaster]:
    """Six people with what an installation knows of them: one was erased before the moment, and two after it."""
    folder = tmp_path_factory.mktemp("exports")
    pace = {"REKOGNITION_COLLECTION_CALLS_PER_SECOND": "1000", "DUPLICATE_THRESHOLD": "80"}
    with production(servers, **pace) as site:
        services = site.services
        people = [site.register(astronaut_jpeg if n else None, name=f"Person {n}") for n in range(6)]
        for person in people:
            services.validation.validate_upload(person.registration_id, hopper_jpeg, uuid4().hex, AT_THE_DESK)
        filled(services, people, hopper_jpeg)
        with environment_of(site.environment):
            client = clients.client("dynamodb", REGION)
        item = a_foreign_item(
            userId="user-of-others", eventId=EVENT, metadata={"eventId": EVENT}, faceImageKey=ELSEWHERE
        )
        put_item(client, site.environment["DYNAMODB_FACE_VALIDATION_TABLE"], item)
        erase(services, people[5])

        moment, before = utc_now(), known(services, people[:5])
        for setting in _TABLES:
            export(client, site.environment[setting], folder / setting)
        for person in people[:2]:
            erase(services, person)
        yield Disaster(site, client, folder, moment, people[2:5], people[:2], before)


@pytest.fixture
def restored(disaster: Disaster, passing_tables: None) -> Restored:
    """With new tables, which have the index alone: whatever else is not data is not restored."""
    environment = dict(disaster.site.environment)
    for setting, create_table in _TABLES.items():
        name = fresh_name(f"restored-{setting.split('_')[1].lower()}")  # with the word "audit" or "state" in it
        environment[setting] = made(disaster.client, **create_table(name))
        import_into(disaster.client, environment[setting], disaster.folder / setting)
    return Restored(environment, disaster)


def filled(services: Services, people: list[Registration], photo: bytes) -> None:
    """A decision, a claim, notes, answers, a token, what a check and a search found, and photos of other services."""
    first, second = people[:2]
    ids = first.model_dump(include={"user_id", "registration_id", "event_id"})
    services.claims.take(a_claim(since=utc_now(), until=utc_now() + LEASE, **ids), "ada-1")
    for person in people:
        ids = person.model_dump(include={"user_id", "registration_id", "event_id"})
        services.notes.add(a_note(at=utc_now(), **ids), services.settings.record_ttl)
    services.duplicates.set_switch(EVENT, on=True, reason="these tests", who="Ada")
    services.duplicates.search(EVENT, Event())
    services.references.run(EVENT, Event())
    services.photos.put(ELSEWHERE, photo)
    services.validation.validate_stored(second.registration_id, ELSEWHERE, uuid4().hex, AT_THE_DESK)
    record = services.records.get(second.user_id, second.registration_id)
    assert record
    services.validation.decide(record, Decision.APPROVED, "Rita", note="the same passport")
    assert services.token_service
    services.token_service.make("scanner", [Role.SUPPORT], [], 30, "Ada")


def erase(services: Services, person: Registration) -> None:
    services.erasures.erase(person.user_id, person.user_id, local("ada"))


def known(services: Services, people: list[Registration]) -> Mapping[str, Any]:
    """What the services say about the event and these people."""
    now = utc_now()
    frame = services.records.event_frame(EVENT)
    theirs = frame["userId"].isin([*(person.user_id for person in people), "user-of-others"])
    assert services.token_service
    return {
        "records": [services.records.get(person.user_id, person.registration_id) for person in people],
        "event": frame[theirs].to_csv(index=False),
        "notes": [services.notes.of(person.user_id) for person in people],
        "claims": services.claims.standing(),
        "switch": services.duplicates.switch(EVENT),
        "search": services.duplicates.latest(EVENT),
        "check": services.references.latest(EVENT),
        "tokens": services.token_service.all(),
        "audit": list(services.audit.entries(now - timedelta(days=1), now)),
    }


def test_restored_tables_read_as_they_were(restored: Restored) -> None:
    disaster = restored.disaster
    assert all(disaster.known.values())
    with restored.services() as services:
        now = known(services, [*disaster.later, *disaster.people])
    assert {name for name in now if now[name] != disaster.known[name]} == set()


def test_provisioning_puts_back_what_a_restore_leaves_behind(restored: Restored) -> None:
    before = restored.command("provision", "--dry-run")
    assert (before.exit_code, before.output.count("Deletion protection is off")) == (1, 3)
    assert restored.command("provision").exit_code == 0
    assert restored.command("provision", "--dry-run").exit_code == 0
    for setting, ttl in {**dict.fromkeys(_TABLES, "ENABLED"), "DYNAMODB_AUDIT_TABLE": "DISABLED"}.items():
        client, table = restored.disaster.client, restored.environment[setting]
        assert client.describe_table(TableName=table)["Table"]["DeletionProtectionEnabled"]
        assert client.describe_time_to_live(TableName=table)["TimeToLiveDescription"]["TimeToLiveStatus"] == ttl


def test_the_index_of_photos_is_made_anew(restored: Restored) -> None:
    client, table = restored.disaster.client, restored.environment["DYNAMODB_STATE_TABLE"]
    before = PhotoOwners(client, table, PATIENT, utc_now).index_id()
    client.delete_item(TableName=table, Key={"part": {"S": "photo-owners"}, "place": {"S": "index"}})
    owners = PhotoOwners(client, table, PATIENT, utc_now)
    assert not owners.is_complete()
    assert restored.command("backfill-index").exit_code == 0
    assert owners.is_complete()
    assert owners.index_id() != before
    _, second = restored.disaster.later
    assert {owner.user_id for owner in owners.of(ELSEWHERE)} == {second.user_id, "user-of-others"}


def test_people_who_were_erased_since_are_erased_again_and_nobody_else(restored: Restored) -> None:
    people, later = restored.disaster.people, restored.disaster.later
    counted = restored.erase_again()
    assert (counted.exit_code, COUNT.format(2, 2) in counted.output) == (1, True)
    with restored.services() as services:
        assert [len(services.records.history(person.user_id)) for person in later] == [1, 1]
        before = known(services, people)
    assert restored.erase_again("--yes").exit_code == 0
    again = restored.erase_again()
    assert (again.exit_code, COUNT.format(2, 0) in again.output) == (0, True)

    with restored.services() as services:
        assert [services.erasures.preview(person.user_id).counts.nothing for person in later] == [True, True]
        after = known(services, people)
        kept = {name for name in after if after[name] == before[name]}
        assert kept == {"records", "event", "notes", "switch", "tokens"}
        gone = {person.user_id for person in later}
        assert gone.isdisjoint(problem.person.user_id for problem in after["check"].problems)
        assert gone.isdisjoint(side.user_id for pair in after["search"].pairs for side in pair.sides)
        assert after["claims"] == []
        photos = [record.face_image_key for record in after["records"]]
        # The last is named by another service's record, too.
        assert [services.photos.exists(key) for key in [*photos, ELSEWHERE]] == [True] * (len(photos) + 1)


def test_what_was_cut_off_is_continued(restored: Restored) -> None:
    with restored.services() as services:
        erase(services, restored.disaster.later[0])  # as one that was killed after the first of two
    assert COUNT.format(2, 1) in restored.erase_again().output
    assert restored.erase_again("--yes").exit_code == 0
    with restored.services() as services:
        assert [len(services.records.history(person.user_id)) for person in restored.disaster.later] == [0, 0]


def test_of_people_who_were_not_erased_since_nobody_is_erased(restored: Restored) -> None:
    trail = restored.disaster.site.environment["DYNAMODB_AUDIT_TABLE"]
    result = restored.command("erase-again", "--since", isoformat(utc_now()), "--audit-table", trail, "--yes")
    assert (result.exit_code, COUNT.format(0, 0) in result.output) == (0, True)
