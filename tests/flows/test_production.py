"""Production when a part of it is away, misbehaves or is not set up; and what it writes to its log."""

from __future__ import annotations

import logging
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import pytest

from core.adapters.embedded.engine import LocalEngine
from core.domain.errors import NotConfigured, Refused, Unavailable
from core.domain.reasons import Reason
from core.domain.records import Registration, Source, Status
from core.ports import Answer
from core.runtime.services import Services
from core.services.validation import Submitter, Validation
from tests.pages.test_validate import press, text_of
from tests.support.app import BorrowedServices, RunPage
from tests.support.dynamodb import Proxy
from tests.support.production import DEADLINE_SECONDS, QUICK, Gate, Servers, Site, built, production
from tests.support.rekognition import Faults, RekognitionServer
from tests.support.servers import require_our_servers

AT_THE_DESK = Submitter(Source.DASHBOARD, "asha", "127.0.0.1")
#: For what is not waited for but done: signing, reading, writing, on a busy machine.
SLACK_SECONDS = 3


@dataclass(frozen=True)
class Place:
    """Production, and what takes its parts away."""

    site: Site
    dynamodb: Gate
    s3: Gate
    mongodb: Gate
    engine: RekognitionServer
    proxy: Proxy

    def submit(self, registration: Registration, photo: bytes, attempt_id: str = "a1") -> Validation:
        validation = self.site.services.validation
        return validation.validate_upload(registration.registration_id, photo, attempt_id, AT_THE_DESK)

    def recorded(self, registration: Registration) -> list[str | None]:
        """Attempt ids in the registration's record."""
        record = self.site.services.records.get(registration.user_id, registration.registration_id)
        return [attempt.attempt_id for attempt in record.attempts] if record else []


@pytest.fixture(scope="module")
def whole_place(servers: Servers, engine_server: RekognitionServer) -> Iterator[Place]:
    proxy = Proxy(servers.dynamodb)
    dynamodb, s3, mongodb = Gate(proxy.url), Gate(servers.s3), Gate(servers.mongodb)
    gated = replace(servers, dynamodb=dynamodb.url, s3=s3.url, mongodb=mongodb.url)
    with production(gated, **QUICK) as site:
        yield Place(site, dynamodb, s3, mongodb, engine_server, proxy)
    for gate in (dynamodb, s3, mongodb):
        gate.shut()
    proxy.close()


@pytest.fixture
def place(whole_place: Place, local_engine: LocalEngine) -> Iterator[Place]:
    """With everything in order before the test, whatever the one before did."""
    yield whole_place
    whole_place.engine.heal()
    whole_place.engine.engine = local_engine
    whole_place.proxy.fault = lambda operation: None


@pytest.fixture
def services(whole_place: Place) -> Services:
    """What ``run_page`` opens pages on."""
    return BorrowedServices(**vars(whole_place.site.services))


class Interrupting:
    """The local engine; before it answers something happens, so that it happens after the photo was kept."""

    def __init__(self, engine: LocalEngine, happening: Callable[[], None]) -> None:
        self._engine = engine
        self._happening = happening
        self.provenance = engine.provenance

    def detect(self, photo: bytes) -> Answer:
        self._happening()
        return self._engine.detect(photo)

    def compare(self, submitted: bytes, reference: bytes) -> Answer:
        return self._engine.compare(submitted, reference)

    def ping(self) -> None:
        self._engine.ping()

    def close(self) -> None:
        self._engine.close()


def without_engine(place: Place, registration: Registration, photo: bytes) -> Validation:
    place.engine.stop()
    try:
        return place.submit(registration, photo)
    finally:
        place.engine.start()


def test_with_the_engine_gone_the_attempt_waits_and_its_photo_is_kept(place: Place, astronaut_jpeg: bytes) -> None:
    registration = place.site.register(astronaut_jpeg)
    began = time.monotonic()
    record = without_engine(place, registration, astronaut_jpeg).record
    assert time.monotonic() - began < DEADLINE_SECONDS + SLACK_SECONDS
    assert (record.validation_status, record.failure_reasons) == (Status.PENDING, (Reason.ENGINE_UNAVAILABLE,))
    assert record.face_image_key in place.site.photo_keys()


