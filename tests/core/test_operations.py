"""Operations: what a line says and what it never says, which calls it counts, and the metrics of the last day."""

from __future__ import annotations

import hmac
import json
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core.adapters.aws.records import DynamoRecords
from core.adapters.embedded.records import SqliteRecords
from core.domain.errors import PhotoNotFound, Refused, Unavailable
from core.flow.retry import Retry
from core.flow.tally import Tally
from core.ports import ValidationRecords
from core.runtime import observer, operation_log
from core.runtime.observed import Observed, ObservedExpiryCheck, ObservedRecords
from core.runtime.observer import Observer
from core.runtime.operation_log import Operation
from core.runtime.operation_metrics import OperationMetrics
from core.settings import Settings
from tests.support.clock import NOON, FakeClock
from tests.support.dynamodb import Proxy, client_of, create_table
from tests.support.records import an_outcome
from tests.support.stores import table_without_index

TTL = timedelta(days=30)
QUICK = Retry(deadline=20, call_timeout=2, base=0.01, cap=0.05)


class Port(Observed):
    """One method for each thing that a call can be; ``work`` is what it does meanwhile."""

    def __init__(self, observer: Observer, name: str = "records", work: Callable[[], object] = lambda: None) -> None:
        super().__init__(observer, name)
        self._work = work

    def get(self, user_id: str, registration_id: str | None = None) -> str:
        with self._call("get", user_id, registration_id):
            self._work()
            return f"{user_id}/{registration_id}"

    def search(self, text: str) -> list[str]:
        with self._call("search"):
            return [text]

    def fail(self, error: BaseException) -> None:
        with self._call("fail"):
            raise error

    def batches(self, event_id: str, last: BaseException | None = None) -> Iterator[int]:
        return self._observer.steps(self._call("batches", event_id=event_id), self._batches(last))

    def _batches(self, last: BaseException | None) -> Iterator[int]:
        for number in (1, 2, 3):
            self._work()
            yield number
        if last:
            raise last


class Watched:
    """An observer with a port that it watches, and what is written about it."""

    def __init__(self, folder: Path, work: Callable[[], object], **settings: Any) -> None:
        self.file = folder / "logs" / "operations.jsonl"
        self.metrics = OperationMetrics()
        self.clock = FakeClock()
        chosen = Settings(_env_file=None, **{"data_dir": folder, "operation_log": "file", **settings})
        self.observer = Observer(chosen, self.clock, self.metrics)
        self.port = Port(self.observer, work=work)

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.file.read_text().splitlines()]

    @property
    def line(self) -> dict[str, Any]:
        """The only one."""
        (line,) = self.lines
        return line


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Callable[..., Watched]]:
    watched: list[Watched] = []

    def make(work: Callable[[], object] = lambda: None, **settings: Any) -> Watched:
        watched.append(Watched(tmp_path, work, **settings))
        return watched[-1]

    yield make
    for each in watched:
        each.observer.close()


@pytest.fixture
def watched(watch: Callable[..., Watched]) -> Watched:
    return watch()


