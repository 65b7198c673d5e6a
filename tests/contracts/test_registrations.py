"""The contracts of ``core.ports.Registrations`` and ``RegistrationImport``, held by every adapter."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core.adapters.embedded.registrations import SqliteRegistrations
from core.domain.records import Registration
from core.domain.search import Found
from tests.support.registrations import Fill, registration


def ids(found: Found | list[Registration]) -> list[str]:
    return [each.registration_id for each in (found.registrations if isinstance(found, Found) else found)]


def test_get_returns_the_whole_registration(filled: Fill) -> None:
    keys = {"reference_photo_key": "reference-faces/1.jpg", "submitted_photo_key": "face-images/1.jpg"}
    given = registration("r1", name="Ana Sá", email="ana@example.com", **keys)
    assert filled(given).get("r1") == given


def test_get_returns_none_for_an_unknown_id(filled: Fill) -> None:
    assert filled(registration("r1")).get("r2") is None


def test_what_a_registration_does_not_have_is_none(filled: Fill) -> None:
    assert filled(registration("r1")).get("r1") == registration("r1")


@pytest.mark.parametrize("odd", ["R1", "r1 ", "r%", "r_", "'; --", "$gt", ".*", "é", "a/b?c#d", "{}"])
def test_ids_are_compared_exactly_whatever_characters_they_have(filled: Fill, odd: str) -> None:
    store = filled(registration("r1"), registration("other", user_id=odd))
    assert (store.get(odd), ids(store.of_user(odd))) == (None, ["other"])


def test_of_user_returns_all_and_only_the_users_registrations_by_id(filled: Fill) -> None:
    store = filled(registration("b"), registration("c", user_id="user-2"), registration("a"))
    assert ids(store.of_user("user-1")) == ["a", "b"]


def test_of_user_is_empty_for_an_unknown_user(filled: Fill) -> None:
    assert filled(registration("a")).of_user("user-9") == []


@pytest.mark.parametrize(
    "text",
    [
        "reg-1",
        "user-7",
        "eileen.collins@example.com",
        "Eileen.Collins@Example.COM",
        "eile",
        "coll",
        "COLLINS",
        "eileen c",
        "Eileen Collins",
        "collins@ex",
        "  eileen  ",
    ],
)
def test_search_finds_by_id_user_email_and_beginnings_of_words(filled: Fill, text: str) -> None:
    store = filled(
        registration("reg-1", user_id="user-7", name="Eileen Collins", email="eileen.collins@example.com"),
        registration("reg-2", user_id="user-8", name="Grace Hopper", email="grace@example.org"),
    )
    assert ids(store.search(text)) == ["reg-1"]


@pytest.mark.parametrize("text", ["reg", "user", "-1", "eileen q", "collinseileen", "colins"])
def test_search_finds_nothing_by_a_part_of_an_id_or_by_other_words(filled: Fill, text: str) -> None:
    store = filled(registration("reg-1", name="Eileen Collins", email="eileen@example.com"))
    assert ids(store.search(text)) == []


@pytest.mark.parametrize("text", ["ÅSA", "åsa", "ÖBERG", "öb", "Åsa Öberg", "жан", "ЖАН", "a\u030asa"])
def test_search_ignores_case_and_composition_of_letters_beyond_ascii(filled: Fill, text: str) -> None:
    store = filled(registration("reg-1", name="Åsa Öberg Жанна"))
    assert ids(store.search(text)) == ["reg-1"]


@pytest.mark.parametrize(
    "text", ["%", "_", "a%", "a_", ".", ".*", "a.", "^a", "a|b", "[a-z]", "(a", "*", "\\", "'", '"a']
)
def test_characters_with_a_meaning_in_patterns_stand_for_themselves(filled: Fill, text: str) -> None:
    assert filled(registration("r1", name="anna berg", email="anna@example")).search(text) == Found([], 0)


@pytest.mark.parametrize("text", ["50%", "50%_a", "a.b", "(o)", "o)", "\\d"])
def test_such_characters_are_found_where_they_stand(filled: Fill, text: str) -> None:
    store = filled(registration("r1", name="50%_a a.b*c (o) \\d"), registration("r2", name="500 aab o d1"))
    assert ids(store.search(text)) == ["r1"]


def test_no_match_runs_from_the_name_into_the_email(filled: Fill) -> None:
    assert filled(registration("r1", name="anna", email="berg@example.com")).search("annaberg") == Found([], 0)


@pytest.mark.parametrize("text", ["", " ", "\t\n"])
def test_blank_text_finds_nothing(filled: Fill, text: str) -> None:
    assert filled(registration("r1", name=" ", email="")).search(text) == Found([], 0)


def test_exact_matches_come_first_then_name_and_id_decide(filled: Fill) -> None:
    store = filled(
        registration("r4", name="Anna Young"),
        registration("r3", name="Anna Abel"),
        registration("r2", name="Anna Abel"),
        registration("r1", user_id="anna", name="Zoe"),
        registration("anna", name="Yan"),
        registration("r0", name="Xi", email="ANNA"),
    )
    assert ids(store.search("anna")) == ["anna", "r1", "r0", "r2", "r3", "r4"]


def test_search_returns_at_most_limit_and_the_best_of_them(filled: Fill) -> None:
    store = filled(*(registration(f"r{n}", name=f"Anna {n}") for n in range(9)), registration("anna", name="Zoe"))
    assert ids(store.search("anna", limit=3)) == ["anna", "r0", "r1"]


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_one_finds_nothing(filled: Fill, limit: int) -> None:
    assert filled(registration("anna", name="anna")).search("anna", limit=limit) == Found([], 0)


def test_a_new_store_is_empty(filled: Fill) -> None:
    assert filled().is_empty() is True


def test_a_store_with_a_registration_is_not_empty(filled: Fill) -> None:
    assert filled(registration("r1")).is_empty() is False


def test_ping_returns_where_the_store_can_be_read(filled: Fill) -> None:
    filled().ping()


def test_many_threads_may_read_at_once(filled: Fill) -> None:
    store = filled(*(registration(f"r{n}", name=f"Anna {n}") for n in range(8)))
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda n: (store.get(f"r{n % 8}"), store.search("anna").total), range(40)))
    assert [(each and each.registration_id, count) for each, count in found] == [(f"r{n % 8}", 8) for n in range(40)]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteRegistrations]:
    """The one adapter that can also be filled."""
    store = SqliteRegistrations(tmp_path / "facedesk.sqlite3")
    yield store
    store.close()


def test_import_replaces_by_registration_id(store: SqliteRegistrations) -> None:
    store.import_many([registration("r1", name="Old Name", email="old@example.com")])
    store.import_many([registration("r1", name="New Name", user_id="user-2")])
    assert (ids(store.search("old")), store.of_user("user-1")) == ([], [])
    assert store.search("new").registrations == [registration("r1", name="New Name", user_id="user-2")]


def test_import_returns_how_many(store: SqliteRegistrations) -> None:
    assert store.import_many(registration(f"r{n}") for n in range(3)) == 3


def test_existing_gives_the_ids_that_are_stored_exactly_as_they_are_written(store: SqliteRegistrations) -> None:
    there = ["r1", "001", "é", '"quoted"', "=1+1", "a,b"]
    store.import_many(registration(each) for each in there)
    assert store.existing([*there, "R1", "1", "e\u0301", "r1 ", ""]) == set(there)
    assert store.existing([]) == set()


def test_existing_takes_any_number_of_ids(store: SqliteRegistrations) -> None:
    store.import_many(registration(f"r{n}") for n in range(0, 3000, 2))
    assert len(store.existing({f"r{n}" for n in range(60_000)})) == 1500


def test_import_is_all_or_nothing(store: SqliteRegistrations) -> None:
    def broken() -> Iterator[Registration]:
        yield registration("r1")
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError):
        store.import_many(broken())
    assert store.is_empty()


def test_an_import_is_there_after_reopening(store: SqliteRegistrations, tmp_path: Path) -> None:
    store.import_many([registration("r1")])
    reopened = SqliteRegistrations(tmp_path / "facedesk.sqlite3")
    assert reopened.get("r1") == registration("r1")
    reopened.close()
