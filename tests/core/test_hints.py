"""Hints: the sentence for the person on duty, by an error's code or else by its class."""

from __future__ import annotations

import pytest

from core.domain import hints
from core.domain.errors import (
    CredentialsReplaced,
    DiskFull,
    NotConfigured,
    Refused,
    ServiceError,
    Throttled,
    Unavailable,
)
from core.domain.hints import Hint


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        ("PermanentRedirect", Hint.REGION),
        ("InvalidRegionError", Hint.REGION),
        ("NoCredentialsError", Hint.NO_CREDENTIALS),
        ("ProfileNotFound", Hint.PROFILE),
        ("ExpiredToken", Hint.EXPIRED),
        ("ExpiredTokenException", Hint.EXPIRED),
        ("UnauthorizedSSOTokenError", Hint.EXPIRED),
        ("UnrecognizedClientException", Hint.UNKNOWN_KEY),
        ("InvalidAccessKeyId", Hint.UNKNOWN_KEY),
        ("CredentialRetrievalError", Hint.NO_ISSUER),
        ("RequestTimeTooSkewed", Hint.CLOCK),
        ("SignatureDoesNotMatch", Hint.SIGNATURE),
        ("InvalidSignatureException", Hint.SIGNATURE),
        ("RequestExpired", Hint.EXPIRED_REQUEST),
        ("AccessDenied", Hint.PERMISSION),
        ("AccessDeniedException", Hint.PERMISSION),
        ("ResourceNotFoundException", Hint.TABLE),
        ("NoSuchBucket", Hint.BUCKET),
        ("KMS.DisabledException", Hint.KEY),
        ("EndpointConnectionError", Hint.ADDRESS),
        ("ReadTimeoutError", Hint.TIME),
        ("SSLError", Hint.TLS),
        ("UnreadableAnswer", Hint.ANSWER),
        ("AuthenticationFailed", Hint.MONGODB_SIGN_IN),
        ("Unauthorized", Hint.MONGODB_PERMISSION),
        ("ServerSelectionTimeoutError", Hint.MONGODB_ADDRESS),
        ("NXDOMAIN", Hint.MONGODB_DNS),
        ("ConfigurationError", Hint.MONGODB_URI),
        ("MaxTimeMSExpired", Hint.MONGODB_TIME),
        ("CorruptError", Hint.DATABASE),
        ("EACCES", Hint.FILES),
    ],
)
def test_a_known_code_has_a_sentence_of_its_own(code: str, hint: Hint) -> None:
    assert hints.of(Refused("photos", code)) is hint


@pytest.mark.parametrize(
    ("kind", "hint"),
    [
        (Unavailable, Hint.UNAVAILABLE),
        (Throttled, Hint.QUOTA),
        (DiskFull, Hint.DISK),
        (Refused, Hint.REFUSED),
        (CredentialsReplaced, Hint.REFUSED),
        (NotConfigured, Hint.NOT_CONFIGURED),
    ],
)
def test_any_other_code_has_the_sentence_of_the_errors_class(kind: type[ServiceError], hint: Hint) -> None:
    assert hints.of(kind("photos", "SomethingNew")) is hint


def test_what_nobody_foresaw_is_to_be_reported() -> None:
    assert hints.of(KeyError("a secret")) is Hint.UNEXPECTED


@pytest.mark.parametrize("hint", Hint)
def test_a_hint_is_one_line_that_ends_as_a_sentence(hint: Hint) -> None:
    assert hint.endswith(".")
    assert "\n" not in hint


def test_no_code_has_two_sentences() -> None:
    codes = [code for codes in hints._CODES.values() for code in codes.split()]
    assert len(codes) == len(set(codes))
