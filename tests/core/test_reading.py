"""Values in the forms in which other services write them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from core.adapters.aws.event_reads import _as_any_type
from core.domain.reading import Unreadable, moment

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "given",
    [
        "2026-11-25T12:00:00Z",
        "20261125T120000Z",
        "2026-W48-3T12:00:00Z",
        "2026-329T12:00:00Z",
        "2026-11-25t17:30:00+0530",
        "2026-11-25T12:00:00Z[UTC]",
        "2026-11-25 12:00:00 +0000 UTC",
        "Wed, 25 Nov 2026 12:00:00 GMT",
        "Wed Nov 25 2026 17:30:00 GMT+0530 (India Standard Time)",
        "Wed Nov 25 12:00:00 UTC 2026",
        "20261125120000",
        "1795608000",
        1795608000,
        1795608000000,
        1795608000000000,
    ],
)
def test_a_time_is_read_in_whatever_form_it_was_written(given: object) -> None:
    assert moment(given) == NOON


@pytest.mark.parametrize(
    "given", ["", "noon", "11/25/2026", "Wed Nov 25 12:00:00 IST 2026", "2026-02-30T12:00:00Z", True, {}, 1e300]
)
def test_what_may_mean_several_times_or_none_is_not_guessed(given: object) -> None:
    with pytest.raises(Unreadable):
        moment(given)


@pytest.mark.parametrize("part", ["x", " ", "2026 ", "(", "Nov "])
def test_a_text_without_end_is_refused_before_anything_looks_for_a_time_in_it(part: str) -> None:
    # The patterns and dateutil take the square of the length: hours, for this one.
    with pytest.raises(Unreadable):
        moment(f"x{part * 100_000}x")


@pytest.mark.parametrize(
    ("event_id", "types"),
    [
        ("26", "SN"),
        ("1.5", "SN"),
        ("9" * 38, "SN"),
        ("9" * 39, "S"),
        ("007", "S"),
        ("1e5", "S"),
        ("nan", "S"),
        ("Infinity", "S"),
        ("event-1", "S"),
    ],
)
def test_an_event_is_asked_for_by_every_type_that_reads_as_its_id(event_id: str, types: str) -> None:
    assert "".join(kind for value in _as_any_type(event_id) for kind in value) == types
