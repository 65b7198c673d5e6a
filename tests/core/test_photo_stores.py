"""What is specific to each photo store."""

from __future__ import annotations

import errno
import io
import os
import socketserver
import subprocess
import sys
import tempfile
import textwrap
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from botocore.response import StreamingBody
from botocore.stub import ANY, Stubber
from urllib3.exceptions import ReadTimeoutError

from core.adapters.aws import clients
from core.adapters.aws.photos import S3Photos
from core.adapters.embedded import photos as photo_folder
from core.adapters.embedded.photos import FolderPhotos
from core.domain.clock import utc_now
from core.domain.errors import NotConfigured, PhotoNotFound, PhotoTooLarge, Refused, Unavailable
from core.flow.retry import Retry
from tests.support.s3 import Bucket
from tests.support.servers import REGION

KEY = "face-images/ab/ab12.jpg"
NO_RETRY = Retry(deadline=8, call_timeout=4, tries=1)
AT_ONCE = Retry(deadline=8, call_timeout=4, base=0, tries=3)


# Folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "outer" / "photos"


@pytest.fixture
def folder(root: Path) -> FolderPhotos:
    return FolderPhotos(root)


def files(path: Path) -> set[str]:
    return {str(each.relative_to(path)) for each in path.rglob("*") if each.is_file()}


@pytest.mark.parametrize("key", ["face-images/user-photo.jpg", "Event 7/Zoë (1).JPG", "a.jpg"])
def test_a_file_laid_into_the_folder_is_found_under_its_name(folder: FolderPhotos, root: Path, key: str) -> None:
    (root / key).parent.mkdir(parents=True, exist_ok=True)
    (root / key).write_bytes(b"laid by hand")
    assert folder.get(key) == b"laid by hand"


@pytest.mark.parametrize(
    "key",
    [
        "/etc/passwd",
        "//etc/passwd",
        "\\etc\\passwd",
        "../../secret",
        "..\\secret",
        "a/../../secret",
        "~/secret",
        "..",
    ],
)
def test_no_key_reads_outside_of_the_root(folder: FolderPhotos, root: Path, key: str) -> None:
    for place in (root.parent, root.parent.parent):
        (place / "secret").write_bytes(b"secret")
    with pytest.raises(PhotoNotFound):
        folder.get(key)


@pytest.mark.parametrize("key", ["/x.jpg", "//x.jpg", "\\..\\x.jpg", ".x.jpg", "a//b/.c", "x" * 1000])
def test_no_key_writes_outside_of_the_root(folder: FolderPhotos, root: Path, tmp_path: Path, key: str) -> None:
    folder.put(key, b"1")
    (written,) = files(tmp_path)
    assert written.startswith("outer/photos/")


