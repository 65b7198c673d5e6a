"""The API's tokens."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from core.adapters.aws.tokens import DynamoTokens
from core.adapters.embedded.rates import ProcessRates
from core.cli.main import app
from core.domain.clock import utc_now
from core.domain.errors import Conflict, InvalidInput, Service, Unavailable
from core.domain.roles import ApiToken, Role
from core.flow.refreshed import Refreshed
from core.ports import ApiTokens
from core.services.tokens import GOOD_FOR, READ_EVERY, Tokens, TokenService, new_token, setting
from core.settings import Settings
from tests.support.clock import FakeClock
from tests.support.dynamodb import create_audit_table, create_state_table
from tests.support.production import environment_of
from tests.support.servers import CREDENTIALS, REGION
from tests.support.stores import PATIENT


def tokens(folder: Path, *known: ApiToken, **more: Any) -> Tokens:
    settings = Settings(data_dir=folder).model_copy(update={"api_tokens": known, **more})
    return Tokens(settings, utc_now, ProcessRates(settings.api_requests_per_minute))


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
    found = Tokens(settings, utc_now, ProcessRates(1)).bearer(token, None)
    assert found
    assert (found[0].roles, found[0].events) == ({Role.SUPPORT, Role.ANALYST}, {"expo"})


def test_what_the_settings_list_does_not_hold_the_token() -> None:
    token, hashed = new_token()
    listed = setting("kiosk", hashed, ["support"], [])
    assert token not in listed
    assert json.loads(listed) == {"name": "kiosk", "hash": hashed, "roles": ["support"]}


class TestStored:
    """Two processes over one table, which read it when a test says so."""

    @pytest.fixture
    def clock(self) -> FakeClock:
        return FakeClock()

    @pytest.fixture
    def store(self, dynamodb: Any, clock: FakeClock) -> ApiTokens:
        return DynamoTokens(dynamodb, create_state_table(dynamodb), PATIENT, clock)

    def process(self, store: ApiTokens, clock: FakeClock) -> tuple[TokenService, Tokens, Refreshed[Any]]:
        known = Refreshed(
            store.all,
            service=Service.TOKENS,
            every=timedelta(days=1),
            good_for=GOOD_FOR,
            stopwatch=clock.elapsed,
        )
        return TokenService(store, known, clock), Tokens(Settings(), clock, ProcessRates(600), known), known

    def test_a_new_token_is_good_here_at_once_and_elsewhere_with_the_next_reading(
        self, store: ApiTokens, clock: FakeClock
    ) -> None:
        service, here, _ = self.process(store, clock)
        _, there, known = self.process(store, clock)
        there.prepare()
        token, made = service.make(" kiosk-7 ", ["support"], ["expo"], None, "Ada")
        assert (made.name, made.made_by, made.made_at) == ("kiosk-7", "Ada", clock())
        for tokens in (here, there):
            known.refresh()
            found = tokens.bearer(token, None)
            assert found
            assert (found[0].id, found[0].roles, found[0].events) == ("token kiosk-7", {Role.SUPPORT}, {"expo"})

    def test_a_revoked_token_is_refused_here_at_once_and_elsewhere_with_the_next_reading(
        self, store: ApiTokens, clock: FakeClock
    ) -> None:
        service, here, _ = self.process(store, clock)
        _, there, known = self.process(store, clock)
        token, _ = service.make("kiosk-7", ["support"], [], None, "Ada")
        assert there.bearer(token, None)
        service.revoke("kiosk-7")
        assert here.bearer(token, None) is None
        assert there.bearer(token, None)
        known.refresh()
        assert there.bearer(token, None) is None

    def test_a_token_ends_when_it_was_said_to(self, store: ApiTokens, clock: FakeClock) -> None:
        service, tokens, _ = self.process(store, clock)
        token, _ = service.make("kiosk-7", ["support"], [], 30, "Ada")
        clock.advance(timedelta(days=30) - timedelta(seconds=1))
        service._known.refresh()
        assert tokens.bearer(token, None)
        clock.advance(timedelta(seconds=1))
        assert tokens.bearer(token, None) is None

    def test_the_setting_is_not_read_where_tokens_are_stored(self, store: ApiTokens, clock: FakeClock) -> None:
        _, _, known = self.process(store, clock)
        token, listed = made()
        settings = Settings().model_copy(update={"api_tokens": (listed,)})
        assert Tokens(settings, clock, ProcessRates(600), known).bearer(token, None) is None

    def test_tokens_of_the_setting_are_taken_over_as_they_are_and_once(
        self, store: ApiTokens, clock: FakeClock
    ) -> None:
        service, tokens, _ = self.process(store, clock)
        token, listed = made(events={"expo"})
        assert [each.name for each in service.take_over([listed], "Ada")] == ["kiosk"]
        assert service.take_over([listed], "Ada") == []
        found = tokens.bearer(token, None)
        assert found
        assert (found[0].name, found[0].events) == ("kiosk", {"expo"})

    def test_a_name_is_one_tokens(self, store: ApiTokens, clock: FakeClock) -> None:
        service, _, _ = self.process(store, clock)
        service.make("kiosk-7", ["support"], [], None, "Ada")
        with pytest.raises(Conflict):
            service.make("kiosk-7", ["support"], [], None, "Ada")

    @pytest.mark.parametrize(
        "wrong",
        [{"name": ""}, {"name": "  "}, {"name": "x" * 61}, {"roles": []}, {"roles": ["king"]}, {"days": 0}],
        ids=str,
    )
    def test_what_is_no_token_is_not_made(self, store: ApiTokens, clock: FakeClock, wrong: dict[str, Any]) -> None:
        service, _, _ = self.process(store, clock)
        asked = {"name": "kiosk-7", "roles": ["support"], "events": [], "days": None, "who": "Ada", **wrong}
        with pytest.raises(InvalidInput):
            service.make(**asked)
        assert service.all() == []

    def test_which_tokens_there_are_is_not_asked_for_each_request(self, store: ApiTokens, clock: FakeClock) -> None:
        _, tokens, known = self.process(store, clock)
        read: list[int] = []
        reading = known._read
        known._read = lambda: (read.append(1), reading())[1]  # type: ignore[func-returns-value]
        for _ in range(100):
            tokens.bearer("unknown", None)
        assert len(read) == 1

    def test_where_nothing_recent_is_known_of_tokens_none_is_good(self, store: ApiTokens, clock: FakeClock) -> None:
        service, tokens, _ = self.process(store, clock)
        token, _ = service.make("kiosk-7", ["support"], [], None, "Ada")
        tokens.prepare()
        clock.advance(GOOD_FOR + timedelta(seconds=1))
        with pytest.raises(Unavailable):
            tokens.bearer(token, None)

    def test_half_a_minute_is_time_enough_to_read_and_to_try_again(self) -> None:
        assert timedelta(seconds=30) > 2 * READ_EVERY


class TestCommands:
    """The commands with the aws backend, of which they reach the tables alone."""

    @pytest.fixture
    def run(self, dynamodb_url: str, dynamodb: Any) -> Callable[..., str]:
        environment = {
            "FACEDESK_BACKEND": "aws",
            "FACEDESK_AUTH": "off",
            "AWS_REGION": REGION,
            **CREDENTIALS,
            "AWS_ENDPOINT_URL_DYNAMODB": dynamodb_url,
            "FACE_IMAGES_BUCKET": "faces",
            "MONGODB_URI": "mongodb://localhost:9",
            "MONGODB_DATABASE": "facedesk_tests",
            "HASH_KEY": "a key of these tests",
            "DYNAMODB_FACE_VALIDATION_TABLE": "records",
            "DYNAMODB_AUDIT_TABLE": create_audit_table(dynamodb),
            "DYNAMODB_STATE_TABLE": create_state_table(dynamodb),
        }

        def run(*arguments: str, **more: str) -> str:
            with environment_of({**environment, **more}):
                done = CliRunner().invoke(app, list(arguments))
            assert done.exit_code == 0, done.output
            return done.stdout

        return run

    def test_a_token_is_made_listed_and_revoked(self, run: Callable[..., str]) -> None:
        (token,) = run("token", "kiosk-7", "--role", "support", "--event", "expo", "--days", "90").splitlines()
        assert len(token) > 40
        listed = run("tokens")
        assert listed.startswith("kiosk-7: support; expo; made by command line: ")
        assert token not in listed
        run("revoke-token", "kiosk-7")
        assert run("tokens") == ""

    def test_tokens_of_the_setting_are_taken_over(self, run: Callable[..., str]) -> None:
        entry = setting("kiosk-7", new_token()[1], ["support"], [])
        listed = run("tokens", "--take-over", API_TOKENS=f"[{entry}]")
        assert "kiosk-7: support; all events" in listed
