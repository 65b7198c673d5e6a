"""The process that is killed: it erases a person, and ends itself by SIGKILL at a given call of a store."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from core.domain.roles import local
from core.runtime.observed_services import ObservedErasures
from core.services.erasure import Erasures
from tests.support.production import built

#: The parts of an erasure that reach outside of its process.
PARTS = ("_store", "_registrations", "_importer", "_photos", "_audit")


class Dying:
    """Passes calls on to ``part``; the one that is due ends the process, before or after it was done."""

    def __init__(self, part: Any, fuse: list[int], after: bool) -> None:
        self._part = part
        self._fuse = fuse
        self._after = after

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._part, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            self._fuse[0] -= 1
            due = self._fuse[0] == 0
            if due and not self._after:
                os.kill(os.getpid(), signal.SIGKILL)
            result = method(*args, **kwargs)
            if due:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return call


def inside(observed: ObservedErasures) -> Erasures:
    """The erasures behind what the operations log observes."""
    return observed._of


def erase(environment: Mapping[str, str], user_id: str, call: int, after: bool) -> None:
    """Ends at the ``call``-th call, counted from 1; by itself where there are fewer."""
    services = built(environment)
    erasures, fuse = inside(services.erasures), [call]
    for name in PARTS:
        if part := getattr(erasures, name):
            setattr(erasures, name, Dying(part, fuse, after))
    keepers = {str(number): keep for number, keep in enumerate(erasures._keepers)}
    dying = Dying(SimpleNamespace(**keepers), fuse, after)
    erasures._keepers = [getattr(dying, name) for name in keepers]
    erasures.erase(user_id, user_id, local("ada"))
    services.close()
