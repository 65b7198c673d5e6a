"""The runbook "Restoring tables" of ``docs/operations.md``, as far as it can be played on the local servers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
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
ADMIN = local("ada")
#: A photo of another service, in no upload folder.
ELSEWHERE = "face-images/of-another-service.jpg"
_TABLES = {
    "DYNAMODB_FACE_VALIDATION_TABLE": definition.create_table,
    "DYNAMODB_AUDIT_TABLE": definition.create_audit_table,
    "DYNAMODB_STATE_TABLE": definition.create_state_table,
}


@dataclass
class Disaster:
    """Production before and after its tables were restored to the ``moment``."""

    site: Site
    client: Any
    folder: Path
    people: list[Registration]
    moment: datetime | None = None
    #: What the settings of the restored installation are.
    restored: dict[str, str] = field(default_factory=dict)

    def export(self) -> None:
        """What point-in-time recovery would bring back."""
        self.moment = utc_now()
        for setting in _TABLES:
            export(self.client, self.site.environment[setting], self.folder / setting)

    def restore(self) -> None:
        """Step 2: new tables, with the index alone: all else that is not data stays behind."""
        self.restored = dict(self.site.environment)
        for setting, create_table in _TABLES.items():
            self.restored[setting] = made(self.client, **create_table(fresh_name("restored")))
            import_into(self.client, self.restored[setting], self.folder / setting)

    def command(self, *arguments: str) -> Result:
        with environment_of(self.restored):
            return CliRunner().invoke(app, arguments)

    def erase_again(self, *more: str) -> Result:
        assert self.moment
        trail = self.site.environment["DYNAMODB_AUDIT_TABLE"]
        return self.command("erase-again", "--since", isoformat(self.moment), "--audit-table", trail, *more)


@pytest.fixture
def disaster(
    servers: Servers, tmp_path: Path, passing_tables: None, hopper_jpeg: bytes, astronaut_jpeg: bytes
) -> Iterator[Disaster]:
    """Six people with what an installation knows of them; the fifth was erased before the moment."""
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
        erased(services, people[5])
        yield Disaster(site, client, tmp_path, people[:5])


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
    services.token_service.make("scanner", [Role.SUPPORT], None, 30, "Ada")


def erased(services: Services, person: Registration) -> None:
    services.erasures.erase(person.user_id, person.user_id, ADMIN)


def known(services: Services, people: list[Registration]) -> Mapping[str, Any]:
    """All that the services say about the event and these people."""
    now = utc_now()
    ids = [(person.user_id, person.registration_id) for person in people]
    frame = services.records.event_frame(EVENT)
    assert services.token_service
    return {
        "records": [services.records.get(*each) for each in ids],
        "event": frame[frame["userId"].isin([*(user_id for user_id, _ in ids), "user-of-others"])].to_csv(),
        "notes": [services.notes.of(user_id) for user_id, _ in ids],
        "claims": services.claims.standing(),
        "switch": services.duplicates.switch(EVENT),
        "tokens": services.token_service.all(),
        "audit": list(services.audit.entries(now - timedelta(days=1), now)),
    }


def of(disaster: Disaster) -> Services:
    return built(disaster.restored)


def test_restored_tables_read_as_they_were(disaster: Disaster) -> None:
    people = disaster.people
    before = known(disaster.site.services, people)
    checked = disaster.site.services.references.latest(EVENT)
    searched = disaster.site.services.duplicates.latest(EVENT)
    assert all(before.values())
    assert searched
    assert searched.pairs
    disaster.export()
    disaster.site.services.notes.add(a_note("later", at=utc_now()), timedelta(days=1))
    disaster.restore()
    with closing(of(disaster)) as services:
        assert known(services, people) == before
        assert services.references.latest(EVENT) == checked
        assert services.duplicates.latest(EVENT) == searched


def test_provisioning_puts_back_what_a_restore_leaves_behind(disaster: Disaster) -> None:
    disaster.export()
    disaster.restore()
    first = disaster.command("provision", "--dry-run")
    assert (first.exit_code, first.output.count("Deletion protection is off")) == (1, 3)
    assert disaster.command("provision").exit_code == 0
    again = disaster.command("provision", "--dry-run")
    assert (again.exit_code, again.output) == (0, again.output)
    for setting, ttl in {**dict.fromkeys(_TABLES, "ENABLED"), "DYNAMODB_AUDIT_TABLE": "DISABLED"}.items():
        table = disaster.restored[setting]
        assert disaster.client.describe_table(TableName=table)["Table"]["DeletionProtectionEnabled"]
        described = disaster.client.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
        assert described["TimeToLiveStatus"] == ttl


def test_the_index_of_photos_is_made_anew(disaster: Disaster) -> None:
    disaster.export()
    disaster.restore()
    table = disaster.restored["DYNAMODB_STATE_TABLE"]
    owners = PhotoOwners(disaster.client, table, PATIENT, utc_now)
    before = owners.index_id()
    disaster.client.delete_item(TableName=table, Key={"part": {"S": "photo-owners"}, "place": {"S": "index"}})
    assert not owners.is_complete()
    assert disaster.command("backfill-index").exit_code == 0
    assert owners.is_complete()
    assert PhotoOwners(disaster.client, table, PATIENT, utc_now).index_id() != before
    second = disaster.people[1]
    assert {owner.user_id for owner in owners.of(ELSEWHERE)} == {second.user_id, "user-of-others"}


def test_people_who_were_erased_since_are_erased_again_and_nobody_else(disaster: Disaster) -> None:
    disaster.export()
    first, second, third, *_ = disaster.people
    later = [first, second]
    for person in later:
        erased(disaster.site.services, person)
    disaster.restore()
    with closing(of(disaster)) as services:
        assert len(services.records.history(first.user_id)) == 1
        others = known(services, disaster.people[2:])

    counted = disaster.erase_again()
    assert (counted.exit_code, "2 people were erased since then, of whom 2 are here again." in counted.output) == (
        1,
        True,
    )
    with closing(of(disaster)) as services:
        assert len(services.records.history(first.user_id)) == 1
    done = disaster.erase_again("--yes")
    assert (done.exit_code, "2 erased again." in done.output) == (0, True)
    again = disaster.erase_again("--yes")
    assert (again.exit_code, "0 erased again." in again.output) == (0, True)

    with closing(of(disaster)) as services:
        for person in later:
            assert services.erasures.preview(person.user_id).counts.nothing
        checked, searched = services.references.latest(EVENT), services.duplicates.latest(EVENT)
        assert checked
        assert searched
        gone = {person.user_id for person in later}
        assert gone.isdisjoint(problem.person.user_id for problem in checked.problems)
        assert gone.isdisjoint(side.user_id for pair in searched.pairs for side in pair.sides)
        after = known(services, disaster.people[2:])
        assert {name: after[name] for name in ("records", "event", "notes")} == {
            name: others[name] for name in ("records", "event", "notes")
        }
        assert services.photos.exists(ELSEWHERE)  # another service's record names it, too
        kept = services.records.get(third.user_id, third.registration_id)
        assert kept
        assert kept.face_image_key
        assert services.photos.exists(kept.face_image_key)


def test_an_erasure_again_that_was_cut_off_is_continued(disaster: Disaster, monkeypatch: pytest.MonkeyPatch) -> None:
    disaster.export()
    for person in disaster.people[:2]:
        erased(disaster.site.services, person)
    disaster.restore()
    with monkeypatch.context() as patch, closing(of(disaster)) as services:
        # As one that is killed after the first of two.
        victim = min(person.user_id for person in disaster.people[:2])
        services.erasures.erase(victim, victim, ADMIN)
        patch.undo()
    counted = disaster.erase_again()
    assert "2 people were erased since then, of whom 1 are here again." in counted.output
    assert disaster.erase_again("--yes").exit_code == 0


@pytest.mark.parametrize("since", ["yesterday", "2026-13-01"])
def test_a_moment_that_is_none_is_refused(disaster: Disaster, since: str) -> None:
    disaster.restored = dict(disaster.site.environment)
    result = disaster.command("erase-again", "--since", since, "--audit-table", "any")
    assert (result.exit_code, "no moment" in str(result.exception or result.output)) == (1, True)
