"""The charts of the event pages: what they show, how it can be read, and how much of it goes to the browser."""

from __future__ import annotations

import itertools
import random
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import pytest

from core.domain import over_time as core_over_time
from core.domain import statistics
from core.domain.columns import STATUSES
from core.domain.records import Status
from core.domain.statistics import Readiness
from dashboard.charts import event as event_charts
from dashboard.charts import over_time as over_time_charts
from dashboard.charts.distributions import Limits, Measure, describe_histogram, histogram
from dashboard.charts.style import DARK, LIGHT, Palette
from tests.pages.test_charts import contrast
from tests.support.app import ROOT
from tests.support.frames import record_rows

MAX_JSON_BYTES = 100 * 1024
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
THEME = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["theme"]
READY = Readiness(100, 90, 80, 60, 5, 15, 0, 20, 3)
NOBODY = Readiness(0, 0, 0, 0, 0, 0, 0, 0, 0)

both = pytest.mark.parametrize(("theme", "palette"), [("light", LIGHT), ("dark", DARK)], ids=["light", "dark"])


def over_time(*counts: tuple[int, int, int], unit: str = "day") -> pd.DataFrame:
    step = {"hour": timedelta(hours=1), "day": timedelta(days=1)}[unit]
    frame = pd.DataFrame([(*each, 0) for each in counts], columns=list(STATUSES))
    total = frame.sum(axis="columns")
    frame["attempts_mean"] = (total * 0 + 1.5).where(total > 0)
    frame["success_rate"] = frame["success"] / total
    frame["changed"] = ""
    frame["previous"] = list(range(len(counts)))
    frame.insert(0, "time", pd.to_datetime([datetime(2026, 3, 1) + step * n for n in range(len(counts))]))
    return frame


def ranked(*counts: tuple[str, int]) -> pd.DataFrame:
    return pd.DataFrame(counts, columns=["reason", "count"])


def tries(*counts: int) -> pd.DataFrame:
    return pd.DataFrame({"attempts": ["1", "2", "3", "4", "5+"], "count": counts})


def bins(*counts: tuple[int, int, int]) -> pd.DataFrame:
    frame = pd.DataFrame([(*each, 0) for each in counts], columns=list(STATUSES))
    frame.insert(0, "left", [60 + 10 * number for number in range(len(counts))])
    frame.insert(1, "right", frame["left"] + 10)
    return frame


def groups(*seen: tuple[str, int, int]) -> pd.DataFrame:
    frame = pd.DataFrame(seen, columns=["group", "total", "failed"])
    return frame.assign(failure_rate=frame["failed"] / frame["total"], small=frame["total"] < 30)


def events(*seen: tuple[str, int, int]) -> pd.DataFrame:
    frame = pd.DataFrame(seen, columns=["event", "records", "passed"])
    return frame.assign(success_rate=frame["passed"] / frame["records"])


BEFORE = "3 days before"
DAYS = over_time((5, 1, 2), (0, 0, 0), (4, 0, 4))
SIMILARITY = Measure("similarity", Limits(75, 77))
#: Something else decided from the third day on.
NEW_RULES = DAYS.assign(changed=["", "", "engine model rules"])
CHARTS: dict[str, Callable[[Palette], go.Figure]] = {
    "funnel": lambda palette: event_charts.funnel(READY, palette),
    "outcomes over time": lambda palette: over_time_charts.outcomes_over_time("day", DAYS, BEFORE, palette),
    "rate over time": lambda palette: over_time_charts.rate_over_time("day", DAYS, palette),
    "outcomes under new rules": lambda palette: over_time_charts.outcomes_over_time(
        "day", NEW_RULES, BEFORE, palette
    ),
    "rate under new rules": lambda palette: over_time_charts.rate_over_time("day", NEW_RULES, palette),
    "reasons": lambda palette: event_charts.reasons_bar(ranked(("NO_FACE", 3), ("BLURRED", 1)), palette),
    "attempts": lambda palette: event_charts.attempts_bars(tries(9, 4, 1, 0, 2), palette),
    "histogram": lambda palette: histogram(bins((0, 0, 3), (0, 4, 0)), SIMILARITY, palette),
    "histogram on a square-root scale": lambda palette: histogram(
        bins((0, 0, 3), (0, 4, 0)), replace(SIMILARITY, root=True), palette
    ),
    "groups": lambda palette: event_charts.group_bars(groups(("female", 90, 9), ("male", 12, 3)), palette),
    "compare": lambda palette: event_charts.compare_bars(events(("spring", 90, 80), ("autumn", 10, 9)), palette),
}
STACKED = ("outcomes over time", "histogram")