def test_an_attempt_that_waits_for_the_engine_passes_when_it_is_run_again(
    place: Place, astronaut_jpeg: bytes
) -> None:
    registration = place.site.register(astronaut_jpeg)
    key = without_engine(place, registration, astronaut_jpeg).record.face_image_key
    validation = place.site.services.validation
    record = validation.validate_stored(registration.registration_id, key or "", "a2", AT_THE_DESK).record
    assert (record.validation_status, record.verification_attempt) == (Status.SUCCESS, 2)


def test_an_engine_that_denies_access_leaves_the_attempt_waiting(place: Place, astronaut_jpeg: bytes) -> None:
    place.engine.misbehave(Faults(deny=1))
    record = place.submit(place.site.register(astronaut_jpeg), astronaut_jpeg).record
    assert record.failure_reasons == (Reason.ENGINE_UNAVAILABLE,)


@pytest.mark.parametrize(
    ("part", "service"), [("dynamodb", "validation records"), ("s3", "photos"), ("mongodb", "registrations")]
)
def test_a_part_that_is_away_is_named_within_its_deadline_and_nothing_is_kept(
    place: Place, astronaut_jpeg: bytes, part: str, service: str
) -> None:
    registration = place.site.register(astronaut_jpeg)
    before = place.site.photo_keys()
    gate: Gate = getattr(place, part)
    began = time.monotonic()
    with gate.shut_for_a_while(), pytest.raises(Unavailable) as caught:
        place.submit(registration, astronaut_jpeg)
    assert time.monotonic() - began < DEADLINE_SECONDS + SLACK_SECONDS
    assert caught.value.service == service
    assert (place.recorded(registration), place.site.photo_keys()) == ([], before)


def test_records_that_go_away_under_way_leave_a_photo_that_the_retried_submission_counts_once(
    place: Place, local_engine: LocalEngine, astronaut_jpeg: bytes
) -> None:
    registration = place.site.register(astronaut_jpeg)
    place.engine.engine = Interrupting(local_engine, place.dynamodb.shut)
    with pytest.raises(Unavailable):
        place.submit(registration, astronaut_jpeg)
    place.engine.engine = local_engine
    place.dynamodb.open()
    kept = place.site.photo_keys()
    record = place.submit(registration, astronaut_jpeg).record
    assert (record.validation_status, record.verification_attempt) == (Status.SUCCESS, 1)
    assert place.site.photo_keys() == kept


def test_a_written_attempt_whose_answers_were_all_lost_counts_once_when_it_is_retried(
    place: Place, astronaut_jpeg: bytes
) -> None:
    registration = place.site.register(astronaut_jpeg)
    place.proxy.fault = lambda operation: Proxy.LOSE if place.proxy.seen.count("UpdateItem") else None
    place.proxy.seen.clear()
    with pytest.raises(Unavailable):
        place.submit(registration, astronaut_jpeg)
    place.proxy.fault = lambda operation: None
    assert place.recorded(registration) == ["a1"]
    assert place.submit(registration, astronaut_jpeg).record.verification_attempt == 1


def test_a_reference_photo_that_is_named_by_its_address_in_our_bucket_is_compared_with(
    place: Place, astronaut_jpeg: bytes
) -> None:
    place.site.services.photos.put("reference-faces/by address.jpg", astronaut_jpeg)
    bucket = place.site.services.settings.images_bucket
    address = f"https://{bucket}.s3.amazonaws.com/reference-faces/by%20address.jpg?X-Amz-Expires=60"
    record = place.submit(place.site.register(reference_photo_key=address), astronaut_jpeg).record
    assert record.validation_status is Status.SUCCESS


def test_records_that_deny_access_say_so_at_once(place: Place, astronaut_jpeg: bytes) -> None:
    place.proxy.fault = lambda operation: ("AccessDeniedException", 400)
    with pytest.raises(Refused, match="validation records service refused the request"):
        place.submit(place.site.register(astronaut_jpeg), astronaut_jpeg)


