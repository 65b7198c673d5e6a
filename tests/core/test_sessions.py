"""Sessions: whose they are, until when, and how they end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.adapters.embedded.sign_outs import KEPT, FolderSignOuts
from core.domain.roles import Role
from core.services.sessions import Session, Sessions
from core.settings import Settings

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def claims(**changed: Any) -> dict[str, Any]:
    said = {"iss": "https://id.example", "sub": "s1", "iat": NOW.timestamp(), "nonce": "n1", "is_logged_in": True}
    said |= {"exp": (NOW + timedelta(hours=24)).timestamp(), "roles": ["support"], "name": "Ada"}
    said |= changed
    return {name: value for name, value in said.items() if value is not None}


def sessions(folder: Path, after: timedelta = timedelta(0), **settings: Any) -> Sessions:
    return made(Settings(data_dir=folder, **settings), after)


def made(settings: Settings, after: timedelta = timedelta(0)) -> Sessions:
    def clock() -> datetime:
        return NOW + after

    return Sessions(settings, clock, FolderSignOuts(settings.data_dir, clock))


def session(folder: Path, said: dict[str, Any], after: timedelta = timedelta(0), **settings: Any) -> Session | None:
    return sessions(folder, after, **settings).of(said)


def test_whoever_has_just_signed_in_has_a_session(tmp_path: Path) -> None:
    found = session(tmp_path, claims())
    assert found
    assert found.principal.roles == {Role.SUPPORT}


def test_a_session_ends_with_its_lifetime(tmp_path: Path) -> None:
    assert session(tmp_path, claims(), timedelta(hours=7.9), session_hours=8)
    assert session(tmp_path, claims(), timedelta(hours=8), session_hours=8) is None


def test_a_session_ends_with_the_id_token(tmp_path: Path) -> None:
    short = claims(exp=(NOW + timedelta(hours=1)).timestamp())
    assert session(tmp_path, short, timedelta(minutes=59))
    assert session(tmp_path, short, timedelta(hours=1)) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"is_logged_in": False},
        {"is_logged_in": "True"},
        {"sub": None},
        {"sub": ""},
        {"iat": None},
        {"exp": None},
        {"iat": "now"},
        {"exp": True},
        {"exp": float("nan")},
        {"exp": float("inf")},
        {"iat": (NOW + timedelta(hours=1)).timestamp()},
    ],
    ids=str,
)
def test_claims_that_say_no_session_give_none(tmp_path: Path, changed: dict[str, Any]) -> None:
    assert session(tmp_path, claims(**changed)) is None


def test_nothing_claimed_is_nobody(tmp_path: Path) -> None:
    assert session(tmp_path, {}) is None


def test_who_signs_out_is_out_in_every_process(tmp_path: Path) -> None:
    assert sessions(tmp_path).sign_out(claims())
    assert sessions(tmp_path).of(claims()) is None


def test_signing_out_ends_no_other_session_of_theirs(tmp_path: Path) -> None:
    sessions(tmp_path).sign_out(claims())
    assert sessions(tmp_path).of(claims(nonce="n2"))


def test_a_mark_is_kept_as_long_as_its_session_would_have_lasted(tmp_path: Path) -> None:
    ended = claims(iat=NOW.timestamp() - 3600, nonce="old", exp=NOW.timestamp() + 1)
    # Files are dated by the machine's own clock, which is not at NOW.
    sessions(tmp_path).sign_out(ended)
    (mark,) = (tmp_path / "signed-out").iterdir()
    assert mark.stat().st_mtime == pytest.approx(NOW.timestamp() + 1)


@pytest.mark.parametrize("jump", [timedelta(hours=9), KEPT], ids=str)
def test_who_signed_out_stays_out_though_the_clock_jumps_ahead_and_back(tmp_path: Path, jump: timedelta) -> None:
    sessions(tmp_path).sign_out(claims())
    # Meanwhile somebody else signs out, by the wrong clock.
    later = (NOW + jump).timestamp()
    assert sessions(tmp_path, jump).sign_out(claims(sub="s2", iat=later, exp=later + 3600))
    assert session(tmp_path, claims()) is None


def test_a_mark_goes_when_its_session_has_long_been_over(tmp_path: Path) -> None:
    sessions(tmp_path).sign_out(claims())
    after = KEPT + timedelta(days=2)
    later = (NOW + after).timestamp()
    sessions(tmp_path, after).sign_out(claims(sub="s2", iat=later, exp=later + 3600))
    assert len(list((tmp_path / "signed-out").iterdir())) == 1


@pytest.mark.parametrize(("jump", "signed_in"), [(timedelta(minutes=-1), True), (timedelta(hours=-1), False)])
def test_a_clock_behind_the_providers_lets_nobody_in_beyond_the_skew_that_is_borne(
    tmp_path: Path, jump: timedelta, signed_in: bool
) -> None:
    assert (session(tmp_path, claims(), jump) is not None) is signed_in


@pytest.mark.parametrize(
    ("setting", "said", "expected"),
    [
        ({}, {"roles": "admin"}, {Role.ADMIN}),
        ({}, {"roles": ["support", "manager", "other"]}, {Role.SUPPORT, Role.MANAGER}),
        ({}, {"roles": None}, set()),
        ({}, {"roles": {"support": True}}, set()),
        ({}, {"roles": [["support"], 7]}, set()),
        ({"oidc_roles": {"Helpdesk": "support"}}, {"roles": ["Helpdesk", "admin"]}, {Role.SUPPORT}),
        ({"oidc_roles_claim": "realm.roles"}, {"realm": {"roles": ["analyst"]}}, {Role.ANALYST}),
        ({"oidc_roles_claim": "https://x.example/roles"}, {"https://x.example/roles": "analyst"}, {Role.ANALYST}),
    ],
)
def test_roles_come_from_the_claim_by_the_mapping(
    tmp_path: Path, setting: dict[str, Any], said: dict[str, Any], expected: set[Role]
) -> None:
    roles = setting.pop("oidc_roles", None)
    settings = Settings(data_dir=tmp_path, **setting)
    if roles:
        settings = settings.model_copy(update={"oidc_roles": {name: Role(role) for name, role in roles.items()}})
    found = made(settings).of(claims(**said))
    assert found
    assert found.principal.roles == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [({"events": ["a", "b"]}, {"a", "b"}), ({"events": "a"}, {"a"}), ({}, set()), ({"events": ["*"]}, None)],
)
def test_events_come_from_their_claim(tmp_path: Path, said: dict[str, Any], expected: set[str] | None) -> None:
    found = session(tmp_path, claims(**said), oidc_events_claim="events")
    assert found
    assert found.principal.events == expected


def test_without_the_setting_nobody_is_limited_to_events(tmp_path: Path) -> None:
    found = session(tmp_path, claims(events=["a"]))
    assert found
    assert found.principal.events is None


@pytest.mark.parametrize(("verified", "known_as"), [(True, "ada@example.com"), (False, "s1"), ("true", "s1")])
def test_an_address_that_nobody_verified_does_not_name_them_in_the_trail(
    tmp_path: Path, verified: object, known_as: str
) -> None:
    found = session(tmp_path, claims(email="ada@example.com", email_verified=verified))
    assert found
    assert found.principal.id == known_as
