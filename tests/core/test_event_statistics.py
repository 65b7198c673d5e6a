"""Every aggregate over an event's records equals a recount by plain loops over plain dicts."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.domain.filters import filtered
from core.domain.frames import registration_frame
from core.domain.over_time import beside_previous, over_time
from core.domain.registration_documents import document_frame, registrations_of
from core.domain.statistics import (
    NOT_MEASURED,
    NOT_REPORTED,
    attempts_until_success,
    backlog,
    by_group,
    by_quality,
    compare,
    expiring,
    flips,
    histogram,
    never_tried,
    readiness,
    reasons_ranked,
    what_if,
    with_age_groups,
)
from tests.support.frames import record_rows, registration_rows

Row = dict[str, Any]
#: An example is a whole list of records: a few hold every kind many times over.
examples = settings(max_examples=15, deadline=None)

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
STATUSES = ("success", "pending", "failed", "unknown")
# Berlin and New York change their clocks by an hour, Lord Howe by half of one; India and Nepal are off the hour.
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Asia/Kathmandu")
# Around the changes of the clocks in 2026: Europe and Lord Howe, then New York.
CLOCK_CHANGES = (
    datetime(2026, 3, 29, 1, tzinfo=UTC),
    datetime(2026, 10, 25, 1, tzinfo=UTC),
    datetime(2026, 4, 4, 15, tzinfo=UTC),
    datetime(2026, 10, 3, 15, 30, tzinfo=UTC),
    datetime(2026, 3, 8, 7, tzinfo=UTC),
    datetime(2026, 11, 1, 6, tzinfo=UTC),
)
CODES = ("FACE_MISMATCH", "NO_FACE", "BLURRED", "TOO_DARK", "REFERENCE_UNUSABLE", "ENGINE_UNAVAILABLE", "X9", "FACE")

#: On the limits, where >= and > differ.
LIMITS = (0.0, 69.99, 70.0, 79.99, 80.0, 85.0, 98.99, 99.0, 100.0)
SPANS = (timedelta(hours=2), timedelta(days=3), timedelta(days=40), timedelta(days=3000))
#: One number makes one record: drawing each of its values would take the time of the test.
seeds = st.integers(0, 2**32)


def percent(chance: Random) -> float:
    return chance.choice(LIMITS) if chance.random() < 0.4 else chance.randrange(10_001) / 100


def own_row(chance: Random) -> Row:
    """A record that Facedesk wrote: whatever the rules, a person or an engine without some measure can leave."""
    similarity = chance.choice([None, percent(chance), percent(chance)])
    decision = chance.choice([None, None, None, "approved", "rejected"])
    return {
        "confidence": chance.choice([None, percent(chance)]),
        "quality": chance.choice([None, "high", "medium", "low"]),
        "similarity": similarity,
        "threshold": None if similarity is None else chance.choice([80.0, 80.0, 75.0, 90.0]),
        "attempts": chance.randint(1, 8),
        "expiresAt": chance.choice([None, NOW + timedelta(hours=chance.randint(1, 20 * 24))]),
        "source": chance.choice(["api", "dashboard", "batch"]),
        "reasons": " ".join(chance.choices(CODES, k=chance.choice([0, 0, 1, 1, 2, 3]))),
        "decision": decision,
        "reviewer": decision and "maria",
        "age": chance.choice([None, "5-12", "18-25", "25-35", "unknown"]),
        "gender": chance.choice([None, "female", "male"]),
        "smile": chance.choice([None, True, False]),
        "engine": chance.choice([None, "rekognition"]),
        "rules": chance.choice([None, "r1", "r2"]),
    }


def foreign_row(chance: Random) -> Row:
    """A record of another service, without our additions; its comparison names no threshold."""
    return {"similarity": chance.choice([None, percent(chance)])}


@st.composite
def record_lists(draw: st.DrawFn) -> list[Row]:
    start = draw(st.sampled_from(CLOCK_CHANGES)) - timedelta(hours=1)
    span = draw(st.sampled_from(SPANS))
    rows = []
    for number, seed in enumerate(draw(st.lists(seeds, max_size=40))):
        chance = Random(seed)
        rows.append(
            {
                "userId": f"u{number % 4}",
                "registrationId": f"r{number}",
                "status": chance.choice(STATUSES),
                "timestamp": start + timedelta(seconds=chance.randint(0, int(span.total_seconds()))),
                **chance.choice([own_row, own_row, foreign_row])(chance),
            }
        )
    return rows


@st.composite
def events(draw: st.DrawFn) -> tuple[list[Row], list[Row]]:
    """Registrations and records: some of each without the other, some under another user's id."""
    records = draw(record_lists())
    chance = Random(draw(seeds))
    registrations = [
        {"registrationId": record["registrationId"], "userId": chance.choice([record["userId"]] * 4 + ["else"])}
        for record in records
        if chance.random() < 0.8
    ]
    registrations += [{"registrationId": f"n{number}", "userId": "u0"} for number in range(chance.randint(0, 6))]
    for registration in registrations:
        registration["referencePhotoKey"] = chance.choice([None, "reference/1.jpg"])
    return registrations, records


