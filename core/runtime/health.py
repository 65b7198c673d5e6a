"""Checks whether the services behind the ports can be reached, and how long each takes to answer."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.domain import hints
from core.domain.errors import Service, ServiceError
from core.domain.hints import Hint
from core.settings import Backend

if TYPE_CHECKING:
    from core.runtime.services import Services

logger = logging.getLogger(__name__)


#: The services without which Facedesk still validates photos and decides cases: people then do not see who has which
#: case, and cannot read or write notes, or the profiles of events. Sign-outs are in the same table, but are none of
#: them: where people sign in, nobody gets in any more some minutes after they were last read.
_DISPENSABLE = frozenset({Service.CASES, Service.PROFILES})


@dataclass(frozen=True)
class Health:
    """How one service answered. ``error`` is the error's class and code without any detail, or None; ``hint`` tells
    the person on duty what to do about it.
    """

    service: str
    milliseconds: float
    error: str | None = None
    hint: Hint | None = None

    @property
    def is_dispensable(self) -> bool:
        """Whether Facedesk is ready for work without this service."""
        return self.service in _DISPENSABLE

    @property
    def ok(self) -> bool:
        return self.error is None


def check(services: Services) -> list[Health]:
    """The health of each service. All are asked in parallel: this takes as long as the slowest."""
    pings: dict[str, Callable[[], None]] = {
        Service.RECORDS: services.records.ping,
        Service.REGISTRATIONS: services.registrations.ping,
        Service.PHOTOS: services.photos.ping,
        Service.ENGINE: services.engine.ping,
        Service.AUDIT: services.audit.ping,
        Service.CASES: services.claims.ping,
        Service.PROFILES: services.profiles.ping,
    }
    if services.settings.sign_in and services.settings.backend is Backend.AWS:
        pings[Service.SIGN_OUTS] = services.sessions.ping
    with ThreadPoolExecutor(len(pings), thread_name_prefix="health") as threads:
        return list(threads.map(_health, pings, pings.values()))


def _health(service: str, ping: Callable[[], None]) -> Health:
    began = time.monotonic()
    error = hint = None
    try:
        ping()
    except ServiceError as failure:
        error, hint = f"{type(failure).__name__} ({failure.code})", hints.of(failure)
    except Exception as failure:
        # An unexpected error must not hide the health of the other services.
        logger.exception("a ping failed")
        error, hint = type(failure).__name__, hints.of(failure)
    return Health(service, (time.monotonic() - began) * 1000, error, hint)
