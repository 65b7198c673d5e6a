"""Charts as figures: what they show, in which colours, and how much of it goes to the browser."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import pytest

from core.domain.records import MAX_ATTEMPTS, Status
from dashboard.charts.case import attempts_timeline, similarity_gauge
from dashboard.charts.style import DARK, LIGHT, Palette, change_words
from tests.support.app import ROOT

MAX_JSON_BYTES = 20 * 1024
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
THEME = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["theme"]

both = pytest.mark.parametrize(("theme", "palette"), [("light", LIGHT), ("dark", DARK)], ids=["light", "dark"])


def attempts(*seen: tuple[Status, float]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "time": START + timedelta(hours=number),
                "status": status,
                "similarity": similarity,
                "label": f"Attempt {number}",
                "changed": "",
            }
            for number, (status, similarity) in enumerate(seen, 1)
        ]
    )


def traces(figure: go.Figure) -> dict[str, Any]:
    return {trace.name: trace for trace in figure.data}


def contrast(one: str, other: str) -> float:
    """WCAG 2.2's contrast ratio of two colours (``#rrggbb``), 1 to 21."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    shares = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_a_gauge_stays_small() -> None:
    assert len(similarity_gauge(99.87654321, 80, 70, LIGHT).to_json()) < MAX_JSON_BYTES


def test_a_timeline_of_as_many_attempts_as_a_record_lists_stays_small() -> None:
    statuses = [list(Status)[number % 3] for number in range(MAX_ATTEMPTS)]
    frame = attempts(*((status, 100 / (number + 1)) for number, status in enumerate(statuses)))
    assert len(attempts_timeline(frame, 80, LIGHT).to_json()) < MAX_JSON_BYTES


@pytest.mark.parametrize(
    ("similarity", "colour"),
    [
        (100, LIGHT.passed),
        (80, LIGHT.passed),
        (79.99, LIGHT.waiting),
        (70, LIGHT.waiting),
        (69.99, LIGHT.failed),
        (0, LIGHT.failed),
    ],
)
def test_the_gauge_has_the_colour_of_the_zone_that_the_similarity_falls_in(similarity: float, colour: str) -> None:
    assert similarity_gauge(similarity, 80, 70, LIGHT).data[0].gauge.bar.color == colour


def test_the_gauge_shows_the_similarity() -> None:
    assert similarity_gauge(83.25, 80, 70, LIGHT).data[0].value == 83.25


def test_the_gauge_marks_the_threshold() -> None:
    assert similarity_gauge(83, 77, 70, LIGHT).data[0].gauge.threshold.value == 77


def test_the_gauges_zones_meet_at_the_thresholds() -> None:
    steps = similarity_gauge(83, 77, 61, LIGHT).data[0].gauge.steps
    assert [step.range for step in steps] == [(0, 61), (61, 77), (77, 100)]


def test_the_gauge_can_be_read_where_nothing_waits_for_a_person() -> None:
    steps = similarity_gauge(83, 80, 80, LIGHT).data[0].gauge.steps
    assert [step.range for step in steps] == [(0, 80), (80, 80), (80, 100)]


@both
def test_each_status_has_its_colour_on_the_timeline(theme: str, palette: Palette) -> None:
    frame = attempts((Status.FAILED, 10), (Status.PENDING, 75), (Status.SUCCESS, 95))
    colours = {name: trace.marker.color for name, trace in traces(attempts_timeline(frame, 80, palette)).items()}
    assert colours == {"Passed": palette.passed, "Waiting": palette.waiting, "Failed": palette.failed}


def test_the_statuses_differ_by_their_symbols_too() -> None:
    frame = attempts((Status.FAILED, 10), (Status.PENDING, 75), (Status.SUCCESS, 95))
    assert len({trace.marker.symbol for trace in attempts_timeline(frame, 80, LIGHT).data}) == 3


def test_every_attempt_is_on_the_timeline_once() -> None:
    frame = attempts((Status.FAILED, 10), (Status.FAILED, 20), (Status.SUCCESS, 95))
    shown = traces(attempts_timeline(frame, 80, LIGHT))
    assert {name: list(trace.y) for name, trace in shown.items()} == {"Failed": [10, 20], "Passed": [95]}


