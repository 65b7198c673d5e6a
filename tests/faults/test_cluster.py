"""Three instances under load while one after the other is killed: nothing acknowledged is lost, and all work ends.

``FACEDESK_TEST_CLUSTER_SECONDS`` says how long the load lasts. What was counted is in ``test-artifacts``.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing import get_context

import pytest
from playwright.sync_api import Browser, Page, expect

from core.adapters.aws.rates import WINDOW_SECONDS
from core.domain.clock import utc_now
from core.domain.errors import Unavailable
from core.domain.records import Registration
from core.domain.roles import Role, local
from tests.faults.eraser import erase
from tests.faults.load import (
    PASSING,
    Hurry,
    Kiosks,
    Trouble,
    attempts,
    hurrying,
    opening_pages,
    registered,
    seconds_signed_in_after_signing_out,
    until_done,
)
from tests.support.browser import PATIENCE
from tests.support.cluster import NAMES, Cluster, Instance, cluster
from tests.support.portraits import as_jpeg, hopper
from tests.support.production import Site
from tests.support.records import an_outcome
from tests.support.rekognition import SameFace
from tests.support.servers import ROOT
from tests.support.signin import sign_in
from tests.support.waiting import until

pytestmark = [pytest.mark.faults, pytest.mark.browser]

LOAD_SECONDS = float(os.environ.get("FACEDESK_TEST_CLUSTER_SECONDS", "60"))
KILL_EVERY_SECONDS = 20.0
CLIENTS, PEOPLE_OF_EACH, IN_BATCH, ERASED = 50, 2, 300, 10
CALLS_PER_SECOND = 20
DOORS, BATCH, LEAVING = "doors", "batch", "leaving"
KEY = "face-images/sent.jpg"
#: Requests a minute of each token.
RATE = 300
HURRIED = 4
#: What the product promises.
ERROR_SECONDS, SIGNED_OUT_SECONDS = 10.0, 30.0
#: For how long a session is looked at after its end.
WATCHED = 1.5 * SIGNED_OUT_SECONDS
ARTIFACTS = ROOT / "test-artifacts"
TTL = timedelta(days=30)

_processes = get_context("forkserver")

#: What of a page is wrong, if anything: a dialog on a lost connection, a banner, an error of a page.
WRONG = """() => {
    const shown = document.querySelector(
        '[role=dialog], [data-testid=stException], [data-testid=stAlertContentError]');
    return shown ? shown.textContent.slice(0, 80) : '';
}"""
CONNECTION = "document.querySelector('[data-testid=stApp]')?.dataset.testConnectionState ?? 'no page'"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    limits = {"API_REQUESTS_PER_MINUTE": str(RATE), "REKOGNITION_CALLS_PER_SECOND": str(CALLS_PER_SECOND)}
    with cluster(tmp_path_factory.mktemp("cluster"), SameFace(), **limits) as made:
        made.site.services.photos.put(KEY, as_jpeg(hopper(), size=(160, 188)))
        yield made


@pytest.fixture(scope="module")
def window(browser: Browser) -> Iterator[Page]:
    with browser.new_context(viewport={"width": 1440, "height": 1000}) as context:
        opened = context.new_page()
        opened.set_default_timeout(PATIENCE)
        yield opened


def tokens(desk: Cluster, *names: str) -> list[str]:
    service = desk.site.services.token_service
    assert service
    return [service.make(name, [Role.SUPPORT], [], None, "Ada")[0] for name in names]


def begin_batch(desk: Cluster) -> None:
    """Another process begins it and is lost at once; it returns when one of the instances goes on with it."""
    starting = [sys.executable, "-m", "tests.support.instance", BATCH, "--start", "--as-in-production"]
    environment = {**os.environ, **desk.site.environment}
    starter = subprocess.Popen(starting, cwd=ROOT, env=environment, stdout=subprocess.PIPE)
    assert starter.stdout
    starter.stdout.readline()
    starter.kill()
    starter.wait()
    done = photos_left(desk)
    until(lambda: photos_left(desk) != done)


def photos_left(desk: Cluster) -> int | None:
    """Of the batch; None if it is done."""
    found = desk.site.services.batches.unfinished(BATCH)
    return found[1].total - found[1].done if found else None


def leaving(desk: Cluster) -> list[Registration]:
    """People with a record and photos of their own. The process that erases the first of them is killed meanwhile."""
    people = [desk.site.register(as_jpeg(hopper(), size=(160, 188)), event_id=LEAVING) for _ in range(ERASED)]
    for person in people:
        ids = person.model_dump(include={"user_id", "registration_id", "event_id"})
        named = {"stored_face_key": person.reference_photo_key}
        desk.site.services.records.record_attempt(an_outcome(timestamp=utc_now(), **ids, **named), TTL)
    killed = _processes.Process(target=erase, args=(desk.site.environment, people[0].user_id, 8, True))
    killed.start()
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    assert desk.site.services.erasures.unfinished()
    return people


def erase_one_by_one(desk: Cluster, people: list[Registration]) -> None:
    """Each erasure is asked for until it is acknowledged."""
    for person in people:
        while True:
            with suppress(Unavailable):
                desk.site.services.erasures.erase(person.user_id, person.user_id, local("Ada"))
                break
        time.sleep(LOAD_SECONDS / 2 / len(people))


class Killer:
    """Kills one instance after the other: the one that the page is at, and then the one that has lived the longest.

    None before the last one that was killed answers again, so that a slow machine is not left without any.
    """

    def __init__(self, desk: Cluster, page: Page) -> None:
        self.kills = 0
        self._page = page
        self._by_age = list(desk.instances)
        self._instances = desk.instances
        self._due = time.monotonic() + KILL_EVERY_SECONDS / 2
        self._back = threading.Thread()

    def look(self) -> None:
        if time.monotonic() < self._due or self._back.is_alive():
            return
        killed = self._by_age[0] if self.kills % 2 else instance_of(self._page, self._instances)
        self._by_age.remove(killed)
        self._by_age.append(killed)
        killed.kill()
        killed.start()
        self.kills += 1
        self._due = time.monotonic() + KILL_EVERY_SECONDS
        self._back = threading.Thread(target=killed.wait_until_it_answers)
        self._back.start()

    def close(self) -> None:
        if self.kills:
            self._back.join()


def instance_of(page: Page, instances: tuple[Instance, ...]) -> Instance:
    named = {each["name"]: each["value"] for each in page.context.cookies()}
    return instances[NAMES.index(named["facedesk_instance"])]


@dataclass(frozen=True)
class Aftermath:
    """What came of the load."""

    site: Site
    in_batch: list[Registration]
    erased: list[Registration]
    #: How many attempts of each person at the doors were acknowledged.
    acknowledged: Counter[Registration]
    refused: Counter[int | str]
    #: What the open page showed, the state of its connection, and what those saw who opened a page.
    shown: Trouble
    connection: Trouble
    opening: Trouble
    page_is_whole: bool
    #: Seconds.
    signed_in_after_signing_out: float
    hurry: Hurry

    @property
    def share_of_rate(self) -> float:
        windows = self.hurry.spent()
        assert windows, "the token was never used up"
        return sum(self.hurry.allowed[each] for each in windows) / (len(windows) * RATE / 60 * WINDOW_SECONDS)


@pytest.fixture(scope="module")
def aftermath(desk: Cluster, window: Page) -> Aftermath:
    site = desk.site
    in_batch = registered(site, BATCH, IN_BATCH, KEY)
    people = registered(site, DOORS, CLIENTS * PEOPLE_OF_EACH, KEY)
    erased = leaving(desk)
    hurried, *kiosk_tokens = tokens(desk, "hurried", *(f"kiosk-{number}" for number in range(CLIENTS)))
    sign_in(window, desk.address, "manager")
    window.goto(f"{desk.address}/event_overview?event_id={BATCH}")
    expect(window.get_by_text(f"{IN_BATCH} registered")).to_be_visible()
    begin_batch(desk)
    shown, connection = Trouble(), Trouble()
    with ExitStack() as load, ThreadPoolExecutor() as pool:
        killer = Killer(desk, window)
        load.callback(killer.close)
        kiosks = Kiosks(desk.address, kiosk_tokens, people, KEY)
        load.callback(kiosks.close)
        opening = load.enter_context(opening_pages(desk.address))
        hurry = load.enter_context(hurrying(desk.address, hurried, WINDOW_SECONDS, HURRIED))
        erasing = pool.submit(erase_one_by_one, desk, erased[1:])
        signed_in_for = pool.submit(
            seconds_signed_in_after_signing_out, desk.address, [each.address for each in desk.instances], WATCHED
        )
        end = time.monotonic() + LOAD_SECONDS
        while time.monotonic() < end:
            killer.look()
            window.wait_for_timeout(200)
            shown.look(window.evaluate(WRONG))
            state = window.evaluate(CONNECTION)
            connection.look("" if state == "CONNECTED" else state)
    erasing.result()
    done_under_load = IN_BATCH - (photos_left(desk) or 0)
    until_done(lambda: photos_left(desk))
    until(lambda: not site.services.erasures.unfinished())
    made = Aftermath(
        site,
        in_batch,
        erased,
        kiosks.acknowledged,
        kiosks.refused,
        shown,
        connection,
        opening,
        shows_the_whole_batch(window),
        signed_in_for.result(),
        hurry,
    )
    figures = {
        "seconds": LOAD_SECONDS,
        "kills": killer.kills,
        "acknowledged": made.acknowledged.total(),
        "refused, and sent again": dict(made.refused),
        "batch": IN_BATCH,
        "of it done under load": done_under_load,
        "longest error on the open page, seconds": round(shown.longest, 1),
        "looks at which it showed one": dict(shown.kinds),
        "longest loss of its connection, seconds": round(connection.longest, 1),
        "losses of it": connection.times,
        "longest error of pages that are opened, seconds": round(opening.longest, 1),
        "answers with one": dict(opening.kinds),
        "signed in after signing out, seconds": round(made.signed_in_after_signing_out, 1),
        "share of the rate that a token had": round(made.share_of_rate, 3),
        "windows of the rate": len(hurry.spent()),
    }
    ARTIFACTS.mkdir(exist_ok=True)
    (ARTIFACTS / "cluster.json").write_text(json.dumps(figures, indent=1))
    return made


def shows_the_whole_batch(page: Page) -> bool:
    """Whether the page that was open all the time comes to show it, without a press."""
    with suppress(AssertionError):
        expect(page.get_by_text(f"{IN_BATCH} tried")).to_be_visible(timeout=2 * PATIENCE)
        return True
    ARTIFACTS.mkdir(exist_ok=True)
    (ARTIFACTS / "page.txt").write_text(page.inner_text("body"))
    page.screenshot(path=ARTIFACTS / "page.png", full_page=True)
    return False


def test_every_attempt_that_was_acknowledged_counts_once(aftermath: Aftermath) -> None:
    assert aftermath.acknowledged
    assert attempts(aftermath.site, list(aftermath.acknowledged)) == dict(aftermath.acknowledged)


def test_clients_are_refused_for_a_moment_only(aftermath: Aftermath) -> None:
    assert {code for code in aftermath.refused if isinstance(code, int)} <= PASSING


def test_a_batch_ends_with_each_photo_once(aftermath: Aftermath) -> None:
    assert set(attempts(aftermath.site, aftermath.in_batch).values()) == {1}


def test_erasures_leave_nothing(aftermath: Aftermath) -> None:
    erasures = aftermath.site.services.erasures
    assert all(erasures.preview(each.user_id).counts.nothing for each in aftermath.erased)


def test_a_page_shows_no_error_for_long(aftermath: Aftermath) -> None:
    assert aftermath.shown.longest < ERROR_SECONDS


def test_an_open_page_shows_the_newest_by_itself(aftermath: Aftermath) -> None:
    assert aftermath.page_is_whole


def test_pages_can_be_opened_all_the_time(aftermath: Aftermath) -> None:
    assert aftermath.opening.longest < ERROR_SECONDS


def test_a_sign_out_holds_at_all_instances(aftermath: Aftermath) -> None:
    assert aftermath.signed_in_after_signing_out < SIGNED_OUT_SECONDS


def test_a_token_has_its_rate_over_all_instances(aftermath: Aftermath) -> None:
    assert aftermath.share_of_rate == pytest.approx(1, abs=0.1)
