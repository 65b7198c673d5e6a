"""Which file a table means by a photo's name, in zip archives and folders as systems make them."""

from __future__ import annotations

import io
import struct
import unicodedata
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from core.domain.errors import InvalidInput, PhotoNotFound, PhotoRefused
from core.services import photo_sources
from core.services.photo_names import PhotoFile
from core.services.photo_sources import FolderSource, ZipSource

ANN, BOB = b"\xff\xd8 ann", b"\xff\xd8 bob"
LIMIT = 100
Source = ZipSource | FolderSource
#: Makes a source of these files.
Make = Callable[[dict[str, bytes]], Source]


def zipped(files: dict[str, bytes], **raw: bytes) -> ZipSource:
    """An archive whose names have the flag of UTF-8 if they need it."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return ZipSource(out, LIMIT)


def unflagged(*files: tuple[bytes, bytes], extra: bytes = b"") -> ZipSource:
    """An archive whose names are these bytes, without the flag of UTF-8."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of names that are there twice
        for number, (name, data) in enumerate(files):
            info = zipfile.ZipInfo(f"{number:0{len(name)}}")
            info.extra = extra
            archive.writestr(info, data)
    packed = out.getvalue()
    for number, (name, _) in enumerate(files):
        packed = packed.replace(b"%0*d" % (len(name), number), name)
    return ZipSource(io.BytesIO(packed), LIMIT)


@pytest.fixture(params=["zip", "folder"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    def folder(files: dict[str, bytes]) -> Source:
        for name, data in files.items():
            path = tmp_path / "photos" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return FolderSource(tmp_path / "photos", LIMIT)

    return zipped if request.param == "zip" else folder


def path_of(source: Source, name: str) -> str:
    found = source.find([name])[name]
    assert isinstance(found, PhotoFile), found
    return found.path


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("ann.jpg", "ann.jpg"),
        ("people/ann.jpg", "people/ann.jpg"),
        ("people\\ann.jpg", "people/ann.jpg"),
        ("./people/ann.jpg", "people/ann.jpg"),
        ("ann.jpg", "people/2026/ann.jpg"),
        ("people/ann.jpg", "ann.jpg"),
        ("people/ann.jpg", "all/people/ann.jpg"),
        ("C:\\photos\\ann.jpg", "people/ann.jpg"),
        ("Shot 9.41 PM.jpg", "Shot 9.41\u202fPM.jpg"),
        ("Zo\u00e9.jpg", "Zoe\u0301.jpg"),
        ("img_1.jpg", "IMG_1.JPG"),
        ("STRASSE.jpg", "straße.jpg"),
        ("img_1.jpg", "img_1.jpeg"),
        ("img_1.jpeg", "img_1.JPG"),
        ("img_1.jpe", "img_1.jfif"),
        ("img_1.jpg", "people/IMG_1.JPEG"),
    ],
)
def test_the_one_file_that_may_be_meant_is_found(make: Make, name: str, file: str) -> None:
    source = make({file: ANN, "bob.jpg": BOB})
    assert (path_of(source, name), source.read(name)) == (file, ANN)


@pytest.mark.parametrize(
    "name", ["anne.jpg", "ann", "ann.png", "ann.jpg.jpg", "people", "", ".", "..", "/", "an?.jpg"]
)
def test_no_other_file_is_taken(make: Make, name: str) -> None:
    with pytest.raises(PhotoNotFound):
        make({"people/ann.jpg": ANN}).read(name)


@pytest.mark.parametrize(
    ("name", "closest", "other"),
    [
        ("ann.jpg", "ann.jpg", "ANN.jpg"),
        ("ann.jpg", "ann.jpg", "people/ann.jpg"),
        ("ann.jpg", "ann.jpg", "ann.jpeg"),
        ("ann.jpg", "ANN.JPG", "ann.jpeg"),
        ("ann.jpg", "ANN.jpg", "people/ann.jpg"),
        ("ann.jpg", "people/ann.jpg", "ann.jpeg"),
        ("ann.jpg", "people/ann.jpg", "people/Ann.jpg"),
        ("a/ann.jpg", "a/ANN.JPG", "b/ann.jpg"),
        ("a/ann.jpg", "all/a/ann.jpg", "all/b/ann.jpg"),
        ("all/a/ann.jpg", "a/ann.jpg", "b/ann.jpg"),
        ("a b.jpg", "a b.jpg", "a\u202fb.jpg"),
        ("a b.jpg", "a\u202fb.jpg", "A b.jpg"),
    ],
)
def test_of_several_files_the_closest_is_taken(make: Make, name: str, closest: str, other: str) -> None:
    assert make({other: BOB, closest: ANN}).read(name) == ANN


