"""Records that DynamoDB's TTL ignores: which they are, when they expire once repaired, and who counts them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.adapters.aws.expiry import DynamoExpiryCheck, IgnoredExpiry
from core.adapters.aws.table_pass import TablePass
from core.domain.expiry import is_due_for_renewal
from core.flow.pace import Pace
from core.flow.retry import Retry
from tests.support.clock import NOON
from tests.support.dynamodb import Proxy, client_of, create_table, put_item, stored_item
from tests.support.records import a_foreign_item

RETRY = Retry(deadline=10, call_timeout=1, base=0.001, cap=0.01)
TTL = timedelta(days=30)
ATTEMPT = datetime(2026, 2, 28, 10, 30, tzinfo=UTC)
EXPIRES = datetime(2026, 3, 20, tzinfo=UTC)
SECONDS = int(EXPIRES.timestamp())
ABSENT = object()


def seconds(moment: datetime) -> dict[str, str]:
    return {"N": str(int(moment.timestamp()))}


def an_item(**changes: Any) -> dict[str, Any]:
    whole = a_foreign_item(eventId="event-1", **changes)
    return {name: value for name, value in whole.items() if value is not ABSENT}


@pytest.fixture(params=["moto_dynamodb", "dynamodb"])
def client(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


@pytest.fixture
def repair(tmp_path: Path) -> Callable[..., TablePass]:
    def make(client: Any, table: str, *, dry_run: bool = False) -> TablePass:
        pace = Pace(1e6, 1)
        state = None if dry_run else tmp_path / "state.json"
        search = IgnoredExpiry(lambda: NOON, TTL)
        return TablePass(client, table, RETRY, search, writes=pace, reads=pace, segments=2, state=state)

    return make


def count(client: Any, table: str) -> int:
    return DynamoExpiryCheck(client, table, RETRY, lambda: NOON).count_ignored()


REPAIRED: dict[str, tuple[dict[str, Any], datetime]] = {
    "text": ({"expiresAt": str(SECONDS)}, EXPIRES),
    "milliseconds": ({"expiresAt": SECONDS * 1000}, EXPIRES),
    "milliseconds as text": ({"expiresAt": str(SECONDS * 1000)}, EXPIRES),
    "ISO 8601": ({"expiresAt": "2026-03-20T01:00:00+01:00"}, EXPIRES),
    "a date without separators": ({"expiresAt": "20260320000000"}, EXPIRES),
    "absent": ({"expiresAt": ABSENT}, ATTEMPT + TTL),
    "null": ({"expiresAt": None}, ATTEMPT + TTL),
    "empty": ({"expiresAt": ""}, ATTEMPT + TTL),
    "a list": ({"expiresAt": [SECONDS]}, ATTEMPT + TTL),
    "unreadable": ({"expiresAt": "in a month"}, ATTEMPT + TTL),
    "zero": ({"expiresAt": 0}, ATTEMPT + TTL),
    "text beyond what DynamoDB reads": ({"expiresAt": "9999-12-31T00:00:00Z"}, ATTEMPT + TTL),
    "absent, attempted long ago": (
        {"expiresAt": ABSENT, "timestamp": "2025-01-01T00:00:00Z"},
        datetime(2025, 1, 31, tzinfo=UTC),
    ),
    "absent, no readable attempt": ({"expiresAt": ABSENT, "timestamp": "yesterday"}, NOON + TTL),
    "absent, attempted in the future": ({"expiresAt": ABSENT, "timestamp": "9999-12-31T00:00:00Z"}, NOON + TTL),
    "six years ago": ({"expiresAt": 1_583_000_000, "timestamp": "2020-01-01T00:00:00Z"}, NOON),
}


@pytest.mark.parametrize(("changes", "expires"), REPAIRED.values(), ids=REPAIRED)
def test_an_expiry_that_dynamodb_ignores_becomes_one_in_seconds(
    client: Any, repair: Callable[..., TablePass], changes: dict[str, Any], expires: datetime
) -> None:
    table = create_table(client)
    put_item(client, table, an_item(**changes))
    repair(client, table).run()
    assert stored_item(client, table)["expiresAt"] == seconds(expires)


@pytest.mark.parametrize("changes", [changes for changes, _ in REPAIRED.values()], ids=REPAIRED)
def test_a_repaired_record_is_found_no_more(
    client: Any, repair: Callable[..., TablePass], changes: dict[str, Any]
) -> None:
    table = create_table(client)
    put_item(client, table, an_item(**changes))
    before = count(client, table)
    repair(client, table).run()
    assert (before, count(client, table), repair(client, table).run().set) == (1, 0, 0)


@pytest.mark.parametrize(
    "expires",
    [SECONDS, int(NOON.timestamp()) - 86_400, 1_640_000_000],
    ids=["to come", "yesterday", "four years ago"],
)
def test_an_expiry_that_dynamodb_acts_on_stays(client: Any, repair: Callable[..., TablePass], expires: int) -> None:
    table = create_table(client)
    put_item(client, table, an_item(expiresAt=expires))
    assert (count(client, table), repair(client, table).run().set) == (0, 0)


def test_the_journal_of_erasures_never_gets_an_expiry(client: Any, repair: Callable[..., TablePass]) -> None:
    table = create_table(client)
    put_item(client, table, {"userId": "facedesk-erasures", "registrationId": "hash", "entry": "text"})
    before = count(client, table)
    repair(client, table).run()
    assert (before, "expiresAt" in stored_item(client, table, "facedesk-erasures", "hash")) == (0, False)


def test_the_value_that_is_replaced_is_kept(client: Any, repair: Callable[..., TablePass]) -> None:
    table = create_table(client)
    put_item(client, table, an_item(expiresAt="in a month"))
    repair(client, table).run()
    assert stored_item(client, table)["originalExpiresAt"] == {"S": "in a month"}


def test_a_dry_run_counts_by_kind_and_changes_nothing(client: Any, repair: Callable[..., TablePass]) -> None:
    table = create_table(client)
    odd = {"text": "2026-03-20", "number": SECONDS * 1000, "absent": ABSENT}
    for name, expires in odd.items():
        put_item(client, table, an_item(registrationId=name, expiresAt=expires, timestamp="2020-01-01T00:00:00Z"))
    before = [stored_item(client, table, registration_id=name) for name in odd]
    counts = repair(client, table, dry_run=True).run()
    assert counts.kinds == {
        "expiresAt absent": 1,
        "expiresAt milliseconds": 1,
        "expiresAt text": 1,
        "counted from the last attempt": 1,
        "expired already: DynamoDB deletes it within days": 1,
    }
    assert [stored_item(client, table, registration_id=name) for name in odd] == before


RACES: dict[str, Any] = {
    "another expiry": {"expiresAt": SECONDS},
    "another attempt": {"expiresAt": ABSENT, "timestamp": "2026-03-01T10:00:00Z"},
    "deleted": None,
}


@pytest.mark.parametrize("after", RACES.values(), ids=RACES)
def test_a_record_that_changes_meanwhile_is_left(
    dynamodb: Any, dynamodb_proxy: Proxy, repair: Callable[..., TablePass], after: dict[str, Any] | None
) -> None:
    table = create_table(dynamodb)
    put_item(dynamodb, table, an_item(expiresAt=ABSENT))

    def meanwhile(operation: str) -> None:
        if operation == "UpdateItem":
            key = {"userId": {"S": "user-1"}, "registrationId": {"S": "reg-1"}}
            dynamodb.delete_item(TableName=table, Key=key)
            if after is not None:
                put_item(dynamodb, table, an_item(**after))

    dynamodb_proxy.fault = meanwhile
    observed = client_of(dynamodb_proxy.url)
    counts = repair(observed, table).run()
    observed.close()
    found = dynamodb.scan(TableName=table)["Items"]
    assert (counts.set, counts.changed) == (0, 1)
    assert len(found) == (after is not None)


# Photos that a service deletes by their age


@given(
    days=st.integers(0, 400),
    ttl=st.integers(10, 60),
    late=st.lists(st.integers(0, 2), min_size=60, max_size=60),
)
def test_a_photo_that_is_renewed_lasts_until_its_event_is_over_and_not_much_longer(
    days: int, ttl: int, late: list[int]
) -> None:
    """Somebody looks once a day, and sometimes one or two days late; a photo is deleted at the age of ``ttl``."""
    day = timedelta(days=1)
    kept_until, stored_at, now = NOON + days * day, NOON, NOON
    looks = iter(late * 8)
    while now < kept_until:
        assert now < stored_at + ttl * day, "it was deleted"
        if is_due_for_renewal(stored_at, kept_until, ttl * day, now):
            stored_at = now
        now += (1 + next(looks)) * day
    assert kept_until <= stored_at + ttl * day <= max(kept_until + 3 * day, NOON + ttl * day)
