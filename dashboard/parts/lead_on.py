"""Charts lead on: a part that is clicked shows the people behind it and filters the other charts of the page.

The link says which parts are chosen, at most one of each chart: ``only=reasons BLURRED`` is a chart's key and the
name of one of its parts. Each part stands for filters of records, so that the list, its files and the other charts
follow from the link alone; a chart itself leaves its own part out and shows it among the others, which are pale. A
field below each chart offers the same parts to whoever uses no pointer, or hits no thin bar.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from core.domain import reasons
from core.domain.filters import filtered, span_of, span_text
from core.domain.records import Status
from core.domain.statistics import NOT_MEASURED, NOT_REPORTED, TRIES
from dashboard.charts.distributions import span_words
from dashboard.charts.style import WORDS
from dashboard.parts import link, look, ui
from dashboard.parts.kept import kept
from dashboard.services import get_services

#: In the link: the chosen parts, and the group of people, which the chart of readiness chooses.
ONLY, PEOPLE, READINESS = "only", "people", "readiness"
#: In the link: what is searched in a list, and the page of it; the next list begins without them.
SEARCH, PAGE = "find", "part"
#: The key of the list of people.
LIST = "people"
#: Charts that are about all time where the others are about the span of the page.
_ALL_TIME = frozenset({"attempts_until_passed"})
Filters = Mapping[str, Any]
_FAILED, _PASSED = (str(Status.FAILED),), (str(Status.SUCCESS),)


@dataclass(frozen=True)
class Pick:
    """A part of a chart, in words, with the ``filters`` (``core.domain.filters.filtered``) that it stands for."""

    chart: str
    part: str
    words: str
    filters: Filters
    #: The event, on a page that can show several.
    event: str | None = None


@dataclass(frozen=True)
class Chosen:
    """The chosen parts. ``since`` is when the page's span begins, where it has one."""

    picks: tuple[Pick, ...] = ()
    since: datetime | None = None

    def but(self, chart: str) -> Chosen:
        """All but that of this chart: what it is filtered by."""
        return replace(self, picks=tuple(pick for pick in self.picks if pick.chart != chart))

    def within(self, since: datetime) -> Chosen:
        """The same for whoever shows all time: these parts are only about the span."""
        return replace(self, since=since)

    def rows(self, frame: pd.DataFrame, fit: Callable[..., pd.DataFrame] = filtered) -> pd.DataFrame:
        """Those that fit all parts."""
        for filters in self._filters():
            frame = kept(fit, frame, **filters)
        return frame

    def fits(self, event_id: str) -> bool:
        return all(pick.event in (None, event_id) for pick in self.picks)

    def query(self, given: Filters | None = None) -> dict[str, Any]:
        """The parts, and filters that are ``given`` besides, as the address of a file has them. Where they contradict
        each other, there is nothing to put into a file.
        """
        together: dict[str, Any] = {}
        for filters in (given or {}, *self._filters()):
            for name, value in filters.items():
                before = together.get(name)
                if before and value:
                    together[name] = _both(name, before, value)
                else:
                    together[name] = before or value
        return {_IN_ADDRESS.get(name, name): _as_text(name, value) for name, value in together.items() if value}

    def _filters(self) -> Iterator[dict[str, Any]]:
        for pick in self.picks:
            filters = dict(pick.filters)
            if self.since and pick.chart not in _ALL_TIME:
                filters["since"] = max(self.since, filters.get("since", self.since))
            yield filters


#: Filters that have another name in the address of a file.
_IN_ADDRESS = {"statuses": "status", "sources": "source"}


def _both(name: str, one: Any, other: Any) -> Any:
    if name in ("since", "until"):
        return max(one, other) if name == "since" else min(one, other)
    return [each for each in one if each in other] if isinstance(other, tuple) else other