def test_a_missing_table_is_named_as_the_api_promises(servers: Servers, astronaut_jpeg: bytes) -> None:
    with production(servers, DYNAMODB_FACE_VALIDATION_TABLE="no-such-table") as site:
        registration = site.register(astronaut_jpeg)
        with pytest.raises(NotConfigured, match="DynamoDB face validation table not configured"):
            site.services.validation.validate_upload(registration.registration_id, astronaut_jpeg, "a1", AT_THE_DESK)
        assert site.photo_keys() == {registration.reference_photo_key}


def test_a_missing_bucket_is_not_configured_and_nothing_is_recorded(servers: Servers, astronaut_jpeg: bytes) -> None:
    with production(servers, FACE_IMAGES_BUCKET="no-such-bucket") as site:
        registration = site.register()
        with pytest.raises(NotConfigured, match="photos"):
            site.services.validation.validate_upload(registration.registration_id, astronaut_jpeg, "a1", AT_THE_DESK)
        assert site.services.records.get(registration.user_id, registration.registration_id) is None


def test_every_part_of_production_answers_its_ping(place: Place) -> None:
    services = place.site.services
    for part in (services.records, services.registrations, services.photos, services.engine):
        part.ping()


def test_the_validate_page_keeps_a_verdict_in_production(
    run_page: RunPage, place: Place, astronaut_jpeg: bytes
) -> None:
    registration = place.site.register(astronaut_jpeg)
    app = run_page("validate", registration_id=registration.registration_id)
    app.file_uploader(key=f"upload-{registration.registration_id}").upload("me.jpg", astronaut_jpeg).run()
    press(app, "Validate")
    assert "Passed" in text_of(app)
    assert len(place.recorded(registration)) == 1


def test_the_validate_page_says_in_one_line_that_records_are_away(run_page: RunPage, place: Place) -> None:
    registration = place.site.register()
    with place.dynamodb.shut_for_a_while():
        app = run_page("validate", registration_id=registration.registration_id)
    # The audit trail is away with them: no face is shown, which is a line of its own.
    assert [error.value.split(".")[0] for error in app.error] == [
        "Could not read this person's earlier attempts",
        "Could not show the faces",
    ]


SECRETS = {
    "AWS_ACCESS_KEY_ID": "AKIACANARYCANARYCANA",
    "AWS_SECRET_ACCESS_KEY": "canary-of-the-secret-access-key",
    "AWS_SESSION_TOKEN": "canary-of-the-session-token",
}
PASSWORD = "canary-of-the-mongodb-password"


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """All that the root logger is given, at any level: as with ``logging.basicConfig(level=DEBUG)``."""
    caplog.set_level(logging.DEBUG)
    return caplog


def test_no_log_line_holds_a_key_a_photo_or_a_person(
    log: pytest.LogCaptureFixture, servers: Servers, engine_server: RekognitionServer, astronaut_jpeg: bytes
) -> None:
    require_our_servers("it refuses these credentials")
    with production(servers, **SECRETS) as site:
        registration = site.register(astronaut_jpeg)
        submit = partial(site.services.validation.validate_upload, registration.registration_id, astronaut_jpeg)
        photo = submit("a1", AT_THE_DESK).record.face_image_key
        engine_server.misbehave(Faults(deny=1))
        submit("a2", AT_THE_DESK)
        engine_server.heal()
        jpeg = site.services.photos.get(photo or "")
    hidden = {
        **SECRETS,
        "signature": "AWS4-HMAC-SHA256",
        "photo in base64": b64encode(jpeg)[:16].decode(),
        "photo": repr(jpeg[:4])[2:-1],
        "user id": registration.user_id,
        "e-mail": registration.email,
    }
    assert "the face engine gave no verdict" in log.text
    assert [name for name, canary in hidden.items() if canary in log.text] == []


def test_no_log_line_or_error_holds_the_password_to_mongodb(log: pytest.LogCaptureFixture, place: Place) -> None:
    address = place.mongodb.url.replace("://", f"://operator:{PASSWORD}@")
    services = built({**place.site.environment, "MONGODB_URI": address})
    with place.mongodb.shut_for_a_while(), pytest.raises(Unavailable) as caught:
        services.registrations.get("reg-1")
    services.close()
    assert PASSWORD not in log.text + str(caught.value) + repr(services.settings)
