"""A list of registrations: what is good goes in, the rest is named by its line."""

from __future__ import annotations

import hashlib
import io
import tracemalloc
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.adapters.embedded.registrations import SqliteRegistrations
from core.domain.columns import REGISTRATION_DTYPES
from core.domain.errors import InvalidInput, PhotoNotFound, PhotoTooLarge, PhotoUnsupported, Unavailable
from core.domain.frames import registration_frame
from core.domain.records import Registration
from core.services.export import as_csv
from core.services.importing import (
    BATCH,
    ImportReport,
    import_registrations,
)
from core.services.lists.headers import Choices
from core.services.lists.people import read_people
from core.services.photo_sources import FolderSource, PhotoSource, ZipSource
from core.services.tables import of_frame

HEADER = "registrationId,userId,eventId,name,email,photo"
NO_CHOICES = Choices()
PHOTO, OTHER_PHOTO = b"\xff\xd8 one", b"\xff\xd8 two"


@dataclass(frozen=True)
class Cleaned:
    jpeg: bytes


class Sanitiser:
    """Takes what begins like a JPEG, and marks it as cleaned."""

    def clean(self, data: bytes) -> Cleaned:
        if not data.startswith(b"\xff\xd8"):
            raise PhotoUnsupported("This is no photo.")
        return Cleaned(b"clean " + data)


@dataclass
class Kept:
    """Photos in memory."""

    photos: dict[str, bytes] = field(default_factory=dict)

    def put(self, key: str, data: bytes) -> None:
        self.photos[key] = data

    def get(self, key: str) -> bytes:
        return self.photos[key]

    def exists(self, key: str) -> bool:
        return key in self.photos

    def ping(self) -> None: ...

    def close(self) -> None: ...


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteRegistrations]:
    store = SqliteRegistrations(tmp_path / "facedesk.sqlite3")
    yield store
    store.close()


@pytest.fixture
def kept() -> Kept:
    return Kept()


@dataclass
class Desk:
    """Imports lines below the right header; what came of them."""

    store: SqliteRegistrations
    kept: Kept

    def run(
        self, table: bytes, source: PhotoSource | None = None, choices: Choices = NO_CHOICES, **options: Any
    ) -> ImportReport:
        people = read_people(table, choices)
        return import_registrations(
            people, source, registrations=self.store, photos=self.kept, sanitiser=Sanitiser(), **options
        )

    def lines(self, *lines: str, source: PhotoSource | None = None, **options: Any) -> ImportReport:
        return self.run("\n".join([HEADER, *lines]).encode(), source, **options)


@pytest.fixture
def desk(store: SqliteRegistrations, kept: Kept) -> Desk:
    return Desk(store, kept)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "one.jpg").write_bytes(PHOTO)
    (folder / "notes.txt").write_bytes(b"hello")
    (tmp_path / "secret.jpg").write_bytes(OTHER_PHOTO)
    return folder


def zipped(**files: bytes) -> io.BytesIO:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out