each_chart = pytest.mark.parametrize("draw", CHARTS.values(), ids=CHARTS)
each_stacked = pytest.mark.parametrize("draw", [CHARTS[name] for name in STACKED], ids=STACKED)


def bars(figure: go.Figure) -> dict[str, go.Bar]:
    return {trace.name: trace for trace in figure.data if trace.type == "bar"}


def colours_of(found: Any) -> Iterator[str]:
    """Every colour of a font, wherever it stands in a figure's JSON."""
    if isinstance(found, dict):
        for name, value in found.items():
            if name in ("font", "tickfont", "textfont") and "color" in value:
                yield value["color"]
            if name != "template":
                yield from colours_of(value)
    elif isinstance(found, list | tuple):
        for value in found:
            yield from colours_of(value)


# How it can be read


@both
@each_chart
def test_text_is_easy_to_read(draw: Callable[[Palette], go.Figure], theme: str, palette: Palette) -> None:
    # WCAG 2.2, 1.4.3: ordinary text.
    used = set(colours_of(draw(palette).to_plotly_json()))
    assert used
    assert min(contrast(colour, THEME[theme]["backgroundColor"]) for colour in used) >= 4.5


@both
@each_stacked
def test_each_status_has_its_one_colour(draw: Callable[[Palette], go.Figure], theme: str, palette: Palette) -> None:
    found = {name: trace.marker.color for name, trace in bars(draw(palette)).items()}
    assert found == {"Passed": palette.passed, "Waiting": palette.waiting, "Failed": palette.failed}


@each_stacked
def test_failed_differs_from_passed_by_more_than_its_colour(draw: Callable[[Palette], go.Figure]) -> None:
    found = bars(draw(LIGHT))
    assert found["Failed"].marker.pattern.shape != found["Passed"].marker.pattern.shape


@each_chart
def test_a_chart_has_no_title_of_its_own(draw: Callable[[Palette], go.Figure]) -> None:
    assert draw(LIGHT).layout.title.text is None


@each_chart
def test_light_and_dark_differ_in_colours_alone(draw: Callable[[Palette], go.Figure]) -> None:
    as_dark = draw(DARK).to_json()
    for light, dark in zip(vars(LIGHT).values(), vars(DARK).values(), strict=True):
        as_dark = as_dark.replace(dark, light)
    assert as_dark == draw(LIGHT).to_json()


# What it shows


def test_the_funnels_bars_are_the_counts_of_its_steps() -> None:
    (trace,) = event_charts.funnel(READY, LIGHT).data
    assert dict(zip(trace.y, trace.x, strict=True)) == {
        "Registered": 100,
        "Reference photo": 90,
        "Tried": 80,
        "Passed": 60,
        "Waiting": 5,
        "Failed": 15,
    }


def test_the_outcomes_in_the_funnel_stand_below_the_tried_and_fill_it() -> None:
    (trace,) = event_charts.funnel(READY, LIGHT).data
    assert [(base, base + count) for base, count in zip(trace.base, trace.x, strict=True)][3:] == [
        (0, 60),
        (60, 65),
        (65, 80),
    ]


def test_the_funnel_ends_with_those_of_unknown_status_if_there_are_any() -> None:
    (trace,) = event_charts.funnel(replace(READY, failed=10, unknown=5), LIGHT).data
    assert (trace.y[-1], trace.base[-1], trace.x[-1]) == ("Unknown", 75, 5)


def test_outcomes_over_time_show_every_count() -> None:
    found = bars(over_time_charts.outcomes_over_time("day", DAYS, BEFORE, LIGHT))
    assert {name: list(trace.y) for name, trace in found.items()} == {
        "Passed": [5, 0, 4],
        "Waiting": [1, 0, 0],
        "Failed": [2, 0, 4],
    }


