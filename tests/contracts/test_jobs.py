"""The contract of ``core.ports.JobBoard``, held by every adapter."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from core.adapters.aws.jobs import KEPT, RUNNING_FOR, DynamoJobBoard
from core.adapters.embedded.jobs import ProcessJobBoard
from core.domain.errors import NotConfigured
from core.ports import JobBoard, Notice
from tests.support.benches import bench_fixtures
from tests.support.clock import FakeClock
from tests.support.dynamodb import Proxy, client_of, create_state_table
from tests.support.stores import PATIENT


def _bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[JobBoard]:
    if request.param == "sqlite":
        yield ProcessJobBoard()
    else:
        client: Any = request.getfixturevalue(request.param)
        yield DynamoJobBoard(client, create_state_table(client), PATIENT, FakeClock())


board, race_board = bench_fixtures(_bench)


def test_at_first_there_is_no_notice(board: JobBoard) -> None:
    assert board.of("batch", "expo") is None
    assert not board.is_asked_to_stop("one")


def test_a_job_that_is_posted_runs(board: JobBoard) -> None:
    assert board.post("batch", "expo", "one", "text")
    assert board.of("batch", "expo") == Notice("one", "text", running=True, stopping=False)


def test_posted_again_it_has_the_new_text(board: JobBoard) -> None:
    board.post("batch", "expo", "one", "text")
    assert board.post("batch", "expo", "one", "new")
    assert board.of("batch", "expo") == Notice("one", "new", running=True, stopping=False)


def test_no_other_job_is_posted_while_one_runs(board: JobBoard) -> None:
    board.post("batch", "expo", "one", "text")
    assert not board.post("batch", "expo", "two", "other")
    assert board.of("batch", "expo") == Notice("one", "text", running=True, stopping=False)


@pytest.mark.parametrize("place", [("batch", "another"), ("check", "expo"), ("", "batchexpo"), ("batch", "x" * 2000)])
def test_each_kind_and_event_has_its_own(board: JobBoard, place: tuple[str, str]) -> None:
    board.post("batch", "expo", "one", "text")
    assert board.post(*place, "two", "other")
    notices = [board.of("batch", "expo"), board.of(*place)]
    assert [notice and notice.job_id for notice in notices] == ["one", "two"]


def test_a_job_that_has_ended_keeps_its_last_text_until_another_begins(board: JobBoard) -> None:
    board.post("batch", "expo", "one", "text")
    board.end("batch", "expo", "one", "summary", ())
    assert board.of("batch", "expo") == Notice("one", "summary", running=False, stopping=False)
    assert board.post("batch", "expo", "two", "other")
    assert board.of("batch", "expo") == Notice("two", "other", running=True, stopping=False)


def test_the_end_of_a_job_whose_place_is_anothers_changes_nothing(board: JobBoard) -> None:
    board.post("batch", "expo", "one", "text")
    board.end("batch", "expo", "one", "summary", ())
    board.post("batch", "expo", "two", "other")
    board.end("batch", "expo", "one", "late", ())
    board.remove("batch", "expo", "one")
    assert board.of("batch", "expo") == Notice("two", "other", running=True, stopping=False)


def test_a_running_job_can_be_asked_to_stop(board: JobBoard) -> None:
    board.post("batch", "expo", "one", "text")
    for _ in range(2):
        board.ask_to_stop("one")
    assert (board.is_asked_to_stop("one"), board.is_asked_to_stop("two")) == (True, False)
    board.post("batch", "expo", "one", "new")
    assert board.of("batch", "expo") == Notice("one", "new", running=True, stopping=True)
    board.end("batch", "expo", "one", "summary", ())
    board.post("batch", "expo", "two", "other")
    assert board.of("batch", "expo") == Notice("two", "other", running=True, stopping=False)


def test_what_is_removed_is_gone(board: JobBoard) -> None:
    board.post("batch", "expo", "one", "text")
    board.end("batch", "expo", "one", "summary", ())
    for _ in range(2):
        board.remove("batch", "expo", "one")
    assert board.of("batch", "expo") is None


def test_a_summary_about_an_erased_person_goes(board: JobBoard) -> None:
    for event_id, people in (("expo", ["ada", "bob"]), ("other", ["bob"]), ("third", [])):
        board.post("batch", event_id, event_id, "text")
        board.end("batch", event_id, event_id, "summary", people)
    board.forget("ada")
    assert [board.of("batch", each) is None for each in ("expo", "other", "third")] == [True, False, False]


def test_of_many_that_are_posted_at_once_one_is(race_board: JobBoard) -> None:
    with ThreadPoolExecutor(8) as threads:
        posted = list(threads.map(lambda number: race_board.post("batch", "expo", f"{number}", ""), range(16)))
    notice = race_board.of("batch", "expo")
    assert notice
    assert [number for number, did in enumerate(posted) if did] == [int(notice.job_id)]


# DynamoDB


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def shared(dynamodb: Any, clock: FakeClock) -> DynamoJobBoard:
    return DynamoJobBoard(dynamodb, create_state_table(dynamodb), PATIENT, clock)


def test_a_job_that_nobody_posts_any_more_does_not_run(shared: DynamoJobBoard, clock: FakeClock) -> None:
    shared.post("batch", "expo", "one", "text")
    clock.advance(RUNNING_FOR)
    assert shared.of("batch", "expo") == Notice("one", "text", running=False, stopping=False)
    assert shared.post("batch", "expo", "two", "other")


def test_a_notice_is_gone_after_some_days(shared: DynamoJobBoard, clock: FakeClock) -> None:
    shared.post("batch", "expo", "one", "text")
    clock.advance(KEPT)
    assert shared.of("batch", "expo") is None
    assert shared.post("batch", "expo", "two", "other")


def test_a_lost_answer_changes_nothing(dynamodb: Any, dynamodb_proxy: Proxy) -> None:
    board = DynamoJobBoard(client_of(dynamodb_proxy.url), create_state_table(dynamodb), PATIENT, FakeClock())
    dynamodb_proxy.fault = lambda operation: Proxy.LOSE if dynamodb_proxy.seen.count(operation) == 1 else None
    assert board.post("batch", "expo", "one", "text")


def test_telling_how_far_it_is_costs_a_write_and_a_read(dynamodb: Any, dynamodb_proxy: Proxy) -> None:
    board = DynamoJobBoard(client_of(dynamodb_proxy.url), create_state_table(dynamodb), PATIENT, FakeClock())
    board.post("batch", "expo", "one", "text")
    board.is_asked_to_stop("one")
    assert dynamodb_proxy.seen == ["PutItem", "GetItem"]


def test_a_missing_table_is_not_configured(dynamodb: Any) -> None:
    with pytest.raises(NotConfigured, match="python -m core provision"):
        DynamoJobBoard(dynamodb, "no-state-here", PATIENT, FakeClock()).of("batch", "expo")