class TestTable:
    def test_a_line_becomes_a_registration(self, desk: Desk) -> None:
        desk.lines("r1,u1,e1,Ana Sá,ana@example.com,")
        assert desk.store.get("r1") == Registration(
            registration_id="r1", user_id="u1", event_id="e1", name="Ana Sá", email="ana@example.com"
        )

    def test_name_email_and_photo_may_be_empty(self, desk: Desk) -> None:
        desk.lines("r1,u1,e1,,,")
        assert desk.store.get("r1") == Registration(registration_id="r1", user_id="u1", event_id="e1")

    def test_the_report_counts_what_went_in(self, desk: Desk) -> None:
        assert desk.lines("r1,u1,e1,,,", "r2,u1,e1,,,") == ImportReport(2, (), events=("e1",))

    @pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
    def test_any_line_ending_is_read(self, desk: Desk, ending: str) -> None:
        assert desk.run(ending.join([HEADER, "r1,u1,e1,,,", "r2,u1,e1,,,", ""]).encode()).imported == 2

    def test_columns_may_stand_in_any_order_and_others_beside_them(self, desk: Desk) -> None:
        desk.run(b"photo,Seat,eventID,name, userid ,email,registrationId\n,12,e1,Ana,u1,,r1")
        assert desk.store.get("r1") == Registration(registration_id="r1", user_id="u1", event_id="e1", name="Ana")

    def test_spaces_around_values_are_dropped(self, desk: Desk) -> None:
        desk.lines(" r1 , u1,e1 ,  Ana\u00a0,,")
        assert desk.store.get("r1") == Registration(registration_id="r1", user_id="u1", event_id="e1", name="Ana")

    def test_quotes_hold_separators_and_quotes(self, desk: Desk) -> None:
        desk.lines('r1,u1,e1,"Berg, ""Ann""",,')
        assert [each.name for each in desk.store.of_user("u1")] == ['Berg, "Ann"']

    def test_blank_lines_are_passed_over(self, desk: Desk) -> None:
        assert desk.lines("", "r1,u1,e1,,,", ",,,,,", "") == ImportReport(1, (), events=("e1",))

    def test_a_registration_that_exists_is_replaced(self, desk: Desk) -> None:
        desk.lines("r1,u1,e1,Ana,,")
        desk.lines("r1,u1,e1,Anna,,")
        assert [each.name for each in desk.store.of_user("u1")] == ["Anna"]

    @pytest.mark.parametrize("column", ["registrationId", "userId", "eventId"])
    def test_without_a_column_of_an_id_nothing_goes_in(self, desk: Desk, column: str) -> None:
        header = HEADER.replace(column, "seat")
        with pytest.raises(InvalidInput, match=column if column != "eventId" else "event ids"):
            desk.run(f"{header}\nr1,u1,e1,,,".encode())
        assert desk.store.is_empty()


class TestBadLines:
    @pytest.mark.parametrize(
        ("line", "message"),
        [
            (",u1,e1,,,", "registrationId is empty."),
            ("r2,  ,e1,,,", "userId is empty."),
            ("r2,u1,,,,", "eventId is empty."),
            ("r2,u1", "eventId is empty."),
            ("r2,u1,e1,Berg, Ann,a@example.com,", "there are 7 cells where the header has 6."),
            (f"r2,{'u' * 255},e1,,,", "userId is longer than 254 characters."),
            ("r2,u1\x00,e1,,,", "userId has a line break or another control character."),
            ('r2,u1,"e\n1",,,', "eventId has a line break or another control character."),
            ("r1,u9,e9,,,", "registrationId 'r1' is on line 2 already."),
            ("r2,u1,e1,,,a.jpg", "photo 'a.jpg': No photos were given with the list."),
        ],
    )
    def test_a_bad_line_is_named_and_the_rest_goes_in(self, desk: Desk, line: str, message: str) -> None:
        report = desk.lines("r1,u1,e1,,,", line, "r3,u1,e1,,,")
        assert (report.imported, [str(each) for each in report.problems]) == (2, [f"Line 3: {message}"])

    def test_of_two_lines_with_one_id_the_first_goes_in(self, desk: Desk) -> None:
        desk.lines("r1,u1,e1,First,,", "r1,u1,e1,Second,,")
        assert [each.name for each in desk.store.of_user("u1")] == ["First"]

    def test_lines_are_counted_as_an_editor_does(self, desk: Desk) -> None:
        report = desk.lines('r1,u1,e1,"two\nlines",,', "", ",u1,e1,,,")
        assert [each.line for each in report.problems] == [5]

    def test_a_quote_that_nobody_closes_says_which_lines_it_swallowed(self, desk: Desk) -> None:
        report = desk.lines("r1,u1,e1,,,", 'r2,u1,e1,"Ann,,', "r3,u1,e1,,,")
        assert [str(each) for each in report.problems] == [
            "Line 3: the line is not CSV (unexpected end of data); lines 3 to 4 are lost with it."
        ]


