"""Whose messages a page obeys."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from streamlit import config as streamlit_config

from core.settings import Settings
from dashboard.access.messages import obey_own_pages_alone
from tests.support import signin

OPTION = "client.allowedOrigins"


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = streamlit_config.get_option(OPTION)
    yield
    streamlit_config.set_option(OPTION, before)


def obeyed(environment: dict[str, str]) -> list[str]:
    obey_own_pages_alone(Settings.model_validate(environment))
    return list(streamlit_config.get_option(OPTION))


def test_with_sign_in_a_page_obeys_its_own_origin_alone() -> None:
    assert obeyed(signin.settings("https://desk.example.com")) == ["https://desk.example.com"]


def test_without_sign_in_a_page_obeys_this_machine_alone() -> None:
    hosts = {origin.split("//")[1].partition(":")[0] for origin in obeyed({})}
    assert hosts == {"localhost", "127.0.0.1"}