def test_a_single_bar_over_time_does_not_fill_the_axis() -> None:
    figure = over_time_charts.outcomes_over_time("hour", over_time((1, 0, 0), unit="hour"), "24 h before", LIGHT)
    first, last = (datetime.fromisoformat(end) for end in figure.layout.xaxis.range)
    assert last - first >= timedelta(hours=6)


def test_few_validations_have_no_ticks_between_whole_numbers() -> None:
    assert over_time_charts.outcomes_over_time("day", over_time((1, 0, 0)), BEFORE, LIGHT).layout.yaxis.dtick == 1


def test_the_period_before_is_a_line_with_its_name_in_the_legend() -> None:
    (line,) = (
        trace
        for trace in over_time_charts.outcomes_over_time("day", DAYS, BEFORE, LIGHT).data
        if trace.type == "scatter"
    )
    assert (line.name, list(line.y)) == ("3 days before", [0, 1, 2])
    assert list(line.x) == list(over_time_charts.outcomes_over_time("day", DAYS, BEFORE, LIGHT).data[0].x)


def test_a_busier_period_before_is_not_cut_off() -> None:
    axis = over_time_charts.outcomes_over_time("day", DAYS.assign(previous=90), BEFORE, LIGHT).layout.yaxis
    assert axis.range is None
    assert axis.dtick is None


def test_the_success_rate_is_in_percent() -> None:
    assert list(over_time_charts.rate_over_time("day", DAYS, LIGHT).data[0].y) == [62.5, 50.0]


def test_a_time_without_validations_has_no_success_rate() -> None:
    assert len(over_time_charts.rate_over_time("day", DAYS, LIGHT).data[0].x) == 2


@pytest.mark.parametrize(
    "draw",
    [
        lambda frame: over_time_charts.outcomes_over_time("day", frame, BEFORE, LIGHT),
        lambda frame: over_time_charts.rate_over_time("day", frame, LIGHT),
    ],
)
def test_a_line_marks_where_what_decides_changed(draw: Callable[[pd.DataFrame], go.Figure]) -> None:
    layout = draw(NEW_RULES).layout
    (line,), (word,) = layout.shapes, layout.annotations
    # Between the bars of the second and the third day.
    assert line.x0 == line.x1 == word.x == "2026-03-02 12:00:00"
    assert word.text == "new engine and rules"
    assert word.font.size >= 11
    assert not draw(DAYS).layout.shapes


@both
def test_the_word_beside_such_a_line_is_easy_to_read(theme: str, palette: Palette) -> None:
    (word,) = over_time_charts.outcomes_over_time("day", NEW_RULES, BEFORE, palette).layout.annotations
    assert contrast(word.font.color, word.bgcolor) >= 4.5


def test_reasons_are_named_by_their_words() -> None:
    figure = event_charts.reasons_bar(ranked(("FACE_MISMATCH", 3), ("ANOTHER_CODE", 1)), LIGHT)
    assert list(figure.layout.yaxis.ticktext) == ["Not the same person", "ANOTHER_CODE"]


def test_the_most_frequent_reason_is_on_top() -> None:
    low, high = event_charts.reasons_bar(ranked(("NO_FACE", 3), ("BLURRED", 1)), LIGHT).layout.yaxis.range
    assert low > high


def test_two_reasons_that_shorten_to_the_same_name_are_two_bars() -> None:
    figure = event_charts.reasons_bar(ranked(("X" * 60 + "1", 3), ("X" * 60 + "2", 1)), LIGHT)
    assert len(set(figure.data[0].y)) == 2


def test_markup_in_a_name_is_shown_as_it_is() -> None:
    figure = event_charts.compare_bars(events(('<a href="http://x">spring</a>', 9, 8)), LIGHT)
    assert "<a" not in figure.layout.yaxis.ticktext[0] + figure.data[0].customdata[0][1]


def test_attempts_show_counts_and_shares() -> None:
    assert event_charts.attempts_bars(tries(6, 2, 2, 0, 0), LIGHT).data[0].text[0] == "<b>6</b><br>60%"


def test_a_histogram_draws_and_names_the_threshold_and_what_waits_for_review() -> None:
    layout = histogram(bins((0, 0, 3), (0, 4, 0)), SIMILARITY, LIGHT).layout
    assert {shape.type: (shape.x0, shape.x1) for shape in layout.shapes} == {"rect": (75, 77), "line": (77, 77)}
    (words,) = layout.annotations
    assert words.text == "threshold 77<br>review 75–77"


