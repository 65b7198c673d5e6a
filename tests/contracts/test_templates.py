"""The contract of ``core.ports.Templates``, and that a template goes with its photo, whoever is writing meanwhile."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier

import pytest

from core.adapters.embedded.photos import FolderPhotos
from core.files.disk import TEMPLATES
from core.ports import Templates
from tests.contracts.test_photos import INVALID, KEYS

KEY, MODEL, TEMPLATE = "reference-faces/a.jpg", "model-1", b"128 numbers"
#: Later than anything that a test stores.
LATER = datetime(2100, 1, 1, tzinfo=UTC)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "photos"


@pytest.fixture
def photos(root: Path) -> FolderPhotos:
    return FolderPhotos(root)


@pytest.fixture
def templates(photos: FolderPhotos) -> Templates:
    return photos.templates


def files(root: Path) -> list[Path]:
    """What is left of templates, complete or not."""
    return [path for folder in (TEMPLATES, ".incoming") for path in (root / folder).rglob("*")]


def keep(photos: FolderPhotos, key: str = KEY, model: str = MODEL, template: bytes = TEMPLATE) -> None:
    """A template of the photo that is now under ``key``."""
    mark = photos.templates.mark(key)
    assert mark
    photos.templates.put(key, model, mark, template)


def test_get_returns_what_was_put(photos: FolderPhotos, templates: Templates) -> None:
    photos.put(KEY, b"a photo")
    template = bytes(range(256)) * 20
    keep(photos, template=template)
    assert templates.get(KEY, MODEL) == template


def test_a_template_may_be_empty(photos: FolderPhotos, templates: Templates) -> None:
    photos.put(KEY, b"a photo")
    keep(photos, template=b"")
    assert templates.get(KEY, MODEL) == b""


def test_a_template_is_there_after_a_new_start(photos: FolderPhotos, root: Path) -> None:
    photos.put(KEY, b"a photo")
    keep(photos)
    assert FolderPhotos(root).templates.get(KEY, MODEL) == TEMPLATE


def test_without_a_template_there_is_none(photos: FolderPhotos, templates: Templates) -> None:
    photos.put(KEY, b"a photo")
    assert templates.get(KEY, MODEL) is None


def test_another_models_template_is_none(photos: FolderPhotos, templates: Templates) -> None:
    photos.put(KEY, b"a photo")
    keep(photos)
    assert templates.get(KEY, "model-2") is None


def test_a_new_models_template_takes_the_place_of_the_old_ones(
    photos: FolderPhotos, templates: Templates, root: Path
) -> None:
    photos.put(KEY, b"a photo")
    keep(photos)
    keep(photos, model="model-2", template=b"others")
    assert (templates.get(KEY, "model-2"), len(files(root))) == (b"others", 1)


def test_a_template_belongs_to_its_key_alone(photos: FolderPhotos, templates: Templates) -> None:
    for key in (KEY, "reference-faces/b.jpg"):
        photos.put(key, b"a photo")
    keep(photos)
    assert templates.get("reference-faces/b.jpg", MODEL) is None


@pytest.mark.parametrize("key", KEYS, ids=range(len(KEYS)))
def test_a_photo_under_any_key_has_its_template_and_takes_it_along(
    photos: FolderPhotos, templates: Templates, root: Path, key: str
) -> None:
    photos.put(key, b"a photo")
    keep(photos, key, template=key.encode())
    assert templates.get(key, MODEL) == key.encode()
    photos.erase(key)
    assert files(root) == []


@pytest.mark.parametrize("key", ["reference-faces/none.jpg", *INVALID], ids=range(1 + len(INVALID)))
def test_without_a_photo_there_is_neither_mark_nor_template(templates: Templates, root: Path, key: str) -> None:
    templates.put(key, MODEL, "a mark", TEMPLATE)
    assert (templates.mark(key), templates.get(key, MODEL), files(root)) == (None, None, [])


# The photo changes


def test_the_mark_stays_as_long_as_the_photo_does(photos: FolderPhotos, templates: Templates, root: Path) -> None:
    photos.put(KEY, b"a photo")
    mark = templates.mark(KEY)
    keep(photos)
    photos.get(KEY)
    assert FolderPhotos(root).templates.mark(KEY) == mark


def replaced(photos: FolderPhotos, root: Path) -> None:
    photos.put(KEY, b"a phot0")


def overwritten_by_hand(photos: FolderPhotos, root: Path) -> None:
    path = root / KEY
    before = path.stat()
    path.write_bytes(b"a longer photo")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def exchanged_by_hand(photos: FolderPhotos, root: Path) -> None:
    before, other = (root / KEY).stat(), root / "other.jpg"
    other.write_bytes(b"a phot0")
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(root / KEY)


def erased(photos: FolderPhotos, root: Path) -> None:
    photos.erase(KEY)


def erased_with_its_folder(photos: FolderPhotos, root: Path) -> None:
    photos.erase_under("reference-faces/")


def expired(photos: FolderPhotos, root: Path) -> None:
    photos.expire("reference-faces/", LATER, lambda keys: set())


def deleted_by_hand(photos: FolderPhotos, root: Path) -> None:
    (root / KEY).unlink()


def erased_and_stored_again(photos: FolderPhotos, root: Path) -> None:
    photos.erase(KEY)
    photos.put(KEY, b"a photo")


Change = Callable[[FolderPhotos, Path], None]
OURS = [replaced, erased, erased_with_its_folder, expired, erased_and_stored_again]
ALL = [*OURS, overwritten_by_hand, exchanged_by_hand, deleted_by_hand]


@pytest.mark.parametrize("change", ALL)
def test_of_another_photo_or_none_there_is_no_template(
    photos: FolderPhotos, templates: Templates, root: Path, change: Change
) -> None:
    photos.put(KEY, b"a photo")
    keep(photos)
    change(photos, root)
    assert templates.get(KEY, MODEL) is None


@pytest.mark.parametrize("change", OURS)
def test_a_template_goes_with_its_photo(photos: FolderPhotos, root: Path, change: Change) -> None:
    photos.put(KEY, b"a photo")
    keep(photos)
    change(photos, root)
    assert files(root) == []


@pytest.mark.parametrize("change", ALL)
def test_a_template_of_an_earlier_photo_is_not_kept(
    photos: FolderPhotos, templates: Templates, root: Path, change: Change
) -> None:
    photos.put(KEY, b"a photo")
    mark = templates.mark(KEY)
    assert mark
    change(photos, root)
    templates.put(KEY, MODEL, mark, TEMPLATE)
    assert (templates.get(KEY, MODEL), files(root)) == (None, [])


@pytest.mark.parametrize("change", OURS)
@pytest.mark.parametrize("moment", ["before the write", "after the write"])
def test_a_photo_that_goes_during_a_put_leaves_no_template(
    photos: FolderPhotos, root: Path, monkeypatch: pytest.MonkeyPatch, change: Change, moment: str
) -> None:
    photos.put(KEY, b"a photo")
    write = photos.templates._write

    def meanwhile(key: str, path: Path, data: bytes) -> None:
        if moment == "after the write":
            write(key, path, data)
        change(photos, root)
        if moment == "before the write":
            write(key, path, data)

    monkeypatch.setattr(photos.templates, "_write", meanwhile)
    keep(photos)
    assert files(root) == []


def test_a_put_and_an_erasure_at_once_leave_nothing(photos: FolderPhotos, root: Path) -> None:
    for _ in range(50):
        photos.put(KEY, b"a photo")
        mark, start = photos.templates.mark(KEY), Barrier(2)
        assert mark

        def put(mark: str = mark, start: Barrier = start) -> None:
            start.wait()
            photos.templates.put(KEY, MODEL, mark, TEMPLATE)

        def erase(start: Barrier = start) -> None:
            start.wait()
            photos.erase(KEY)

        with ThreadPoolExecutor(2) as threads:
            for future in (threads.submit(put), threads.submit(erase)):
                future.result()
        assert files(root) == []


def test_what_a_killed_put_left_of_a_template_goes_with_the_folder(
    photos: FolderPhotos, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos.put(KEY, b"a photo")
    with monkeypatch.context() as killed:
        killed.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
        killed.setattr(Path, "unlink", lambda *_args, **_more: None)
        with pytest.raises(KeyboardInterrupt):
            keep(photos)
    assert files(root)
    photos.erase_under("reference-faces/")
    assert files(root) == []


# What is left behind, and damage


def test_expiry_removes_the_templates_of_photos_that_were_deleted_by_hand(photos: FolderPhotos, root: Path) -> None:
    for key in (KEY, "reference-faces/b.jpg"):
        photos.put(key, b"a photo")
        keep(photos, key)
    deleted_by_hand(photos, root)
    photos.expire("face-images/", LATER, lambda keys: set())
    assert photos.templates.get("reference-faces/b.jpg", MODEL) == TEMPLATE
    assert len(files(root)) == 1


def the_file(root: Path) -> Path:
    (path,) = files(root)
    return path


def test_a_damaged_template_is_none(photos: FolderPhotos, templates: Templates, root: Path) -> None:
    photos.put(KEY, b"a photo")
    keep(photos)
    whole = the_file(root).read_bytes()
    damaged = [b"", whole[:1], whole[:40], whole[:-1], whole + b"\0", b"\x02" + whole[1:], b"{}", bytes(len(whole))]
    damaged += [whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in range(len(whole))]
    for data in damaged:
        the_file(root).write_bytes(data)
        assert templates.get(KEY, MODEL) is None


def test_a_damaged_template_can_be_made_again(photos: FolderPhotos, templates: Templates, root: Path) -> None:
    photos.put(KEY, b"a photo")
    keep(photos)
    the_file(root).write_bytes(b"damaged")
    keep(photos)
    assert templates.get(KEY, MODEL) == TEMPLATE


def test_expiry_removes_damaged_templates(photos: FolderPhotos, root: Path) -> None:
    photos.put(KEY, b"a photo")
    keep(photos)
    the_file(root).write_bytes(b"damaged")
    photos.expire("face-images/", LATER, lambda keys: set())
    assert files(root) == []


def test_only_the_owner_may_read_a_template(photos: FolderPhotos, root: Path) -> None:
    photos.put(KEY, b"a photo")
    keep(photos)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (the_file(root).parent, the_file(root))]
    assert modes == [0o700, 0o600]


def test_no_file_name_says_whose_template_it_is(photos: FolderPhotos, root: Path) -> None:
    photos.put("reference-faces/jane.roe.jpg", b"a photo")
    keep(photos, "reference-faces/jane.roe.jpg")
    assert "jane" not in the_file(root).name
