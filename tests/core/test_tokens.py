"""The API's tokens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from core.cli.main import app
from core.domain.roles import ApiToken, Role
from core.services.tokens import Tokens, new_token, setting
from core.settings import Settings


def tokens(folder: Path, *known: ApiToken, **more: Any) -> Tokens:
    return Tokens(Settings(data_dir=folder).model_copy(update={"api_tokens": known, **more}))


def made(name: str = "kiosk", **more: Any) -> tuple[str, ApiToken]:
    token, hashed = new_token()
    return token, ApiToken(name=name, hash=hashed, **{"roles": {Role.SUPPORT}, **more})


def test_a_token_is_known_by_its_hash(tmp_path: Path) -> None:
    token, known = made(events={"expo"})
    found = tokens(tmp_path, known).bearer(token, "203.0.113.7")
    assert found
    principal, wait = found
    assert (principal.name, principal.roles, principal.events, wait) == ("kiosk", {Role.SUPPORT}, {"expo"}, 0)


@pytest.mark.parametrize("wrong", ["", "x", "\ud800", "é" * 40])
def test_another_text_is_no_token(tmp_path: Path, wrong: str) -> None:
    assert tokens(tmp_path, made()[1]).bearer(wrong, None) is None


def test_the_hash_itself_is_no_token(tmp_path: Path) -> None:
    _, known = made()
    assert tokens(tmp_path, known).bearer(known.hash, None) is None


def test_each_token_has_a_pace_of_its_own(tmp_path: Path) -> None:
    (first, a), (second, b) = made("a"), made("b")
    known = tokens(tmp_path, a, b, api_requests_per_minute=1)
    asked = [known.bearer(first, None) for _ in range(2)]
    assert [each and each[1] == 0 for each in asked] == [True, False]
    other = known.bearer(second, None)
    assert other
    assert other[1] == 0


def test_the_command_prints_a_token_and_what_the_settings_list() -> None:
    done = CliRunner().invoke(app, ["token", "kiosk", "--role", "support", "--role", "analyst", "--event", "expo"])
    token, listed = done.output.splitlines()
    settings = Settings.model_validate({"API_TOKENS": f"[{listed}]"})
    found = Tokens(settings).bearer(token, None)
    assert found
    assert (found[0].roles, found[0].events) == ({Role.SUPPORT, Role.ANALYST}, {"expo"})


def test_what_the_settings_list_does_not_hold_the_token() -> None:
    token, hashed = new_token()
    listed = setting("kiosk", hashed, ["support"], [])
    assert token not in listed
    assert json.loads(listed) == {"name": "kiosk", "hash": hashed, "roles": ["support"]}