def _as_text(name: str, value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return span_text(value) if name in ("similarity", "confidence") else value


def chosen() -> Chosen:
    """The parts that the link names; says which of them there are none of."""
    found: dict[str, Pick] = {}
    unknown = []
    for text in st.query_params.get_all(ONLY):
        try:
            pick = _read(text)
        except (ValueError, OverflowError, KeyError):
            unknown.append(text)
        else:
            found[pick.chart] = pick
    if unknown:
        ui.banner("warning", "The link names an unknown part of a chart.", *unknown, icon=":material/search_off:")
    return Chosen(tuple(found.values()))


def _read(text: str) -> Pick:
    chart, _, part = text.partition(" ")
    if not part:
        raise ValueError(text)
    name, event, of_group, group_words = part, None, {}, ""
    if chart in _SPLIT and (split := re.fullmatch(r"(.+?) in (\w+) (.+)", part, re.DOTALL)):
        name, column, group = split.groups()
        event = group if column == "eventId" else None
        of_group = {} if event else dict([_group_filter(column, group)])
        group_words = f", {group}"
    filters, words = _PARTS[chart](name)
    if chart == "events_compared":
        event = name
    return Pick(chart, part, words + group_words, {**of_group, **filters}, event)


def _group_filter(column: str, group: str) -> tuple[str, Any]:
    if column == "quality":
        return "quality", (NOT_MEASURED if group == NOT_REPORTED else group,)
    if column == "source":
        return "sources", (group,)
    return {name: name for name in ("age", "gender", "smile")}[column], group


def _measured(column: str, name: str) -> tuple[Filters, str]:
    text, _, status = name.partition(" ")
    span = span_of(text)
    words = f"{column.capitalize()} {span_words(span)}, {WORDS[Status(status)].lower()}"
    return {column: span, "statuses": (status,)}, words


def _with_reason(name: str) -> tuple[Filters, str]:
    return {"reason": name, "statuses": _FAILED}, f"Failed: {reasons.label(name)}"


def _failed_of(column: str, name: str) -> tuple[Filters, str]:
    value = (name,) if column == "quality" else name
    return {column: value, "statuses": _FAILED}, f"{column.capitalize()} {name}, failed"


def _passed_with(name: str) -> tuple[Filters, str]:
    TRIES.index(name)
    return {"attempts": name, "statuses": _PASSED}, f"Passed with attempt {name}"


def _outcomes_of(name: str) -> tuple[Filters, str]:
    text, _, status = name.partition(" ")
    filters, words = _validated_in(text)
    if filters["until"] > get_services().clock():
        # What is later than now counts in the last bar.
        filters = {"since": filters["since"]}
    return {**filters, "statuses": (status,)}, f"{WORDS[Status(status)]}, {words[0].lower()}{words[1:]}"


def _validated_in(name: str) -> tuple[Filters, str]:
    """A bucket of time in the viewer's zone; see ``dashboard.charts.style.bucket_name``."""
    begins = datetime.strptime(name, {4: "%Y", 7: "%Y-%m", 10: "%Y-%m-%d", 13: "%Y-%m-%dT%H"}[len(name)])
    match len(name):
        case 13:
            ends = begins + timedelta(hours=1)
        case 10:
            ends = begins + timedelta(days=1)
        case 7:
            ends = (begins + timedelta(days=31)).replace(day=1)
        case _:
            ends = begins.replace(year=begins.year + 1)
    zone = ui.viewer_zone()
    words = f"Validated {name.replace('T', ', ')}{':00' if len(name) == 13 else ''}"
    return {"since": begins.replace(tzinfo=zone), "until": ends.replace(tzinfo=zone)}, words


#: A chart's key -> the filters and the words of its part with this name.
_PARTS: Mapping[str, Callable[[str], tuple[Filters, str]]] = {
    "validations": _outcomes_of,
    "success_rate": _validated_in,
    "reasons": _with_reason,
    "similarity": partial(_measured, "similarity"),
    "confidence": partial(_measured, "confidence"),
    "attempts_until_passed": _passed_with,
    "events_compared": lambda name: ({"statuses": _PASSED}, f"{name}, passed"),
    **{f"failure_rate_by_{name}": partial(_failed_of, name) for name in ("quality", "age", "gender", "smile")},
}
#: How words of a rate end: those who are counted, of all.
_SAYS_COUNT = re.compile(r": [\d,]+ of [\d,]+ (failed|passed)$")
#: Charts that Statistics splits by a column.
_SPLIT = frozenset({"similarity", "confidence", "failure_rate_by_quality"})


def split_by(column: str | None, group: str) -> str:
    """What the names of parts end with in a chart of this group of a split."""
    return f" in {column} {group}" if column else ""


def part_of(chart: str, within: str = "") -> str | None:
    """The part of the chart that is chosen, as the chart itself names it."""
    if chart == READINESS:
        return st.query_params.get(PEOPLE)
    found = next((text for text in st.query_params.get_all(ONLY) if text.startswith(f"{chart} ")), None)
    part = found and found.removeprefix(f"{chart} ")
    return part.removesuffix(within) if part and part.endswith(within) else None


def has_parts(chart: str) -> bool:
    """Whether the parts of the chart lead to people. Others show what no single person did."""
    return chart == READINESS or chart in _PARTS


def is_filtered(chart: str) -> bool:
    """Whether the chart shows only some, because of other charts."""
    others = [text for text in st.query_params.get_all(ONLY) if not text.startswith(f"{chart} ")]
    return bool(others) or (chart != READINESS and PEOPLE in st.query_params)


def chart(figure: go.Figure, alt: str, chart: str, key: str, within: str = "") -> None:
    """The chart, of which a part can be chosen, and the field that offers the same parts.

    A chosen part that is clicked again is chosen no more.
    """
    config = ui.chart_config(chart)
    clicked = partial(_clicked, key, chart, within)
    st.plotly_chart(figure, config=config, alt=alt, key=key, on_select=clicked, selection_mode="points")
    words = dict(_offered(figure, chart))
    now = part_of(chart, within)
    if now is not None:
        words.setdefault(now, now)
    field = f"{look.LEADS_ON}-{key}"
    link.fill(field, now)
    st.selectbox(
        "Show the people of a part",
        list(words),
        index=None,
        format_func=lambda name: words.get(name, name),
        placeholder="Click a part, or choose it here",
        key=field,
        on_change=_chose,
        args=(field, chart, within),
        label_visibility="collapsed",
    )


def show_all() -> None:
    """Callback: nothing is chosen any more."""
    for name in (ONLY, PEOPLE):
        st.query_params.pop(name, None)


def bring_list_into_view(picked: Chosen) -> None:
    if picked.picks:
        ui.bring_into_view(LIST, str(hash(tuple((pick.chart, pick.part) for pick in picked.picks))))


def _offered(figure: go.Figure, chart: str) -> Iterator[tuple[str, str]]:
    """The names of the chart's parts that have somebody, with their words and counts."""
    for trace in figure.to_dict()["data"]:
        for name, words, count, *_ in trace.get("customdata") or ():
            if count:
                plain = html.unescape(words) or _PARTS[chart](name)[1]
                yield name, plain if _SAYS_COUNT.search(plain) else f"{plain}: {count:,}"


def _clicked(key: str, chart: str, within: str) -> None:
    points = st.session_state[key].selection.points
    names = [point["customdata"][0] for point in points if point.get("customdata")]
    if names:
        _choose(chart, within, None if names[0] == part_of(chart, within) else names[0])


def _chose(field: str, chart: str, within: str) -> None:
    _choose(chart, within, st.session_state[field])


def _choose(chart: str, within: str, part: str | None) -> None:
    if chart == READINESS:
        link.put(PEOPLE, part)
    else:
        others = [text for text in st.query_params.get_all(ONLY) if not text.startswith(f"{chart} ")]
        _write([*others, *([f"{chart} {part}{within}"] if part is not None else [])])
    for name, nothing in ((SEARCH, ""), (PAGE, 1)):
        if name in st.session_state:
            st.session_state[name] = nothing


def _write(parts: Iterable[str]) -> None:
    if texts := list(parts):
        st.query_params[ONLY] = texts
    else:
        st.query_params.pop(ONLY, None)
