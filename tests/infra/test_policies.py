"""The policies of the roles that run code allow every call that the code makes, and no other."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from typer.testing import CliRunner

from core.adapters.aws import sharding
from core.adapters.aws import table as definition
from core.adapters.aws.table_pass import TablePass
from core.cli.main import app
from core.domain.cases import LEASE
from core.domain.clock import utc_now
from core.domain.roles import local
from core.flow.pace import Pace
from core.runtime.services import Services
from tests.core.test_stream import follower
from tests.infra.terraform import granted
from tests.support.audit import an_entry
from tests.support.calls import Call, differences
from tests.support.cases import a_claim, a_note
from tests.support.dynamodb import create_state_table, create_table, put_item, stored_item
from tests.support.portraits import as_jpeg, hopper
from tests.support.production import Servers, Site, production
from tests.support.records import a_foreign_item, a_review, an_outcome
from tests.support.rekognition import RekognitionServer, SameFace
from tests.support.servers import REGION
from tests.support.stores import wait_for_checks
from tests.support.streams import batch, change

PHOTO = b"\xff\xd8\xff a photo"


@pytest.fixture
def engine_that_knows_everybody() -> Iterator[str]:
    server = RekognitionServer(SameFace())
    server.start()
    yield server.url
    server.stop()


@pytest.fixture
def site(dynamodb_url: str, s3_server: str, mongodb_uri: str, engine_that_knows_everybody: str) -> Iterator[Site]:
    """Production, with a table as ``provision`` makes it."""
    servers = Servers(dynamodb_url, s3_server, mongodb_uri, engine_that_knows_everybody)
    with production(servers, AWS_ENDPOINT_URL_CLOUDWATCH=s3_server) as site:
        yield site


def use_records(services: Services) -> None:
    records = services.records
    record = records.record_attempt(an_outcome(timestamp=utc_now()), timedelta(days=30))
    records.decide("user-1", "reg-1", a_review(decided_at=utc_now()), record.version)
    records.get("user-1", "reg-1")
    records.history("user-1")
    records.event_frame("event-1")
    list(records.event_batches("event-1"))
    records.event_records("event-1", 10)
    wait_for_checks()
    records.event_notice()
    records.ping()


def use_photos(services: Services) -> None:
    services.photos.put("face-images/a.jpg", PHOTO)
    services.photos.get("face-images/a.jpg")
    services.photos.exists("face-images/b.jpg")
    services.photos.ping()


def use_engine(services: Services) -> None:
    services.engine.detect(PHOTO)
    services.engine.compare(PHOTO, PHOTO)
    services.engine.ping()


def use_audit(services: Services) -> None:
    services.audit.append(an_entry(at=utc_now()))
    list(services.audit.entries(utc_now() - timedelta(days=1), utc_now()))
    services.audit.ping()


def use_cases(services: Services) -> None:
    claim = a_claim(since=utc_now(), until=utc_now() + LEASE)
    services.claims.take(claim, claim.holder)
    services.claims.take(a_claim(holder="another", since=claim.since, until=claim.until), "another")
    services.claims.standing()
    services.claims.release_all(claim.holder)
    services.notes.add(a_note(at=utc_now()), timedelta(days=30))
    services.notes.of("user-1")
    services.claims.ping()


def use_erasures(services: Services) -> None:
    services.records.record_attempt(an_outcome(timestamp=utc_now()), timedelta(days=30))
    services.photos.put("face-images/attempt-1.jpg", PHOTO)
    services.erasures.erase("user-1", "user-1", local("an admin"))
    services.erasures.resume()


def use_duplicates(site: Site) -> None:
    photo = as_jpeg(hopper(), size=(160, 188))
    one, _ = site.register(photo, event_id="event-2"), site.register(photo, event_id="event-2")
    duplicates = site.services.duplicates
    duplicates.set_switch("event-2", on=True, reason="these tests", who="an admin")
    assert len(duplicates.search("event-2", Event()).pairs) == 1
    site.services.erasures.erase(one.user_id, one.user_id, local("an admin"))
    duplicates.set_switch("event-2", on=False, reason="", who="an admin")


def use_tokens(services: Services) -> None:
    assert services.token_service is not None
    token, _ = services.token_service.make("kiosk-7", ["support"], [], None, "an admin")
    assert services.tokens.bearer(token, None)
    services.token_service.revoke("kiosk-7")


def use_metrics(services: Services) -> None:
    assert services.metrics is not None
    services.metrics.read(utc_now() - timedelta(hours=3), utc_now())
    services.metrics.month_to_date(utc_now())


def test_the_dashboard_may_do_what_it_does_and_nothing_else(aws_calls: set[Call], site: Site) -> None:
    services = site.services
    use_records(services)
    use_photos(services)
    use_engine(services)
    use_audit(services)
    use_cases(services)
    use_erasures(services)
    use_duplicates(site)
    use_tokens(services)
    use_metrics(services)
    assert services.expiry is not None
    services.expiry.count_ignored()
    assert differences(aws_calls, granted("dashboard"), complete=True) == []


def test_the_provisioner_may_do_what_it_does_and_nothing_else(
    aws_calls: set[Call], moto_dynamodb: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*command: str, table: str) -> None:
        settings = {
            "AWS_REGION": REGION,
            "DYNAMODB_FACE_VALIDATION_TABLE": table,
            "DYNAMODB_AUDIT_TABLE": f"audit-of-{table}",
            "DYNAMODB_STATE_TABLE": f"state-of-{table}",
            "FACEDESK_DATA_DIR": str(tmp_path),
        }
        result = CliRunner(env=settings).invoke(app, command)
        assert result.exit_code == 0, result.output

    run("provision", table="new")
    # A table from before there was an index.
    moto_dynamodb.create_table(
        TableName="old",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=definition.attribute_definitions("userId", "registrationId"),
        KeySchema=definition.key_schema("userId", "registrationId"),
    )
    put_item(moto_dynamodb, "old", a_foreign_item())
    for request in (definition.create_audit_table("audit-of-old"), definition.create_state_table("state-of-old")):
        moto_dynamodb.create_table(**{**request, "DeletionProtectionEnabled": False})
    run("provision", "--add-index", table="old")
    run("provision", "--repair-ttl", table="old")
    run("backfill-index", table="old")
    # A record that is deleted while a pass is about to repair it.
    put_item(moto_dynamodb, "old", a_foreign_item(faceImageKey="face-images/of-a-person-erased-meanwhile.jpg"))
    key = {"userId": {"S": "user-1"}, "registrationId": {"S": "reg-1"}}

    def wait(a_pass: TablePass, pace: Pace) -> None:
        if pace is a_pass._writes:
            moto_dynamodb.delete_item(TableName="old", Key=key)

    monkeypatch.setattr(TablePass, "_wait", wait)
    run("backfill-index", table="old")
    monkeypatch.setattr(sharding, "LEARNED_AFTER", timedelta(0))
    run("shard-event", "event-1", "2", table="old")
    put_item(moto_dynamodb, "old", a_foreign_item(eventId="event-1"))
    run("shard-event", "event-1", "2", "--move", table="old")
    # Servers of other tests in this process may still make calls in their threads.
    commands = {call for call in aws_calls if call.role == "provisioner"}
    assert differences(commands, granted("provisioner"), complete=True) == []


def test_the_stream_may_do_what_it_does_and_nothing_else(aws_calls: set[Call], dynamodb: Any) -> None:
    table, state_table = create_table(dynamodb), create_state_table(dynamodb)
    stream = follower(dynamodb, table, state_table)
    put_item(dynamodb, table, a_foreign_item())
    image = stored_item(dynamodb, table)
    nameless = {"userId": {"S": "user-2"}, "registrationId": {"S": "reg-2"}, "timestamp": {"S": "2026-02-28"}}
    stream.follow(batch(change(image), change(nameless), change(None, nameless)))
    # A record that is deleted before its photo is noted.
    dynamodb.delete_item(TableName=table, Key={name: image[name] for name in ("userId", "registrationId")})
    stream.follow(batch(change(image)))
    followed = {call for call in aws_calls if call.role == "stream"}
    assert differences(followed, granted("stream"), complete=True) == []
