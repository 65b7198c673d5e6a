"""Credentials by boto3's own rules, which are looked up again if a service no longer accepts them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Self

import boto3
from botocore.credentials import Credentials as BotoCredentials
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import BotoCoreError, CredentialRetrievalError

#: Codes for credentials that have expired, and for keys and tokens that AWS does not know or does not know any more.
#: Others may have taken their place since: in the shared file, in the machine's role, in a session of the role.
OUT_OF_DATE = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "RequestExpired",
        "TokenRefreshRequired",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidToken",
        "UnrecognizedClientException",
    }
)


class Credentials:
    """A client's credentials, in botocore's two roles: the component that finds them, and what is found.

    botocore itself renews temporary credentials shortly before they expire. It does not notice that a service no
    longer accepts them, e.g. because a key was rotated or a session was revoked: ``renew`` does that.
    """

    def __init__(self) -> None:
        self._found: BotoCredentials | None = None
        self._renewing = threading.Lock()
        self._thread = threading.local()

    def load_credentials(self) -> Self:
        with suppress(BotoCoreError):  # the first call looks again, and reports what is wrong
            self._found = _looked_up()
        return self

    def get_frozen_credentials(self) -> ReadOnlyCredentials | None:
        """What to sign a request with; None if there is nothing. botocore asks in the thread that makes the call."""
        self._thread.used = current = self._current()
        return current

    def get_deferred_property(self, name: str) -> Callable[[], Any]:
        return lambda: getattr(self._current(), name, None)

    def renew(self) -> bool:
        """Look the credentials up again, unless another thread has done so since this thread last signed a request.

        Returns whether they differ from those that it signed with.
        """
        used: ReadOnlyCredentials | None = getattr(self._thread, "used", None)
        if used is None:
            return False
        with self._renewing:
            if self._current() == used:
                self._found = _looked_up() or self._found
            return self._current() != used

    def _current(self) -> ReadOnlyCredentials | None:
        found = self._found = self._found or _looked_up()
        try:
            return found.get_frozen_credentials() if found else None
        except RecursionError:
            raise  # a kind of RuntimeError that may come up anywhere, and says nothing of credentials
        except RuntimeError as error:
            # botocore raises it if the credentials that it was just given have expired already.
            raise CredentialRetrievalError(provider="botocore", error_msg=str(error)) from error


def _looked_up() -> BotoCredentials | None:
    # A session remembers what it has found, so each look needs one of its own.
    return boto3.session.Session().get_credentials()
