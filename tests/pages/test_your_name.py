"""Where nobody signs in, people say who they are: in the sidebar, or where it is asked for before a decision."""

from __future__ import annotations

from urllib.parse import quote

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboard.access import names
from tests.support.app import RunPage


def asking() -> None:
    """A script with the sidebar of every page, and a place that asks for the name."""
    import streamlit as st

    from dashboard.access import signin
    from dashboard.parts import your_name
    from dashboard.services import principal

    signin.sidebar(principal())
    known = your_name.known("case-1")
    st.button("Approve", key="approve", disabled=not known)
    st.text(principal().name)


@pytest.fixture
def place(run_page: RunPage) -> AppTest:
    """Stands on the services that ``run_page`` has put up."""
    return AppTest.from_function(asking, default_timeout=30).run()


def browser_keeps(monkeypatch: pytest.MonkeyPatch, **cookies: str) -> None:
    monkeypatch.setattr(type(st.context), "cookies", cookies)


def test_a_decision_waits_for_a_name_and_asks_for_it_in_its_place(place: AppTest) -> None:
    assert place.button(key="approve").disabled
    place.text_input(key="name-for-case-1").input("Asha").run()
    assert not place.button(key="approve").disabled
    assert (place.text[0].value, place.sidebar.text_input[0].value) == ("Asha", "Asha")
    assert [field.label for field in place.main.text_input] == []


def test_a_name_in_the_sidebar_is_enough(place: AppTest) -> None:
    place.sidebar.text_input[0].input("Asha").run()
    assert not place.button(key="approve").disabled


def test_a_blank_name_is_none(place: AppTest) -> None:
    place.text_input(key="name-for-case-1").input("  ").run()
    assert place.button(key="approve").disabled


def test_the_browser_is_told_to_keep_the_name_that_was_given_and_no_other(place: AppTest) -> None:
    assert place.get("html") == []
    name = "';alert(1)</script> Zoë"
    place.text_input(key="name-for-case-1").input(name).run()
    [script] = place.get("html")
    assert f"facedesk_name={quote(name, safe='')};" in script.proto.body
    place.sidebar.text_input[0].input("").run()
    assert "max-age=0" in place.get("html")[0].proto.body


def test_the_name_that_the_browser_has_kept_is_known_on_arrival(
    run_page: RunPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser_keeps(monkeypatch, **{names.COOKIE: quote("Zoë ![x](y)")})
    app = run_page("validate")
    assert app.sidebar.text_input(key=names.FIELD).value == "Zoë ![x](y)"
    assert all(names.COOKIE not in each.proto.body for each in app.get("html"))


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("Asha", "Asha"),
        ("  Asha\t\n Rao \x00", "Asha Rao"),
        ("a" * 500, "a" * names.MAX_NAME),
        ("\ud800", None),
        ("As\udcffha", "Asha"),
        ("\x00\x1b", None),
        ("", None),
        (None, None),
        ("नेहा\u200dक", "नेहा\u200dक"),  # joiners are letters' business
    ],
)
def test_of_what_a_browser_sends_one_line_of_text_is_the_name(sent: str | None, name: str | None) -> None:
    assert names.name_of(sent) == name


@pytest.mark.parametrize("cookie", ["%FF%FE", "%ED%A0%80", "%00", "%", "a" * 5000, "\udcff"])
def test_a_cookie_may_have_anything_in_it(cookie: str) -> None:
    name = names.kept({names.COOKIE: cookie})
    assert len((name or "").encode()) <= 4 * names.MAX_NAME


@pytest.mark.parametrize("name", ["Zoë; path=/x", "a=b", "'\"</script>", "%41", "日本"])
def test_what_the_browser_keeps_is_what_it_sends_back(name: str) -> None:
    sent, *_ = names.to_be_kept(name).split(";")
    assert names.kept(dict([sent.split("=")])) == name