def test_where_nothing_waits_there_is_no_band() -> None:
    layout = histogram(bins((0, 0, 3), (0, 4, 0)), Measure("similarity", Limits(77, 77)), LIGHT).layout
    assert [shape.type for shape in layout.shapes] == ["line"]
    assert [each.text for each in layout.annotations] == ["threshold 77"]


@pytest.mark.parametrize(("threshold", "side"), [(61, "left"), (79, "right")])
def test_the_words_of_the_threshold_stand_where_there_is_room(threshold: float, side: str) -> None:
    layout = histogram(bins((0, 0, 3), (0, 4, 0)), Measure("similarity", Limits(60, threshold)), LIGHT).layout
    assert layout.annotations[0].xanchor == side


@pytest.mark.parametrize("root", [False, True])
def test_the_bars_end_below_the_words_of_the_threshold(root: bool) -> None:
    figure = histogram(bins((90, 0, 10), (0, 4, 0)), replace(SIMILARITY, root=root), LIGHT)
    highest = sum(trace.y[0] for trace in figure.data)
    assert figure.layout.yaxis.range[1] >= 1.25 * highest


def test_a_histogram_without_limits_draws_no_line() -> None:
    assert not histogram(bins((0, 0, 3)), Measure("confidence"), LIGHT).layout.shapes


def test_a_histograms_axis_names_the_measure_its_range_and_what_is_left_out() -> None:
    found = [
        histogram(bins((0, 0, 3)), Measure("similarity", below=below), LIGHT).layout.xaxis.title.text
        for below in (0, 1200)
    ]
    assert found == ["similarity, 60–70", "similarity, 60–70<br>1,200 below 60 are not shown"]


def test_on_a_square_root_scale_a_bar_is_as_high_as_the_root_of_its_count() -> None:
    figure = histogram(bins((9, 0, 16), (0, 4, 0)), replace(SIMILARITY, root=True), LIGHT)
    heights = {name: list(trace.y) for name, trace in bars(figure).items()}
    assert heights == {"Passed": [3, 0], "Waiting": [0, 2], "Failed": [2, 0]}
    axis = figure.layout.yaxis
    assert "square root" in axis.title.text
    assert list(axis.ticktext) == ["0", "2", "10", "20"]
    assert list(axis.tickvals) == [0, 1.4142, 3.1623, 4.4721]


def test_on_every_scale_hovering_tells_the_count() -> None:
    for root in (False, True):
        figure = histogram(bins((9, 0, 16), (0, 4, 0)), replace(SIMILARITY, root=root, first=60), LIGHT)
        assert bars(figure)["Failed"].customdata[0] == ["60-70 failed", "60–70, failed", 16]


@pytest.mark.parametrize("top", [0, 1, 2, 3, 9, 10, 99, 100, 4321, 987_654])
def test_the_ticks_of_a_square_root_scale_are_round_and_apart(top: int) -> None:
    axis = histogram(bins((top, 0, 0)), replace(SIMILARITY, root=True), LIGHT).layout.yaxis
    ticks = [int(text.replace(",", "")) for text in axis.ticktext]
    assert ticks[0] == 0
    assert ticks[-1] >= 0.4 * top
    assert all(str(tick).rstrip("0") in ("1", "2", "5") for tick in ticks[1:])
    gaps = [after - before for before, after in itertools.pairwise(axis.tickvals)]
    assert min(gaps, default=1) >= 0.1 * axis.range[1]


def test_a_small_group_is_faded() -> None:
    opacity = event_charts.group_bars(groups(("female", 90, 9), ("male", 29, 3)), LIGHT).data[0].marker.opacity
    assert opacity[1] < opacity[0]


def test_a_small_group_says_so() -> None:
    names = event_charts.group_bars(groups(("female", 90, 9), ("male", 29, 3)), LIGHT).layout.yaxis.ticktext
    assert ["29 people, too few" in name for name in names] == [False, True]
    assert "90 people" in names[0]


def test_a_rate_tells_its_counts_when_hovered() -> None:
    (trace,) = event_charts.group_bars(groups(("high", 90, 9)), LIGHT).data
    assert trace.customdata[0] == ["high", "high: 9 of 90 failed", 9]


