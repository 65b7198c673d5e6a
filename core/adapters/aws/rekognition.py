"""How Rekognition is called: at the pace of the account's quota, with retries, and with its errors translated."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from typing import Any

from core.adapters.aws.clients import translated
from core.domain.errors import Throttled, Unavailable
from core.flow.pace import Pace
from core.flow.retry import Retry

#: The share of the quota that is used at most: calls sent at even intervals arrive at less even ones.
QUOTA_SHARE = 0.97
#: Seconds of a pause that later calls may make up for: about the length of a scheduling delay.
_BURST_SECONDS = 0.02


def pace_of(calls_per_second: float) -> Pace:
    """The pace of one operation whose quota is ``calls_per_second``."""
    return Pace(QUOTA_SHARE * calls_per_second, _BURST_SECONDS)


@dataclass(frozen=True)
class Calls:
    """Makes calls to Rekognition; errors name ``service``.

    ``retry`` makes the tries after the first one, and every try counts for the pace. Calls that are ``patient`` wait
    for their turn before each try. The others are made at once, and the patient ones make room.
    """

    retry: Retry
    service: str
    patient: bool
    #: Called before each try: the instance takes its share of the quota.
    join: Callable[[], None] = lambda: None

    def __call__(
        self, pace: Pace, essential: Collection[str], call: Callable[..., dict[str, Any]], **request: Any
    ) -> Any:
        """The answer of ``call``, a method of a client, to the request, without botocore's metadata.

        An answer with none of ``essential`` did not come from Rekognition, and counts as a passing fault.
        """
        return self.retry(partial(self._once, pace, essential, partial(call, **request)))

    def _once(self, pace: Pace, essential: Collection[str], call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        self.join()
        if self.patient:
            pace.wait()
        else:
            pace.spend()
        try:
            with translated(self.service):
                answer = call()
            if answer.keys().isdisjoint(essential):
                raise Unavailable(self.service, "UnreadableAnswer")
        except Throttled:
            pace.slow_down()
            raise
        pace.speed_up()
        return {name: value for name, value in answer.items() if name != "ResponseMetadata"}
