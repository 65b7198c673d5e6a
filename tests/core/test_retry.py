"""The one layer that retries: what is worth another try, and how many."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from core.domain.errors import (
    CredentialsReplaced,
    NotConfigured,
    Refused,
    ServiceError,
    Throttled,
    Unavailable,
)
from core.flow.retry import Retry

AT_ONCE = Retry(deadline=30, call_timeout=1, base=0, tries=3)


def failing(*errors: ServiceError) -> tuple[Callable[[], str], list[ServiceError]]:
    """A call that raises ``errors`` one after the other and then succeeds; and those that it has not raised yet."""
    left = list(errors)

    def call() -> str:
        if left:
            raise left.pop(0)
        return "answer"

    return call, left


@pytest.mark.parametrize("kind", [Unavailable, Throttled])
def test_what_passes_is_tried_again(kind: type[ServiceError]) -> None:
    call, _ = failing(kind("photos", "SlowDown"), kind("photos", "SlowDown"))
    assert AT_ONCE(call) == "answer"


@pytest.mark.parametrize("kind", [Refused, NotConfigured])
def test_what_is_final_is_tried_once(kind: type[ServiceError]) -> None:
    call, left = failing(kind("photos", "no"), kind("photos", "again"))
    with pytest.raises(kind):
        AT_ONCE(call)
    assert len(left) == 1


def test_credentials_that_were_replaced_are_worth_another_try() -> None:
    call, _ = failing(CredentialsReplaced("photos", "ExpiredToken"))
    assert AT_ONCE(call) == "answer"


def test_credentials_that_were_replaced_twice_are_a_final_error() -> None:
    call, left = failing(*[CredentialsReplaced("photos", "ExpiredToken")] * 3)
    with pytest.raises(Refused):
        AT_ONCE(call)
    assert len(left) == 1


def test_a_try_with_other_credentials_takes_none_from_the_passing_faults() -> None:
    passing = Unavailable("photos", "SlowDown")
    call, _ = failing(passing, CredentialsReplaced("photos", "ExpiredToken"), passing)
    assert AT_ONCE(call) == "answer"


def test_other_credentials_are_not_tried_after_the_deadline() -> None:
    call, _ = failing(CredentialsReplaced("photos", "ExpiredToken"))
    with pytest.raises(CredentialsReplaced):
        Retry(deadline=1, call_timeout=1)(call)