def test_many_groups_have_room_for_their_names() -> None:
    few, many = (
        event_charts.group_bars(groups(*((f"{n}", 90, 9) for n in range(count))), LIGHT).layout.height
        for count in (2, 12)
    )
    assert many > few


def test_of_too_many_groups_the_largest_are_shown_in_their_order() -> None:
    frame = groups(*((f"{age}-{age + 5}", 1 if age % 2 else 50 + age, 1) for age in range(24)))
    names = event_charts.group_bars(frame, LIGHT).layout.yaxis.ticktext
    assert [name.split("<")[0] for name in names] == [f"{age}-{age + 5}" for age in range(0, 24, 2)]


def test_compared_events_show_their_success_rates() -> None:
    assert list(event_charts.compare_bars(events(("spring", 80, 20), ("autumn", 10, 9)), LIGHT).data[0].x) == [
        25.0,
        90.0,
    ]


def test_an_event_without_validations_claims_no_rate() -> None:
    assert (
        event_charts.compare_bars(events(("spring", 80, 20), ("autumn", 0, 0)), LIGHT).data[0].text[1]
        == "no validations"
    )


# Nothing to show


@pytest.mark.parametrize(
    "draw",
    [
        lambda: event_charts.funnel(NOBODY, LIGHT),
        lambda: over_time_charts.outcomes_over_time("day", over_time((0, 0, 0)), BEFORE, LIGHT),
        lambda: over_time_charts.rate_over_time("day", over_time((0, 0, 0)), LIGHT),
        lambda: over_time_charts.outcomes_over_time(
            "day", over_time((0, 0, 0)).assign(changed="rules"), BEFORE, LIGHT
        ),
        lambda: over_time_charts.rate_over_time("day", over_time((0, 0, 0)).assign(changed="rules"), LIGHT),
        lambda: event_charts.reasons_bar(ranked(("NO_FACE", 0)), LIGHT),
        lambda: event_charts.attempts_bars(tries(0, 0, 0, 0, 0), LIGHT),
        lambda: histogram(bins((0, 0, 0)), SIMILARITY, LIGHT),
        lambda: histogram(bins((0, 0, 0)), replace(SIMILARITY, root=True), LIGHT),
        lambda: event_charts.group_bars(groups(("female", 30, 0)), LIGHT),
        lambda: event_charts.compare_bars(events(("spring", 0, 0)), LIGHT),
    ],
    ids=CHARTS,
)
def test_zeros_can_be_drawn(draw: Callable[[], go.Figure]) -> None:
    assert draw().to_json()


def test_no_records_can_be_described() -> None:
    none = record_rows([])
    unit, frame = core_over_time.over_time(none, "UTC")
    said = [
        event_charts.describe_funnel(NOBODY),
        over_time_charts.describe_over_time(unit, frame.assign(previous=0), BEFORE),
        over_time_charts.describe_rate(unit, frame),
        event_charts.describe_reasons(statistics.reasons_ranked(none)),
        event_charts.describe_groups(statistics.by_quality(none), "Quality"),
        event_charts.describe_attempts(statistics.attempts_until_success(none)),
        describe_histogram(statistics.histogram(none["similarity"], none["status"], 0, 100, 4), SIMILARITY),
        event_charts.describe_groups(statistics.by_group(none, "age"), "Age"),
        event_charts.describe_compare(statistics.compare({})),
    ]
    assert all(sentence.endswith(".") for sentence in said)


# In words


def test_the_funnel_in_words() -> None:
    assert event_charts.describe_funnel(READY) == (
        "Of 100 registered, 90 have a reference photo and 80 tried: 60 passed, 5 wait and 15 failed."
    )


def test_outcomes_over_time_in_words() -> None:
    assert over_time_charts.describe_over_time("day", DAYS, BEFORE) == (
        "Validations per day: 9 passed, 1 waiting, 6 failed, 16 in all; a faint line shows the 3 days before: "
        "3 in all; the most in one day, 8, at 2026-03-01."
    )


