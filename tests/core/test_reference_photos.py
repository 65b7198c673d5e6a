"""A reference photo is examined once: its template stands for it from then on, and for no other photo."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

from core.adapters.embedded import engine as local
from core.adapters.embedded.engine import LocalEngine
from core.adapters.embedded.templates import FolderTemplates
from core.domain.errors import DiskFull, Service
from core.domain.records import Provenance, Registration, Source
from core.domain.roles import local as a_person
from core.files.disk import TEMPLATES
from core.photos.sanitiser import CleanPhoto, PhotoSanitiser
from core.ports import TemplateEngine
from core.runtime import usage
from core.runtime.backup import backup, restore
from core.services.batch import Choice
from core.services.reference_photos import ReferenceTemplates
from core.services.validation import Submitter
from tests.support.portraits import as_jpeg
from tests.support.production import Site, embedded, validation_by
from tests.support.wiring import wired

ANYBODY = Submitter(Source.API)
#: Pixels on each side of the photos that are submitted; no reference photo has it.
SUBMITTED = 448

Sites = Callable[[], Site]


@pytest.fixture
def start(tmp_path: Path, local_engine: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sites]:
    """Starts Facedesk anew, so that nothing is in memory; the weights are those that are loaded already."""
    local_engine.ping()
    monkeypatch.setattr(local, "Networks", lambda: local_engine._networks)
    running: list[Any] = []

    def started() -> Site:
        stop()
        running.append(embedded(tmp_path / "data"))
        site: Site = running[-1].__enter__()
        return site

    def stop() -> None:
        while running:
            running.pop().__exit__(None, None, None)

    yield started
    stop()


@pytest.fixture
def examined(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The width of each picture that the engine examined, in order."""
    seen, examine = [], local.examine

    def noted(networks: Any, picture: Any) -> Any:
        seen.append(picture.shape[1])
        return examine(networks, picture)

    monkeypatch.setattr(local, "examine", noted)
    return seen