def test_the_path_as_the_key_of_a_file_outside_is_not_found(folder: FolderPhotos, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    assert not folder.exists(str(tmp_path / "secret"))


def test_a_linked_file_is_not_read(folder: FolderPhotos, root: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (root / "a.jpg").symlink_to(tmp_path / "secret")
    with pytest.raises(PhotoNotFound):
        folder.get("a.jpg")


def test_nothing_is_read_through_a_linked_folder(folder: FolderPhotos, root: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (root / "face-images").symlink_to(tmp_path)
    with pytest.raises(PhotoNotFound):
        folder.get("face-images/secret")


def test_nothing_is_written_through_a_linked_folder(folder: FolderPhotos, root: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (root / "face-images").symlink_to(elsewhere)
    with pytest.raises(Refused):
        folder.put(KEY, b"1")
    assert not list(elsewhere.iterdir())


def test_put_replaces_a_linked_file_and_leaves_its_target(folder: FolderPhotos, root: Path, tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"target")
    (root / "a.jpg").symlink_to(tmp_path / "target")
    folder.put("a.jpg", b"photo")
    assert (folder.get("a.jpg"), (tmp_path / "target").read_bytes()) == (b"photo", b"target")


def test_the_root_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "photos").symlink_to(tmp_path / "disk")
    photos = FolderPhotos(tmp_path / "photos")
    photos.put(KEY, b"1")
    assert photos.get(KEY) == b"1"


def test_a_pipe_that_lies_there_is_no_photo(folder: FolderPhotos, root: Path) -> None:
    os.mkfifo(root / "a.jpg")
    assert not folder.exists("a.jpg")


def test_a_folder_is_no_photo(folder: FolderPhotos) -> None:
    folder.put("a/b.jpg", b"1")
    with pytest.raises(PhotoNotFound):
        folder.get("a")


@pytest.mark.parametrize(("first", "second"), [("a", "a/b.jpg"), ("a/b.jpg", "a")])
def test_a_key_that_would_need_a_file_for_a_folder_is_refused(folder: FolderPhotos, first: str, second: str) -> None:
    folder.put(first, b"1")
    with pytest.raises(Refused):
        folder.put(second, b"2")


def test_photos_are_for_the_server_alone(folder: FolderPhotos, root: Path) -> None:
    folder.put("face-images/a.jpg", b"1")
    modes = [path.stat().st_mode & 0o077 for path in (root, root / "face-images", root / "face-images/a.jpg")]
    assert modes == [0, 0, 0]


def test_a_photo_is_on_disk_before_its_name_is_and_both_before_put_returns(
    folder: FolderPhotos, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[str, bool]] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        kind = "folder" if Path(f"/proc/self/fd/{descriptor}").readlink().is_dir() else "file"
        synced.append((kind, (root / KEY).exists()))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    folder.put(KEY, b"1")
    assert [entry for entry in synced if entry != ("folder", False)] == [("file", False), ("folder", True)]


def test_new_folders_are_made_durable_with_their_parents(
    folder: FolderPhotos, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    folder.put(KEY, b"1")
    assert {root, root / "face-images", root / "face-images/ab"} <= set(synced)


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_put_that_fails_leaves_the_old_photo_and_nothing_else(
    folder: FolderPhotos, root: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    folder.put("a.jpg", b"old")

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "disk")

    with monkeypatch.context() as patch:
        patch.setattr(*((os, "fsync") if step == "fsync" else (Path, "replace")), fail)
        with pytest.raises(Unavailable, match="EIO"):
            folder.put("a.jpg", b"new")
    assert folder.get("a.jpg") == b"old"
    assert files(root) == {"a.jpg"}


@pytest.mark.parametrize(("number", "kind"), [(errno.ENOSPC, Unavailable), (errno.EROFS, Refused)])
def test_a_full_disk_is_passing_and_a_read_only_one_final(
    folder: FolderPhotos, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[Exception]
) -> None:
    def fail(**_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(tempfile, "mkstemp", fail)
    with pytest.raises(kind, match=errno.errorcode[number]):
        folder.put("a.jpg", b"1")


def killed_put(root: Path) -> str:
    """The file that a killed ``put`` of ``a.jpg`` leaves behind in the folder."""
    program = """
        import os, sys
        from pathlib import Path
        from core.adapters.embedded.photos import FolderPhotos
        Path.replace = lambda *_: os._exit(9)
        FolderPhotos(Path(sys.argv[1])).put("a.jpg", b"half")
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program), str(root)], check=False)
    (left,) = files(root)
    return left


def test_what_a_killed_put_left_behind_is_invisible(root: Path) -> None:
    left = killed_put(root)
    folder = FolderPhotos(root)
    assert not folder.exists("a.jpg")
    assert not folder.exists(left)


def test_what_a_killed_put_left_behind_is_gone_an_hour_later(root: Path) -> None:
    killed_put(root)
    FolderPhotos(root, clock=lambda: utc_now() + timedelta(minutes=61))
    assert not files(root)


def test_opening_a_folder_leaves_what_another_process_is_writing(root: Path) -> None:
    writing = killed_put(root)
    FolderPhotos(root, clock=lambda: utc_now() + timedelta(minutes=59))
    assert files(root) == {writing}


@pytest.mark.parametrize("key", ["face-images/a.jpg", ".a.jpg", "a//b.jpg", ".incoming/tmp1"])
def test_opening_a_folder_leaves_old_photos(folder: FolderPhotos, root: Path, key: str) -> None:
    folder.put(key, b"1")
    reopened = FolderPhotos(root, clock=lambda: utc_now() + timedelta(days=400))
    assert reopened.get(key) == b"1"


def test_a_leftover_that_cannot_be_removed_does_not_close_the_store(
    folder: FolderPhotos, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.put(KEY, b"1")
    (root / ".incoming/left").write_bytes(b"half")

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "read-only")

    monkeypatch.setattr(Path, "unlink", fail)
    assert FolderPhotos(root, clock=lambda: utc_now() + timedelta(days=1)).get(KEY) == b"1"


def test_a_reader_sees_all_of_a_photo_or_none(folder: FolderPhotos) -> None:
    versions = {bytes([number]) * 300_000 for number in range(8)}
    folder.put("a.jpg", min(versions))
    done = threading.Event()

    def write() -> None:
        for _ in range(5):
            for version in versions:
                folder.put("a.jpg", version)
        done.set()

    with ThreadPoolExecutor(2) as threads:
        writing = threads.submit(write)
        seen = set()
        while not (done.is_set() or writing.done()):
            seen.add(folder.get("a.jpg"))
        writing.result()
    assert seen <= versions


def test_photos_outlive_the_store_object(root: Path) -> None:
    FolderPhotos(root).put(KEY, b"1")
    assert FolderPhotos(root).get(KEY) == b"1"


def test_a_folder_that_went_away_is_not_configured(folder: FolderPhotos, root: Path) -> None:
    root.rmdir()
    with pytest.raises(NotConfigured):
        folder.ping()


def test_a_root_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Refused):
        FolderPhotos(tmp_path / "file" / "photos")


def test_what_a_killed_put_left_of_a_folder_goes_with_it(folder: FolderPhotos, root: Path) -> None:
    folder.put("face-images/f/a.jpg", b"1")
    for key in ("face-images/f/b.jpg", "face-images/g/b.jpg"):
        descriptor, _ = tempfile.mkstemp(dir=root / ".incoming", prefix=photo_folder._prefix(key))
        os.write(descriptor, b"half a photo")
        os.close(descriptor)
    folder.erase_under("face-images/f/")
    assert [path.read_bytes() for path in root.rglob("*") if path.is_file()] == [b"half a photo"]


def test_an_erased_folder_itself_goes(folder: FolderPhotos, root: Path) -> None:
    folder.put("face-images/f/a.jpg", b"1")
    folder.erase_under("face-images/f/")
    assert not (root / "face-images/f").exists()


def test_erasing_follows_no_link(folder: FolderPhotos, root: Path, tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "a.jpg").write_bytes(b"1")
    (root / "face-images").mkdir(parents=True)
    (root / "face-images" / "f").symlink_to(tmp_path / "theirs")
    folder.erase_under("face-images/f/")
    folder.erase("face-images/f/a.jpg")
    assert (tmp_path / "theirs" / "a.jpg").exists()


def test_only_old_photos_that_nobody_names_expire(folder: FolderPhotos, root: Path) -> None:
    for key in (
        "face-images/f/old.jpg",
        "face-images/f/named.jpg",
        "face-images/f/new.jpg",
        "reference-faces/old.jpg",
    ):
        folder.put(key, b"1")
        if "new" not in key:
            os.utime(root / key, (0, 0))
    before = utc_now() - timedelta(days=30)
    assert folder.expire("face-images/", before, lambda keys: keys & {"face-images/f/named.jpg"}) == 1
    assert files(root) == {"face-images/f/named.jpg", "face-images/f/new.jpg", "reference-faces/old.jpg"}


# S3


def test_every_version_of_an_erased_photo_goes(s3_bucket: Bucket) -> None:
    photos = S3Photos(s3_bucket.client, s3_bucket.name, NO_RETRY)
    s3_bucket.client.put_bucket_versioning(Bucket=s3_bucket.name, VersioningConfiguration={"Status": "Enabled"})
    for key in ("face-images/a.jpg", "face-images/a.jpg", "face-images/b.jpg"):
        photos.put(key, b"1")
    s3_bucket.client.delete_object(Bucket=s3_bucket.name, Key="face-images/a.jpg")
    photos.erase("face-images/a.jpg")
    left = s3_bucket.client.list_object_versions(Bucket=s3_bucket.name)
    assert [entry["Key"] for entry in left["Versions"]] == ["face-images/b.jpg"]
    assert "DeleteMarkers" not in left


@pytest.fixture
def store(s3_bucket: Bucket) -> S3Photos:
    return S3Photos(s3_bucket.client, s3_bucket.name, NO_RETRY)


@pytest.fixture
def stubbed(s3_client: Any) -> Iterator[Stubber]:
    """A client that returns the given answers and refuses any other call."""
    with Stubber(s3_client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@contextmanager
def refusing(code: str, status: int, headers: Mapping[str, str]) -> Iterator[str]:
    """The address of a server that refuses everything as S3 does: with a body, unless the request was HEAD."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def body(data: bytes, length: int | None = None) -> dict[str, object]:
    size = len(data) if length is None else length
    return {"Body": StreamingBody(io.BytesIO(data), size), "ContentLength": size}


def test_a_photo_is_stored_as_a_jpeg(store: S3Photos, s3_bucket: Bucket) -> None:
    store.put(KEY, b"1")
    head = s3_bucket.client.head_object(Bucket=s3_bucket.name, Key=KEY)
    assert (head["ContentType"], s3_bucket.keys()) == ("image/jpeg", [KEY])


def test_encryption_is_left_to_the_bucket(stubbed: Stubber) -> None:
    expected = {"Bucket": "faces", "Key": KEY, "Body": b"1", "ContentType": "image/jpeg"}
    stubbed.add_response("put_object", {}, expected)
    S3Photos(stubbed.client, "faces", NO_RETRY).put(KEY, b"1")


@pytest.mark.parametrize("call", [S3Photos.ping, lambda photos: photos.get(KEY), lambda photos: photos.put(KEY, b"")])
def test_a_missing_bucket_is_not_configured(s3_bucket: Bucket, call: Callable[[S3Photos], object]) -> None:
    with pytest.raises(NotConfigured, match="NoSuchBucket"):
        call(S3Photos(s3_bucket.client, "no-such-bucket", NO_RETRY))


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("AccessDenied", 403),
        ("RequestTimeTooSkewed", 403),
        ("SignatureDoesNotMatch", 403),
        ("ExpiredToken", 400),
        ("PermanentRedirect", 301),
    ],
)
def test_a_ping_that_is_refused_has_the_services_own_code(
    s3_credentials: None, monkeypatch: pytest.MonkeyPatch, code: str, status: int
) -> None:
    with refusing(code, status, {"x-amz-bucket-region": "eu-west-1"}) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
        with pytest.raises(Refused) as caught:
            S3Photos(clients.client("s3", REGION), "faces", AT_ONCE).ping()
    assert caught.value.code == code


def test_a_proxy_that_sends_elsewhere_is_no_answer_of_the_service(
    s3_credentials: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with refusing("", 302, {"Location": "/sign-in"}) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
        with pytest.raises(Unavailable, match="UnreadableAnswer"):
            S3Photos(clients.client("s3", REGION), "faces", NO_RETRY).ping()


def test_whether_a_photo_exists_is_not_answered_for_a_bucket_that_does_not(s3_bucket: Bucket) -> None:
    with pytest.raises(NotConfigured, match="NoSuchBucket"):
        S3Photos(s3_bucket.client, "no-such-bucket", NO_RETRY).exists(KEY)


def test_a_photo_whose_key_only_begins_so_does_not_exist(store: S3Photos) -> None:
    store.put(f"{KEY}.old.jpg", b"1")
    assert not store.exists(KEY)


def test_a_photo_exists_beside_those_whose_keys_begin_with_its_own(store: S3Photos) -> None:
    for key in (f"{KEY}!.jpg", f"{KEY}.old.jpg", KEY):
        store.put(key, b"1")
    assert store.exists(KEY)


def test_a_mark_tells_a_replaced_photo_from_the_earlier_one(store: S3Photos) -> None:
    store.put(KEY, b"1")
    marks = [store.mark(KEY), store.mark(KEY)]
    store.put(KEY, b"2")
    marks.append(store.mark(KEY))
    assert None not in marks
    assert marks[0] == marks[1] != marks[2]


@pytest.mark.parametrize("key", [KEY, KEY.removesuffix(".jpg"), "", "../a.jpg"])
def test_what_is_no_photo_has_no_mark(store: S3Photos, key: str) -> None:
    store.put(f"{KEY}.longer", b"1")
    assert store.mark(key) is None


def test_access_denied_is_final(stubbed: Stubber) -> None:
    stubbed.add_client_error("get_object", "AccessDenied", http_status_code=403)
    with pytest.raises(Refused, match="AccessDenied"):
        S3Photos(stubbed.client, "faces", AT_ONCE).get(KEY)


def test_a_missing_photo_is_not_asked_for_again(stubbed: Stubber) -> None:
    stubbed.add_client_error("get_object", "NoSuchKey", http_status_code=404)
    with pytest.raises(PhotoNotFound):
        S3Photos(stubbed.client, "faces", AT_ONCE).get(KEY)


@pytest.mark.parametrize(
    ("code", "status"),
    [("SlowDown", 503), ("InternalError", 500), ("RequestTimeout", 400), ("OperationAborted", 409)],
)
def test_what_passes_is_tried_again(stubbed: Stubber, code: str, status: int) -> None:
    stubbed.add_client_error("get_object", code, http_status_code=status)
    stubbed.add_response("get_object", body(b"photo"))
    assert S3Photos(stubbed.client, "faces", AT_ONCE).get(KEY) == b"photo"


def test_a_put_that_s3_throttled_is_tried_again(stubbed: Stubber) -> None:
    stubbed.add_client_error("put_object", "SlowDown", http_status_code=503)
    stubbed.add_response("put_object", {}, {"Bucket": "faces", "Key": KEY, "Body": b"1", "ContentType": ANY})
    S3Photos(stubbed.client, "faces", AT_ONCE).put(KEY, b"1")


def test_what_does_not_pass_in_time_is_unavailable(stubbed: Stubber) -> None:
    for _ in range(AT_ONCE.tries):
        stubbed.add_client_error("list_objects_v2", "503", http_status_code=503)
    with pytest.raises(Unavailable):
        S3Photos(stubbed.client, "faces", AT_ONCE).exists(KEY)


def test_a_body_that_ends_early_is_read_again(stubbed: Stubber) -> None:
    stubbed.add_response("get_object", body(b"pho", length=5))
    stubbed.add_response("get_object", body(b"photo"))
    assert S3Photos(stubbed.client, "faces", AT_ONCE).get(KEY) == b"photo"


def test_a_body_that_stalls_is_read_again(stubbed: Stubber) -> None:
    class Stalled(io.BytesIO):
        def read(self, _: int | None = None) -> bytes:
            raise ReadTimeoutError(None, "", "stalled")  # type: ignore[arg-type]

    stubbed.add_response("get_object", {"Body": StreamingBody(Stalled(), 5), "ContentLength": 5})
    stubbed.add_response("get_object", body(b"photo"))
    assert S3Photos(stubbed.client, "faces", AT_ONCE).get(KEY) == b"photo"


def test_a_body_that_takes_longer_than_a_call_may_is_unavailable(stubbed: Stubber) -> None:
    stubbed.add_response("get_object", body(b"photo"))
    photos = S3Photos(stubbed.client, "faces", Retry(deadline=8, call_timeout=-1, tries=1))
    with pytest.raises(Unavailable, match="ReadTimeout"):
        photos.get(KEY)


def test_too_large_a_photo_is_refused_before_its_body_is_read(stubbed: Stubber) -> None:
    class Unread(io.BytesIO):
        def read(self, _: int | None = None) -> bytes:
            raise AssertionError

    unread = Unread()
    stubbed.add_response("get_object", {"Body": StreamingBody(unread, 101), "ContentLength": 101})
    with pytest.raises(PhotoTooLarge):
        S3Photos(stubbed.client, "faces", AT_ONCE, max_bytes=100).get(KEY)
    assert unread.closed


def test_photos_go_to_a_server_and_back(s3_server_bucket: Bucket) -> None:
    photos = S3Photos(s3_server_bucket.client, s3_server_bucket.name, NO_RETRY)
    data = os.urandom(3_000_000)
    photos.put(KEY, data)
    assert photos.get(KEY) == data


def test_an_unreachable_server_is_unavailable(s3_credentials: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as closed:
        address = closed.server_address
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://{address[0]!s}:{address[1]}")
    with pytest.raises(Unavailable):
        S3Photos(clients.client("s3", REGION), "faces", NO_RETRY).get(KEY)


def test_a_connection_cut_amid_the_body_is_unavailable(s3_credentials: None, monkeypatch: pytest.MonkeyPatch) -> None:
    class Cut(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline().strip():
                pass
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Cut) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{server.server_address[1]}")
        with pytest.raises(Unavailable):
            S3Photos(clients.client("s3", REGION), "faces", NO_RETRY).get(KEY)
        server.shutdown()


# Photos that a service deletes by their age

DAY = timedelta(days=1)
OLD, PHOTO = timedelta(days=30), b"\xff\xd8 a photo"


def test_a_photo_is_renewed_when_it_would_be_deleted_too_early(s3_bucket: Bucket) -> None:
    photos = S3Photos(s3_bucket.client, s3_bucket.name, Retry(deadline=8, call_timeout=4))
    now = utc_now()
    keys = [f"face-images/{number}.jpg" for number in range(3)]
    for key in (*keys, "reference-faces/0.jpg"):
        photos.put(key, PHOTO)
    until = {keys[0]: now + 80 * DAY, keys[1]: now + 20 * DAY, "reference-faces/0.jpg": now + 80 * DAY}
    assert photos.renew(until, OLD, now) == 0
    assert photos.renew(until, OLD, now + 29 * DAY) == 1
    assert [photos.get(key) for key in keys] == [PHOTO] * 3


def test_a_photo_that_does_not_exist_is_not_renewed(s3_bucket: Bucket) -> None:
    photos = S3Photos(s3_bucket.client, s3_bucket.name, Retry(deadline=8, call_timeout=4))
    now = utc_now()
    assert photos.renew({"face-images/0.jpg": now + 80 * DAY}, OLD, now + 29 * DAY) == 0


def test_all_photos_of_a_large_bucket_are_renewed(s3_bucket: Bucket) -> None:
    photos = S3Photos(s3_bucket.client, s3_bucket.name, Retry(deadline=8, call_timeout=4))
    now = utc_now()
    keys = [f"face-images/{number}.jpg" for number in range(1_010)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda key: photos.put(key, PHOTO), keys))
    assert photos.renew(dict.fromkeys((keys[0], keys[-1], keys[500]), now + 80 * DAY), OLD, now + 29 * DAY) == 3