def keys(rows: list[Row]) -> set[tuple[str, str]]:
    return {(row["userId"], row["registrationId"]) for row in rows}


def ids(frame: pd.DataFrame) -> list[str]:
    return frame["registrationId"].tolist()


def share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan


def mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else math.nan


def same(found: float, expected: float) -> bool:
    return (math.isnan(found) and math.isnan(expected)) or math.isclose(found, expected, rel_tol=1e-9)


# Readiness


@examples
@given(events())
def test_readiness_equals_a_recount(event: tuple[list[Row], list[Row]]) -> None:
    registrations, records = event
    counted = "registered with_photo attempted passed waiting failed unknown never_tried unregistered"
    expected = dict.fromkeys(counted.split(), 0)
    status_of = {(record["userId"], record["registrationId"]): record["status"] for record in records}
    words = {"success": "passed", "pending": "waiting", "failed": "failed", "unknown": "unknown"}
    for registration in registrations:
        expected["registered"] += 1
        if registration["referencePhotoKey"] is not None:
            expected["with_photo"] += 1
        status = status_of.pop((registration["userId"], registration["registrationId"]), None)
        if status is None:
            expected["never_tried"] += 1
        else:
            expected["attempted"] += 1
            expected[words[status]] += 1
    expected["unregistered"] = len(status_of)
    assert dataclasses.asdict(readiness(registration_rows(registrations), record_rows(records))) == expected


@examples
@given(events())
def test_the_share_that_is_ready_is_passed_of_registered(event: tuple[list[Row], list[Row]]) -> None:
    found = readiness(registration_rows(event[0]), record_rows(event[1]))
    assert found.share_ready == (found.passed / len(event[0]) if event[0] else None)


def test_of_an_event_without_registrations_as_mongodb_has_it_nobody_never_tried() -> None:
    nobody = registrations_of(document_frame([registration_frame({}, document=True)]))
    assert ids(never_tried(nobody, record_rows([]))) == []


@examples
@given(events())
def test_who_never_tried_equals_a_recount(event: tuple[list[Row], list[Row]]) -> None:
    registrations, records = event
    tried = keys(records)
    expected = [r["registrationId"] for r in registrations if (r["userId"], r["registrationId"]) not in tried]
    assert ids(never_tried(registration_rows(registrations), record_rows(records))) == expected


@examples
@given(record_lists(), seeds)
def test_the_backlog_equals_a_recount(rows: list[Row], seed: int) -> None:
    since = [row["timestamp"] for row in rows if row["status"] == "pending"]
    due = Random(seed).choice([*since, NOW])
    assert backlog(record_rows(rows), due) == (min(since, default=None), sum(each < due for each in since))


def test_a_record_under_another_users_id_is_not_the_registrations() -> None:
    registrations = registration_rows([{"registrationId": "r1", "userId": "u1"}])
    found = readiness(registrations, record_rows([{"registrationId": "r1", "userId": "u2", "status": "success"}]))
    assert (found.passed, found.never_tried, found.unregistered) == (0, 1, 1)


# Over time


def wall_bucket(moment: datetime, tz: str, unit: str) -> datetime:
    wall = moment.astimezone(ZoneInfo(tz)).replace(tzinfo=None, minute=0, second=0, microsecond=0, fold=0)
    if unit == "hour":
        return wall
    if unit == "day":
        return wall.replace(hour=0)
    return wall.replace(hour=0, day=1, **({"month": 1} if unit == "year" else {}))


