"""The load that several instances are under while some of them are lost, and what each kind of client notices."""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import httpx

from core.domain.records import Registration
from tests.support import signin
from tests.support.production import Site

#: Seconds between a kiosk's answer and its next photo, and before it sends a refused one again.
PAUSE = 4.0
#: What a kiosk may be told while an instance is lost; it sends the photo again.
PASSING = frozenset({429, 502, 503, 504})


class Kiosks:
    """Clients that send one photo after the other, each until it is acknowledged.

    Each has people of its own, whom it takes in turn. The ids of its attempts begin with ``word``.
    """

    def __init__(
        self, address: str, tokens: Sequence[str], people: Sequence[Registration], key: str, word: str = "sent"
    ) -> None:
        self.acknowledged: Counter[Registration] = Counter()
        self.refused: Counter[int | str] = Counter()
        self._key = key
        self._word = word
        self._lock = threading.Lock()
        self._end = threading.Event()
        shares = [people[number :: len(tokens)] for number in range(len(tokens))]
        self._threads = [
            threading.Thread(target=self._work, args=(address, token, share))
            for token, share in zip(tokens, shares, strict=True)
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Returns when each has its last photo acknowledged."""
        self._end.set()
        for thread in self._threads:
            thread.join()

    def _work(self, address: str, token: str, people: Sequence[Registration]) -> None:
        with httpx.Client(base_url=address, headers={"Authorization": f"Bearer {token}"}, timeout=60) as client:
            for number in itertools.count():
                person = people[number % len(people)]
                while not self._sent(client, person, f"{self._word}-{number}"):
                    time.sleep(PAUSE)
                self.acknowledged[person] += 1  # nobody else counts this person
                if self._end.wait(PAUSE):
                    return

    def _sent(self, client: httpx.Client, person: Registration, idempotency_key: str) -> bool:
        address = f"/api/registrations/{person.registration_id}/validate-face-image"
        try:
            answer = client.post(
                address, json={"faceImageKey": self._key}, headers={"Idempotency-Key": idempotency_key}
            )
        except httpx.TransportError as error:
            self._count(type(error).__name__)
            return False
        if answer.status_code != 200:
            self._count(answer.status_code)
        return answer.status_code == 200

    def _count(self, refusal: int | str) -> None:
        with self._lock:
            self.refused[refusal] += 1


class Trouble:
    """For how long something was wrong without a break, as one sees who looks again and again."""

    def __init__(self) -> None:
        self.longest = 0.0
        self.times = 0
        self.kinds: Counter[str] = Counter()
        self._since: float | None = None

    def look(self, wrong: str) -> None:
        """``wrong`` says what is wrong; "" if nothing is."""
        now = time.monotonic()
        if self._since is not None:
            self.longest = max(self.longest, now - self._since)
        if not wrong:
            self._since = None
        elif self._since is None:
            self._since = now
            self.times += 1
        if wrong:
            self.kinds[wrong] += 1


@contextmanager
def opening_pages(address: str) -> Iterator[Trouble]:
    """Somebody who is signed in opens a page again and again, with the cookies of a browser."""
    trouble, end = Trouble(), threading.Event()

    def work() -> None:
        said = signin.cookie(signin.claims("support", address))
        with httpx.Client(cookies=said, timeout=30) as client:
            while not end.wait(0.25):
                try:
                    status = client.get(f"{address}/event_overview").status_code
                    trouble.look("" if status == 200 else str(status))
                except httpx.TransportError as error:
                    trouble.look(type(error).__name__)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield trouble
    finally:
        end.set()
        thread.join()


def seconds_signed_in_after_signing_out(address: str, instances: Sequence[str], watched: float) -> float:
    """For how long after the end of a session any instance still let it in, looked at for ``watched`` seconds."""
    cookies = signin.cookie(signin.claims("support", address))

    def is_in(instance: str) -> bool:
        with suppress(httpx.TransportError):  # it was killed a moment ago
            return httpx.get(f"{instance}/user_lookup", cookies=cookies, timeout=30).status_code == 200
        return False

    while not any(map(is_in, instances)):
        time.sleep(0.5)
    while not _is_signed_out(address, cookies):
        time.sleep(0.5)
    ended = last = time.monotonic()
    while time.monotonic() - ended < watched:
        for each in instances:
            asked = time.monotonic()
            if is_in(each):
                last = asked
        time.sleep(0.2)
    return last - ended


def _is_signed_out(address: str, cookies: dict[str, str]) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(f"{address}/auth/logout", cookies=cookies, timeout=30).status_code < 400
    return False


@dataclass
class Hurry:
    """Requests by one token in each window of its rate: how many were answered, and how many refused."""

    allowed: Counter[int] = field(default_factory=Counter)
    refused: Counter[int] = field(default_factory=Counter)

    def spent(self) -> list[int]:
        """The windows in which all that was allowed was used up, and which were whole."""
        return sorted(self.refused)[1:-1]


@contextmanager
def hurrying(address: str, token: str, window_seconds: float, at_once: int) -> Iterator[Hurry]:
    """``at_once`` clients with one token ask through the proxy, more often than it may."""
    counted, lock, end = Hurry(), threading.Lock(), threading.Event()

    def work() -> None:
        with httpx.Client(headers={"Authorization": f"Bearer {token}"}, timeout=60) as client:
            while not end.is_set():
                status = 0
                with suppress(httpx.TransportError):
                    status = client.get(f"{address}/api/openapi.json").status_code
                window = math.floor(time.time() / window_seconds)
                with lock:
                    if status == 200:
                        counted.allowed[window] += 1
                    elif status == 429:
                        counted.refused[window] += 1
                end.wait(0.25)

    threads = [threading.Thread(target=work) for _ in range(at_once)]
    for thread in threads:
        thread.start()
    try:
        yield counted
    finally:
        end.set()
        for thread in threads:
            thread.join()


def registered(site: Site, event: str, count: int, key: str) -> list[Registration]:
    """New people of the event, whose reference photo and sent photo lie under ``key``."""
    people = [
        Registration(
            registration_id=f"{event}-{number}",
            user_id=f"person-{event}-{number}",
            event_id=event,
            reference_photo_key=key,
            submitted_photo_key=key,
        )
        for number in range(count)
    ]
    site.add(people)
    return people


def attempts(site: Site, people: Sequence[Registration]) -> dict[Registration, int]:
    """How many attempts each one's record says; 0 where there is none."""
    records = {each: site.services.records.get(each.user_id, each.registration_id) for each in people}
    return {each: record.verification_attempt if record else 0 for each, record in records.items()}


def until_done(left: Callable[[], int | None], patience: float = 120) -> None:
    """Returns when nothing is left; fails where nothing more was done for ``patience`` seconds."""
    before, since = left(), time.monotonic()
    while before is not None:
        assert time.monotonic() - since < patience, f"{before} are left"
        time.sleep(0.5)
        now = left()
        if now != before:
            before, since = now, time.monotonic()
