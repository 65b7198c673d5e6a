"""What other systems write where a photo's key belongs: addresses, leading slashes, keys as in a URL."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from core.adapters.aws.photo_addresses import key_at
from core.adapters.embedded.erasures import SqliteErasures
from core.adapters.embedded.photos import FolderPhotos
from core.domain.clock import utc_now
from core.domain.errors import PhotoNotFound, Unavailable
from core.domain.records import Status
from core.domain.roles import local
from core.photos.keys import spellings
from core.services.erasure import Erasures
from core.services.photo_keys import read, used
from core.services.validation import Submitter
from tests.support.desk import HASHED, REGISTERED, Desk
from tests.support.records import an_outcome

ADMIN = local("ada", "203.0.113.7")
KEY = "reference-faces/a b+c.jpg"
IN_URL = "reference-faces/a%20b%2Bc.jpg"


@pytest.fixture
def photos(tmp_path: Path) -> FolderPhotos:
    return FolderPhotos(tmp_path / "photos")


@pytest.mark.parametrize(
    "host",
    [
        "bucket.s3.amazonaws.com",
        "bucket.s3.ap-south-1.amazonaws.com",
        "bucket.s3-ap-south-1.amazonaws.com",
        "bucket.s3.us-gov-west-1.amazonaws.com",
        "bucket.s3.dualstack.ap-south-1.amazonaws.com",
        "bucket.s3-fips.us-east-1.amazonaws.com",
        "bucket.s3-accelerate.amazonaws.com",
        "bucket.s3-accelerate.dualstack.amazonaws.com",
        "bucket.s3.cn-north-1.amazonaws.com.cn",
        "bucket.s3.ap-south-1.amazonaws.com:443",
        "BUCKET.S3.AP-SOUTH-1.AMAZONAWS.COM",
        "s3.amazonaws.com/bucket",
        "s3.ap-south-1.amazonaws.com/bucket",
        "s3-ap-south-1.amazonaws.com/bucket",
        "s3.dualstack.ap-south-1.amazonaws.com/bucket",
    ],
)
@pytest.mark.parametrize("more", ["", "?X-Amz-Expires=60&X-Amz-Signature=0a", "#top"])
def test_an_address_of_our_bucket_is_its_key(host: str, more: str) -> None:
    assert key_at(f"https://{host}/{IN_URL}{more}", "bucket") == KEY


@pytest.mark.parametrize("text", [f"s3://bucket/{KEY}", f"S3://bucket/{KEY}", KEY])
def test_a_uri_of_s3_and_a_key_say_the_key_as_it_is(text: str) -> None:
    assert key_at(text, "bucket") == KEY


@pytest.mark.parametrize("key", ["what?.jpg", "#1.jpg", "100%.jpg", "a+b.jpg", "//double.jpg", "https:/a.jpg"])
def test_a_key_keeps_every_character(key: str) -> None:
    assert (key_at(key, "bucket"), key_at(f"s3://bucket/{key}", "bucket")) == (key, key)


@pytest.mark.parametrize("bucket", ["bucket", "my.bucket", "s3", "s3-ap-south-1"])
def test_a_bucket_may_have_any_name(bucket: str) -> None:
    assert key_at(f"https://{bucket}.s3.ap-south-1.amazonaws.com/a.jpg", bucket) == "a.jpg"


@pytest.mark.parametrize(
    "text",
    [
        "s3://other/a.jpg",
        "s3://bucket",
        "s3://bucket/",
        "https://other.s3.amazonaws.com/a.jpg",
        "https://other.s3.amazonaws.com/bucket/a.jpg",
        "https://s3-other.s3.amazonaws.com/bucket/a.jpg",
        "https://other.bucket.s3.amazonaws.com/a.jpg",
        "https://s3.amazonaws.com/other/a.jpg",
        "https://s3.amazonaws.com/bucket",
        "https://photos.example.com/a.jpg",
        "https://bucket.example.com/a.jpg",
        "https://bucket.s3.amazonaws.com.example.com/a.jpg",
        "https://bucket.s3.amazonaws.com@example.com/a.jpg",
        "https://example.com/bucket.s3.amazonaws.com/a.jpg",
        "https://[broken/a.jpg",
        "https://",
        "gs://bucket/a.jpg",
        "file:///bucket/a.jpg",
    ],
)
def test_every_other_address_is_of_another_place(text: str) -> None:
    assert key_at(text, "bucket") is None


@pytest.mark.parametrize("written", [IN_URL, "reference-faces/a+b%2Bc.jpg", f"/{KEY}", f"/{IN_URL}"])
def test_a_photo_is_found_under_a_key_as_other_systems_write_it(photos: FolderPhotos, written: str) -> None:
    photos.put(KEY, b"photo")
    assert (read(photos, written), used(photos, written)) == ((KEY, b"photo"), KEY)


@pytest.mark.parametrize("literal", ["a%20b.jpg", "a+b.jpg", "/a b.jpg", "%2Fa.jpg"])
def test_a_photo_under_the_very_key_comes_first(photos: FolderPhotos, literal: str) -> None:
    for spelling in spellings(literal):
        photos.put(spelling, b"another")
    photos.put(literal, b"photo")
    assert (read(photos, literal), used(photos, literal)) == ((literal, b"photo"), literal)


@pytest.mark.parametrize("key", ["a.jpg", "a%20b.jpg", "/", "", "%2e%2e/%2e%2e/secret", "%00"])
def test_a_photo_that_is_nowhere_is_not_found(photos: FolderPhotos, key: str) -> None:
    with pytest.raises(PhotoNotFound):
        read(photos, key)
    assert used(photos, key) is None


def test_a_reference_photo_is_compared_with_whichever_way_its_key_is_written(
    desk: Desk, astronaut_jpeg: bytes
) -> None:
    desk.photos.put(KEY, astronaut_jpeg)
    written = REGISTERED.model_copy(update={"registration_id": "reg-3", "reference_photo_key": IN_URL})
    desk.registrations.import_many([written])
    record = desk.validation.validate_upload("reg-3", astronaut_jpeg, "a1", Submitter()).record
    assert record.validation_status is Status.SUCCESS


def test_a_record_names_the_key_that_was_used(desk: Desk, hopper_jpeg: bytes) -> None:
    desk.photos.put("face-images/a b.jpg", hopper_jpeg)
    record = desk.validation.validate_stored("reg-1", "face-images/a+b.jpg", "a1", Submitter()).record
    assert record.face_image_key == "face-images/a b.jpg"


class TestErasure:
    """Where registrations are another service's, as with MongoDB."""

    @pytest.fixture
    def erasures(self, desk: Desk) -> Erasures:
        store = SqliteErasures(desk.photo_folder.parent / "facedesk.sqlite3")
        return Erasures(store, desk.registrations, None, desk.photos, desk.audit, HASHED, utc_now)

    def submitted(self, desk: Desk, key: str, user_id: str = "user-1") -> None:
        changes = {"registration_id": f"reg-{key}", "user_id": user_id, "submitted_photo_key": key}
        desk.registrations.import_many([REGISTERED.model_copy(update=changes)])

    @pytest.mark.parametrize(
        "written", ["face-images/a%20b.jpg", "face-images/a+b.jpg", "/face-images/a%20b.jpg", "face-images%2Fa+b.jpg"]
    )
    def test_the_photo_goes_whichever_way_its_key_is_written(
        self, desk: Desk, erasures: Erasures, written: str
    ) -> None:
        desk.photos.put("face-images/a b.jpg", b"photo")
        self.submitted(desk, written)
        receipt = erasures.erase("user-1", "user-1", ADMIN)
        assert (receipt.counts.photos, desk.photos.exists("face-images/a b.jpg")) == (1, False)

    def test_a_photo_of_another_service_stays_whichever_way_its_key_is_written(
        self, desk: Desk, erasures: Erasures
    ) -> None:
        desk.photos.put("elsewhere/a b.jpg", b"photo")
        self.submitted(desk, "elsewhere/a+b.jpg")
        erasures.erase("user-1", "user-1", ADMIN)
        assert desk.photos.exists("elsewhere/a b.jpg")

    def test_a_photo_under_another_spelling_stays_if_a_record_of_somebody_else_names_it(
        self, desk: Desk, erasures: Erasures
    ) -> None:
        desk.photos.put("face-images/a b.jpg", b"photo")
        self.submitted(desk, "face-images/a+b.jpg")
        outcome = an_outcome(user_id="user-9", face_image_key="face-images/a b.jpg", timestamp=utc_now())
        desk.records.record_attempt(outcome, timedelta(days=1))
        erasures.erase("user-1", "user-1", ADMIN)
        assert desk.photos.exists("face-images/a b.jpg")

    @pytest.mark.parametrize("written", ["face-images/a+b.jpg", "/face-images/a+b.jpg"])
    def test_an_erasure_that_goes_on_takes_no_other_spelling_of_what_it_has_erased(
        self, desk: Desk, erasures: Erasures, monkeypatch: pytest.MonkeyPatch, written: str
    ) -> None:
        desk.photos.put("face-images/a+b.jpg", b"theirs")
        desk.photos.put("face-images/a b.jpg", b"of another person")
        self.submitted(desk, written)

        def cut_off(user_id: str) -> int:
            raise Unavailable("records", "cut off")

        with monkeypatch.context() as cut:
            cut.setattr(erasures._store, "erase_records", cut_off)
            with pytest.raises(Unavailable):
                erasures.erase("user-1", "user-1", ADMIN)
        erasures.resume()
        left = [desk.photos.exists(f"face-images/a{sign}b.jpg") for sign in "+ "]
        assert left == [False, True]