class TestPhotos:
    def test_the_cleaned_photo_is_kept_under_its_content(self, desk: Desk, folder: Path) -> None:
        desk.lines("r1,u1,e1,,,one.jpg", source=FolderSource(folder, 100))
        cleaned = b"clean " + PHOTO
        assert desk.kept.photos == {f"reference-faces/{hashlib.sha256(cleaned).hexdigest()}.jpg": cleaned}

    def test_the_registration_names_its_photo(self, desk: Desk, folder: Path) -> None:
        desk.lines("r1,u1,e1,,,one.jpg", source=FolderSource(folder, 100))
        assert [each.reference_photo_key for each in desk.store.of_user("u1")] == list(desk.kept.photos)

    def test_a_submitted_photo_is_kept_apart_from_references_and_from_other_peoples(
        self, desk: Desk, folder: Path
    ) -> None:
        table = f"{HEADER},submittedPhoto\nr1,u1,e1,,,one.jpg,one.jpg\nr2,u1,e1,,,,one.jpg\n"
        desk.run(table.encode(), FolderSource(folder, 100))
        first, second = desk.store.of_user("u1")
        keys = {first.reference_photo_key, first.submitted_photo_key, second.submitted_photo_key}
        assert (len(keys), keys) == (3, set(desk.kept.photos))

    @pytest.mark.parametrize("name", ["two.jpg", "../secret.jpg", "/etc/passwd", "..", ".", "notes.txt"])
    def test_a_line_whose_photo_is_missing_outside_or_no_photo_does_not_go_in(
        self, desk: Desk, folder: Path, name: str
    ) -> None:
        report = desk.lines(f"r1,u1,e1,,,{name}", "r2,u1,e1,,,", source=FolderSource(folder, 100))
        assert (report.imported, [each.line for each in report.problems]) == (1, [2])

    def test_a_refused_photo_is_named_with_the_sentence(self, desk: Desk, folder: Path) -> None:
        report = desk.lines("r1,u1,e1,,,notes.txt", source=FolderSource(folder, 100))
        assert [str(each) for each in report.problems] == ["Line 2: photo 'notes.txt': This is no photo."]

    def test_the_first_failing_store_ends_the_import(self, desk: Desk, folder: Path) -> None:
        def put(key: str, data: bytes) -> None:
            raise Unavailable("photos", "SlowDown")

        desk.kept.put = put  # type: ignore[method-assign]
        with pytest.raises(Unavailable):
            desk.lines("r1,u1,e1,,,one.jpg", source=FolderSource(folder, 100))
        assert desk.store.is_empty()

    def test_the_report_says_which_file_is_called_otherwise(self, desk: Desk, folder: Path) -> None:
        source = ZipSource(zipped(**{"people/IMG_1.JPEG": PHOTO, "two.jpg": PHOTO, "notes.JPG": b"no photo"}), 100)
        report = desk.lines("r1,u1,e1,,,img_1.jpg", "r2,u1,e1,,,two.jpg", "r3,u1,e1,,,notes.jpg", source=source)
        assert [str(each) for each in report.notices] == [
            "Line 2: photo 'img_1.jpg' is the file 'people/IMG_1.JPEG' in the zip archive."
        ]
        assert [str(each) for each in report.problems] == ["Line 4: photo 'notes.jpg': This is no photo."]

    def test_a_folder_that_is_left_out_and_the_form_of_a_letter_are_no_notice(self, desk: Desk) -> None:
        source = ZipSource(zipped(**{"all/people/Zoe\u0301.jpg": PHOTO}), 100)
        report = desk.lines("r1,u1,e1,,,Zo\u00e9.jpg", "r2,u1,e1,,,people\\Zo\u00e9.jpg", source=source)
        assert report == ImportReport(2, (), events=("e1",))

    def test_progress_reaches_the_number_of_lines(self, desk: Desk) -> None:
        seen: list[tuple[int, int]] = []
        lines = [f"r{n},u1,e1,,," for n in range(BATCH + 1)]
        desk.lines(*lines, progress=lambda done, total: seen.append((done, total)))
        assert seen == [(BATCH, BATCH + 1), (BATCH + 1, BATCH + 1)]


