"""The contract of ``core.ports.Photos``, held by every adapter."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest

from core.adapters.aws.photos import S3Photos
from core.adapters.embedded.photos import FolderPhotos
from core.domain.errors import InvalidInput, PhotoNotFound, PhotoTooLarge
from core.flow.retry import Retry
from core.ports import Photos
from tests.support.s3 import Bucket

MAX_BYTES = 2_000_000

#: Keys that a store takes: what other services may have made, and what somebody may try.
KEYS = [
    "photo.jpg",
    "face-images/user-photo.jpg",
    "face-images/ab/ab12.jpg",
    "Face-Images/IMG_0001.JPG",
    "face images/Zoë & José (2).jpg",
    "face-images/人.jpg",
    "face-images//double.jpg",
    "/leading.jpg",
    "trailing/",
    "/etc/passwd",
    "\\..\\..\\windows.jpg",
    "C:\\photo.jpg",
    "...",
    "..jpg",
    ".hidden",
    ".hashed/x",
    "a/.hashed",
    "~/photo.jpg",
    "%2e%2e/%2e%2e/photo.jpg",
    "photo.jpg?x=1#y",
    "new\nline.jpg",
    "-rf",
    "*",
    " ",
    "x" * 255,
    "x" * 1024,
    "é" * 512,
    "/".join("abcdefghij" * 20),
]
INVALID = ["", ".", "..", "../photo.jpg", "a/../../photo.jpg", "a/..", "./a", "\0", "a\0.jpg", "x" * 1025, "\ud800"]


@pytest.fixture(params=["folder", "s3_bucket"])
def photos(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Photos]:
    if request.param == "folder":
        store: Photos = FolderPhotos(tmp_path / "photos", MAX_BYTES)
    else:
        bucket: Bucket = request.getfixturevalue(request.param)
        store = S3Photos(bucket.client, bucket.name, Retry(deadline=8, call_timeout=4), MAX_BYTES)
    yield store
    store.close()


def test_get_returns_the_bytes_that_were_put(photos: Photos) -> None:
    data = bytes(range(256)) * 1000
    photos.put("face-images/a.jpg", data)
    assert photos.get("face-images/a.jpg") == data


def test_an_absent_photo_is_not_found(photos: Photos) -> None:
    with pytest.raises(PhotoNotFound):
        photos.get("face-images/a.jpg")


def test_exists_says_whether_there_is_a_photo(photos: Photos) -> None:
    before = photos.exists("face-images/a.jpg")
    photos.put("face-images/a.jpg", b"1")
    assert (before, photos.exists("face-images/a.jpg")) == (False, True)


def test_a_photo_of_another_key_is_not_found(photos: Photos) -> None:
    photos.put("face-images/a.jpg", b"1")
    assert not [key for key in ("face-images/a", "face-images", "face-images/", "a.jpg") if photos.exists(key)]


@pytest.mark.skipif(sys.platform == "darwin", reason="its file system takes A for a")
def test_keys_are_compared_exactly(photos: Photos) -> None:
    for key in ("face-images/a.jpg", "face-images/A.jpg", "face-images/a.jpg "):
        photos.put(key, key.encode())
    assert photos.get("face-images/a.jpg") == b"face-images/a.jpg"


def test_put_replaces(photos: Photos) -> None:
    photos.put("a.jpg", b"a longer first photo")
    photos.put("a.jpg", b"second")
    assert photos.get("a.jpg") == b"second"


@pytest.mark.parametrize("key", KEYS, ids=range(len(KEYS)))
def test_any_key_keeps_its_photo(photos: Photos, key: str) -> None:
    photos.put(key, key.encode())
    assert photos.get(key) == key.encode()


def test_no_two_keys_share_a_photo(photos: Photos) -> None:
    for key in KEYS:
        photos.put(key, key.encode())
    assert [photos.get(key) for key in KEYS] == [key.encode() for key in KEYS]


@pytest.mark.parametrize("key", INVALID, ids=range(len(INVALID)))
def test_a_key_that_cannot_be_one_is_not_found(photos: Photos, key: str) -> None:
    assert not photos.exists(key)
    with pytest.raises(PhotoNotFound):
        photos.get(key)


@pytest.mark.parametrize("key", INVALID, ids=range(len(INVALID)))
def test_nothing_is_put_under_a_key_that_cannot_be_one(photos: Photos, key: str) -> None:
    with pytest.raises(InvalidInput):
        photos.put(key, b"1")


def test_a_photo_at_the_reading_limit_is_read(photos: Photos) -> None:
    photos.put("a.jpg", bytes(MAX_BYTES))
    assert len(photos.get("a.jpg")) == MAX_BYTES


def test_a_photo_above_the_reading_limit_is_refused(photos: Photos) -> None:
    photos.put("a.jpg", bytes(MAX_BYTES + 1))
    with pytest.raises(PhotoTooLarge):
        photos.get("a.jpg")


def test_messages_do_not_name_the_key(photos: Photos) -> None:
    with pytest.raises(PhotoNotFound) as caught:
        photos.get("face-images/jane.roe@example.org.jpg")
    assert "jane" not in str(caught.value)


def test_many_threads_put_and_get(photos: Photos) -> None:
    keys = [f"face-images/{number % 7}/{uuid4().hex}.jpg" for number in range(64)]
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda key: photos.put(key, key.encode()), keys))
        assert list(threads.map(photos.get, keys)) == [key.encode() for key in keys]


def test_a_store_that_is_there_answers_ping(photos: Photos) -> None:
    photos.ping()


# Taking away


def test_what_was_erased_is_not_found(photos: Photos) -> None:
    photos.put("face-images/a.jpg", b"1")
    photos.erase("face-images/a.jpg")
    assert not photos.exists("face-images/a.jpg")


def test_erasing_takes_no_other_photo(photos: Photos) -> None:
    for key in ("face-images/a.jpg", "face-images/a.jpg.bak", "face-images/b.jpg"):
        photos.put(key, b"1")
    photos.erase("face-images/a.jpg")
    assert photos.under("face-images/") == ["face-images/a.jpg.bak", "face-images/b.jpg"]


@pytest.mark.parametrize("key", KEYS)
def test_a_photo_under_any_key_can_be_erased(photos: Photos, key: str) -> None:
    photos.put(key, b"1")
    photos.erase(key)
    assert not photos.exists(key)


@pytest.mark.parametrize("key", ["face-images/none.jpg", *INVALID])
def test_erasing_what_is_not_there_is_nothing(photos: Photos, key: str) -> None:
    photos.erase(key)


def test_the_keys_under_a_folder_are_listed_and_no_others(photos: Photos) -> None:
    for key in ("face-images/f/b.jpg", "face-images/f/a.jpg", "face-images/fa.jpg", "face-images/g/a.jpg"):
        photos.put(key, b"1")
    assert photos.under("face-images/f/") == ["face-images/f/a.jpg", "face-images/f/b.jpg"]


def test_under_a_folder_that_is_not_there_is_nothing(photos: Photos) -> None:
    assert photos.under("face-images/f/") == []


def test_all_under_a_folder_goes_and_nothing_else(photos: Photos) -> None:
    for key in ("face-images/f/a.jpg", "face-images/f/b.jpg", "face-images/fa.jpg"):
        photos.put(key, b"1")
    photos.erase_under("face-images/f/")
    assert photos.under("face-images/") == ["face-images/fa.jpg"]


def test_what_is_to_be_kept_under_a_folder_stays(photos: Photos) -> None:
    for key in ("face-images/f/a.jpg", "face-images/f/b.jpg"):
        photos.put(key, b"1")
    photos.erase_under("face-images/f/", ["face-images/f/b.jpg"])
    assert photos.under("face-images/f/") == ["face-images/f/b.jpg"]


def test_a_photo_can_be_put_under_a_folder_that_was_erased(photos: Photos) -> None:
    photos.put("face-images/f/a.jpg", b"1")
    photos.erase_under("face-images/f/")
    photos.put("face-images/f/a.jpg", b"2")
    assert photos.get("face-images/f/a.jpg") == b"2"
