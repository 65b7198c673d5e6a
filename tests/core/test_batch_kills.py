"""``kill -9`` amid a batch, again and again: each photo is validated, and none counts twice."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from core.domain.records import Registration
from core.runtime.services import Services
from tests.support.portraits import as_jpeg, hopper
from tests.support.production import Site, embedded

EVENT = "expo"
KEY = "face-images/sent.jpg"
PEOPLE = 400
KILLS = 6
ROOT = Path(__file__).parents[2]


def batcher(data: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.support.batcher", str(data), EVENT]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def killed_after(process: subprocess.Popen[str], photos: int) -> None:
    assert process.stdout is not None
    with process:
        for _ in range(photos):
            assert process.stdout.readline(), "it ended by itself"
        process.kill()


@pytest.fixture
def people() -> list[Registration]:
    return [
        Registration(registration_id=f"r{n}", user_id=f"u{n}", event_id=EVENT, submitted_photo_key=KEY)
        for n in range(PEOPLE)
    ]


def attempts(services: Services, people: list[Registration]) -> Counter[tuple[int, int]]:
    """How many records say how many attempts, and list how many."""
    records = [services.records.get(each.user_id, each.registration_id) for each in people]
    return Counter((record.verification_attempt, len(record.attempts)) for record in records if record)


def test_after_any_number_of_kills_each_photo_is_validated_and_counts_once(
    tmp_path: Path, people: list[Registration]
) -> None:
    luck = random.Random(20261124)
    with embedded(tmp_path) as site:
        prepared(site, people)
    for _ in range(KILLS):
        killed_after(batcher(tmp_path), luck.randint(1, 50))
    with embedded(tmp_path) as site:
        choice_and_progress = site.services.batches.unfinished(EVENT)
    last = batcher(tmp_path)
    reports = [int(line) for line in last.communicate()[0].split()]
    with embedded(tmp_path) as site:
        assert attempts(site.services, people) == {(1, 1): PEOPLE}
        assert site.services.batches.unfinished(EVENT) is None
    assert choice_and_progress
    assert choice_and_progress[1].total == PEOPLE
    # The last start did what was left and nothing else.
    assert reports == list(range(choice_and_progress[1].done + 1, PEOPLE + 1))


def prepared(site: Site, people: list[Registration]) -> None:
    site.services.photos.put(KEY, as_jpeg(hopper(), size=(160, 188)))
    site.add(people)
