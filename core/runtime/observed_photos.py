"""The ports of photos with every call recorded as an operation."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta

from core.ports import AgeingPhotos, ExpiringPhotos, Photos
from core.runtime.observer import Observed, Observer


class ObservedPhotos(Observed):
    """``Photos`` with every call recorded. No key is logged: another service's key may contain a name."""

    def __init__(self, port: Photos, observer: Observer) -> None:
        super().__init__(observer, "photos")
        self._port = port

    def put(self, key: str, data: bytes) -> None:
        with self._call("put"):
            self._port.put(key, data)

    def get(self, key: str) -> bytes:
        with self._call("get"):
            return self._port.get(key)

    def exists(self, key: str) -> bool:
        with self._call("exists"):
            return self._port.exists(key)

    def under(self, folder: str) -> list[str]:
        with self._call("under"):
            return self._port.under(folder)

    def erase(self, key: str) -> None:
        with self._call("erase"):
            self._port.erase(key)

    def erase_under(self, folder: str, kept: Collection[str] = ()) -> None:
        with self._call("erase_under"):
            self._port.erase_under(folder, kept)

    def ping(self) -> None:
        with self._call("ping"):
            self._port.ping()

    def close(self) -> None:
        self._port.close()


class ObservedAgeingPhotos(ObservedPhotos):
    """``AgeingPhotos`` with every call recorded."""

    def __init__(self, port: AgeingPhotos, observer: Observer) -> None:
        super().__init__(port, observer)
        self._ageing = port

    def renew(self, kept_until: Mapping[str, datetime], ttl: timedelta, now: datetime) -> int:
        with self._call("renew"):
            return self._ageing.renew(kept_until, ttl, now)


class ObservedExpiringPhotos(ObservedPhotos):
    """``ExpiringPhotos`` with every call recorded."""

    def __init__(self, port: ExpiringPhotos, observer: Observer) -> None:
        super().__init__(port, observer)
        self._expiring = port

    def expire(self, folder: str, before: datetime, named: Callable[[set[str]], set[str]]) -> int:
        with self._call("expire"):
            return self._expiring.expire(folder, before, named)