def next_bucket(begin: datetime, unit: str) -> datetime:
    if unit == "hour":
        return begin + timedelta(hours=1)
    if unit == "day":
        return begin + timedelta(days=1)
    if unit == "year":
        return begin.replace(year=begin.year + 1)
    return begin.replace(year=begin.year + begin.month // 12, month=begin.month % 12 + 1)


@examples
@given(record_lists(), st.sampled_from(ZONES))
def test_outcomes_over_time_equal_a_recount(rows: list[Row], tz: str) -> None:
    unit, frame = over_time(record_rows(rows), tz)
    begins = [wall_bucket(row["timestamp"], tz, unit) for row in rows]
    expected, before = [], set[str]()
    begin = min(begins, default=None)
    while begin is not None and begin <= max(begins):
        inside = [row for row, of_row in zip(rows, begins, strict=True) if of_row == begin]
        counts = [sum(row["status"] == status for row in inside) for status in STATUSES]
        attempts = mean([row.get("attempts", 1) for row in inside])
        rules = {row["rules"] for row in inside if row.get("rules")}
        news = "rules" if (rules - before if before else len(rules) > 1) else ""
        before = rules or before
        expected.append((begin, *counts, attempts, share(counts[0], len(inside)), news))
        begin = next_bucket(begin, unit)
    found = list(frame.itertuples(index=False, name=None))
    assert [(*row[:5], row[7]) for row in found] == [(*row[:5], row[7]) for row in expected]
    assert all(
        same(a, b)
        for one, other in zip(found, expected, strict=True)
        for a, b in zip(one[5:7], other[5:7], strict=True)
    )


@pytest.mark.parametrize(
    ("span", "unit"),
    [
        (timedelta(0), "hour"),
        (timedelta(days=3), "hour"),
        (timedelta(days=3, seconds=1), "day"),
        (timedelta(days=366), "day"),
        (timedelta(days=367), "month"),
        (timedelta(days=366 * 20 + 1), "year"),
    ],
)
def test_the_unit_of_time_follows_the_span(span: timedelta, unit: str) -> None:
    rows = [{"status": "failed", "timestamp": NOW - span}, {"status": "failed", "timestamp": NOW}]
    assert over_time(record_rows(rows), "UTC")[0] == unit


def test_the_hour_that_the_clock_repeats_is_one_bucket() -> None:
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    rows = [{"status": "success", "timestamp": first}, {"status": "failed", "timestamp": first + timedelta(hours=1)}]
    _, frame = over_time(record_rows(rows), "Europe/Berlin")
    assert frame[["time", "success", "failed"]].to_dict("records") == [
        {"time": pd.Timestamp(2026, 10, 25, 2), "success": 1, "failed": 1}
    ]


@examples
@given(record_lists(), st.sampled_from(ZONES))
def test_no_record_is_lost_over_time(rows: list[Row], tz: str) -> None:
    assert over_time(record_rows(rows), tz)[1][list(STATUSES)].to_numpy().sum() == len(rows)


# Beside the period before

LENGTHS = (timedelta(hours=24), timedelta(days=7), timedelta(days=30), timedelta(days=400))


@examples
@given(record_lists(), st.sampled_from(LENGTHS), st.sampled_from(ZONES), seeds)
def test_the_period_and_the_one_before_equal_a_recount(
    rows: list[Row], length: timedelta, tz: str, seed: int
) -> None:
    chance = Random(seed)
    times = [row["timestamp"] for row in rows]
    since = chance.choice([*times, NOW]) - length * chance.choice([0, 0.5, 1])
    unit, frame = beside_previous(record_rows(rows), since, length, tz)
    assert len(set(frame["time"])) == len(frame)
    first, last = (wall_bucket(end, tz, unit) for end in (since, since + length))
    assert (frame["time"].iloc[0], frame["time"].iloc[-1]) == (first, last)
    inside, before = dict.fromkeys(frame["time"], 0), dict.fromkeys(frame["time"], 0)
    for time in times:
        if time >= since:
            inside[min(wall_bucket(time, tz, unit), last)] += 1
        elif time >= since - length:
            moved = time.astimezone(ZoneInfo(tz)).replace(tzinfo=None) + length
            begin = wall_bucket(moved.replace(tzinfo=ZoneInfo(tz)), tz, unit)
            before[max(min(begin, last), first)] += 1
    assert frame[list(STATUSES)].sum(axis="columns").tolist() == list(inside.values())
    assert frame["previous"].tolist() == list(before.values())


@pytest.mark.parametrize(
    ("length", "unit", "buckets"),
    [
        (timedelta(hours=24), "hour", 25),
        (timedelta(days=7), "day", 8),
        (timedelta(days=30), "day", 31),
    ],
)
def test_a_period_has_all_its_buckets_though_nobody_came(length: timedelta, unit: str, buckets: int) -> None:
    since = NOW - timedelta(minutes=17)
    found, frame = beside_previous(record_rows([{"timestamp": since}]), since, length, "UTC")
    assert (found, len(frame)) == (unit, buckets)
    assert frame["previous"].sum() == 0


def test_the_end_of_the_period_before_is_the_begin_of_the_period() -> None:
    since, day = NOW, timedelta(days=1)
    times = [since - day - timedelta(seconds=1), since - day, since - timedelta(seconds=1), since]
    _, frame = beside_previous(record_rows([{"timestamp": time} for time in times]), since, day, "UTC")
    assert (frame["success"].sum(), frame["previous"].sum()) == (1, 2)
    # The first moment of each stands at the same place.
    assert (frame["success"].iloc[0], frame["previous"].iloc[0]) == (1, 1)


def test_what_another_service_dates_into_the_future_counts_at_the_end() -> None:
    rows = [{"timestamp": NOW}, {"timestamp": NOW + timedelta(days=9999)}]
    _, frame = beside_previous(record_rows(rows), NOW - timedelta(days=7), timedelta(days=7), "UTC")
    assert frame["success"].tolist() == [0, 0, 0, 0, 0, 0, 0, 2]


# Breakdowns


@examples
@given(record_lists())
def test_failures_by_quality_equal_a_recount(rows: list[Row]) -> None:
    seen = [(row.get("quality") or NOT_MEASURED, row["status"] == "failed") for row in rows]
    expected = []
    for quality in ("high", "medium", "low", NOT_MEASURED):
        failed = [did for of, did in seen if of == quality]
        if failed:
            expected.append((quality, len(failed), sum(failed), share(sum(failed), len(failed)), len(failed) < 30))
    assert list(by_quality(record_rows(rows)).itertuples(index=False, name=None)) == expected


@examples
@given(record_lists())
def test_ranked_reasons_equal_a_recount(rows: list[Row]) -> None:
    counts: dict[str, int] = {}
    for row in rows:
        for code in set(row.get("reasons", "").split()):
            counts[code] = counts.get(code, 0) + 1
    expected = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    assert list(reasons_ranked(record_rows(rows)).itertuples(index=False, name=None)) == expected


@examples
@given(record_lists())
def test_attempts_until_success_equal_a_recount(rows: list[Row]) -> None:
    expected = {"1": 0, "2": 0, "3": 0, "4": 0, "5+": 0}
    for row in rows:
        if row["status"] == "success":
            attempts = row.get("attempts", 1)
            expected["5+" if attempts >= 5 else str(attempts)] += 1
    found = attempts_until_success(record_rows(rows))
    assert list(found.itertuples(index=False, name=None)) == list(expected.items())


@pytest.mark.parametrize("column", ["similarity", "confidence"])
@examples
@given(rows=record_lists(), low=st.sampled_from([0, 40, 80]), width=st.sampled_from([1, 2.5, 7, 0.1]))
def test_a_histogram_equals_a_recount(column: str, rows: list[Row], low: float, width: float) -> None:
    frame = record_rows(rows)
    bins = histogram(frame[column], frame["status"], low, 100, width).to_dict("records")
    expected = [dict.fromkeys(STATUSES, 0) for _ in bins]
    for row in rows:
        value = row.get(column)
        if value is None:
            continue
        place = 0
        while place < len(bins) - 1 and value >= bins[place]["right"]:
            place += 1
        expected[place][row["status"]] += 1
    assert [{status: found[status] for status in STATUSES} for found in bins] == expected


@pytest.mark.parametrize(("width", "count"), [(1, 60), (2.5, 24), (7, 9), (0.1, 600)])
def test_the_bins_of_a_histogram_cover_its_range_without_gaps(width: float, count: int) -> None:
    frame = record_rows([{"status": "success", "similarity": 90.0}])
    bins = histogram(frame["similarity"], frame["status"], 40, 100, width)
    assert bins["left"].tolist()[1:] == bins["right"].tolist()[:-1]
    assert (bins["left"].iloc[0], bins["right"].iloc[-1], len(bins)) == (40, 100, count)


def age_order(group: str) -> tuple[bool, float, str]:
    first = group.split("-")[0]
    return group == NOT_REPORTED, int(first) if first.isdigit() else math.inf, group


@pytest.mark.parametrize("column", ["age", "gender", "smile"])
@examples
@given(rows=record_lists())
def test_failures_by_group_equal_a_recount(column: str, rows: list[Row]) -> None:
    names = {None: NOT_REPORTED, True: "yes", False: "no"}
    groups: dict[str, list[str]] = {}
    for row in rows:
        value = row.get(column)
        groups.setdefault(names.get(value, value), []).append(row["status"])
    expected = [
        (name, len(groups[name]), groups[name].count("failed"), groups[name].count("failed") / len(groups[name]))
        for name in sorted(groups, key=age_order)
    ]
    found = by_group(record_rows(rows), column)
    assert [row[:4] for row in found.itertuples(index=False, name=None)] == expected


def test_a_group_under_30_is_small() -> None:
    rows = [{"status": "failed", "gender": "female"}] * 29 + [{"status": "failed", "gender": "male"}] * 30
    assert by_group(record_rows(rows), "gender")["small"].tolist() == [True, False]


def test_groups_of_age_come_in_the_order_of_age() -> None:
    rows = [{"status": "failed", "age": age} for age in ("25-35", "5-12", None, "100-110")]
    assert by_group(record_rows(rows), "age")["group"].tolist() == ["5-12", "25-35", "100-110", NOT_REPORTED]


@examples
@given(st.lists(record_lists(), max_size=3))
def test_compared_events_equal_a_recount(lists: list[list[Row]]) -> None:
    found = compare({f"e{number}": record_rows(rows) for number, rows in enumerate(lists)}).to_dict("records")
    assert [row["event"] for row in found] == [f"e{number}" for number in range(len(lists))]
    for row, rows in zip(found, lists, strict=True):
        counts = [sum(one["status"] == status for one in rows) for status in STATUSES]
        assert [row[name] for name in ("records", "passed", "waiting", "failed", "unknown")] == [len(rows), *counts]
        assert same(row["success_rate"], share(counts[0], len(rows)))
        assert same(row["mean_attempts"], mean([one.get("attempts", 1) for one in rows]))
        for column in ("confidence", "similarity"):
            measured = [one[column] for one in rows if one.get(column) is not None]
            assert same(row[f"mean_{column}"], mean(measured))


# What if


def said(similarity: float, threshold: float, review_from: float) -> str:
    if similarity >= threshold:
        return "success"
    return "pending" if similarity >= min(review_from, threshold) else "failed"


def status_at(row: Row, threshold: float, review_from: float) -> str:
    similarity = row.get("similarity")
    if similarity is None or row.get("decision") or set(row.get("reasons", "").split()) - {"FACE_MISMATCH"}:
        return str(row["status"])
    own = row.get("threshold")
    before = said(similarity, 80 if own is None else own, review_from)
    after = said(similarity, threshold, review_from)
    return str(row["status"]) if before == after else after


limits = st.sampled_from([70.0, 80.0, 99.0]) | st.floats(0, 100)


@examples
@given(record_lists(), limits, limits)
def test_what_if_equals_a_recount(rows: list[Row], threshold: float, review_from: float) -> None:
    expected = [status_at(row, threshold, review_from) for row in rows]
    assert what_if(record_rows(rows), threshold, review_from).tolist() == expected


@examples
@given(record_lists(), limits, limits)
def test_the_flips_equal_a_recount(rows: list[Row], threshold: float, review_from: float) -> None:
    becomes = [(row["registrationId"], row["status"], status_at(row, threshold, review_from)) for row in rows]
    found = flips(record_rows(rows), threshold, review_from)[["registrationId", "status", "becomes"]]
    assert list(found.itertuples(index=False, name=None)) == [row for row in becomes if row[1] != row[2]]


@examples
@given(record_lists())
def test_the_flips_at_99_equal_a_recount(rows: list[Row]) -> None:
    expected = [row["registrationId"] for row in rows if status_at(row, 99, 70) != row["status"]]
    assert ids(flips(record_rows(rows), 99, 70)) == expected


@examples
@given(record_lists(), limits)
def test_at_the_stored_threshold_every_decision_stands(rows: list[Row], review_from: float) -> None:
    at_80 = [{**row, "threshold": None if row.get("threshold") is None else 80.0} for row in rows]
    assert what_if(record_rows(at_80), 80, review_from).tolist() == [row["status"] for row in rows]


def test_a_record_without_a_threshold_was_judged_by_the_one_given() -> None:
    row = {"status": "failed", "similarity": 85.0}
    assert flips(record_rows([row]), 90, 70, default_threshold=90).empty


UNTOUCHABLE: list[Callable[[Row], Row]] = [
    lambda row: {**row, "decision": "approved"},
    lambda row: {**row, "reasons": "BLURRED"},
    lambda row: {**row, "reasons": "FACE_MISMATCH BLURRED"},
    lambda row: {**row, "similarity": None},
]


@pytest.mark.parametrize("change", UNTOUCHABLE, ids=["decided", "blurred", "blurred mismatch", "not compared"])
def test_what_the_similarity_alone_did_not_decide_does_not_flip(change: Callable[[Row], Row]) -> None:
    row = {"status": "success", "similarity": 85.0, "threshold": 80.0}
    assert len(flips(record_rows([row, change(row)]), 99, 70)) == 1


# Selections


@examples
@given(record_lists(), st.integers(0, 21))
def test_expiring_records_equal_a_recount(rows: list[Row], days: int) -> None:
    expected = []
    for row in rows:
        expires = row.get("expiresAt")
        if expires is not None and NOW < expires <= NOW + timedelta(days=days):
            expected.append(row["registrationId"])
    assert ids(expiring(record_rows(rows), NOW, days)) == expected


@examples
@given(
    rows=record_lists(),
    statuses=st.sets(st.sampled_from(STATUSES)),
    sources=st.sets(st.sampled_from(["api", "dashboard", NOT_REPORTED])),
    quality=st.sets(st.sampled_from(["high", "low", NOT_MEASURED])),
    reason=st.none() | st.sampled_from(CODES),
    window=st.none() | st.tuples(st.integers(0, 24), st.integers(0, 72)),
)
def test_filtered_records_equal_a_recount(
    rows: list[Row],
    statuses: set[str],
    sources: set[str],
    quality: set[str],
    reason: str | None,
    window: tuple[int, int] | None,
) -> None:
    since = until = None
    if window and rows:
        since = rows[0]["timestamp"] - timedelta(hours=window[0])
        until = since + timedelta(hours=window[1])
    expected = []
    for row in rows:
        fits = not statuses or row["status"] in statuses
        fits = fits and (not sources or (row.get("source") or NOT_REPORTED) in sources)
        fits = fits and (not quality or (row.get("quality") or NOT_MEASURED) in quality)
        fits = fits and (reason is None or reason in row.get("reasons", "").split())
        if since is not None and until is not None:
            fits = fits and since <= row["timestamp"] < until
        if fits:
            expected.append(row["registrationId"])
    found = filtered(
        record_rows(rows),
        statuses=statuses,
        sources=sources,
        since=since,
        until=until,
        quality=quality,
        reason=reason,
    )
    assert ids(found) == expected


@pytest.mark.parametrize(
    ("reported", "group"),
    [("25-35", "30-39"), ("18-20", "18-29"), ("10-25", "0-17"), ("68-82", "70+"), ("old", None), (None, None)],
)
def test_ages_are_grouped_by_the_decade_of_their_middle(reported: str | None, group: str | None) -> None:
    frame = with_age_groups(pd.DataFrame({"age": pd.Series([reported], dtype="category")}))
    assert [None if pd.isna(value) else value for value in frame["age"]] == [group]
