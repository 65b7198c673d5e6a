"""Lists of people as other programs write them: encodings, separators, headers, ids, workbooks."""

from __future__ import annotations

import io
import zipfile
from contextlib import suppress
from datetime import date
from itertools import chain
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from core.domain.errors import InvalidInput
from core.services.lists.headers import Choices
from core.services.lists.meanings import ALIASES, Meaning, normal
from core.services.lists.people import MAX_LIST_BYTES, People, read_people
from core.services.lists.sheets import MAX_UNPACKED_BYTES
from tests.support.lists import workbook

HEADER = "registrationId,userId,eventId,name,email,photo"
GOOD = "r1,u1,e1,Zoë,zoe@example.com,"


def people(*lines: str, encoding: str = "utf-8", **choices: object) -> People:
    return read_people("\n".join(lines).encode(encoding), Choices(**choices))


def said(found: People) -> list[tuple[str | None, ...]]:
    """Registration, user, event, name and e-mail of each line."""
    return [
        (each.registration_id, each.user_id, each.event_id, each.name, each.email)
        for each in (line.registration for line in found.lines)
    ]


#: What lists are made of, and what breaks them.
PIECES = [
    *(b"registrationId", b"userId", b"name", b"email", b"r1", b"\xc3\xab", b"\xeb", b"1.0", b"https://a", b" "),
    *(b",", b";", b"\t", b"|", b'"', b"\n", b"\r", b"\x00", b"\x1a", b"\xef\xbb\xbf", b"\xff\xfe", b"PK\x03\x04"),
]
ZOE = ("r1", "u1", "e1", "Zoë", "zoe@example.com")


class TestText:
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
    def test_unicode_is_read_without_a_notice(self, encoding: str) -> None:
        found = people(HEADER, GOOD, encoding=encoding)
        assert (said(found), found.notices) == ([ZOE], ())

    def test_two_byte_order_marks_are_no_part_of_the_first_column(self) -> None:
        assert said(people("\ufeff" + HEADER, GOOD, encoding="utf-8-sig")) == [ZOE]

    def test_big_endian_utf16_is_read_too(self) -> None:
        assert said(people("\ufeff" + HEADER, GOOD, encoding="utf-16-be")) == [ZOE]

    def test_windows_1252_is_read_with_a_notice(self) -> None:
        found = people(HEADER, GOOD, encoding="cp1252")
        assert (said(found), found.problems) == ([ZOE], ())
        assert "Windows-1252" in found.notices[0]

    @pytest.mark.parametrize("odd", [b"\x81", b"\xe9\x00", b"\xff\xfe\x00\xd8"])
    def test_bytes_that_are_no_text_are_refused_with_what_to_do(self, odd: bytes) -> None:
        table = odd if odd.startswith(b"\xff\xfe") else f"{HEADER}\nr1,u1,e1,".encode() + odd
        with pytest.raises(InvalidInput, match="Save it as"):
            read_people(table)

    @pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
    def test_utf16_that_does_not_say_so_is_refused_with_what_to_do(self, encoding: str) -> None:
        with pytest.raises(InvalidInput, match="UTF-16 without a byte order mark"):
            people(HEADER, GOOD, encoding=encoding)

    @settings(deadline=None, max_examples=300)
    @given(st.binary(max_size=200) | st.lists(st.sampled_from(PIECES), max_size=40).map(b"".join))
    def test_whatever_the_bytes_are_they_are_read_or_refused(self, data: bytes) -> None:
        with suppress(InvalidInput):
            read_people(data, Choices(event_id="e1", repair_ids=True))

    def test_the_line_of_such_bytes_is_named(self) -> None:
        with pytest.raises(InvalidInput, match="line 3"):
            read_people(f"{HEADER}\n{GOOD}\nr2,u1,e1,".encode() + b"\x81")

    @pytest.mark.parametrize("end", ["\x1a", "\r\n\x1a", "\x1a\r\n", "\x1a\x1a"])
    def test_the_end_that_dos_wrote_is_no_line(self, end: str) -> None:
        found = people(HEADER, GOOD + end)
        assert (said(found), found.problems) == ([ZOE], ())

    @pytest.mark.parametrize("data", [b"", b"\n", b"\x00\x01\x02", b'"', b"sep=;\r\n", b"\xd0\xcf\x11\xe0 old Excel"])
    def test_what_is_no_list_is_refused_in_one_sentence(self, data: bytes) -> None:
        with pytest.raises(InvalidInput):
            read_people(data)

    def test_a_list_beyond_the_limit_is_refused(self) -> None:
        with pytest.raises(InvalidInput, match="50 MB"):
            read_people(b" " * (MAX_LIST_BYTES + 1))