def test_a_single_attempt_has_its_own_time_as_the_only_tick() -> None:
    axis = attempts_timeline(attempts((Status.SUCCESS, 95)), 80, LIGHT).layout.xaxis
    assert list(axis.ticktext) == ["13:00<br>1 Mar 2026"]
    first, last = (datetime.fromisoformat(end) for end in axis.range)
    assert first < axis.tickvals[0].replace(tzinfo=None) < last


def test_attempts_that_follow_each_other_within_a_second_have_an_axis_of_minutes() -> None:
    frame = attempts((Status.FAILED, 10), (Status.SUCCESS, 95))
    frame["time"] = [START, START + timedelta(milliseconds=300)]
    axis = attempts_timeline(frame, 80, LIGHT).layout.xaxis
    first, last = (datetime.fromisoformat(end) for end in axis.range)
    assert last - first >= timedelta(minutes=10)
    assert axis.tickformat.startswith("%H:%M\n")


def test_the_timeline_draws_the_threshold() -> None:
    (line,) = attempts_timeline(attempts((Status.SUCCESS, 95)), 77, LIGHT).layout.shapes
    assert (line.y0, line.y1) == (77, 77)


def test_the_timeline_marks_what_changed_between_two_attempts() -> None:
    frame = attempts((Status.FAILED, 10), (Status.SUCCESS, 95), (Status.SUCCESS, 96))
    layout = attempts_timeline(frame.assign(changed=["", "rules", ""]), 80, LIGHT).layout
    (word,) = layout.annotations
    assert (word.x, word.text) == ("2026-03-01 13:30:00", "new rules")
    assert [line.x0 for line in layout.shapes if line.x0 == line.x1] == [word.x]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ("rules", "new rules"),
        ("model", "new model"),
        ("engine model", "new engine"),
        ("engine model rules", "new engine and rules"),
        ("model rules", "new model and rules"),
    ],
)
def test_a_change_in_words(names: str, words: str) -> None:
    assert change_words(names) == words


def test_the_timelines_ends_are_not_cut_off() -> None:
    low, high = attempts_timeline(attempts((Status.SUCCESS, 100)), 80, LIGHT).layout.yaxis.range
    assert low < 0
    assert high > 100


@both
def test_text_is_easy_to_read_on_the_page(theme: str, palette: Palette) -> None:
    # WCAG 2.2, 1.4.3: ordinary text.
    assert contrast(palette.text, THEME[theme]["backgroundColor"]) >= 4.5


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("ground", ["backgroundColor", "secondaryBackgroundColor"])
def test_links_and_captions_and_the_main_button_are_easy_to_read(theme: str, ground: str) -> None:
    colours = THEME[theme]
    assert contrast("#ffffff", colours["primaryColor"]) >= 4.5
    assert contrast(colours.get("linkColor", colours["primaryColor"]), colours[ground]) >= 4.5
    # Streamlit writes captions in the text's colour at 60 %.
    pairs = zip(_parts(colours["textColor"]), _parts(colours[ground]), strict=True)
    caption = "#" + "".join(f"{round(0.6 * text + 0.4 * behind):02x}" for text, behind in pairs)
    assert contrast(caption, colours[ground]) >= 4.5


def _parts(colour: str) -> list[int]:
    return [int(colour[at : at + 2], 16) for at in (1, 3, 5)]


@both
@pytest.mark.parametrize("status", [Status.SUCCESS, Status.FAILED])
def test_a_statuss_colour_stands_out_from_the_page(theme: str, palette: Palette, status: Status) -> None:
    # WCAG 2.2, 1.4.11: graphics that carry meaning. Waiting is lighter on purpose: it is told from failed by its
    # lightness where red and green look alike, and never stands without its word.
    assert contrast(palette.of(status), THEME[theme]["backgroundColor"]) >= 3


@both
def test_the_statuses_colours_differ(theme: str, palette: Palette) -> None:
    assert len({palette.of(status) for status in Status}) == len(Status)


@both
def test_the_theme_and_the_palette_name_one_set_of_colours(theme: str, palette: Palette) -> None:
    assert THEME[theme]["chartCategoricalColors"] == [
        palette.accent,
        palette.passed,
        palette.waiting,
        palette.failed,
        palette.untried,
    ]
