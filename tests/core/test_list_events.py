"""What a list says of its events: dates as people write them, what profiles get of it, and what is left out."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.errors import InvalidInput
from core.domain.profiles import EventProfile
from core.services.lists.dates import NotRead, moment_in, zone_named
from core.services.lists.events import ProfilePlan, planned_profiles, said_of
from core.services.lists.headers import Choices
from core.services.lists.meanings import Meaning
from core.services.lists.people import read_people
from tests.support.lists import workbook

BERLIN = ZoneInfo("Europe/Berlin")
EVENING = datetime(2026, 11, 26, 17, 0, tzinfo=UTC)
HEADER = "registrationId,userId,eventId,eventName,timeZone,startsAt,endsAt,photoDeadline"


def plan(*lines: str, stored: tuple[EventProfile, ...] = (), header: str = HEADER, zone: str = "") -> ProfilePlan:
    written = [header, *(f"r{number},u1,{line}" for number, line in enumerate(lines))]
    return planned_profiles(read_people("\n".join(written).encode(), Choices(time_zone=zone)), stored)


def only(found: ProfilePlan) -> EventProfile:
    assert not found.notices
    (filled,) = found.filled
    return filled.profile


def notices(found: ProfilePlan) -> list[tuple[int, str]]:
    return [(notice.line, notice.message) for notice in found.notices]


class TestDates:
    @pytest.mark.parametrize(
        "text",
        [
            *("2026-11-26 18:00", "2026-11-26T18:00:00", "20261126T1800", "2026/11/26 18:00", "2026-11-26T17:00Z"),
            *("2026-11-26 18:00:00+01:00", "26.11.2026 18:00", "26.11.2026, 18:00 Uhr", "26/11/2026 18:00"),
            *("11/26/2026 6:00 PM", "11/26/2026 06:00:00 pm", "26 Nov 2026 18:00", "November 26, 2026 6:00 PM"),
            *("Thu, 26 Nov 2026 18:00:00 +0100", "2026年11月26日 18:00", "２０２６/１１/２６ 18:00", "1795712400"),
            *("1795712400000", " 26.11.2026\u00a018:00 ", "26-11-2026 18:00"),
        ],
    )
    def test_a_date_is_read_in_the_time_zone_of_the_event(self, text: str) -> None:
        assert moment_in(BERLIN, text, time(0)) == EVENING

    @pytest.mark.parametrize(
        "text", ["2026-11-26", "26.11.2026", "11/26/2026", "26 Nov 2026", "20261126", "2026年11月26日"]
    )
    def test_a_day_alone_has_the_time_that_was_given_for_it(self, text: str) -> None:
        assert moment_in(BERLIN, text, time(23, 59)) == datetime(2026, 11, 26, 22, 59, tzinfo=UTC)

    def test_midnight_that_was_written_is_midnight(self) -> None:
        assert moment_in(BERLIN, "2026-11-26 00:00", time(23, 59)) == datetime(2026, 11, 25, 23, tzinfo=UTC)

    @pytest.mark.parametrize("text", ["05/06/2026", "5-6-2026 18:00"])
    def test_a_date_that_may_be_two_is_not_guessed(self, text: str) -> None:
        with pytest.raises(NotRead, match="may be 2026-05-06 or 2026-06-05"):
            moment_in(BERLIN, text, time(0))

    def test_the_same_number_twice_is_one_date(self) -> None:
        assert moment_in(BERLIN, "05/05/2026 12:00", time(0)) == datetime(2026, 5, 5, 10, tzinfo=UTC)

    @pytest.mark.parametrize(
        "text",
        [
            *("soon", "18:00", "46352", "2026", "2026-11", "Nov 2026", "Nov 2026 09:00", "26.11.26", "26.11."),
            *("31.02.2026", "13.13.2026", "2026-11-26 25:00", "2026-11-26 18:00 CET?", "26/11/2026 late"),
            *("0001-01-01", "9999-12-31", "1970-01-01", "-", "9" * 200),
        ],
    )
    def test_what_is_no_day_is_not_read(self, text: str) -> None:
        with pytest.raises(NotRead):
            moment_in(BERLIN, text, time(0))

    def test_a_date_in_an_unknown_zone_is_not_read_but_one_with_an_offset_is(self) -> None:
        assert moment_in(None, "2026-11-26T18:00+01:00", time(0)) == EVENING
        with pytest.raises(NotRead, match="time zone"):
            moment_in(None, "2026-11-26T18:00", time(0))

    @given(st.text(max_size=30) | st.from_regex(r"[0-9./: -]{4,20}", fullmatch=True))
    def test_whatever_the_text_is_it_is_a_moment_or_not_read(self, text: str) -> None:
        with suppress(NotRead):
            assert moment_in(BERLIN, text, time(0)).tzinfo is UTC

    @pytest.mark.parametrize("text", ["Europe/Berlin", "europe/berlin", "America/New York", " UTC "])
    def test_a_time_zone_is_found_whatever_its_case_and_spaces(self, text: str) -> None:
        assert zone_named(text).key in ("Europe/Berlin", "America/New_York", "UTC")

    @pytest.mark.parametrize("text", ["Berlin", "../UTC", "", "CEST", "+01:00"])
    def test_other_texts_are_no_time_zone(self, text: str) -> None:
        with pytest.raises(NotRead):
            zone_named(text)


class TestProfiles:
    def test_a_new_event_gets_all_that_the_list_says(self) -> None:
        found = only(plan("e1,Expo,Europe/Berlin,2026-11-26 18:00,2026-11-28,20.11.2026"))
        assert (found.name, found.time_zone, found.starts_at) == ("Expo", "Europe/Berlin", EVENING)
        assert found.ends_at == datetime(2026, 11, 28, 22, 59, tzinfo=UTC)
        assert found.photo_deadline == datetime(2026, 11, 20, 22, 59, tzinfo=UTC)

    def test_a_list_that_says_nothing_of_events_changes_none(self) -> None:
        assert plan("e1,,,,,") == ProfilePlan()

    def test_what_a_profile_has_stays_and_what_it_lacks_is_added(self) -> None:
        stored = EventProfile(event_id="e1", name="Gala", time_zone="Asia/Kolkata", version=3)
        found = plan("e1,Expo,Europe/Berlin,2026-11-26 18:00,,", stored=(stored,))
        (filled,) = found.filled
        assert filled.added == (Meaning.STARTS_AT,)
        assert filled.profile == stored.model_copy(update={"starts_at": EVENING})
        assert notices(found) == [
            (2, "eventName of the event 'e1' is set already, and stays as it is."),
            (2, "timeZone of the event 'e1' is set already, and stays as it is."),
        ]

    def test_what_a_profile_has_in_the_same_words_is_nothing_to_tell(self) -> None:
        stored = EventProfile(event_id="e1", name="Expo", time_zone="Europe/Berlin", starts_at=EVENING, version=1)
        assert plan("e1,Expo,Europe/Berlin,26.11.2026 18:00,,", stored=(stored,)) == ProfilePlan()

    def test_dates_without_a_zone_are_in_that_of_the_line_then_of_the_event_then_of_the_list(self) -> None:
        kolkata = EventProfile(event_id="e2", time_zone="Asia/Kolkata", version=1)
        lines = [
            f"{event},,{zone},2026-11-26 18:00,," for event, zone in (("e1", "Europe/Berlin"), ("e2", ""), ("e3", ""))
        ]
        found = plan(*lines, stored=(kolkata,), zone="America/New_York")
        starts = [each.profile.starts_at for each in found.filled]
        assert starts == [EVENING, datetime(2026, 11, 26, 12, 30, tzinfo=UTC), datetime(2026, 11, 26, 23, tzinfo=UTC)]
        assert [each.profile.time_zone for each in found.filled] == [
            "Europe/Berlin",
            "Asia/Kolkata",
            "America/New_York",
        ]

    def test_times_are_in_utc_if_nobody_says_a_zone_and_that_is_said(self) -> None:
        found = plan("e1,,,2026-11-26 17:00,,")
        assert found.filled[0].profile.starts_at == EVENING
        assert notices(found) == [
            (2, "The time zone of the event 'e1' is not known, so times without one are in UTC.")
        ]

    def test_lines_that_contradict_each_other_leave_that_field_alone(self) -> None:
        found = plan("e1,Expo,UTC,2026-11-26,,", "e1,Fair,UTC,26.11.2026,,", "e2,Fair,UTC,,,")
        assert [(each.profile.event_id, each.profile.name) for each in found.filled] == [("e1", None), ("e2", "Fair")]
        assert notices(found) == [
            (3, "eventName of the event 'e1' is 'Fair' here and 'Expo' on line 2, so it is not taken.")
        ]
        assert found.filled[0].profile.starts_at == datetime(2026, 11, 26, tzinfo=UTC)

    def test_what_cannot_be_read_is_said_once_with_its_first_line(self) -> None:
        found = plan("e1,Expo,UTC,soon,,", "e1,Expo,UTC,soon,2026-11-28,", "e1,Expo,UTC,soon,2026-11-28,")
        assert [each.added for each in found.filled] == [(Meaning.EVENT_NAME, Meaning.TIME_ZONE, Meaning.ENDS_AT)]
        ((line, message),) = notices(found)
        assert line == 2
        assert message.startswith("startsAt 'soon' of the event 'e1' is no date that can be read.")
        assert message.endswith("2 more lines say the same.")

    def test_an_unknown_zone_is_said_and_so_are_the_dates_in_it(self) -> None:
        found = plan("e1,Expo,Berlin,2026-11-26 18:00,,")
        assert [each.added for each in found.filled] == [(Meaning.EVENT_NAME,)]
        assert [message.split(" ")[0] for _, message in notices(found)] == ["timeZone", "startsAt"]

    def test_dates_in_the_wrong_order_are_not_taken(self) -> None:
        found = plan("e1,,UTC,2026-11-26 18:00,2026-11-25,2026-11-27")
        assert found.filled[0].added == (Meaning.TIME_ZONE, Meaning.STARTS_AT)
        assert [message.partition(" is not taken: ")[2] for _, message in notices(found)] == [
            "the event must not end before it starts.",
            "the deadline for photos must not be after the event.",
        ]

    def test_a_name_that_is_too_long_or_has_control_characters_is_not_taken(self) -> None:
        found = plan(f"e1,{'x' * 201},,,,", "e2,a\x01b,,,,")
        assert (found.filled, [line for line, _ in notices(found)]) == ((), [2, 3])

    def test_a_line_that_is_refused_says_nothing_of_its_event(self) -> None:
        people = read_people(f"{HEADER}\n,u1,e1,Expo,,,,\n".encode())
        assert planned_profiles(people, ()) == ProfilePlan()

    def test_a_date_that_cannot_be_read_refuses_no_registration(self) -> None:
        people = read_people(f"{HEADER}\nr1,u1,e1,\x01,nowhere,soon,05/06/2026,?\n".encode())
        assert ([line.line for line in people.lines], people.problems) == ([2], ())

    @pytest.mark.parametrize(
        "header",
        [
            "Ticketnummer,Teilnehmer-ID,Event-Nr.,Veranstaltungsname,Zeitzone,Beginn,Ende,Fotofrist",
            "ID inscription,ID participant,ID événement,Nom de l'événement,Fuseau horaire,Date de début,Date de fin,"
            "Date limite des photos",
            "登録ID,会員番号,イベントID,イベント名,タイムゾーン,開始日時,終了日時,写真締切",
            "Order ID,Attendee ID,Event ID,Event Name,Event Time Zone,Event Start Date,Event End Date,Photo Deadline",
        ],
    )
    def test_columns_are_found_by_the_names_that_others_give_them(self, header: str) -> None:
        found = only(plan("e1,Expo,Europe/Berlin,2026-11-26 18:00,2026-11-28,2026-11-20", header=header))
        assert (found.name, found.starts_at, bool(found.ends_at and found.photo_deadline)) == ("Expo", EVENING, True)

    def test_when_a_form_was_filled_in_is_no_date_of_the_event(self) -> None:
        assert plan("e1,2026-11-26 18:00", header="registrationId,userId,eventId,Start time") == ProfilePlan()

    def test_date_cells_of_a_workbook_are_read(self) -> None:
        data = workbook(
            HEADER.split(","),
            ["r1", "u1", "e1", "Expo", "Europe/Berlin", datetime(2026, 11, 26, 18), datetime(2026, 11, 28), None],
        )
        (filled,) = planned_profiles(read_people(data), ()).filled
        assert [said_of(filled.profile, meaning) for meaning in (Meaning.STARTS_AT, Meaning.ENDS_AT)] == [
            "2026-11-26 18:00",
            "2026-11-28 23:59",
        ]

    def test_a_time_zone_for_the_list_that_is_none_is_refused(self) -> None:
        with pytest.raises(InvalidInput, match="Atlantis"):
            plan("e1,,,2026-11-26,,", zone="Atlantis")