class TestLayout:
    @pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
    def test_the_separator_is_found(self, separator: str) -> None:
        assert said(people(*(line.replace(",", separator) for line in (HEADER, GOOD)))) == [ZOE]

    def test_a_question_full_of_commas_does_not_hide_the_semicolon(self) -> None:
        header = HEADER.replace(",", ";") + ';"Photos, video, audio, press, web, print, ads, streaming?"'
        assert said(people(header, GOOD.replace(",", ";") + ";yes")) == [ZOE]

    @pytest.mark.parametrize("separator", [",", ";"])
    def test_a_column_name_may_have_a_line_break(self, separator: str) -> None:
        header = f'"Your\nquestion",{HEADER},"E-Mail\nof a friend"'.replace(",", separator)
        found = people(header, f"x,{GOOD},".replace(",", separator), f",{GOOD}".replace(",", separator))
        assert (said(found), [each.line for each in found.problems]) == ([ZOE], [5])

    @pytest.mark.parametrize(
        "before",
        [
            ["sep=,"],
            ["", "", "sep=,"],
            ["Attendees of the Expo", ""],
            ["Expo, Berlin", "Exported on 1 May, 12:00", ""],
            ['"A title', 'of two lines"'],
        ],
    )
    def test_what_stands_before_the_header_is_passed_over(self, before: list[str]) -> None:
        found = people(*before, HEADER, GOOD, ",u2,e1,,,")
        assert (said(found), [each.line for each in found.problems]) == ([ZOE], [len(before) + 3])

    def test_it_is_said_that_a_title_was_passed_over(self) -> None:
        assert people("Expo", HEADER, GOOD).notices[0].startswith("The names of the columns are on line 2.")
        assert people("sep=,", HEADER, GOOD).notices == ()

    def test_a_line_break_within_a_name_becomes_a_space(self) -> None:
        found = people(HEADER, 'r1,u1,e1,"Zoë\r\nMüller",,')
        assert (said(found)[0][3], found.problems) == ("Zoë Müller", ())

    @pytest.mark.parametrize("line", ["r1,u1,e1", "r1,u1,e1,,,,,", "r1,u1,e1,,,, "])
    def test_a_line_is_padded_or_trimmed_where_nothing_is_lost(self, line: str) -> None:
        assert said(people(HEADER, line)) == [("r1", "u1", "e1", None, None)]

    @pytest.mark.parametrize("line", ["r1,u1", "r1", "r1,u1,e1,Berg, Ann,a@example.com,", "r1,u1,e1,Berg, Ann"])
    def test_a_line_that_lacks_an_id_or_says_more_is_named(self, line: str) -> None:
        assert [each.line for each in people(HEADER, line).problems] == [2]


