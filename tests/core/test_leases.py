"""Leases: one holder at a time, for as long as it was agreed."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from core.adapters.aws.leases import Leases
from core.domain.errors import Service
from tests.support.clock import FakeClock
from tests.support.dynamodb import Proxy, client_of, create_state_table
from tests.support.stores import PATIENT

LENGTH, MOMENT = timedelta(seconds=30), timedelta(milliseconds=1)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def table(dynamodb: Any) -> str:
    return create_state_table(dynamodb)


@pytest.fixture
def leases(dynamodb: Any, table: str, clock: FakeClock) -> Leases:
    return Leases(dynamodb, table, PATIENT, clock, Service.RECORDS)


def test_a_free_lease_is_had_by_whoever_takes_it(leases: Leases) -> None:
    assert (leases.take("batch", "ada", LENGTH), leases.holder("batch")) == (True, "ada")


def test_nobody_gets_a_lease_that_another_has(leases: Leases) -> None:
    leases.take("batch", "ada", LENGTH)
    assert (leases.take("batch", "bob", LENGTH), leases.holder("batch")) == (False, "ada")


def test_a_lease_of_another_name_is_another_lease(leases: Leases) -> None:
    leases.take("batch", "ada", LENGTH)
    assert leases.take("check", "bob", LENGTH)


def test_a_lease_stands_until_its_last_moment(leases: Leases, clock: FakeClock) -> None:
    leases.take("batch", "ada", LENGTH)
    clock.advance(LENGTH - MOMENT)
    assert not leases.take("batch", "bob", LENGTH)


def test_a_lease_that_has_ended_is_free(leases: Leases, clock: FakeClock) -> None:
    leases.take("batch", "ada", LENGTH)
    clock.advance(LENGTH)
    assert (leases.holder("batch"), leases.take("batch", "bob", LENGTH)) == (None, True)


def test_its_holder_renews_a_lease_from_now(leases: Leases, clock: FakeClock) -> None:
    leases.take("batch", "ada", LENGTH)
    clock.advance(LENGTH - MOMENT)
    assert leases.take("batch", "ada", LENGTH)
    clock.advance(LENGTH - MOMENT)
    assert leases.holder("batch") == "ada"


def test_a_holder_whose_lease_another_has_got_cannot_renew_it(leases: Leases, clock: FakeClock) -> None:
    leases.take("batch", "ada", LENGTH)
    clock.advance(LENGTH)
    leases.take("batch", "bob", LENGTH)
    assert not leases.take("batch", "ada", LENGTH)


def test_a_lease_that_is_given_back_is_free(leases: Leases) -> None:
    leases.take("batch", "ada", LENGTH)
    leases.give_back("batch", "ada")
    assert (leases.holder("batch"), leases.take("batch", "bob", LENGTH)) == (None, True)


def test_nobody_gives_back_the_lease_of_another(leases: Leases) -> None:
    leases.take("batch", "ada", LENGTH)
    leases.give_back("batch", "bob")
    assert leases.holder("batch") == "ada"


def test_of_many_who_take_a_lease_at_once_one_gets_it(leases: Leases) -> None:
    with ThreadPoolExecutor(16) as threads:
        got = list(threads.map(lambda number: leases.take("batch", f"holder-{number}", LENGTH), range(16)))
    assert got.count(True) == 1


@pytest.fixture
def observed(dynamodb_proxy: Proxy) -> Iterator[Any]:
    client = client_of(dynamodb_proxy.url)
    yield client
    client.close()


def test_whoever_takes_a_lease_has_it_although_the_answer_was_lost(
    observed: Any, table: str, dynamodb_proxy: Proxy, clock: FakeClock
) -> None:
    answers = iter([Proxy.LOSE])
    dynamodb_proxy.fault = lambda _: next(answers, None)
    assert Leases(observed, table, PATIENT, clock, Service.RECORDS).take("batch", "ada", LENGTH)
