"""What the event pages share: the event that the link names, its frames, the filters, links to its files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from urllib.parse import quote, urlencode

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from core.domain import statistics
from core.domain.errors import ServiceError
from core.domain.people import people
from core.domain.roles import View
from core.domain.statistics import Readiness
from core.runtime.facades.guard import GuardedServices
from dashboard import pages
from dashboard.api.endpoints import CONTACTS
from dashboard.charts import style
from dashboard.parts import chosen_event, lead_on, look, ui
from dashboard.parts.kept import kept
from dashboard.prefix import address_of
from dashboard.services import get_services

#: Seconds after which what is shown live is brought up to date.
LIVE_SECONDS = 15
#: What stands beside rates of groups.
TOO_FEW = f"A pale bar is a rate of fewer than {statistics.SMALL_GROUP} people: too few to judge by."
#: Rows of a list on a page; its files have all.
MAX_ROWS = 500


def records(event_id: str) -> pd.DataFrame:
    """The event's records (``core.domain.columns.RECORD_COLUMNS``), as the person at this page may see them; from
    memory where it was read before.
    """
    with st.spinner("Reading the event…"):
        return get_services().records.event_frame(event_id)


def registrations(event_id: str) -> pd.DataFrame:
    """The event's registrations (``core.domain.columns.REGISTRATION_COLUMNS``), as the person at this page may see
    them.
    """
    services = get_services()
    return _registrations(services, services.principal.view, event_id)


def unreadable_registrations(event_id: str | None) -> pd.DataFrame:
    """What is left out of ``registrations`` because it could not be read; without an event, what has none."""
    services = get_services()
    return _unreadable(services, services.principal.view, event_id)


def unmapped(event_id: str | None) -> pd.DataFrame:
    """The records that belong to no event, of the event's people or of all (``core.services.unmapped``)."""
    services = get_services()
    return _unmapped(services, services.principal.view, event_id)


def event_ids() -> list[str]:
    """The events that have registrations or a profile, some seconds old."""
    services = get_services()
    return _event_ids(services, services.principal.view)


# Resources, not data: a cached frame is handed out as it is, without a copy for each rerun. Nobody writes into it.
# Shared by those who see the same, and by nobody else: what is cached has passed the checks of the ``view``.
@st.cache_resource(ttl=60, max_entries=16, show_spinner=False)
def _registrations(_services: GuardedServices, view: View, event_id: str) -> pd.DataFrame:
    return _services.registrations.event_frame(event_id)


@st.cache_resource(ttl=60, max_entries=16, show_spinner=False)
def _unreadable(_services: GuardedServices, view: View, event_id: str | None) -> pd.DataFrame:
    return _services.registrations.unreadable(event_id)


@st.cache_resource(ttl=60, max_entries=64, show_spinner=False)
def _unmapped(_services: GuardedServices, view: View, event_id: str | None) -> pd.DataFrame:
    assert _services.unmapped
    return _services.unmapped.all() if event_id is None else _services.unmapped.of_event(event_id)


@st.cache_resource(ttl=60, max_entries=64, show_spinner=False)
def _event_ids(_services: GuardedServices, view: View) -> list[str]:
    described: list[str] = []
    with suppress(ServiceError):  # a profile is no more than what somebody wrote about an event
        described = [profile.event_id for profile in _services.profiles.all()]
    return sorted({*_services.registrations.events(), *described})


def forget_ids() -> None:
    """Reads the list of events again next time: there is a new one."""
    _event_ids.clear()


def forget_registrations() -> None:
    """Reads every event's registrations, and which events there are, again next time: some were loaded."""
    forget_ids()
    _registrations.clear()
    _unreadable.clear()


def forget_all() -> None:
    """As ``forget_registrations``, and keeps nothing that was made of them: somebody has gone."""
    forget_registrations()
    _unmapped.clear()
    kept.clear()


@dataclass(frozen=True)
class Standing:
    """How far an event has come, and the frames that say so."""

    registrations: pd.DataFrame
    records: pd.DataFrame
    readiness: Readiness
    people: pd.DataFrame


def standing(registrations: pd.DataFrame, records: pd.DataFrame) -> Standing:
    readiness = kept(statistics.readiness, registrations, records)
    return Standing(registrations, records, readiness, kept(people, registrations, records))


def notice() -> None:
    """Say what makes event reads slow or incomplete, and what to do about it, if anything does."""
    if said := get_services().records.event_notice():
        ui.banner("info", "Event pages may be slow or incomplete.", said.replace("`", ""), icon=":material/speed:")


def none_yet() -> None:
    """Say that there are no events, and how there will be."""
    with st.container(border=True):
        st.subheader("No events yet", anchor=False)
        st.write(
            "An event appears here with its first registration, or when somebody gives it a name and dates. "
            "An administrator loads registrations."
        )
        pages.link(pages.START, "Load data", ":material/upload_file:")


def say_unknown(events: Sequence[str]) -> None:
    """Say which events of the link are none of ``events``."""
    if unknown := [each for each in st.query_params.get_all(chosen_event.NAME) if each and each not in events]:
        ui.banner(
            "warning",
            "The link names an unknown event. Choose one of those that there are.",
            *unknown,
            icon=":material/event_busy:",
        )


@dataclass(frozen=True)
class Files:
    """The same rows as a file of each format; ``path`` is that of the API without the ending.

    Lists in ``query`` repeat their name, empty values are left out.
    """

    path: str
    query: Mapping[str, object] = field(default_factory=dict)

    def address(self, ending: str) -> str:
        given = {key: value for key, value in self.query.items() if value not in (None, "", [], ())}
        query = f"?{urlencode(given, doseq=True)}" if given else ""
        return address_of(f"{self.path}.{ending}{query}")