class TestColumns:
    def test_no_two_meanings_have_an_alias_in_common(self) -> None:
        meanings = [{normal(name) for name in names} for names in ALIASES.values()]
        assert len(set(chain(*meanings))) == sum(map(len, meanings))

    def test_every_column_of_ours_means_what_it_is_called(self) -> None:
        assert all(normal(meaning) in map(normal, names) for meaning, names in ALIASES.items())

    @pytest.mark.parametrize(
        "header", ["Registration ID", "REGISTRATION_ID", "registration-id", " Registration  Id: "]
    )
    def test_case_spaces_underscores_and_hyphens_do_not_matter(self, header: str) -> None:
        assert said(people(HEADER.replace("registrationId", header), GOOD)) == [ZOE]

    def test_name_email_and_photo_may_be_absent(self) -> None:
        assert said(people("registrationId,userId,eventId", "r1,u1,e1")) == [("r1", "u1", "e1", None, None)]

    @pytest.mark.parametrize(
        ("header", "cells", "name"),
        [
            ("First Name,Last Name", "Zoë,Müller", "Zoë Müller"),
            ("Last Name,First Name", "Müller,Zoë", "Zoë Müller"),
            ("First Name", "Zoë", "Zoë"),
            ("Nachname,Vorname", "Müller,Zoë", "Zoë Müller"),
            ("Name,Vorname", "Müller,Zoë", "Zoë Müller"),
            ("Nom,Prénom", "Müller,Zoë", "Zoë Müller"),
            ("Nom", "Zoë Müller", "Zoë Müller"),
            ("姓,名", "山田,太郎", "山田 太郎"),
            ("氏名", "山田 太郎", "山田 太郎"),
            ("name,first_name,last_name", "Zoë M.,Zoë,Müller", "Zoë M."),
            ("name,first_name,last_name", ",Zoë,Müller", "Zoë Müller"),
        ],
    )
    def test_a_name_is_whole_or_joined(self, header: str, cells: str, name: str) -> None:
        assert said(people(f"{HEADER[:30]}{header}", f"r1,u1,e1,{cells}"))[0][3] == name

    def test_of_two_columns_with_one_name_the_first_is_taken_and_that_is_said(self) -> None:
        found = people(f"{HEADER},email", f"{GOOD},other@example.com")
        assert said(found) == [ZOE]
        assert found.notices == ("email is taken from the column “email”, not from “email (column 7)”.",)

    def test_a_surer_name_goes_before_another(self) -> None:
        found = people("Order #,Ticket ID,userId,eventId", "o1,t1,u1,e1")
        assert said(found) == [("t1", "u1", "e1", None, None)]

    def test_two_columns_of_an_id_may_agree_but_not_differ(self) -> None:
        found = people(f"{HEADER},userId", f"{GOOD},u1", f"r2,u1,e1,,,,{''}", "r3,u1,e1,,,,u9")
        assert ([row[0] for row in said(found)], [each.line for each in found.problems]) == (["r1", "r2"], [4])

    @pytest.mark.parametrize(("header", "missing"), [("userId,eventId", ["registrationId"]), ("a,b", None)])
    def test_an_id_that_no_column_has_is_named(self, header: str, missing: list[str] | None) -> None:
        found = people(header, "1,2")
        assert list(found.lacking) == (missing or ["registrationId", "userId", "eventId"])
        with pytest.raises(InvalidInput, match="registrationId"):
            found.require_complete()

    def test_a_column_can_be_chosen(self) -> None:
        found = people("Number,Who,What", "1,2,3", columns={
            Meaning.REGISTRATION_ID: "Number", Meaning.USER_ID: "who", Meaning.EVENT_ID: "What"
        })  # fmt: skip
        assert said(found) == [("1", "2", "3", None, None)]

    def test_a_column_may_be_chosen_for_two_meanings(self) -> None:
        found = people("Order #,Email", "7,a@example.com", columns={Meaning.USER_ID: "Email"}, event_id="e1")
        assert said(found) == [("7", "a@example.com", "e1", None, "a@example.com")]

    def test_a_column_that_is_chosen_tells_the_header(self) -> None:
        found = people("A list", "No;Mail", "7;a@example.com", event_id="e1", columns={
            Meaning.REGISTRATION_ID: "No", Meaning.USER_ID: "No"
        })  # fmt: skip
        assert said(found) == [("7", "7", "e1", None, "a@example.com")]

    def test_a_meaning_can_be_taken_away(self) -> None:
        assert said(people(HEADER, GOOD, columns={Meaning.NAME: ""}))[0][3] is None

    def test_a_chosen_column_that_is_not_there_is_named(self) -> None:
        with pytest.raises(InvalidInput, match="no column “Seat”"):
            people(HEADER, GOOD, columns={Meaning.NAME: "Seat"})

    def test_an_event_can_be_given_for_the_whole_list(self) -> None:
        assert said(people("registrationId,userId", "r1,u1", event_id=" e7 "))[0][2] == "e7"

    def test_an_event_beside_a_column_of_events_is_refused(self) -> None:
        with pytest.raises(InvalidInput, match="column with event ids"):
            people(HEADER, GOOD, event_id="e7")

    @pytest.mark.parametrize("event_id", ["e" * 255, "e\n1", "1.23E+10"])
    def test_an_event_that_is_no_id_is_refused(self, event_id: str) -> None:
        with pytest.raises(InvalidInput, match="event id for the whole list"):
            people("registrationId,userId", "r1,u1", event_id=event_id)

    @pytest.mark.parametrize("column", ["photo", "submittedPhoto"])
    @pytest.mark.parametrize(
        "address", ["https://drive.google.com/open?id=1", "HTTP://a/b.jpg", "www.example.com/a.jpg"]
    )
    def test_a_web_address_as_a_photo_says_what_to_do(self, column: str, address: str) -> None:
        (problem,) = people(f"registrationId,userId,eventId,{column}", f"r1,u1,e1,{address}").problems
        assert (problem.line, "Download the photo" in problem.message) == (2, True)


