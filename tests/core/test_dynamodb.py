"""What is specific to ``DynamoRecords``: the stored form, and the faults of a network."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from core.adapters.aws import clients
from core.adapters.aws.records import DynamoRecords
from core.domain.errors import Conflict, NotConfigured, Refused, ServiceError, Unavailable
from core.domain.records import Decision, Status
from core.flow.retry import Retry
from tests.support.clock import NOON, FakeClock
from tests.support.dynamodb import Proxy, client_of, create_table, first, put_item, stored_item
from tests.support.records import a_foreign_item, a_review, an_outcome

TTL = timedelta(days=30)
QUICK = Retry(deadline=20, call_timeout=2, base=0.01, cap=0.05)
METHODS: dict[str, Callable[[DynamoRecords], object]] = {
    "get": lambda records: records.get("user-1", "reg-1"),
    "history": lambda records: records.history("user-1"),
    "record_attempt": lambda records: records.record_attempt(an_outcome(), TTL),
    "decide": lambda records: records.decide("user-1", "reg-1", a_review(), "any"),
    "ping": lambda records: records.ping(),
}
every_method = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)


@pytest.fixture(scope="module")
def table(dynamodb: Any) -> str:
    return create_table(dynamodb)


@pytest.fixture(autouse=True)
def _emptied(dynamodb: Any, table: str) -> Iterator[None]:
    yield
    for item in dynamodb.scan(TableName=table)["Items"]:
        key = {"userId": item["userId"], "registrationId": item["registrationId"]}
        dynamodb.delete_item(TableName=table, Key=key)


@pytest.fixture
def records(dynamodb: Any, table: str) -> DynamoRecords:
    return DynamoRecords(dynamodb, table, QUICK, FakeClock())


@pytest.fixture
def proxy_client(dynamodb_proxy: Proxy) -> Iterator[Any]:
    """The production client, reaching the server through the proxy."""
    client = client_of(dynamodb_proxy.url)
    yield client
    client.close()


@pytest.fixture
def faulty(proxy_client: Any, table: str) -> DynamoRecords:
    return DynamoRecords(proxy_client, table, QUICK, FakeClock())


@pytest.fixture
def hasty_client(dynamodb_proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """As ``proxy_client``, but waits 0.5 s for an answer."""
    monkeypatch.setattr(clients, "READ_TIMEOUT_SECONDS", 0.5)
    client = client_of(dynamodb_proxy.url)
    yield client
    client.close()


# The stored form


def test_numbers_are_stored_as_numbers_and_times_in_fixed_width(
    records: DynamoRecords, dynamodb: Any, table: str
) -> None:
    records.record_attempt(an_outcome(), TTL)
    item = stored_item(dynamodb, table)
    assert item["confidence"] == {"N": "99.5"}
    assert item["verificationAttempt"] == {"N": "1"}
    assert item["expiresAt"] == {"N": str(int((NOON + TTL).timestamp()))}
    assert item["timestamp"] == item["updatedAt"] == {"S": "2026-03-01T12:00:00.000Z"}


def test_an_attempt_is_found_by_event_in_the_index(records: DynamoRecords, dynamodb: Any, table: str) -> None:
    records.record_attempt(an_outcome(), TTL)
    found = dynamodb.query(
        TableName=table,
        IndexName="eventId-timestamp-index",
        KeyConditionExpression="eventId = :event",
        ExpressionAttributeValues={":event": {"S": "event-1"}},
    )
    assert [item["registrationId"]["S"] for item in found["Items"]] == ["reg-1"]


#: Attributes in types that JSON does not have.
EXACT: dict[str, Any] = {
    "nothing": None,
    "bytes": b"\x00\xff",
    "texts": {"a", "b"},
    "numbers": {Decimal(1), Decimal(2)},
    "precise": Decimal("1.2345678901234567890123456789012345678"),
}


def _attempt(records: DynamoRecords) -> None:
    records.record_attempt(an_outcome(), TTL)


def _decision(records: DynamoRecords) -> None:
    seen = records.get("user-1", "reg-1")
    assert seen is not None
    records.decide("user-1", "reg-1", a_review(), seen.version)


@pytest.mark.parametrize("change", [_attempt, _decision])
def test_unknown_attributes_keep_their_exact_types(
    records: DynamoRecords, dynamodb: Any, table: str, change: Callable[[DynamoRecords], None]
) -> None:
    put_item(dynamodb, table, a_foreign_item(**EXACT, metadata={"eventId": "event-1", **EXACT}))
    before = stored_item(dynamodb, table)
    change(records)
    after = stored_item(dynamodb, table)
    assert {name: after[name] for name in EXACT} == {name: before[name] for name in EXACT}
    assert {name: after["metadata"]["M"][name] for name in EXACT} == {
        name: before["metadata"]["M"][name] for name in EXACT
    }


def test_a_decision_leaves_what_it_does_not_change(records: DynamoRecords, dynamodb: Any, table: str) -> None:
    put_item(dynamodb, table, a_foreign_item(validationStatus="pending", attributes={"tags": {"x"}}, quality=None))
    before = stored_item(dynamodb, table)
    _decision(records)
    after = stored_item(dynamodb, table)
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert changed == {"validationStatus", "review", "attempts", "updatedAt"}


def test_what_an_attempt_lacks_is_removed(records: DynamoRecords, dynamodb: Any, table: str) -> None:
    records.record_attempt(an_outcome("attempt-1"), TTL)
    records.record_attempt(an_outcome("attempt-2", confidence=None, quality=None, comparison_result=None), TTL)
    assert {"confidence", "quality", "comparisonResult"}.isdisjoint(stored_item(dynamodb, table))


def test_bytes_and_sets_are_read_as_json_has_them(records: DynamoRecords, dynamodb: Any, table: str) -> None:
    put_item(dynamodb, table, a_foreign_item(**EXACT))
    found = records.get("user-1", "reg-1")
    assert found is not None
    extra = found.to_dict()
    assert (extra["bytes"], extra["texts"], extra["numbers"]) == ("AP8=", ["a", "b"], [1, 2])


def test_a_history_of_several_pages_is_complete(
    faulty: DynamoRecords, dynamodb_proxy: Proxy, dynamodb: Any, table: str
) -> None:
    _put_pages(dynamodb, table)
    assert len(faulty.history("user-1")) == 5
    assert dynamodb_proxy.seen.count("Query") > 1


def _put_pages(dynamodb: Any, table: str) -> None:
    """Five records of more than 1 MB, at which DynamoDB ends a page."""
    for number in range(5):
        put_item(dynamodb, table, a_foreign_item(registrationId=f"reg-{number}", padding="x" * 300_000))


# Races with other processes, each with its own store


def test_sixteen_processes_writing_one_record_lose_nothing(dynamodb: Any, table: str) -> None:
    patient = Retry(deadline=120, call_timeout=4)
    processes = [DynamoRecords(dynamodb, table, patient, FakeClock()) for _ in range(16)]
    with ThreadPoolExecutor(16) as pool:
        written = pool.map(lambda n: processes[n].record_attempt(an_outcome(f"attempt-{n}"), TTL), range(16))
        assert sorted(record.verification_attempt for record in written) == list(range(1, 17))


def test_a_record_that_appears_between_read_and_write_is_built_upon(
    faulty: DynamoRecords, dynamodb_proxy: Proxy, dynamodb: Any, table: str
) -> None:
    dynamodb_proxy.fault = first(1, "UpdateItem", lambda: put_item(dynamodb, table, a_foreign_item()))
    assert faulty.record_attempt(an_outcome(), TTL).verification_attempt == 3


@pytest.mark.parametrize(
    "change",
    [
        {"updatedAt": "2026-02-28T10:30:01Z"},
        {"timestamp": "2026-02-28T10:30:01Z"},
        {"verificationAttempt": 9},
        {"validationStatus": "failed"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_record_that_changes_between_read_and_write_is_read_again(
    faulty: DynamoRecords, dynamodb_proxy: Proxy, dynamodb: Any, table: str, change: dict[str, Any]
) -> None:
    put_item(dynamodb, table, a_foreign_item())
    dynamodb_proxy.fault = first(1, "UpdateItem", lambda: put_item(dynamodb, table, a_foreign_item(**change)))
    faulty.record_attempt(an_outcome(), TTL)
    assert dynamodb_proxy.seen.count("GetItem") == 2


def test_a_record_that_vanishes_between_read_and_write_starts_anew(
    faulty: DynamoRecords, dynamodb_proxy: Proxy, dynamodb: Any, table: str
) -> None:
    put_item(dynamodb, table, a_foreign_item())
    key = {"userId": {"S": "user-1"}, "registrationId": {"S": "reg-1"}}

    def delete() -> None:
        dynamodb.delete_item(TableName=table, Key=key)

    dynamodb_proxy.fault = first(1, "UpdateItem", delete)
    assert faulty.record_attempt(an_outcome(), TTL).verification_attempt == 1


def test_a_decision_overtaken_between_read_and_write_is_a_conflict(
    faulty: DynamoRecords, dynamodb_proxy: Proxy, records: DynamoRecords
) -> None:
    seen = records.record_attempt(an_outcome(status="pending"), TTL).version

    def overtake() -> None:
        records.decide("user-1", "reg-1", a_review(Decision.REJECTED, reviewer="Grace"), seen)

    dynamodb_proxy.fault = first(1, "UpdateItem", overtake)
    with pytest.raises(Conflict):
        faulty.decide("user-1", "reg-1", a_review(Decision.APPROVED), seen)


def test_a_race_lost_until_the_deadline_is_unavailable(dynamodb_proxy: Proxy, proxy_client: Any, table: str) -> None:
    hopeless = DynamoRecords(proxy_client, table, Retry(deadline=4, call_timeout=3, base=0.01), FakeClock())
    dynamodb_proxy.fault = lambda call: ("ConditionalCheckFailedException", 400) if call == "UpdateItem" else None
    with pytest.raises(Unavailable):
        hopeless.record_attempt(an_outcome(), TTL)


# Lost answers


lost = pytest.mark.parametrize("fault", [Proxy.LOSE, Proxy.HANG], ids=["hung up", "timed out"])


@lost
def test_an_attempt_whose_answer_was_lost_counts_once(
    faulty: DynamoRecords, dynamodb_proxy: Proxy, records: DynamoRecords, fault: Any
) -> None:
    dynamodb_proxy.fault = first(1, "UpdateItem", fault)
    returned = faulty.record_attempt(an_outcome(), TTL)
    assert dynamodb_proxy.seen == ["GetItem", "UpdateItem", "GetItem"]
    assert (returned.verification_attempt, len(returned.attempts)) == (1, 1)
    assert records.get("user-1", "reg-1") == returned


@lost
def test_a_decision_whose_answer_was_lost_is_no_conflict(
    faulty: DynamoRecords, dynamodb_proxy: Proxy, records: DynamoRecords, fault: Any
) -> None:
    seen = records.record_attempt(an_outcome(status="pending"), TTL).version
    dynamodb_proxy.fault = first(1, "UpdateItem", fault)
    assert faulty.decide("user-1", "reg-1", a_review(), seen).validation_status is Status.SUCCESS


# Faults


PASSING = [
    ("ProvisionedThroughputExceededException", 400),
    ("ThrottlingException", 400),
    ("RequestLimitExceeded", 400),
    ("InternalServerError", 500),
    ("ServiceUnavailable", 503),
]


@pytest.mark.parametrize("fault", PASSING, ids=lambda fault: fault[0])
@pytest.mark.parametrize("operation", ["GetItem", "UpdateItem"])
def test_an_attempt_outlasts_passing_faults(
    faulty: DynamoRecords, dynamodb_proxy: Proxy, operation: str, fault: tuple[str, int]
) -> None:
    dynamodb_proxy.fault = first(4, operation, fault)
    assert faulty.record_attempt(an_outcome(), TTL).verification_attempt == 1


def test_a_history_outlasts_a_fault_between_its_pages(
    faulty: DynamoRecords, dynamodb_proxy: Proxy, dynamodb: Any, table: str
) -> None:
    _put_pages(dynamodb, table)
    throttle_second = lambda call: PASSING[0] if dynamodb_proxy.seen.count("Query") == 2 else None  # noqa: E731
    dynamodb_proxy.fault = throttle_second
    assert len(faulty.history("user-1")) == 5


@every_method
@pytest.mark.parametrize("code", ["AccessDeniedException", "UnrecognizedClientException", "ValidationException"])
def test_a_final_error_is_refused_at_once(
    faulty: DynamoRecords, dynamodb_proxy: Proxy, method: Callable[[DynamoRecords], object], code: str
) -> None:
    dynamodb_proxy.fault = lambda call: (code, 400)
    with pytest.raises(Refused, match=code):
        method(faulty)
    assert len(dynamodb_proxy.seen) == 1


@every_method
def test_a_missing_table_is_named_as_not_configured(dynamodb: Any, method: Callable[[DynamoRecords], object]) -> None:
    with pytest.raises(NotConfigured, match=r"^DynamoDB face validation table not configured$"):
        method(DynamoRecords(dynamodb, "no-such-table", QUICK, FakeClock()))


FAULTS: dict[str, Callable[[Proxy], None]] = {
    "gone": Proxy.close,
    "stalling": lambda proxy: setattr(proxy, "fault", lambda call: Proxy.HANG),
    "throttling": lambda proxy: setattr(proxy, "fault", lambda call: PASSING[0]),
}


@every_method
@pytest.mark.parametrize("fail", FAULTS.values(), ids=FAULTS)
def test_a_fault_that_lasts_is_unavailable_within_the_deadline(
    dynamodb_proxy: Proxy,
    hasty_client: Any,
    table: str,
    method: Callable[[DynamoRecords], object],
    fail: Callable[[Proxy], None],
) -> None:
    deadline = 1.5
    fail(dynamodb_proxy)
    records = DynamoRecords(hasty_client, table, Retry(deadline, call_timeout=0.6, base=0.01), FakeClock())
    started = time.monotonic()
    with pytest.raises(Unavailable):
        method(records)
    assert time.monotonic() - started < deadline + 2  # a loaded machine's leeway


def test_no_write_starts_that_could_not_end_within_the_deadline(
    dynamodb_proxy: Proxy, proxy_client: Any, table: str
) -> None:
    # 0.1 s are left in which calls may start; the read takes twice as long.
    hurried = DynamoRecords(proxy_client, table, Retry(deadline=3.1, call_timeout=3), FakeClock())
    dynamodb_proxy.fault = first(1, "GetItem", lambda: time.sleep(0.2))
    with pytest.raises(Unavailable, match="DeadlineExceeded"):
        hurried.record_attempt(an_outcome(), TTL)
    assert dynamodb_proxy.seen == ["GetItem"]


def test_a_record_is_read_consistently(dynamodb_proxy: Proxy, proxy_client: Any, table: str) -> None:
    asked: list[dict[str, Any]] = []
    proxy_client.meta.events.register(
        "provide-client-params.dynamodb.GetItem", lambda params, **_: asked.append(params)
    )
    DynamoRecords(proxy_client, table, QUICK, FakeClock()).get("user-1", "reg-1")
    assert [request["ConsistentRead"] for request in asked] == [True]


@pytest.mark.parametrize("user_id", ["", "x" * 2049], ids=["empty", "too long"])
def test_an_id_that_cannot_be_a_key_is_refused(records: DynamoRecords, user_id: str) -> None:
    with pytest.raises(Refused):
        records.get(user_id, "reg-1")


def test_an_error_keeps_its_cause_and_carries_no_ids(faulty: DynamoRecords, dynamodb_proxy: Proxy) -> None:
    dynamodb_proxy.fault = lambda call: ("AccessDeniedException", 400)
    with pytest.raises(ServiceError) as error:
        faulty.get("canary-user", "canary-registration")
    assert error.value.__cause__ is not None
    assert "canary" not in str(error.value)