def files(event_id: str, name: str, query: Mapping[str, object] | None = None) -> Files:
    """The event's files of this name."""
    return Files(f"/api/exports/events/{quote(event_id, safe='')}/{name}", query or {})


def file_links(what: str, files: Files, key: str, *, parquet: bool = False, contacts: bool = False) -> None:
    """A button that offers the files, one link for each format; ``what`` is in them, "" where the page says so.

    With ``contacts`` whoever may see them can have names and addresses added.
    """
    endings = {"csv": "CSV", "xlsx": "Excel"} | ({"parquet": "Parquet"} if parquet else {})
    with st.popover(what or "Download", icon=":material/download:", key=f"{key}-files"):
        if contacts and get_services().principal.sees_identities:
            added = st.checkbox("With names and e-mail addresses", key=f"{key}-contacts")
            files = replace(files, query={**files.query, CONTACTS["name"]: "true" if added else ""})
        for ending, word in endings.items():
            st.link_button(word, files.address(ending), key=f"{key}-{ending}", width="stretch")


def joined(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    return frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)


def groups(records: pd.DataFrame, column: str, most: int) -> list[str]:
    """The values of the column, the most frequent first, at most ``most``."""
    keys = statistics.named(records[column], statistics.NOT_REPORTED)
    return [str(name) for name in keys.value_counts().head(most).index]


def group(records: pd.DataFrame, column: str, name: str) -> pd.DataFrame:
    """The rows of one of the ``groups``."""
    return records[statistics.named(records[column], statistics.NOT_REPORTED) == name]


def drawn(draw: Callable[..., go.Figure], *given: object, part: str | None = None) -> go.Figure:
    """``draw`` of ``dashboard.charts`` with what is given, drawn once for the same frames (see ``kept``); with a
    ``part`` that is chosen, the others are pale.
    """
    return kept(_drawn, draw, part, *given)


def _drawn(draw: Callable[..., go.Figure], part: str | None, *given: object) -> go.Figure:
    figure = draw(*given) if part is None else style.emphasised(draw(*given), part)
    # Streamlit asks for it at each rerun, and copies its template each time. Nobody changes a figure that was drawn.
    as_dict = figure.to_dict()
    figure.to_dict = lambda: as_dict
    return figure


def chart_card(
    title: str,
    figure: go.Figure | None,
    alt: str,
    *,
    empty: str,
    key: str,
    note: str = "",
    group: str = "",
    within: str = "",
) -> None:
    """A chart in a card with its title; if there is nothing to draw, the sentence ``empty`` instead.

    ``key`` also names the file that the chart is saved as. ``group`` names whom the chart is about, in whatever words
    another service has for them; it is no part of that name. ``within`` is that of ``lead_on.split_by``.
    """
    with titled_card(title, key=key, note=note, group=group):
        chart(figure, alt, empty=empty, key=key, group=group, within=within)


@contextmanager
def titled_card(title: str, *, key: str, note: str = "", group: str = "") -> Iterator[None]:
    """A card for a chart, with its title: for charts with controls of their own. See ``chart_card``."""
    with st.container(border=True, key=f"{look.CHART_CARD}-{key}-{group}"):
        st.markdown(f"**{title}**", help=note or None)
        if group:
            st.text(group)
        yield


def chart(figure: go.Figure | None, alt: str, *, empty: str, key: str, group: str = "", within: str = "") -> None:
    """What stands in a card of a chart. See ``chart_card``."""
    name = f"chart-{key}-{group}"
    if figure is None:
        st.caption("Nobody of those who are listed." if lead_on.is_filtered(key) else empty)
    elif lead_on.has_parts(key):
        lead_on.chart(figure, alt, key, name, within)
    else:
        st.plotly_chart(figure, config=ui.chart_config(key), alt=alt, key=name)


def newest(records: pd.DataFrame, count: int) -> pd.DataFrame:
    return records.tail(count).iloc[::-1]


def table(rows: pd.DataFrame, columns: Iterable[str], alt: str) -> None:
    """The first ``MAX_ROWS`` of ``rows`` in the viewer's words and time zone."""
    st.dataframe(
        kept(_in_words, rows, tuple(columns), ui.viewer_zone()),
        hide_index=True,
        placeholder="–",
        alt=alt,
        column_config={
            "Similarity": st.column_config.NumberColumn(format="%.1f"),
            "Confidence": st.column_config.NumberColumn(format="%.1f"),
            "Last attempt": st.column_config.DatetimeColumn(format="D MMM YYYY, HH:mm:ss"),
            "Case": st.column_config.LinkColumn(display_text="Open", width="small"),
            "What to send": st.column_config.TextColumn(width="medium"),
            "Expires": st.column_config.DatetimeColumn(format="D MMM YYYY, HH:mm"),
        },
    )
    if len(rows) > MAX_ROWS:
        st.caption(f"The first {MAX_ROWS} of {len(rows):,}; the files have all.")


def _in_words(rows: pd.DataFrame, columns: tuple[str, ...], zone: tzinfo) -> pd.DataFrame:
    shown = rows[list(columns)].head(MAX_ROWS)
    for name in shown.select_dtypes("datetimetz"):
        shown = shown.assign(**{str(name): shown[name].dt.tz_convert(zone)})
    if "reasons" in shown:
        shown = shown.assign(reasons=[ui.reason_labels(codes) for codes in shown["reasons"]])
    for name in ("status", "becomes"):
        if name in shown:
            shown = shown.assign(**{name: shown[name].map(ui.STATUS_WORDS).astype("str")})
    return shown.rename(columns=ui.COLUMN_WORDS)