class TestIds:
    @pytest.mark.parametrize("text", ["1.23E+10", "1,23E+10", "1E+11", "#NAME?"])
    def test_what_a_spreadsheet_lost_is_named_and_the_line_refused(self, text: str) -> None:
        found = people("registrationId;userId;eventId", f"{text};u1;e1", repair_ids=True)
        assert (said(found), text in found.problems[0].message) == ([], True)

    @pytest.mark.parametrize("text", ["5E10", "1E5", "12E+10", "e1", "1.5", "2.0.0", "00123", "-Nabc", "#12"])
    def test_ids_that_only_look_so_are_taken(self, text: str) -> None:
        assert said(people(HEADER, f"{text},u1,e1"))[0][0] == text

    @pytest.mark.parametrize(
        ("text", "meant"), [("1001.0", "1001"), ("007.0", "007"), ("1001.00", "1001"), ('"=""00123"""', "00123")]
    )
    def test_what_can_be_repaired_is_refused_until_that_is_chosen(self, text: str, meant: str) -> None:
        found = people(HEADER, f"{text},u1,e1")
        assert (said(found), found.repairable, repr(meant) in found.problems[0].message) == ([], 1, True)
        mended = people(HEADER, f"{text},u1,e1", repair_ids=True)
        assert (said(mended)[0][0], mended.problems) == (meant, ())
        assert mended.notices[-1].startswith("1 id such as")

    def test_a_formula_that_is_not_quoted_is_understood_too(self) -> None:
        assert said(people(HEADER, '="00123",="u1",e1', repair_ids=True))[0][:2] == ("00123", "u1")

    def test_two_ids_that_become_one_are_named(self) -> None:
        assert [each.line for each in people(HEADER, "7,u1,e1", "7.0,u1,e1", repair_ids=True).problems] == [3]

    def test_invisible_characters_are_taken_off_ids_and_counted(self) -> None:
        found = people(HEADER, "r1\u200b,\u200eu1,e1\ufeff,Zo\u200be,,")
        assert said(found) == [("r1", "u1", "e1", "Zo\u200be", None)]
        assert found.notices == ("Invisible characters were taken off 3 ids.",)

    def test_an_id_of_invisible_characters_alone_is_empty(self) -> None:
        assert people(HEADER, "\u200b,u1,e1").problems[0].message == "registrationId is empty."

    def test_an_apostrophe_before_a_sign_is_taken_and_told(self) -> None:
        found = people(HEADER, "'-Nabc,u1,e1", "o'brien,u1,e1")
        assert [row[0] for row in said(found)] == ["'-Nabc", "o'brien"]
        assert [notice[:12] for notice in found.notices] == ["1 id begin w"]


