"""The costs, by hand."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from core.domain import costs
from core.domain.costs import Cost, Load, Prices, Usage
from core.settings import Settings

KB = 1024
#: ap-south-1, USD.
MUMBAI = Prices(million_writes=0.71, million_reads=0.1425, thousand_images=1.0)


@pytest.mark.parametrize(("size", "units"), [(1, 1), (1024, 1), (1025, 2), (2048, 2), (2049, 3), (400 * KB, 400)])
def test_a_write_is_charged_in_whole_kilobytes(size: int, units: int) -> None:
    assert costs.write_units(size) == units


@pytest.mark.parametrize(("size", "units"), [(0, 1), (4096, 1), (4097, 2), (2 * 4096, 2)])
def test_a_consistent_read_is_charged_in_whole_four_kilobytes(size: int, units: int) -> None:
    assert costs.read_units(size) == units


def test_a_read_of_the_index_costs_half() -> None:
    assert costs.index_read_units(8 * KB) == 1.0


def test_a_new_index_entry_is_one_write() -> None:
    assert costs.index_write_units(1500, moves=False) == 2


def test_an_index_entry_that_moves_is_two_writes_of_whole_kilobytes_each() -> None:
    assert costs.index_write_units(1500, moves=True) == 4


# 10,000 validations a day of 2 KB in ap-south-1, entries of the index up to 1 KB:
# 300,000 validations in 30 days.

TEN_THOUSAND = Load(validations_a_day=10_000, record_bytes=2 * KB, entry_bytes=1 * KB)


def test_ten_thousand_first_attempts_a_day_by_hand() -> None:
    # Table: 300,000 x 2 units = 600,000. Index: 300,000 x 1 = 300,000. Together 900,000.
    # Reads: 300,000 x 4 x 1 unit = 1,200,000. Images: 300,000 x 2 = 600,000.
    assert costs.month_of(TEN_THOUSAND) == Usage(write_units=900_000, read_units=1_200_000, images=600_000)


def test_ten_thousand_first_attempts_a_day_in_dollars() -> None:
    # 0.9 x 0.71 = 0.639. 1.2 x 0.1425 = 0.171. 600 x 1.00 = 600. Together 600.81.
    found = costs.cost(costs.month_of(TEN_THOUSAND), MUMBAI)
    assert (found.writes, found.reads, found.images, found.total) == pytest.approx((0.639, 0.171, 600.0, 600.81))


def test_a_fifth_of_repeated_attempts_moves_as_many_index_entries() -> None:
    # Table: 600,000. Index: 240,000 x 1 + 60,000 x 2 = 360,000. Together 960,000: 0.96 x 0.71 = 0.6816 USD.
    load = Load(10_000, record_bytes=2 * KB, entry_bytes=1 * KB, repeats=0.2)
    assert costs.cost(costs.month_of(load), MUMBAI).writes == pytest.approx(0.6816)


def test_a_record_a_byte_over_two_kilobytes_is_three_units() -> None:
    # Table: 300,000 x 3 = 900,000. Index: 300,000.
    assert costs.month_of(Load(10_000, record_bytes=2 * KB + 1, entry_bytes=1 * KB)).write_units == 1_200_000


def test_a_repeated_attempt_reads_the_record_that_is_there() -> None:
    # 300,000 x 2 reads x 2 units, of a record of 5 KB, and 600,000 looks for an erasure.
    load = Load(10_000, record_bytes=5 * KB, entry_bytes=1 * KB, repeats=1)
    assert costs.month_of(load).read_units == 1_800_000


def test_event_reads_are_charged_by_the_entries_bytes_at_half_price() -> None:
    # 40,000 entries of 1 KB a day: 40,000 / 4 / 2 = 5,000 units, x 30 = 150,000.
    load = Load(0, record_bytes=2 * KB, entry_bytes=1 * KB, entries_read_a_day=40_000)
    assert costs.month_of(load) == Usage(write_units=0, read_units=150_000, images=0)


def test_nothing_costs_nothing() -> None:
    assert costs.cost(Usage(), MUMBAI) == Cost(0, 0, 0)


def test_the_default_prices_are_those_of_the_example() -> None:
    fields = Settings.model_fields
    defaults = [fields[f"price_{name}"].default for name in ("dynamodb_write", "dynamodb_read", "rekognition")]
    assert Prices(*defaults) == MUMBAI


def test_half_a_month_at_this_pace_is_twice_as_much() -> None:
    assert costs.at_this_pace(12.5, datetime(2026, 11, 16, tzinfo=UTC)) == pytest.approx(25.0)


def test_the_pace_counts_the_days_that_the_month_has() -> None:
    assert costs.at_this_pace(1.0, datetime(2027, 2, 2, tzinfo=UTC)) == pytest.approx(28.0)


def test_the_first_hours_of_a_month_have_no_pace() -> None:
    assert costs.at_this_pace(1.0, datetime(2026, 11, 1, 5, 59, tzinfo=UTC)) is None


def test_a_month_starts_at_its_first_midnight() -> None:
    assert costs.month_start(datetime(2026, 11, 23, 9, 30, 1, 7, tzinfo=UTC)) == datetime(2026, 11, 1, tzinfo=UTC)
