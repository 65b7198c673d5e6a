"""The photos, and what stores of photos do in addition."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from typing import Protocol


class Photos(Protocol):
    """Photos by key. A key is text such as ``face-images/0b9c.jpg``; no key can name anything outside the store."""

    def put(self, key: str, data: bytes) -> None:
        """Store ``data`` under ``key``. Durable when it returns; readers see all of it or nothing."""
        ...

    def get(self, key: str) -> bytes:
        """The bytes stored under ``key``. Raises ``PhotoNotFound``, and ``PhotoTooLarge`` above the size limit."""
        ...

    def exists(self, key: str) -> bool: ...

    def under(self, folder: str) -> list[str]:
        """The keys that begin with ``folder``, which ends with a slash, sorted; also those of earlier versions."""
        ...

    def erase(self, key: str) -> None:
        """Delete the photo and every earlier version of it, if there is one. Durable when it returns."""
        ...

    def erase_under(self, folder: str, kept: Collection[str] = ()) -> None:
        """``erase`` every key that begins with ``folder``, which ends with a slash, except those in ``kept``.

        Also deletes what a killed ``put`` of such a key left behind.
        """
        ...

    def ping(self) -> None: ...

    def close(self) -> None: ...


class ExpiringPhotos(Photos, Protocol):
    """What a photo store can do in addition if no service deletes its expired photos."""

    def expire(self, folder: str, before: datetime, named: Callable[[set[str]], set[str]]) -> int:
        """Erase the photos whose keys begin with ``folder`` and that were stored before ``before``; returns how many.

        ``named`` returns those of some hundred keys that must stay.
        """
        ...


class AgeingPhotos(Photos, Protocol):
    """What a photo store can do in addition if a service deletes submitted photos by their age alone."""

    def renew(self, kept_until: Mapping[str, datetime], ttl: timedelta, now: datetime) -> int:
        """Store those of the photos again that would otherwise be deleted, at the age of ``ttl``, before the time
        that ``kept_until`` has for their key (``core.domain.expiry.is_due_for_renewal``); return how many.

        Must be called once a day. Photos that do not exist are left out. A photo is the same before and afterwards.
        """
        ...