class TestWorkbooks:
    COLUMNS: ClassVar = HEADER.split(",")

    def test_a_sheet_is_read(self) -> None:
        assert said(read_people(workbook(self.COLUMNS, GOOD.split(",")))) == [ZOE]

    @pytest.mark.parametrize(
        ("value", "text"),
        [(1001, "1001"), (1001.0, "1001"), (12.5, "12.5"), (0.1 + 0.2, "0.3"), (True, "TRUE"), ("00123", "00123")],
    )
    def test_numbers_become_the_text_that_the_sheet_shows(self, value: object, text: str) -> None:
        assert said(read_people(workbook(self.COLUMNS, [value, "u1", "e1"])))[0][0] == text

    def test_a_day_is_written_as_in_iso_8601(self) -> None:
        found = read_people(workbook(self.COLUMNS, ["r1", "u1", date(2026, 5, 1)]))
        assert said(found)[0][2] == "2026-05-01"

    def test_zeros_that_a_format_shows_are_part_of_the_id(self) -> None:
        book = Workbook()
        assert book.active
        book.active.append(self.COLUMNS)
        book.active.append([123, "u1", "e1"])
        book.active["A2"].number_format = "00000"
        out = io.BytesIO()
        book.save(out)
        assert said(read_people(out.getvalue()))[0][0] == "00123"

    def test_a_number_of_more_digits_than_excel_keeps_is_named(self) -> None:
        found = read_people(workbook(self.COLUMNS, [1234567890123456, "u1", "e1"]))
        assert (said(found), "digits are lost" in found.problems[0].message) == ([], True)

    def test_a_formula_is_not_run(self) -> None:
        found = read_people(workbook(self.COLUMNS, ['="r"&1', "u1", "e1"]))
        assert [each.message for each in found.problems] == ["registrationId is empty."]

    def test_the_first_sheet_that_has_the_columns_is_read_and_named(self) -> None:
        data = workbook(["Notes"], About=[["Name"], ["x"]], People=[["Title"], [], self.COLUMNS, GOOD.split(",")])
        found = read_people(data)
        assert said(found) == [ZOE]
        assert found.notices == (
            "The sheet “People” was read; the workbook has 3 sheets.",
            "The names of the columns are on line 3. What stands before them was passed over.",
        )

    def test_a_line_is_the_row_of_the_sheet(self) -> None:
        found = read_people(workbook(self.COLUMNS, [], GOOD.split(","), [None, "u1"]))
        assert [each.line for each in found.problems] == [4]

    def test_a_note_beside_the_list_does_no_harm(self) -> None:
        assert said(read_people(workbook(self.COLUMNS, [*GOOD.split(","), None, "a note"]))) == [ZOE]

    def test_a_workbook_that_unpacks_to_too_much_is_refused(self) -> None:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("xl/sheet1.xml", "w") as part:
            for _ in range(MAX_UNPACKED_BYTES // 2**20 + 1):
                part.write(bytes(2**20))
        with pytest.raises(InvalidInput, match="200 MB"):
            read_people(out.getvalue())

    def test_a_damaged_workbook_is_one_sentence(self) -> None:
        whole = workbook(self.COLUMNS, GOOD.split(","))
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as broken, zipfile.ZipFile(io.BytesIO(whole)) as archive:
            for name in archive.namelist():
                broken.writestr(name, archive.read(name)[: 300 if "sheet1" in name else None])
        for data in (b"PK\x03\x04", whole[: len(whole) // 2], out.getvalue()):
            with pytest.raises(InvalidInput, match="damaged"):
                read_people(data)

    def test_an_archive_of_something_else_is_no_list(self) -> None:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr("a.jpg", b"")
        with pytest.raises(InvalidInput, match="no list"):
            read_people(out.getvalue())

    def test_an_empty_workbook_is_refused(self) -> None:
        with pytest.raises(InvalidInput, match="empty"):
            read_people(workbook())