@pytest.mark.parametrize(
    "files",
    [
        ("a/ann.jpg", "b/ann.jpg"),
        ("ANN.jpg", "Ann.jpg"),
        ("ann.jpeg", "ann.jfif"),
        tuple(f"{number}/ann.jpg" for number in range(200)),
    ],
)
def test_a_photo_is_never_guessed(make: Make, files: tuple[str, ...]) -> None:
    source = make({name: b"\xff\xd8 %d" % number for number, name in enumerate(files)})
    with pytest.raises(PhotoRefused, match="several files of this name"):
        source.read("ann.jpg")
    assert source.read(files[1]) == b"\xff\xd8 1"


def test_files_with_the_same_bytes_count_as_one(make: Make) -> None:
    assert make({"a/ann.jpg": ANN, "b/ann.jpg": ANN}).read("ann.jpg") == ANN


@pytest.mark.parametrize(
    ("names", "file", "taken"),
    [
        (("a/ann.jpg", "b/ann.jpg"), "a/ann.jpg", {"a/ann.jpg"}),
        (("a/ann.jpg", "b/ann.jpg"), "ann.jpg", set()),
        (("ann.jpg", "ann.jpeg"), "ann.jpg", {"ann.jpg"}),
        (("ann.jpg", "Ann.JPG", "people/ann.jpg"), "people/ann.jpg", {"ann.jpg", "Ann.JPG", "people/ann.jpg"}),
    ],
)
def test_a_file_goes_to_the_line_that_means_it(
    make: Make, names: tuple[str, ...], file: str, taken: set[str]
) -> None:
    found = make({file: ANN}).find(names)
    assert {name for name, each in found.items() if isinstance(each, PhotoFile)} == taken


def test_many_folders_with_one_name_of_photos_are_told_apart(make: Make) -> None:
    names = [f"{number:05}/photo.jpg" for number in range(300)]
    found = make({f"all/{name}": name.encode() for name in names}).find(names)
    assert [each.read() for each in found.values() if isinstance(each, PhotoFile)] == [
        name.encode() for name in names
    ]


@pytest.mark.parametrize(
    "litter", ["__MACOSX/people/ann.jpg", "__MACOSX/._ann.jpg", "people/._ann.jpg", ".DS_Store", "a/Thumbs.db"]
)
def test_what_systems_add_is_no_photo(make: Make, litter: str) -> None:
    source = make({litter: BOB, "all/ann.jpg": ANN})
    assert source.read("ann.jpg") == ANN
    with pytest.raises(PhotoNotFound):
        source.read(litter.rpartition("/")[2].replace("ann.jpg", "bob.jpg"))