@pytest.mark.parametrize(
    "describe",
    [
        lambda frame: over_time_charts.describe_over_time("day", frame, BEFORE),
        lambda frame: over_time_charts.describe_rate("day", frame),
    ],
)
def test_what_changed_in_words(describe: Callable[[pd.DataFrame], str]) -> None:
    assert describe(NEW_RULES) == f"{describe(DAYS)} New engine and rules from 2026-03-03 on."


def test_rates_in_words() -> None:
    assert over_time_charts.describe_rate("day", DAYS) == (
        "Success rate per day between 50% and 62%, last 50%; mean attempts between 1.5 and 1.5."
    )


def test_reasons_in_words() -> None:
    assert event_charts.describe_reasons(ranked(("NO_FACE", 1200), ("BLURRED", 1))) == (
        "Reasons by the number of people: No face 1,200, Blurred 1."
    )


def test_what_is_not_drawn_is_counted_in_words() -> None:
    assert event_charts.describe_reasons(ranked(*((f"X{n}", 1) for n in range(15)))).endswith(", and 3 more reasons.")


def test_a_histogram_in_words() -> None:
    measure = replace(SIMILARITY, below=7, root=True)
    assert describe_histogram(bins((0, 0, 3), (0, 4, 0)), measure) == (
        "Distribution of similarity from 60 to 80, on a square-root scale: 0 passed, 4 waiting, 3 failed; the most, "
        "4, from 70 to 80; the threshold is 77; from 75 on a photo waits for review; 7 below 60 are not shown."
    )


def test_groups_in_words_name_the_small_ones() -> None:
    assert event_charts.describe_groups(groups(("female", 90, 9), ("male", 10, 1)), "Gender") == (
        "Failure rate by gender: female 10.0% of 90, male 10.0% of 10 (too few to judge by)."
    )


# How much goes to the browser


@pytest.fixture(scope="module")
def many() -> pd.DataFrame:
    """100,000 records of 40 years, with more reasons, ages and events than any chart can name."""
    chance = random.Random(7)
    kinds = record_rows(
        {
            "status": chance.choice(list(Status)),
            "confidence": chance.randrange(10_000) / 100,
            "quality": chance.choice(["high", "medium", "low", None]),
            "similarity": chance.randrange(10_000) / 100,
            "attempts": chance.randint(1, 9),
            "timestamp": START - timedelta(minutes=chance.randrange(40 * 525_600)),
            "reasons": f"{'UNKNOWN_CODE_' * 20}{number}",
            "age": f"{number}-{number + 1} {'years' * 50}",
        }
        for number in range(5_000)
    )
    return pd.concat([kinds] * 20, ignore_index=True)


@pytest.mark.parametrize("years", [1 / 365, 1, 19, 40])
def test_over_time_charts_of_100_000_records_are_small(many: pd.DataFrame, years: float) -> None:
    span = many[many["timestamp"] >= many["timestamp"].max() - timedelta(days=365 * years)]
    unit, frame = core_over_time.over_time(span, "Asia/Kolkata")
    beside = frame.assign(previous=0)
    drawn = (
        over_time_charts.outcomes_over_time(unit, beside, BEFORE, LIGHT),
        over_time_charts.rate_over_time(unit, frame, LIGHT),
    )
    assert max(len(figure.to_json()) for figure in drawn) < MAX_JSON_BYTES


def test_charts_of_100_000_records_are_small(many: pd.DataFrame) -> None:
    similarity, status = many["similarity"], many["status"]
    ready = replace(READY, registered=100_000)
    compared = statistics.compare({f"{'event' * 100}{number}": many.head(number) for number in range(200)})
    drawn = {
        "funnel": event_charts.funnel(ready, LIGHT),
        "reasons": event_charts.reasons_bar(statistics.reasons_ranked(many), LIGHT),
        "quality": event_charts.group_bars(statistics.by_quality(many), LIGHT),
        "attempts": event_charts.attempts_bars(statistics.attempts_until_success(many), LIGHT),
        "histogram": histogram(statistics.histogram(similarity, status, 0, 100, 0.5), SIMILARITY, LIGHT),
        "groups": event_charts.group_bars(statistics.by_group(many, "age"), LIGHT),
        "compare": event_charts.compare_bars(compared, LIGHT),
    }
    sizes = {name: len(figure.to_json()) for name, figure in drawn.items()}
    assert max(sizes.values()) < MAX_JSON_BYTES, sizes
