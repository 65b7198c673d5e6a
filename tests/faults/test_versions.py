"""Two versions of the code side by side on the same stores, as during an upgrade and on the way back: nothing is
lost, nothing is unreadable.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.domain.records import Registration
from tests.faults.load import PASSING, Kiosks, attempts, registered, until_done
from tests.support import signin
from tests.support.cluster import Instance, running, signed_in_production
from tests.support.portraits import as_jpeg, hopper
from tests.support.production import Site
from tests.support.rekognition import SameFace
from tests.support.servers import ROOT, free_port
from tests.support.waiting import until

pytestmark = pytest.mark.faults

#: The version before this one's tables and records.
EARLIER = "43d4004"
KEY = "face-images/sent.jpg"
LOAD_SECONDS = 20.0
KIOSKS_OF_EACH, PEOPLE, JUDGED, IN_BATCH, IN_LONG_BATCH = 5, 30, 20, 40, 300
DOORS, DECIDED, BATCH, STATE = "doors", "decided", "batch", "state"
VERSIONS = ("earlier", "later")
#: More attempts than a record has room for beside its newest ones.
MANY = 24

Codes = Mapping[str, Path]


@pytest.fixture(scope="module")
def codes(tmp_path_factory: pytest.TempPathFactory) -> Codes:
    """The folder with the code of each version."""
    packed = subprocess.run(["git", "archive", EARLIER], cwd=ROOT, capture_output=True, check=False)
    if packed.returncode:
        pytest.skip(f"the history of this repository lacks {EARLIER}: {packed.stderr.decode()}")
    folder = tmp_path_factory.mktemp("earlier")
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(folder, filter="data")
    (folder / "node_modules").symlink_to(ROOT / "node_modules")
    return dict(zip(VERSIONS, (folder, ROOT), strict=True))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The stores; every verdict waits for a person's decision."""
    folder, quota = tmp_path_factory.mktemp("stores"), {"REKOGNITION_CALLS_PER_SECOND": "20"}
    address = f"http://localhost:{free_port()}"
    with signed_in_production(folder, SameFace(similarity=75), address, **quota) as made:
        made.services.photos.put(KEY, as_jpeg(hopper(), size=(160, 188)))
        yield made


