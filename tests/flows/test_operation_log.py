"""The operations log over whole flows of either backend: what each step leaves, and what no line ever holds."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from core.domain.cases import LEASE
from core.domain.clock import utc_now
from core.domain.errors import Conflict, FacedeskError, PhotoRefused, RegistrationNotFound, Unavailable
from core.domain.records import Decision, Registration, Source
from core.runtime import health
from core.runtime.services import Services
from core.services.validation import Submitter
from core.settings import Backend
from tests.support.app import BorrowedServices, RunPage
from tests.support.audit import an_entry
from tests.support.cases import a_claim, a_note
from tests.support.production import Servers, Site, built, embedded, production
from tests.support.rekognition import Faults, RekognitionServer
from tests.support.servers import require_our_servers

ROOT = Path(__file__).parents[2]
SECRETS = {
    "AWS_ACCESS_KEY_ID": "AKIACANARYCANARYCANA",
    "AWS_SECRET_ACCESS_KEY": "canary-of-the-secret-access-key",
    "AWS_SESSION_TOKEN": "canary-of-the-session-token",
    "HASH_KEY": "canary-of-the-hash-key",
}
PASSWORD = "canary-of-the-mongodb-password"
OPERATOR = "asha-canary"
SEARCH = "canary-in-a-search"
ATTEMPT = "canary-of-an-attempt"
NOTE = "canary in a note"
OPTIONAL = {"code", "user", "registration", "event"}
AT_THE_DESK = Submitter(Source.DASHBOARD, OPERATOR, "203.0.113.77")


@dataclass(frozen=True)
class Day:
    """A flow that is over: whose it was, the photos of it, and all that was written."""

    backend: Backend
    registration: Registration
    upload: bytes
    stored: bytes
    keys: set[str]
    lines: list[dict[str, Any]]
    #: The operations log and what every other logger was given at DEBUG, as text.
    written: str
    services: Services

    def of(self, operation: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["operation"] == operation]


@contextmanager
def everything_logged() -> Iterator[list[str]]:
    """All that the root logger is given, as with ``logging.basicConfig(level=DEBUG)``."""
    written: list[str] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.name != "werkzeug":  # the S3 server of these tests tells of its own requests
                written.append(self.format(record))

    root, handler = logging.getLogger(), Keeping()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield written
    finally:
        root.removeHandler(handler)
        root.setLevel(before)


def the_day(site: Site, photo: bytes, other: bytes, fail_engine: Callable[[], None]) -> tuple[Registration, bytes]:
    """What support and managers do with one registration, and what goes wrong on the way."""
    services = site.services
    registration = site.register(photo, event_id="event-canary", name="Ada Canary")
    identifier = registration.registration_id
    validate = services.validation.validate_upload
    services.registrations.search(SEARCH)
    services.registrations.of_user(registration.user_id)
    validate(identifier, other, ATTEMPT, AT_THE_DESK)
    with pytest.raises(PhotoRefused):
        validate(identifier, b"no photo", f"{ATTEMPT}-2", AT_THE_DESK)
    with pytest.raises(RegistrationNotFound):
        validate(f"{identifier}-unknown", photo, f"{ATTEMPT}-3", AT_THE_DESK)
    seen = services.records.get(registration.user_id, identifier)
    assert seen is not None
    services.validation.decide(seen, Decision.APPROVED, OPERATOR, note=NOTE)
    with pytest.raises(Conflict):
        services.validation.decide(seen, Decision.APPROVED, f"{OPERATOR}-2", note=NOTE)
    ids = registration.model_dump(include={"user_id", "registration_id", "event_id"})
    claim = a_claim("holder-canary", name=OPERATOR, since=utc_now(), until=utc_now() + LEASE, **ids)
    services.claims.take(claim, claim.holder)
    services.claims.standing()
    services.claims.release_all(claim.holder)
    services.notes.add(a_note("note-canary", text=NOTE, author=OPERATOR, at=utc_now(), **ids), LEASE)
    services.notes.of(registration.user_id)
    fail_engine()
    validate(identifier, photo, f"{ATTEMPT}-4", AT_THE_DESK)
    services.records.history(registration.user_id)
    services.records.event_frame("event-canary")
    list(services.records.event_batches("event-canary"))
    services.records.event_records("event-canary", 10)
    services.registrations.event_frame("event-canary")
    services.audit.append(an_entry(who=OPERATOR))
    with suppress(FacedeskError):
        services.photos.get("face-images/canary-key.jpg")
    health.check(services)
    return registration, services.photos.get(seen.face_image_key or "")


@pytest.fixture(scope="module", params=[Backend.EMBEDDED, Backend.AWS])
def day(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, engine_server: RekognitionServer
) -> Iterator[Day]:
    astronaut: bytes = request.getfixturevalue("astronaut_jpeg")
    hopper: bytes = request.getfixturevalue("hopper_jpeg")
    folder = tmp_path_factory.mktemp("data")
    site_of: AbstractContextManager[Site]
    if request.param is Backend.EMBEDDED:
        site_of = embedded(folder)
    else:
        require_our_servers("it refuses these credentials")
        servers: Servers = request.getfixturevalue("servers")
        site_of = production(servers, OPERATION_LOG="file", FACEDESK_DATA_DIR=str(folder), **SECRETS)
    with everything_logged() as others, site_of as site:
        registration, stored = the_day(site, astronaut, hopper, lambda: engine_server.misbehave(Faults(deny=1)))
        engine_server.heal()
        text = (folder / "logs" / "operations.jsonl").read_text()
        lines = [json.loads(line) for line in text.splitlines()]
        written = "\n".join([text, *others])
        yield Day(request.param, registration, astronaut, stored, site.photo_keys(), lines, written, site.services)


def test_each_step_leaves_one_line_by_its_name(day: Day) -> None:
    counts = Counter(line["operation"] for line in day.lines)
    steps = {
        "validation.validate_upload": 4,
        "validation.decide": 2,
        "registrations.search": 1,
        "registrations.of_user": 1,
        "registrations.get": 4,
        "records.record_attempt": 2,
        "records.decide": 2,
        "records.history": 1,
        "records.event_changes": 1,
        "records.event_batches": 1,
        "records.event_records": 1,
        "engine.detect": 2,
        "claims.take": 1,
        "claims.standing": 1,
        "claims.release_all": 1,
        "notes.add": 1,
        "notes.of": 1,
    }
    # Of MongoDB an event is read page by page: here one of plain ids, and one of ids in maps.
    embedded = day.backend is Backend.EMBEDDED
    steps |= {"registrations.event_frame": 1} if embedded else {"registrations.event_page": 2}
    assert {name: counts[name] for name in steps} == steps


def test_every_line_has_the_same_fields_of_the_same_kinds(day: Day) -> None:
    kinds = {
        "time": str,
        "operation": str,
        "service": str,
        "milliseconds": float,
        "outcome": str,
        "calls": int,
        "throttled": int,
        "readUnits": float,
        "writeUnits": float,
    }
    found = [{name: type(value) for name, value in line.items() if name not in OPTIONAL} for line in day.lines]
    assert [fields for fields in found if fields != kinds] == []


def test_services_are_named_as_errors_and_health_name_them(day: Day) -> None:
    services = {"validation records", "registrations", "photos", "face engine", "audit trail"}
    services |= {"claims and notes", "event profiles"}
    assert {line["service"] for line in day.lines} == services | {"validation"}
    assert {line["service"] for line in day.lines if line["operation"].endswith(".ping")} == services


def test_what_went_wrong_is_told_by_its_class(day: Day) -> None:
    assert Counter(line["outcome"] for line in day.of("validation.validate_upload")) == {
        "ok": 2,
        "PhotoUnsupported": 1,
        "RegistrationNotFound": 1,
    }
    assert Counter(line["outcome"] for line in day.of("validation.decide")) == {"ok": 1, "Conflict": 1}


def test_a_persons_lines_are_found_by_one_hash(day: Day) -> None:
    (history,) = day.of("records.history")
    (of_user,) = day.of("registrations.of_user")
    attempts = day.of("records.record_attempt")
    assert {history["user"], of_user["user"], *(line["user"] for line in attempts)} == {history["user"]}
    assert attempts[0]["registration"] == day.of("validation.decide")[0]["registration"]


def test_only_what_is_awss_has_calls_and_only_its_tables_units(day: Day) -> None:
    asked = {line["service"] for line in day.lines if line["calls"]}
    consumed = {line["service"] for line in day.lines if line["readUnits"] + line["writeUnits"]}
    if day.backend is Backend.EMBEDDED:
        assert (asked, consumed) == (set(), set())
    else:
        tables = {"validation records", "audit trail", "claims and notes", "event profiles"}
        assert (asked, consumed) == ({*tables, "photos", "face engine"}, tables)


@pytest.mark.parametrize("day", [Backend.AWS], indirect=True)
def test_every_read_and_write_of_the_table_tells_its_units(day: Day) -> None:
    names = ("get", "history", "event_changes", "event_batches", "event_records", "record_attempt", "decide")
    lines = [line for name in names for line in day.of(f"records.{name}") if line["outcome"] == "ok"]
    assert [line for line in lines if not line["readUnits"]] == []
    written = [line for line in lines if line["operation"] in ("records.record_attempt", "records.decide")]
    assert [line for line in written if not line["writeUnits"]] == []


def test_the_metrics_count_what_the_log_says(day: Day) -> None:
    minutes = day.services.operation_metrics.by_minute(datetime.fromtimestamp(0, UTC))
    counted = minutes.groupby("operation")["count"].sum().to_dict()
    logged = Counter(line["operation"] for line in day.lines)
    assert counted == logged


def test_no_line_of_any_logger_holds_a_photo_a_secret_or_a_person(day: Day) -> None:
    registration = day.registration
    hidden = {
        **SECRETS,
        "signature": "AWS4-HMAC-SHA256",
        "user id": registration.user_id,
        "registration id": registration.registration_id,
        "event id": registration.event_id,
        "name": registration.name or "",
        "given name": "Ada",
        "e-mail": registration.email or "",
        "search": SEARCH,
        "attempt": ATTEMPT,
        "operator": OPERATOR,
        "address": AT_THE_DESK.ip_address or "",
        "note": NOTE,
        "note id": "note-canary",
        "holder": "holder-canary",
        "key": "canary-key",
        **{f"key {key}": Path(key).stem for key in day.keys},
        **{f"{name} in base64": b64encode(photo)[:16].decode() for name, photo in photos(day)},
        **{f"{name} as bytes": repr(photo[:8])[2:-1] for name, photo in photos(day)},
    }
    assert [name for name, canary in hidden.items() if canary in day.written] == []


def photos(day: Day) -> list[tuple[str, bytes]]:
    return [("upload", day.upload), ("photo", day.stored)]


def test_no_line_holds_the_password_to_mongodb(tmp_path: Path) -> None:
    settings = {
        "FACEDESK_BACKEND": "aws",
        "FACEDESK_AUTH": "off",
        "AWS_REGION": "ap-south-1",
        "DYNAMODB_FACE_VALIDATION_TABLE": "face-verifications",
        "FACE_IMAGES_BUCKET": "faces",
        "MONGODB_URI": f"mongodb://operator:{PASSWORD}@127.0.0.1:1",
        "MONGODB_DATABASE": "events",
        "HASH_KEY": "a key of these tests",
        "STORE_DEADLINE_SECONDS": "4.1",
        "OPERATION_LOG": "file",
        "FACEDESK_DATA_DIR": str(tmp_path),
    }
    with everything_logged() as others:
        services = built(settings)
        with pytest.raises(Unavailable):
            services.registrations.is_empty()
        services.close()
    line = (tmp_path / "logs" / "operations.jsonl").read_text()
    assert json.loads(line)["outcome"] == "Unavailable"
    assert PASSWORD not in "\n".join([line, *others])


def test_a_command_prints_its_own_lines_alone(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "core", "sample", "--registrations", "3"]
    environment = {"PATH": "/usr/bin:/bin", "FACEDESK_DATA_DIR": str(tmp_path), "OPERATION_LOG": "stderr"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "Loaded the event sample-event with 3 registrations.\n"
    assert {"registrations.import_many", "photos.put"} <= {
        json.loads(line)["operation"] for line in done.stderr.splitlines()
    }


@pytest.fixture
def services(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Iterator[Services]:
    """What ``run_page`` opens pages on: services as settings build them, with their log on stderr."""
    services = built({"FACEDESK_DATA_DIR": str(tmp_path), "OPERATION_LOG": "stderr"})
    yield BorrowedServices(**vars(services))
    services.close()


def test_a_page_prints_nothing_and_its_reads_are_operations(
    run_page: RunPage, capfd: pytest.CaptureFixture[str]
) -> None:
    run_page("user_lookup", search=SEARCH)
    printed = capfd.readouterr()
    assert "operation" not in printed.out
    assert '"operation":"registrations.' in printed.err