@pytest.fixture
def cleaned(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Each file that was decoded and encoded again."""
    seen, clean = [], PhotoSanitiser.clean

    def noted(sanitiser: PhotoSanitiser, data: bytes) -> CleanPhoto:
        seen.append(data)
        return clean(sanitiser, data)

    monkeypatch.setattr(PhotoSanitiser, "clean", noted)
    return seen


@pytest.fixture
def selfie(astronaut_jpeg: bytes) -> bytes:
    return as_jpeg(astronaut_jpeg, (SUBMITTED, SUBMITTED))


def validate(site: Site, person: Registration, photo: bytes) -> Any:
    """The outcome of an attempt with this photo."""
    validated = site.services.validation.validate_upload(person.registration_id, photo, uuid4().hex, ANYBODY)
    return validated.attempt


def kept(data: Path) -> list[Path]:
    return list((data / "photos" / TEMPLATES).rglob("*"))


def test_a_later_validation_examines_the_submitted_photo_alone(
    start: Sites, examined: list[int], selfie: bytes, astronaut_jpeg: bytes
) -> None:
    site = start()
    person = site.register(astronaut_jpeg)
    first = validate(site, person, selfie)
    assert sorted(examined) == [SUBMITTED, 512]
    examined.clear()
    later = validate(start(), person, selfie)
    assert examined == [SUBMITTED]
    assert (later.status, later.similarity) == (first.status, first.similarity) == ("success", first.similarity)


def test_a_later_validation_does_not_even_read_the_reference_photo(
    start: Sites, cleaned: list[bytes], selfie: bytes, astronaut_jpeg: bytes
) -> None:
    site = start()
    person = site.register(astronaut_jpeg)
    validate(site, person, selfie)
    cleaned.clear()
    validate(start(), person, selfie)
    assert cleaned == [selfie]


def test_a_template_compares_as_its_photo_does(local_engine: LocalEngine, selfie: bytes, hopper_jpeg: bytes) -> None:
    template = local_engine.template(hopper_jpeg)
    assert local_engine.compare_template(selfie, template) == local_engine.compare(selfie, hopper_jpeg)


def test_the_vectors_of_templates_give_the_similarity_of_a_comparison(
    local_engine: LocalEngine, selfie: bytes, astronaut_jpeg: bytes
) -> None:
    one, other = (local_engine.vector(local_engine.template(photo)) for photo in (selfie, astronaut_jpeg))
    assert one is not None
    assert other is not None
    assert (one.dtype, one.shape, float(one @ one)) == (np.float32, (128,), pytest.approx(1, abs=1e-5))
    (match,) = local_engine.compare(selfie, astronaut_jpeg)["FaceMatches"]
    assert local_engine.similarity_of(np.array([one @ other])) == pytest.approx([match["Similarity"]], abs=1e-3)


def test_a_photo_without_a_face_has_no_vector(local_engine: LocalEngine, landscape_jpeg: bytes) -> None:
    assert local_engine.vector(local_engine.template(landscape_jpeg)) is None


def test_a_replaced_reference_photo_is_examined_again(
    start: Sites, examined: list[int], selfie: bytes, astronaut_jpeg: bytes, hopper_jpeg: bytes
) -> None:
    site = start()
    person = site.register(astronaut_jpeg)
    validate(site, person, selfie)
    site.services.photos.put(person.reference_photo_key or "", hopper_jpeg)
    examined.clear()
    assert "FACE_MISMATCH" in validate(site, person, as_jpeg(selfie, (450, 450))).reasons
    assert sorted(examined) == [450, 512]


def test_another_model_examines_the_reference_photo_again(
    start: Sites, examined: list[int], monkeypatch: pytest.MonkeyPatch, selfie: bytes, astronaut_jpeg: bytes
) -> None:
    site = start()
    person = site.register(astronaut_jpeg)
    validate(site, person, selfie)
    examined.clear()
    monkeypatch.setattr(LocalEngine, "provenance", Provenance(engine="facedesk-opencv", model="another"))
    validate(start(), person, selfie)
    assert sorted(examined) == [SUBMITTED, 512]


@pytest.mark.parametrize("reference", ["gone", "refused", "landscape_jpeg", "hopper_jpeg", "none"])
def test_references_of_every_kind_are_judged_as_without_templates(
    start: Sites, request: pytest.FixtureRequest, selfie: bytes, reference: str
) -> None:
    files = {"gone": b"", "refused": b"this is no photo", "none": None}
    site = start()
    person = site.register(files[reference] if reference in files else request.getfixturevalue(reference))
    if reference == "gone":
        site.services.photos.erase(person.reference_photo_key or "")
    with closing(validation_by(site.services.engine, site.services)) as without:
        expected = without.validate_upload(person.registration_id, selfie, "without", ANYBODY).attempt
    for _ in range(2):
        found = validate(site, person, selfie)
        assert (found.status, found.reasons, found.similarity) == (
            expected.status,
            expected.reasons,
            expected.similarity,
        )


def test_a_template_belongs_to_the_key_under_which_the_photo_was_found(
    start: Sites, examined: list[int], selfie: bytes, astronaut_jpeg: bytes, hopper_jpeg: bytes
) -> None:
    site = start()
    site.services.photos.put("reference-faces/a b.jpg", astronaut_jpeg)
    person = site.register(reference_photo_key="/reference-faces/a%20b.jpg")
    assert validate(site, person, selfie).status == "success"
    # From now on there is a photo under the key as the registration writes it.
    site.services.photos.put("/reference-faces/a%20b.jpg", hopper_jpeg)
    assert validate(site, person, selfie).status == "failed"
    site.services.photos.erase("/reference-faces/a%20b.jpg")
    examined.clear()
    site = start()
    assert validate(site, person, selfie).status == "success"
    assert examined == [SUBMITTED]


def test_an_erasure_takes_the_template(start: Sites, tmp_path: Path, selfie: bytes, astronaut_jpeg: bytes) -> None:
    site = start()
    person = site.register(astronaut_jpeg)
    validate(site, person, selfie)
    (template,) = kept(tmp_path / "data")
    name, content = template.name.encode(), template.read_bytes()
    pieces = [name, *(content[at : at + 24] for at in range(200, len(content) - 24, 100))]
    site.services.erasures.erase(person.user_id, person.user_id, a_person("Ada"))
    start()
    files = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert [path for path in files for piece in pieces if piece in path.name.encode() + path.read_bytes()] == []


def test_the_reference_check_makes_the_templates(
    start: Sites, examined: list[int], selfie: bytes, astronaut_jpeg: bytes
) -> None:
    site = start()
    person = site.register(astronaut_jpeg)
    site.services.references.run(person.event_id, threading.Event())
    assert examined == [512]
    examined.clear()
    validate(start(), person, selfie)
    assert examined == [SUBMITTED]


def test_a_batch_makes_the_templates_and_uses_them(
    start: Sites, examined: list[int], selfie: bytes, astronaut_jpeg: bytes
) -> None:
    def batch(site: Site, event_id: str) -> list[int]:
        examined.clear()
        with closing(site.services.batches.open(event_id, Choice.ALL, ANYBODY)) as opened:
            assert opened.run(threading.Event()).done == 1
        return sorted(examined)

    site, sent = start(), "face-images/sent.jpg"
    site.services.photos.put(sent, selfie)
    key = site.register(astronaut_jpeg, submitted_photo_key=sent, event_id="first").reference_photo_key
    first = batch(site, "first")
    site.register(reference_photo_key=key, submitted_photo_key=sent, event_id="second")
    assert (first, batch(start(), "second")) == ([SUBMITTED, 512], [SUBMITTED])


def test_a_template_that_cannot_be_kept_costs_no_verdict(
    start: Sites, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, selfie: bytes, astronaut_jpeg: bytes
) -> None:
    def full(*_: object) -> None:
        raise DiskFull(Service.PHOTOS, "ENOSPC")

    monkeypatch.setattr(FolderTemplates, "put", full)
    site = start()
    person = site.register(astronaut_jpeg)
    assert validate(site, person, selfie).status == "success"
    assert kept(tmp_path / "data") == []


def test_templates_are_no_photos_and_in_no_backup(
    start: Sites, tmp_path: Path, selfie: bytes, astronaut_jpeg: bytes
) -> None:
    site = start()
    person = site.register(astronaut_jpeg)
    validate(site, person, selfie)
    assert usage.disk_use(tmp_path / "data").photos == 2
    backup(tmp_path / "data", tmp_path / "backup.tar", lambda done, total: None)
    restore(tmp_path / "backup.tar", tmp_path / "new", lambda done, total: None)
    assert len(kept(tmp_path / "data")) == 1
    assert kept(tmp_path / "new") == []


def test_a_reference_photo_that_goes_while_it_is_examined_leaves_no_template(
    start: Sites, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, selfie: bytes, astronaut_jpeg: bytes
) -> None:
    site = start()
    person = site.register(astronaut_jpeg)
    make = LocalEngine.template

    def overtaken(engine: TemplateEngine, photo: bytes) -> bytes:
        site.services.photos.erase(person.reference_photo_key or "")
        return make(engine, photo)  # type: ignore[arg-type]

    monkeypatch.setattr(LocalEngine, "template", overtaken)
    validate(site, person, selfie)
    assert kept(tmp_path / "data") == []


def test_only_the_engine_of_this_machine_has_templates(tmp_path: Path) -> None:
    kinds = []
    for services in wired(tmp_path):
        kinds.append(isinstance(services.references._references, ReferenceTemplates))
        services.close()
    assert kinds == [True, False]