class TestFolder:
    def test_a_link_out_of_the_folder_is_not_followed(self, folder: Path) -> None:
        (folder / "link.jpg").symlink_to(folder.parent / "secret.jpg")
        with pytest.raises(PhotoNotFound):
            FolderSource(folder, 100).read("link.jpg")

    def test_a_name_in_another_form_of_unicode_is_found(self, folder: Path) -> None:
        (folder / "Jose\u0301.jpg").write_bytes(PHOTO)
        assert FolderSource(folder, 100).read("José.jpg") == PHOTO

    def test_a_file_above_the_limit_is_too_large(self, folder: Path) -> None:
        with pytest.raises(PhotoTooLarge):
            FolderSource(folder, len(PHOTO) - 1).read("one.jpg")

    def test_a_folder_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidInput, match="nowhere"):
            FolderSource(tmp_path / "nowhere", 100)


class TestZip:
    @pytest.mark.parametrize("name", ["one.jpg", "photos/one.jpg", "../../one.jpg", "/one.jpg", "photos\\one.jpg"])
    def test_a_photo_is_found_by_its_name_in_whatever_folder(self, name: str) -> None:
        assert ZipSource(zipped(**{name: PHOTO}), 100).read("one.jpg") == PHOTO

    @pytest.mark.parametrize("name", ["two.jpg", "one.png", "one.jpg/photos", "..", ""])
    def test_any_other_name_is_not_found(self, name: str) -> None:
        with pytest.raises(PhotoNotFound):
            ZipSource(zipped(**{"photos/one.jpg": PHOTO}), 100).read(name)

    def test_a_name_that_stands_twice_is_refused(self) -> None:
        with pytest.raises(PhotoUnsupported, match="several"):
            ZipSource(zipped(**{"a/one.jpg": PHOTO, "b/one.jpg": OTHER_PHOTO}), 100).read("one.jpg")

    def test_a_bomb_is_not_unpacked_beyond_the_limit(self) -> None:
        source = ZipSource(zipped(bomb=b"\0" * 50_000_000), 1000)
        tracemalloc.start()
        with pytest.raises(PhotoTooLarge):
            source.read("bomb")
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 5_000_000

    def test_a_size_that_lies_is_found_out(self) -> None:
        packed = zipped(one=b"\0" * 10_000).getvalue().replace((10_000).to_bytes(4, "little"), b"\x0a\0\0\0")
        with pytest.raises(PhotoUnsupported):
            ZipSource(io.BytesIO(packed), 1000).read("one")

    def test_a_damaged_photo_is_refused(self) -> None:
        packed = bytearray(zipped(**{"one.jpg": bytes(range(256)) * 4}).getvalue())
        packed[60:80] = b"\xff" * 20
        with pytest.raises(PhotoUnsupported):
            ZipSource(io.BytesIO(bytes(packed)), 10_000).read("one.jpg")

    def test_an_encrypted_photo_is_refused(self) -> None:
        packed = bytearray(zipped(**{"one.jpg": PHOTO}).getvalue())
        packed[6] |= 1
        packed[packed.index(b"PK\x01\x02") + 8] |= 1
        with pytest.raises(PhotoUnsupported):
            ZipSource(io.BytesIO(bytes(packed)), 100).read("one.jpg")

    def test_a_packing_that_may_take_much_memory_is_refused(self) -> None:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_LZMA) as archive:
            archive.writestr("one.jpg", PHOTO)
        with pytest.raises(PhotoUnsupported, match="plain zip"):
            ZipSource(out, 100).read("one.jpg")

    @pytest.mark.parametrize("data", [b"", b"no zip", b"PK\x03\x04" + b"\0" * 50])
    def test_what_is_no_zip_archive_is_refused(self, data: bytes) -> None:
        with pytest.raises(InvalidInput, match="zip"):
            ZipSource(io.BytesIO(data), 100)


# Our own list of registrations, read back

#: Text that an import takes: without control characters, white space around it or too great a length.
_TEXT = st.text("=+-@,;|\"' aé＝", min_size=1, max_size=8).map(str.strip).filter(bool)
_EXPORT_HEADER = "registrationId,userId,eventId,name,email,referencePhotoKey,submittedPhotoKey"


