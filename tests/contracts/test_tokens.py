"""The contract of ``core.ports.ApiTokens``."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from core.adapters.aws.tokens import DynamoTokens
from core.domain.errors import Refused
from core.ports import ApiTokens
from tests.support.clock import NOON, FakeClock
from tests.support.dynamodb import Proxy, client_of, create_state_table
from tests.support.stores import PATIENT
from tests.support.tokens import an_issued_token


@dataclass
class Bench:
    tokens: ApiTokens
    client: Any
    table: str
    clock: FakeClock


@pytest.fixture(params=["moto_dynamodb", "dynamodb"])
def bench(request: pytest.FixtureRequest) -> Bench:
    client = request.getfixturevalue(request.param)
    table, clock = create_state_table(client), FakeClock()
    return Bench(DynamoTokens(client, table, PATIENT, clock), client, table, clock)


@pytest.fixture
def tokens(bench: Bench) -> ApiTokens:
    return bench.tokens


def test_at_first_there_are_none(tokens: ApiTokens) -> None:
    assert tokens.all() == []


@pytest.mark.parametrize(
    "token",
    [
        an_issued_token(),
        an_issued_token("Ä ⚽ \U0001f600", events={"expo", "a/b#c"}, roles={"support", "admin"}),
        an_issued_token("x" * 2000, ends=NOON + timedelta(days=90)),
    ],
    ids=["plain", "odd", "long"],
)
def test_a_token_is_read_back_as_it_was_stored(tokens: ApiTokens, token: Any) -> None:
    assert tokens.add(token)
    assert tokens.all() == [token]


def test_tokens_come_by_name(tokens: ApiTokens) -> None:
    for name in ("b", "c", "a"):
        tokens.add(an_issued_token(name))
    assert [token.name for token in tokens.all()] == ["a", "b", "c"]


def test_a_second_token_of_a_name_is_not_stored(tokens: ApiTokens) -> None:
    first = an_issued_token()
    assert tokens.add(first)
    assert not tokens.add(an_issued_token())
    assert tokens.all() == [first]


def test_the_same_token_may_be_stored_twice(tokens: ApiTokens) -> None:
    token = an_issued_token()
    assert tokens.add(token)
    assert tokens.add(token)


def test_a_revoked_token_is_gone_and_its_name_free(tokens: ApiTokens) -> None:
    tokens.add(an_issued_token())
    tokens.revoke("kiosk-7")
    assert tokens.all() == []
    assert tokens.add(an_issued_token())


def test_revoking_what_is_not_there_does_nothing(tokens: ApiTokens) -> None:
    tokens.add(an_issued_token())
    tokens.revoke("another")
    assert len(tokens.all()) == 1


def test_a_token_that_is_over_is_gone_and_its_name_free(bench: Bench) -> None:
    bench.tokens.add(an_issued_token(ends=NOON + timedelta(hours=1)))
    bench.clock.advance(timedelta(hours=1))
    assert bench.tokens.all() == []
    assert bench.tokens.add(an_issued_token())


def test_of_many_tokens_of_a_name_that_are_made_at_once_one_is_stored(dynamodb: Any) -> None:
    tokens = DynamoTokens(dynamodb, create_state_table(dynamodb), PATIENT, FakeClock())
    made = [an_issued_token() for _ in range(8)]
    with ThreadPoolExecutor(8) as threads:
        stored = list(threads.map(tokens.add, made))
    assert [token for token, kept in zip(made, stored, strict=True) if kept] == tokens.all()


def test_a_write_whose_answer_is_lost_stores_the_token(dynamodb: Any, dynamodb_url: str) -> None:
    lost: Iterator[tuple[str, int] | None] = iter([Proxy.LOSE])
    with closing(Proxy(dynamodb_url)) as proxy:
        tokens = DynamoTokens(client_of(proxy.url), create_state_table(dynamodb), PATIENT, FakeClock())
        proxy.fault = lambda _operation: next(lost, None)
        assert tokens.add(an_issued_token())


def test_what_a_newer_version_has_added_to_a_token_is_no_matter(bench: Bench) -> None:
    token = an_issued_token()
    bench.tokens.add(token)
    (item,) = bench.client.scan(TableName=bench.table)["Items"]
    newer = item["token"]["S"].replace("{", '{"purpose": "doors", ', 1)
    bench.client.put_item(TableName=bench.table, Item={**item, "token": {"S": newer}})
    assert bench.tokens.all() == [token]


def test_a_token_that_cannot_be_read_is_an_error_that_names_nothing(bench: Bench) -> None:
    bench.tokens.add(an_issued_token())
    (item,) = bench.client.scan(TableName=bench.table)["Items"]
    bench.client.put_item(TableName=bench.table, Item={**item, "token": {"S": '{"name": "canary"}'}})
    with pytest.raises(Refused) as raised:
        bench.tokens.all()
    assert "canary" not in str(raised.value)