def started(code: Path, site: Site, *command: str, log: Path) -> subprocess.Popen[str]:
    """A process of a version over the stores."""
    with log.open("ab") as told:
        return subprocess.Popen(
            [sys.executable, *command],
            cwd=code,
            env={**os.environ, **site.environment, "PYTHONPATH": str(code)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=told,
            text=True,
        )


class Version:
    """A process of one version that does what it is asked: the commands of ``tests.faults.version``."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self._process = process
        self._log = log

    def __call__(self, command: str, *arguments: Any) -> Any:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps([command, *arguments]) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, self._log.read_text()[-3000:]
        return json.loads(answer)


@pytest.fixture(scope="module")
def versions(codes: Codes, site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Version]]:
    folder = tmp_path_factory.mktemp("versions")
    script = str(Path(__file__).with_name("version.py"))
    logs = {name: folder / f"{name}.log" for name in codes}
    processes = {name: started(code, site, script, log=logs[name]) for name, code in codes.items()}
    yield {name: Version(process, logs[name]) for name, process in processes.items()}
    for process in processes.values():
        process.kill()
        process.communicate()


@pytest.fixture(params=[VERSIONS, VERSIONS[::-1]], ids=["upgrade", "way-back"])
def pair(request: pytest.FixtureRequest) -> tuple[str, str]:
    """The version that writes, and the one that goes on with it."""
    names: tuple[str, str] = request.param
    return names


@dataclass(frozen=True)
class Worked:
    """What came of the load on an instance of each version. Both still run."""

    instances: tuple[Instance, ...]
    token: str
    #: How many attempts of each person were acknowledged by either.
    acknowledged: Counter[Registration]
    refused: set[int | str]
    #: People whose first attempt one version recorded, and who of the other decided on it.
    judged: Mapping[Registration, str]
    #: How many files of the event each status had that was answered meanwhile.
    files: Counter[int]

    def answers(self, path: str) -> list[httpx.Response]:
        """What each version answers."""
        return [asked(each, self.token, path).raise_for_status() for each in self.instances]


@pytest.fixture(scope="module")
def worked(
    codes: Codes, site: Site, versions: dict[str, Version], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Worked]:
    people = registered(site, DOORS, PEOPLE, KEY)
    first, second = VERSIONS
    turns = itertools.cycle([(first, second), (second, first)])
    judged = dict(zip(registered(site, DECIDED, JUDGED, KEY), turns, strict=False))
    for person, (recording, _) in judged.items():
        versions[recording]("validate", person.registration_id, KEY, "first")
    token = versions[second]("make_token", "kiosk")
    with running(site.environment, tmp_path_factory.mktemp("instances"), codes) as instances:
        until(lambda: all(asked(each, token, "/api/openapi.json").status_code == 200 for each in instances))
        with reading_files(instances, token) as files:
            # Two kiosks, one at each version, add to the same records.
            kiosks = [
                Kiosks(each.address, [token] * KIOSKS_OF_EACH, people, KEY, word)
                for each, word in zip(instances, VERSIONS, strict=True)
            ]
            for person, (_, deciding) in judged.items():
                versions[deciding]("decide", person.user_id, person.registration_id, deciding)
                time.sleep(LOAD_SECONDS / JUDGED)
            for each in kiosks:
                each.close()
        acknowledged = kiosks[0].acknowledged + kiosks[1].acknowledged
        refused = {code for each in kiosks for code in each.refused}
        deciders = {person: deciding for person, (_, deciding) in judged.items()}
        yield Worked(instances, token, acknowledged, refused, deciders, files)


def test_every_attempt_that_either_acknowledged_under_load_counts_once(site: Site, worked: Worked) -> None:
    assert worked.acknowledged
    assert attempts(site, list(worked.acknowledged)) == dict(worked.acknowledged)


def test_nobody_is_refused_under_load_but_for_a_moment(worked: Worked) -> None:
    assert worked.refused <= PASSING


def test_files_can_be_read_from_both_while_both_write(worked: Worked) -> None:
    assert worked.files.keys() == {200}


def test_each_version_decides_what_the_other_recorded(versions: dict[str, Version], worked: Worked) -> None:
    for version in versions.values():
        records = {each: version("record", each.user_id, each.registration_id) for each in worked.judged}
        assert {each: record["review"]["reviewer"] for each, record in records.items()} == worked.judged


def test_both_read_the_same_of_every_record(versions: dict[str, Version], worked: Worked) -> None:
    for person in [*worked.acknowledged, *worked.judged]:
        one, other = (versions[name]("record", person.user_id, person.registration_id) for name in VERSIONS)
        assert in_common(one, other) == in_common(other, one)


def test_both_count_the_same_attempts_of_a_person(worked: Worked) -> None:
    for person, count in worked.acknowledged.items():
        answers = worked.answers(f"/api/registrations/{person.user_id}/face-validation/stats")
        one, other = (answer.json()["data"] for answer in answers)
        assert one == other
        assert one["totalAttempts"] == count


@pytest.mark.parametrize("event", [DOORS, DECIDED])
def test_both_show_the_same_of_an_event(worked: Worked, event: str) -> None:
    one, other = (rows(answer) for answer in worked.answers(f"/api/exports/events/{event}/records.csv"))
    assert one == other
    assert len(one) == len(worked.acknowledged if event == DOORS else worked.judged)
    lists = worked.answers(f"/api/registrations/event/{event}/face-validations?limit=1000")
    for one, other in zip(*(answer.json()["data"]["data"] for answer in lists), strict=True):
        assert in_common(one, other) == in_common(other, one)


def test_an_attempt_that_is_sent_once_more_to_the_other_version_counts_once(
    site: Site, versions: dict[str, Version]
) -> None:
    (person,) = registered(site, "many", 1, KEY)
    for number in range(MANY):
        one, other = VERSIONS if number % 2 else VERSIONS[::-1]
        for name in (one, other):
            versions[name]("validate", person.registration_id, KEY, f"attempt-{number}")
    found = [versions[name]("record", person.user_id, person.registration_id) for name in VERSIONS]
    assert [each["verification_attempt"] for each in found] == [MANY, MANY]


@contextmanager
def batch_by(code: Path, site: Site, event: str, log: Path) -> Iterator[None]:
    """A process of a version begins a batch in Olga's name, and is killed at the end."""
    process = started(code, site, "-m", "tests.support.instance", event, "--start", log=log)
    assert process.stdout
    process.stdout.readline()
    try:
        yield
    finally:
        process.kill()
        process.communicate()


def test_a_batch_of_one_version_is_seen_and_continued_by_the_other(
    codes: Codes, site: Site, versions: dict[str, Version], pair: tuple[str, str], tmp_path: Path
) -> None:
    one, other = pair
    event = f"{BATCH}-{one}"
    people = registered(site, event, IN_BATCH, KEY)
    with batch_by(codes[one], site, event, tmp_path / "log"):
        until(lambda: versions[other]("job", event) is not None)
        assert versions[other]("job", event) == {"by": "Olga", "photos": IN_BATCH, "runs": True}
        assert versions[other]("photos_left", event)
    going_on = started(codes[other], site, "-m", "tests.support.instance", event, log=tmp_path / "log")
    until_done(lambda: versions[one]("photos_left", event))
    going_on.kill()
    going_on.communicate()
    assert set(attempts(site, people).values()) == {1}


def test_a_batch_of_one_version_is_stopped_by_the_other(
    codes: Codes, site: Site, versions: dict[str, Version], pair: tuple[str, str], tmp_path: Path
) -> None:
    one, other = pair
    event = f"stopped-{one}"
    registered(site, event, IN_LONG_BATCH, KEY)
    with batch_by(codes[one], site, event, tmp_path / "log"):
        until(lambda: versions[other]("job", event) is not None)
        versions[other]("stop_job", event)
        until(lambda: not versions[other]("job", event)["runs"])
    assert [versions[name]("photos_left", event) > 0 for name in pair] == [True, True]


def test_cases_events_tokens_and_sign_outs_of_one_version_are_the_others(
    site: Site, versions: dict[str, Version], pair: tuple[str, str]
) -> None:
    one, other = (versions[name] for name in pair)
    (person,) = registered(site, f"{STATE}-{pair[0]}", 1, KEY)
    one("validate", person.registration_id, KEY, "first")
    one("take_case", person.user_id, person.registration_id, person.event_id)
    assert len(other("case", person.user_id)) == 2
    assert other("case", person.user_id) == one("case", person.user_id)
    one("name_event", person.event_id, "The fair")
    other("name_event", person.event_id, "The fair of the year")
    assert one("event", person.event_id)["name"] == "The fair of the year"
    assert one("event", person.event_id) == other("event", person.event_id)
    token = one("make_token", f"door-{pair[0]}")
    until(lambda: other("holder", token) == f"door-{pair[0]}")
    claims = signin.claims("support", site.environment["OIDC_REDIRECT_URI"].removesuffix("/oauth2callback"))
    assert other("is_signed_in", claims)
    one("sign_out", claims)
    until(lambda: not other("is_signed_in", claims))


def test_an_erasure_that_one_version_began_is_ended_by_the_other(
    codes: Codes, site: Site, versions: dict[str, Version], pair: tuple[str, str], tmp_path: Path
) -> None:
    one, other = pair
    (person,) = registered(site, f"leaving-{one}", 1, KEY)
    versions[other]("validate", person.registration_id, KEY, "first")
    dying = f"import os; from tests.faults.eraser import erase; erase(dict(os.environ), {person.user_id!r}, 8, True)"
    process = started(codes[one], site, "-c", dying, log=tmp_path / "log")
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert versions[other]("erasures_under_way") == 1
    versions[other]("resume_erasures")
    assert [versions[name]("erasures_under_way") for name in pair] == [0, 0]
    assert [versions[name]("record", person.user_id, person.registration_id) for name in pair] == [None, None]


def asked(instance: Instance, token: str, path: str) -> httpx.Response:
    return httpx.get(instance.address + path, headers={"Authorization": f"Bearer {token}"}, timeout=60)


@contextmanager
def reading_files(instances: tuple[Instance, ...], token: str) -> Iterator[Counter[int]]:
    """Both are asked for the event's file again and again; counts how it went."""
    answers, end = Counter[int](), threading.Event()

    def work() -> None:
        while not end.is_set():
            for each in instances:
                answers[asked(each, token, f"/api/exports/events/{DOORS}/records.csv").status_code] += 1
                end.wait(0.5)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield answers
    finally:
        end.set()
        thread.join()


def rows(answer: httpx.Response) -> list[dict[str, str]]:
    found = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    return sorted(found, key=lambda row: row["registrationId"])


def in_common(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """What ``one`` says of that which both say; of lists of attempts the newest of both."""

    def shared(name: str) -> Any:
        mine, theirs = one[name], other[name]
        return mine[-len(theirs) :] if name == "attempts" and theirs else mine

    return {name: shared(name) for name in one.keys() & other.keys()}