def exported(*registrations: Registration) -> bytes:
    """The CSV of these registrations, as it is downloaded."""
    rows = [registration.model_dump(by_alias=True) for registration in registrations]
    frame = registration_frame({name: [row[name] for row in rows] for name in REGISTRATION_DTYPES})
    return b"".join(as_csv(of_frame(frame)))


class TestOwnExport:
    @settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.lists(st.tuples(_TEXT, _TEXT, _TEXT, _TEXT | st.none(), _TEXT | st.none()), min_size=1, max_size=4))
    def test_it_is_read_back_unchanged(
        self, desk: Desk, texts: list[tuple[str, str, str, str | None, str | None]]
    ) -> None:
        there = {
            text[0]: Registration(
                registration_id=text[0], user_id=text[1], event_id=text[2], name=text[3], email=text[4]
            )
            for text in texts
        }
        report = desk.run(exported(*there.values()))
        assert (report.imported, report.problems, report.notices) == (len(there), (), ())
        assert {key: desk.store.get(key) for key in there} == there

    @pytest.mark.parametrize(
        "text", ["=1+1", "'=1+1", "''=1+1", "-Nabc", "'-Nabc", "Anna;=1+1", "Anna;'=1+1", "O'Brien"]
    )
    def test_apostrophes_of_ours_are_taken_away_and_others_stay(self, desk: Desk, text: str) -> None:
        registration = Registration(registration_id=text, user_id="u1", event_id="e1", name=text)
        desk.run(exported(registration))
        assert desk.store.get(text) == registration

    def test_apostrophes_of_other_lists_stay(self, desk: Desk) -> None:
        desk.lines("'-Nabc,u1,e1,'=1,,")
        assert desk.store.get("'-Nabc") == Registration(
            registration_id="'-Nabc", user_id="u1", event_id="e1", name="'=1"
        )

    def test_its_columns_may_be_in_another_order_and_have_others_beside_them(self, desk: Desk) -> None:
        desk.run(
            b"Seat,submittedphotokey,referencePhotoKey,email,name,eventId,userId,registrationId\n7,,,,,e1,u1,'-r"
        )
        assert desk.store.get("-r") == Registration(registration_id="-r", user_id="u1", event_id="e1")

    def test_it_may_be_saved_with_semicolons(self, desk: Desk) -> None:
        desk.run(f"{_EXPORT_HEADER}\n'-r,u1,e1,,,,".replace(",", ";").encode())
        assert desk.store.get("-r")

    def test_photos_that_are_stored_are_kept(self, desk: Desk) -> None:
        desk.kept.put("reference-faces/1.jpg", PHOTO)
        desk.kept.put("face-images/1.jpg", PHOTO)
        registration = Registration(
            registration_id="r1",
            user_id="u1",
            event_id="e1",
            reference_photo_key="reference-faces/1.jpg",
            submitted_photo_key="face-images/1.jpg",
        )
        assert desk.run(exported(registration)).imported == 1
        assert desk.store.get("r1") == registration

    @pytest.mark.parametrize("keys", ["gone.jpg,", ",gone.jpg", "withheld,", "../secret.jpg,"])
    def test_a_line_whose_photo_is_not_stored_does_not_go_in(self, desk: Desk, keys: str) -> None:
        report = desk.run(f"{_EXPORT_HEADER}\nr1,u1,e1,,,{keys}".encode())
        key = keys.strip(",")
        assert [str(each) for each in report.problems] == [f"Line 2: photo key {key!r}: there is no such photo here."]
        assert desk.store.get("r1") is None

    def test_a_file_that_is_named_comes_in_the_place_of_a_stored_photo(self, desk: Desk, folder: Path) -> None:
        table = f"{_EXPORT_HEADER},photo\nr1,u1,e1,,,gone.jpg,,one.jpg"
        assert desk.run(table.encode(), FolderSource(folder, 100)).imported == 1
        found = desk.store.get("r1")
        assert found is not None
        assert found.reference_photo_key is not None
        assert desk.kept.get(found.reference_photo_key) == b"clean " + PHOTO