class TestNamesInArchives:
    def test_utf8_without_the_flag_is_read_as_macos_writes_it(self) -> None:
        name = unicodedata.normalize("NFD", "people/Zoé.jpg")
        source = unflagged((name.encode(), ANN))
        assert (source.read("Zoé.jpg"), source.read("people/Zoé.jpg")) == (ANN, ANN)

    @pytest.mark.parametrize(
        ("page", "name"),
        [
            ("cp437", "Müller.jpg"),
            ("cp437", "Ñandú.jpg"),
            ("cp850", "João.jpg"),
            ("cp850", "Ána.jpg"),
            ("cp1252", "José Núñez.jpg"),
            ("cp1252", "Œuvre’s.jpg"),
            ("cp932", "山田太郎.jpg"),
            ("cp932", "people/表示.jpg"),  # its second byte is a backslash
        ],
    )
    def test_the_code_page_is_the_one_in_which_the_name_is_found(self, page: str, name: str) -> None:
        source = unflagged((name.encode(page), ANN), (b"bob.jpg", BOB))
        assert (path_of(source, name), source.read(name), source.read("bob.jpg")) == (name, ANN, BOB)

    def test_one_code_page_holds_for_the_whole_table(self) -> None:
        # In the wrong code page the third name is somebody else's.
        names = ["Jürgen.jpg", "Ána.jpg", "João.jpg"]
        source = unflagged(*((name.encode("cp850"), name.encode()) for name in names))
        stranger = "João.jpg".encode("cp850").decode("cp437")
        found = source.find([*names, stranger])
        assert [each.path for each in found.values() if isinstance(each, PhotoFile)] == names
        assert isinstance(found[stranger], PhotoNotFound)

    def test_a_name_in_an_extra_field_goes_before_the_code_page(self) -> None:
        raw, name = b"Z_a.jpg", "Зоя.jpg"
        field = struct.pack("<BL", 1, zlib.crc32(raw)) + name.encode()
        source = unflagged((raw, ANN), extra=struct.pack("<HH", 0x7075, len(field)) + field)
        assert path_of(source, name) == name

    @pytest.mark.parametrize(
        "extra", [struct.pack("<HH", 0x7075, 2) + b"\1\0", struct.pack("<HH", 0x7075, 9) + bytes(9)]
    )
    def test_an_extra_field_that_does_not_fit_is_left_aside(self, extra: bytes) -> None:
        assert unflagged((b"ann.jpg", ANN), extra=extra).read("ann.jpg") == ANN

    def test_one_entry_twice_with_other_bytes_is_refused(self) -> None:
        assert unflagged((b"ann.jpg", ANN), (b"ann.jpg", ANN)).read("ann.jpg") == ANN
        with pytest.raises(PhotoRefused, match="several"):
            unflagged((b"ann.jpg", ANN), (b"ann.jpg", BOB)).read("ann.jpg")

    @pytest.mark.parametrize("name", ["\ufdfa" * 5000, "a/" * 2000 + "ann.jpg", "/" * 5000])
    def test_a_name_beyond_measure_is_left_out(self, name: str) -> None:
        with pytest.raises(PhotoNotFound):
            zipped({name: BOB}).read(name)

    def test_more_files_than_anybody_has_are_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(photo_sources, "MAX_FILES", 2)
        with pytest.raises(InvalidInput, match="Split it"):
            zipped({"a": ANN, "b": ANN, "c": ANN})

    def test_many_names_of_one_file_end(self) -> None:
        names = [f"{number}/ann.jpg" for number in range(20_000)]
        source = zipped({f"x{number}/ann.jpg": b"%d" % number for number in range(200)})
        assert not [each for each in source.find(names).values() if isinstance(each, PhotoFile)]
        assert not [each for each in zipped({"ann.jpg": ANN}).find(names).values() if isinstance(each, PhotoFile)]


class TestFolders:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        folder = tmp_path / "photos"
        (folder / "in" / "side").mkdir(parents=True)
        (folder / "in" / "side" / "ann.jpg").write_bytes(ANN)
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "bob.jpg").write_bytes(BOB)
        return folder

    def test_links_that_lead_out_are_not_followed(self, folder: Path) -> None:
        (folder / "out").symlink_to(folder.parent / "out")
        (folder / "in" / "bob.jpg").symlink_to(folder.parent / "out" / "bob.jpg")
        (folder / "in" / "round").symlink_to(folder)
        (folder / "ann-too.jpg").symlink_to(folder / "in" / "side" / "ann.jpg")
        source = FolderSource(folder, LIMIT)
        assert sorted(source.names) == ["ann-too.jpg", "in/side/ann.jpg"]
        for name in ("bob.jpg", "out/bob.jpg", "../out/bob.jpg", str(folder.parent / "out" / "bob.jpg")):
            with pytest.raises(PhotoNotFound):
                source.read(name)

    def test_a_name_that_is_no_text_hinders_no_other(self, folder: Path) -> None:
        (folder / "in" / "\udcff.jpg").write_bytes(BOB)
        assert sorted(FolderSource(folder, LIMIT).names) == ["in/side/ann.jpg", "in/\ufffd.jpg"]

    def test_subfolders_have_a_bound(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(photo_sources, "MAX_DEPTH", 1)
        assert list(FolderSource(folder, LIMIT).names) == []

    def test_more_files_than_anybody_has_are_refused(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (folder / "bob.jpg").write_bytes(BOB)
        monkeypatch.setattr(photo_sources, "MAX_FILES", 1)
        with pytest.raises(InvalidInput, match="only the photos"):
            FolderSource(folder, LIMIT)
