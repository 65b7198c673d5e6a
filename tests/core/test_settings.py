"""Settings: what stops the start, in one line that names the setting and never its value."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.domain.errors import SettingsError
from core.services.exposure import check_exposure
from core.settings import Backend, Settings, load_settings
from tests.support import signin

AWS = {
    "FACEDESK_BACKEND": "aws",
    "DYNAMODB_FACE_VALIDATION_TABLE": "face-verifications",
    "AWS_REGION": "ap-south-1",
    "FACE_IMAGES_BUCKET": "faces",
    "MONGODB_URI": "mongodb://desk:s3cret@localhost",
    "MONGODB_DATABASE": "events",
    "HASH_KEY": "a key of these tests",
}


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in variables():
        monkeypatch.delenv(name, raising=False)


def variables() -> list[str]:
    names = []
    for field in Settings.model_fields.values():
        alias = field.validation_alias
        names += alias.choices if hasattr(alias, "choices") else [alias]
    return [str(name) for name in names]


def use(monkeypatch: pytest.MonkeyPatch, values: dict[str, str]) -> None:
    for name, value in values.items():
        monkeypatch.setenv(name, value)


def test_nothing_configured_is_the_embedded_backend() -> None:
    assert load_settings().backend is Backend.EMBEDDED


@pytest.mark.parametrize("given", [{}, AWS])
def test_age_gender_and_smile_are_not_inferred_unless_it_is_said(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str]
) -> None:
    use(monkeypatch, given)
    assert load_settings().infer_age_gender_smile is False
    monkeypatch.setenv("INFER_AGE_GENDER_SMILE", "true")
    assert load_settings().infer_age_gender_smile is True


def test_a_dotenv_file_is_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SIMILARITY_THRESHOLD=88\n")
    assert load_settings().policy.similarity_threshold == 88


@pytest.mark.parametrize("missing", [name for name in AWS if name != "FACEDESK_BACKEND"])
def test_aws_without_one_of_its_settings_does_not_start(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    use(monkeypatch, {name: value for name, value in AWS.items() if name != missing})
    with pytest.raises(SettingsError, match=missing):
        load_settings()


def test_the_region_may_be_named_as_boto3_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, {**{k: v for k, v in AWS.items() if k != "AWS_REGION"}, "AWS_DEFAULT_REGION": "eu-west-1"})
    assert load_settings().aws_region == "eu-west-1"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FACEDESK_BACKEND", "cloud"),
        ("SIMILARITY_THRESHOLD", "high"),
        ("SIMILARITY_THRESHOLD", "101"),
        ("REVIEW_THRESHOLD", "90"),
        ("MIN_BRIGHTNESS", "99"),
        ("RECORD_TTL_DAYS", "0"),
        ("ENGINE_CORES", "0"),
        ("ENGINE_CORES", "all"),
        ("MONGODB_FIELDS", "{not json"),
    ],
)
def test_a_bad_value_is_one_line_that_names_the_setting(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=name) as caught:
        load_settings()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["OIDC_CLIENT_SECRET", "COOKIE_SECRET", "HASH_KEY", "MONGODB_URI"])
def test_a_secret_is_in_no_representation(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    canary = "mongodb://canary-of-these-tests-long-enough"
    monkeypatch.setenv(name, canary)
    settings = load_settings()
    assert canary not in f"{settings!r} {settings} {settings.model_dump_json()}"


def test_a_bad_token_is_not_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_TOKENS", '[{"name": "kiosk", "hash": "canary", "roles": ["support"]}]')
    with pytest.raises(SettingsError, match="API_TOKENS") as raised:
        load_settings()
    assert "canary" not in str(raised.value)


@pytest.mark.parametrize(
    "missing",
    ["OIDC_METADATA_URL", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET", "OIDC_REDIRECT_URI", "COOKIE_SECRET"],
)
def test_sign_in_without_one_of_its_settings_does_not_start(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    given = signin.settings("https://desk.example")
    use(monkeypatch, {name: value for name, value in given.items() if name != missing})
    with pytest.raises(SettingsError, match=missing):
        load_settings()


@pytest.mark.parametrize("address", ["http://desk.example/oauth2callback", "https://desk.example/callback"])
def test_a_redirect_that_cannot_work_does_not_start(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    use(monkeypatch, signin.settings("https://desk.example") | {"OIDC_REDIRECT_URI": address})
    with pytest.raises(SettingsError, match="OIDC_REDIRECT_URI"):
        load_settings()


@pytest.mark.parametrize(
    ("settings", "addresses", "hosts", "starts"),
    [
        ({}, ["127.0.0.1"], ["localhost", "127.0.0.1"], True),
        ({}, ["0.0.0.0"], ["localhost"], False),
        ({}, ["every address"], [], False),
        ({}, ["127.0.0.1"], ["desk.example"], False),
        ({"FACEDESK_AUTH": "off"}, ["0.0.0.0"], ["localhost"], False),
        (AWS, ["127.0.0.1"], ["localhost"], False),
        (AWS | {"FACEDESK_AUTH": "off"}, ["0.0.0.0"], ["desk.example"], True),
        (signin.settings("https://desk.example"), ["0.0.0.0"], ["desk.example"], True),
        (AWS | signin.settings("https://desk.example"), ["0.0.0.0"], ["desk.example"], True),
    ],
)
def test_faces_are_not_open_to_a_network(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], addresses: list[str], hosts: list[str], starts: bool
) -> None:
    use(monkeypatch, settings)
    if starts:
        check_exposure(load_settings(), addresses, hosts)
    else:
        with pytest.raises(SettingsError, match="FACEDESK_AUTH"):
            check_exposure(load_settings(), addresses, hosts)


def test_the_documentation_lists_every_setting_with_its_default() -> None:
    page = (Path(__file__).parents[2] / "docs" / "settings.md").read_text()
    listed = dict(re.findall(r"^\| `([A-Z_]+)` \| `?([^|`]*)`? \|", page, re.MULTILINE))
    expected = {}
    for field in Settings.model_fields.values():
        alias = field.validation_alias
        name = alias.choices[0] if hasattr(alias, "choices") else alias
        default = field.get_default(call_default_factory=True)
        expected[str(name)] = "" if default in (None, {}, ()) else str(default)
    assert {name: value.strip() for name, value in listed.items()} == expected