class Stopwatch:
    """Stands in for ``time``: seconds pass when a test says so."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def perf_counter(self) -> float:
        return self.seconds

    def let_pass(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture
def stopwatch(monkeypatch: pytest.MonkeyPatch) -> Stopwatch:
    watch = Stopwatch()
    monkeypatch.setattr(observer, "time", watch)
    return watch


def test_a_call_answers_as_ever_and_leaves_one_line(watched: Watched) -> None:
    assert watched.port.get("user-1", "reg-1") == "user-1/reg-1"
    line = watched.line
    assert (line["operation"], line["service"], line["outcome"]) == ("records.get", "validation records", "ok")


def test_a_line_has_the_fields_that_queries_name(watched: Watched) -> None:
    watched.port.get("user-1", registration_id="reg-1")
    assert list(watched.line) == [
        "time",
        "operation",
        "service",
        "milliseconds",
        "outcome",
        "user",
        "registration",
        "calls",
        "throttled",
        "readUnits",
        "writeUnits",
    ]


def test_time_is_when_the_call_ended_in_utc_to_the_millisecond(watched: Watched) -> None:
    watched.port.get("user-1")
    assert watched.line["time"] == "2026-03-01T12:00:00.000Z"


def test_milliseconds_passed_inside_the_call(watch: Callable[..., Watched], stopwatch: Stopwatch) -> None:
    watched = watch(lambda: stopwatch.let_pass(0.25))
    stopwatch.let_pass(9)
    watched.port.get("user-1")
    assert watched.line["milliseconds"] == 250


def test_a_service_that_fails_is_told_by_class_and_code_and_its_error_passes_on(watched: Watched) -> None:
    error = Unavailable("validation records", "ThrottlingException")
    with pytest.raises(Unavailable) as caught:
        watched.port.fail(error)
    assert caught.value is error
    assert (watched.line["outcome"], watched.line["code"]) == ("Unavailable", "ThrottlingException")


def test_what_an_error_says_is_not_logged(watched: Watched) -> None:
    with pytest.raises(Refused):
        watched.port.fail(Refused("registrations", "IncompleteDocument", "The registration reg-canary lacks eventId"))
    assert "reg-canary" not in watched.file.read_text()


def test_a_code_that_is_no_text_does_not_replace_the_error(watched: Watched) -> None:
    with pytest.raises(Refused):
        watched.port.fail(Refused("photos", "half a pair \ud83d"))
    assert watched.line["code"] == "half a pair ?"


def test_the_same_id_has_the_same_hash_and_another_has_another(watched: Watched) -> None:
    for user_id in ("user-1", "user-1", "user-2"):
        watched.port.get(user_id)
    first, again, other = (line["user"] for line in watched.lines)
    assert (first == again, first == other, len(first)) == (True, False, 16)


def test_who_has_the_key_finds_a_person(watch: Callable[..., Watched]) -> None:
    watched = watch(hash_key="a key of these tests")
    watched.port.get("user-1")
    assert watched.line["user"] == hmac.new(b"a key of these tests", b"user-1", "sha256").hexdigest()[:16]


def test_an_id_that_is_no_valid_text_is_hashed_all_the_same(watched: Watched) -> None:
    watched.port.get("user-\ud83d")
    assert len(watched.line["user"]) == 16


def test_the_ids_inside_an_outcome_are_hashed(watched: Watched, tmp_path: Path) -> None:
    watched.port.get("user-1", "reg-1")
    records(watched, SqliteRecords(tmp_path / "records.sqlite3", FakeClock())).record_attempt(an_outcome(), TTL)
    call, attempt = watched.lines
    assert (attempt["user"], attempt["registration"]) == (call["user"], call["registration"])
    assert "event" in attempt


def test_what_was_searched_for_is_not_logged(watched: Watched) -> None:
    watched.port.search("Ada Canary")
    assert "Canary" not in watched.file.read_text()
    assert not {"user", "registration", "event", "code"} & set(watched.line)


def test_closing_is_no_operation(watched: Watched, tmp_path: Path) -> None:
    records(watched, SqliteRecords(tmp_path / "records.sqlite3", FakeClock())).close()
    assert not watched.file.exists()


def test_an_iteration_is_one_operation_however_many_steps_it_has(watched: Watched) -> None:
    assert list(watched.port.batches("event-1")) == [1, 2, 3]
    assert (watched.line["operation"], "event" in watched.line) == ("records.batches", True)


def test_an_iteration_that_its_reader_leaves_ends_well(watched: Watched) -> None:
    batches = watched.port.batches("event-1")
    next(batches)
    batches.close()
    assert watched.line["outcome"] == "ok"


def test_an_iteration_that_fails_on_its_way_is_told_so(watched: Watched) -> None:
    with pytest.raises(Unavailable):
        list(watched.port.batches("event-1", Unavailable("validation records", "BusyError")))
    assert (watched.line["outcome"], watched.line["code"]) == ("Unavailable", "BusyError")


def test_an_iteration_takes_the_time_of_its_steps_and_not_that_of_its_reader(
    watch: Callable[..., Watched], stopwatch: Stopwatch
) -> None:
    watched = watch(lambda: stopwatch.let_pass(0.25))
    for _ in watched.port.batches("event-1"):
        stopwatch.let_pass(9)
    assert watched.line["milliseconds"] == 750


def test_an_iteration_that_nobody_begins_is_no_operation(watched: Watched) -> None:
    watched.port.batches("event-1")
    assert not watched.file.exists()


def test_the_file_is_for_its_owner_alone(watched: Watched) -> None:
    watched.port.get("user-1")
    assert (watched.file.stat().st_mode & 0o777, watched.file.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_a_full_file_makes_room_and_only_five_older_ones_stay(
    watch: Callable[..., Watched], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operation_log, "_FILE_BYTES", 1_000)
    watched = watch()
    for _ in range(100):
        watched.port.get("user-1")
    files = list(watched.file.parent.iterdir())
    assert {file.name for file in files} == {watched.file.name} | {f"{watched.file.name}.{n}" for n in range(1, 6)}
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert max(file.stat().st_size for file in files) <= 1_000


def test_two_processes_may_write_the_same_file(watch: Callable[..., Watched]) -> None:
    one, other = watch(), watch()
    for _ in range(50):
        one.port.get("user-1")
        other.port.get("user-2")
    assert len(one.lines) == 100


def test_a_file_that_cannot_be_written_stops_nothing_and_is_said_once(
    tmp_path: Path, watch: Callable[..., Watched], caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("where the data folder should be")
    watched = watch(data_dir=tmp_path / "file", hash_key="a key of these tests")
    assert [watched.port.get("user-1") for _ in range(3)] == ["user-1/None"] * 3
    assert caplog.messages == ["operations are not logged: Not a directory"]


def test_off_writes_nothing_and_counts_all_the_same(watch: Callable[..., Watched]) -> None:
    watched = watch(operation_log="off")
    watched.port.get("user-1")
    assert not watched.file.exists()
    assert watched.metrics.by_minute(NOON)["count"].tolist() == [1]


AWS = {
    "backend": "aws",
    "dynamodb_table": "face-verifications",
    "aws_region": "ap-south-1",
    "images_bucket": "faces",
    "mongodb_uri": "mongodb://localhost",
    "mongodb_database": "events",
    "hash_key": "a key of these tests",
}


@pytest.mark.parametrize(
    ("settings", "to_file"), [({}, True), (AWS, False), ({**AWS, "operation_log": "file"}, True)]
)
def test_left_alone_the_lines_go_to_a_file_when_embedded_and_to_stderr_with_aws(
    watch: Callable[..., Watched], capsys: pytest.CaptureFixture[str], settings: dict[str, str], to_file: bool
) -> None:
    watched = watch(**{"operation_log": "auto", **settings})
    watched.port.get("user-1")
    printed = capsys.readouterr()
    assert (watched.file.exists(), "records.get" in printed.err, printed.out) == (to_file, not to_file, "")


def test_no_other_logger_gets_the_lines(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    watched.port.get("user-1")
    assert caplog.messages == []


def test_what_others_configure_does_not_mute_the_lines(watched: Watched) -> None:
    quiet = logging.getLogger("facedesk")
    quiet.setLevel(logging.CRITICAL)
    watched.port.get("user-1")
    quiet.setLevel(logging.NOTSET)
    assert watched.line["outcome"] == "ok"


def test_what_happens_after_the_end_is_only_counted(watched: Watched) -> None:
    watched.port.get("user-1")
    watched.observer.close()
    watched.port.get("user-1")
    assert len(watched.lines) == 1
    assert watched.metrics.by_minute(NOON)["count"].tolist() == [2]


# Calls and units


@pytest.fixture(params=["dynamodb", "moto_dynamodb"])
def table_client(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


def records(watched: Watched, store: ValidationRecords) -> ObservedRecords:
    return ObservedRecords(store, watched.observer)


def store(client: Any) -> DynamoRecords:
    return DynamoRecords(client, create_table(client), QUICK, FakeClock())


def test_recording_an_attempt_takes_a_read_and_a_write(watch: Callable[..., Watched], table_client: Any) -> None:
    watched = watch()
    records(watched, store(table_client)).record_attempt(an_outcome(), TTL)
    line = watched.line
    assert (line["calls"], line["throttled"]) == (2, 0)
    assert min(line["readUnits"], line["writeUnits"]) > 0


def test_a_read_takes_no_write_units(watch: Callable[..., Watched], table_client: Any) -> None:
    watched = watch()
    records(watched, store(table_client)).get("user-1", "reg-1")
    assert (watched.line["calls"], watched.line["writeUnits"]) == (1, 0)
    assert watched.line["readUnits"] > 0


def test_a_history_counts_the_units_of_its_query(watch: Callable[..., Watched], table_client: Any) -> None:
    watched, of_people = watch(), store(table_client)
    of_people.record_attempt(an_outcome(), TTL)
    records(watched, of_people).history("user-1")
    assert watched.line["calls"] == 1
    assert watched.line["readUnits"] > 0


def test_the_threads_of_an_event_read_count_for_it(watch: Callable[..., Watched], dynamodb: Any) -> None:
    # Without an index, the table is read by several threads.
    watched, of_people = watch(), DynamoRecords(dynamodb, table_without_index(dynamodb), QUICK, FakeClock())
    for number in range(4):
        of_people.record_attempt(an_outcome(registration_id=f"reg-{number}"), TTL)
    records(watched, of_people).event_frame("event-1")
    assert watched.line["calls"] >= 4
    assert watched.line["readUnits"] > 0


def test_throttled_calls_are_counted_and_so_are_the_tries_after_them(
    watch: Callable[..., Watched], dynamodb: Any, dynamodb_proxy: Proxy
) -> None:
    watched, dynamo = (
        watch(),
        DynamoRecords(client_of(dynamodb_proxy.url), create_table(dynamodb), QUICK, FakeClock()),
    )
    throttle = ("ProvisionedThroughputExceededException", 400)
    dynamodb_proxy.fault = lambda _: throttle if len(dynamodb_proxy.seen) < 3 else None
    records(watched, dynamo).get("user-1", "reg-1")
    dynamo.close()
    assert (watched.line["calls"], watched.line["throttled"], watched.line["outcome"]) == (3, 2, "ok")


def test_a_call_whose_answer_is_lost_is_counted(
    watch: Callable[..., Watched], dynamodb: Any, dynamodb_proxy: Proxy
) -> None:
    watched, dynamo = (
        watch(),
        DynamoRecords(client_of(dynamodb_proxy.url), create_table(dynamodb), QUICK, FakeClock()),
    )
    dynamodb_proxy.fault = lambda _: Proxy.LOSE if len(dynamodb_proxy.seen) < 2 else None
    records(watched, dynamo).get("user-1", "reg-1")
    dynamo.close()
    assert watched.line["calls"] == 2


def test_operations_that_tell_no_units_are_asked_as_ever(moto_dynamodb: Any) -> None:
    described = moto_dynamodb.describe_table(TableName=create_table(moto_dynamodb))
    assert described["Table"]["TableStatus"] == "ACTIVE"


def test_a_call_counts_for_the_innermost_operation_alone(watch: Callable[..., Watched], moto_dynamodb: Any) -> None:
    watched = watch()
    inner = records(watched, store(moto_dynamodb))
    Port(watched.observer, "validation", lambda: inner.get("user-1", "reg-1")).get("user-1", "reg-1")
    assert {line["operation"]: line["calls"] for line in watched.lines} == {"records.get": 1, "validation.get": 0}


def test_threads_of_one_operation_lose_no_count(watch: Callable[..., Watched], moto_dynamodb: Any) -> None:
    client, table = moto_dynamodb, create_table(moto_dynamodb)

    def scan() -> None:
        with ThreadPoolExecutor(8) as threads:
            contexts = [copy_context() for _ in range(80)]
            list(threads.map(lambda context: context.run(client.scan, TableName=table), contexts))

    watched = watch(scan)
    watched.port.get("user-1")
    assert watched.line["calls"] == 80


# Metrics


def an_operation(name: str = "engine.detect", **changes: Any) -> Operation:
    return Operation(**{"name": name, "service": "face engine", "ended": NOON, "milliseconds": 10.0, **changes})


def test_a_minute_is_one_row_an_operation() -> None:
    metrics = OperationMetrics()
    for milliseconds in (10.0, 30.0):
        asked = Tally(calls=2, read_units=0.5, write_units=3.0)
        metrics.add(an_operation(milliseconds=milliseconds, asked=asked))
    metrics.add(an_operation("engine.compare", ended=NOON + timedelta(seconds=59), failed=True))
    frame = metrics.by_minute(NOON)
    assert frame.drop(columns="minute").to_dict("records") == [
        {
            "operation": "engine.compare",
            "service": "face engine",
            "count": 1,
            "failed": 1,
            "mean_ms": 10.0,
            "max_ms": 10.0,
            "calls": 0,
            "read_units": 0.0,
            "write_units": 0.0,
        },
        {
            "operation": "engine.detect",
            "service": "face engine",
            "count": 2,
            "failed": 0,
            "mean_ms": 20.0,
            "max_ms": 30.0,
            "calls": 4,
            "read_units": 1.0,
            "write_units": 6.0,
        },
    ]
    assert frame["minute"].tolist() == [NOON, NOON]


def test_minutes_come_oldest_first_from_the_one_that_was_asked_for() -> None:
    metrics = OperationMetrics()
    minutes = [NOON + timedelta(minutes=number) for number in range(4)]
    for minute in reversed(minutes):
        metrics.add(an_operation(ended=minute))
    assert metrics.by_minute(minutes[1] + timedelta(seconds=30))["minute"].tolist() == minutes[1:]


def test_empty_metrics_have_the_columns_of_full_ones() -> None:
    full = OperationMetrics()
    full.add(an_operation())
    assert OperationMetrics().by_minute(NOON).dtypes.to_dict() == full.by_minute(NOON).dtypes.to_dict()


def test_metrics_are_kept_for_a_day() -> None:
    metrics = OperationMetrics()
    for hours in range(48):
        metrics.add(an_operation(ended=NOON + timedelta(hours=hours)))
    kept = metrics.by_minute(NOON)["minute"].tolist()
    assert kept == [NOON + timedelta(hours=hours) for hours in range(24, 48)]


def test_operations_in_many_threads_are_all_counted(watch: Callable[..., Watched]) -> None:
    watched = watch()
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(watched.port.get, ["user-1"] * 4_000))
    assert (watched.metrics.by_minute(NOON)["count"].tolist(), len(watched.lines)) == ([4_000], 4_000)


@pytest.mark.parametrize(
    ("error", "failed"),
    [
        (Unavailable("photos", "SlowDown"), 1),
        (KeyError("nobody foresaw it"), 1),
        (PhotoNotFound("There is no photo under this key."), 0),
    ],
    ids=["a service", "a bug", "an answer"],
)
def test_only_what_is_no_answer_counts_as_failed(watched: Watched, error: Exception, failed: int) -> None:
    with pytest.raises(type(error)):
        watched.port.fail(error)
    assert watched.metrics.by_minute(NOON)["failed"].tolist() == [failed]


class Ignored:
    """A check that finds ``number`` records whose expiry is ignored."""

    def __init__(self, number: int) -> None:
        self._number = number

    def count_ignored(self) -> int:
        return self._number

    def close(self) -> None: ...


@pytest.mark.parametrize(("number", "alerts"), [(0, []), (7, ["alert.records-never-expire"])])
def test_a_count_that_finds_records_that_never_expire_is_an_alert(
    watched: Watched, number: int, alerts: list[str]
) -> None:
    assert ObservedExpiryCheck(Ignored(number), watched.observer).count_ignored() == number
    assert [line["operation"] for line in watched.lines] == ["records.count_ignored", *alerts]
