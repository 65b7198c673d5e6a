"""What the pages share: words, colours, the photo pair, the verdict's parts, the failing state."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pandas as pd
import streamlit as st
from streamlit.errors import StreamlitDuplicateElementKey

from core.domain import reasons
from core.domain.errors import FacedeskError, ServiceError, Unavailable
from core.domain.people import NEVER_TRIED
from core.domain.records import (
    Attempt,
    Decision,
    Provenance,
    Registration,
    Review,
    Source,
    Status,
    ValidationRecord,
)
from core.domain.roles import Principal
from core.services.validation import Submitter
from dashboard.charts.style import WORDS
from dashboard.parts import link

#: Time after which a page that misses something because a service is out of reach runs again by itself.
AGAIN_AFTER = timedelta(seconds=5)


def chart_config(name: str) -> dict[str, object]:
    """What plotly shows besides the chart: one button, which saves it as ``facedesk_<name>.png``.

    The picture has the viewer's theme and is twice as large as on the page, so that it stays sharp in a document.
    """
    return {
        "displayModeBar": True,
        "modeBarButtons": [["toImage"]],
        "toImageButtonOptions": {"format": "png", "filename": f"facedesk_{name}", "scale": 2},
        # The browser says that it saves a file.
        "displayNotifier": False,
        "locales": {"en-US": {"dictionary": {"Download plot as a PNG": "Save as PNG"}}},
    }


@dataclass(frozen=True)
class StatusLook:
    word: str
    icon: str
    badge: str


STATUS = {
    Status.SUCCESS: StatusLook(WORDS[Status.SUCCESS], ":material/check_circle:", "green"),
    Status.PENDING: StatusLook(WORDS[Status.PENDING], ":material/hourglass_top:", "orange"),
    Status.FAILED: StatusLook(WORDS[Status.FAILED], ":material/cancel:", "red"),
    Status.UNKNOWN: StatusLook(WORDS[Status.UNKNOWN], ":material/help:", "gray"),
}
STATUS_WORDS = {str(status): look.word for status, look in STATUS.items()} | {NEVER_TRIED: "Never tried"}
COLUMN_WORDS = {
    "userId": "User",
    "eventId": "Event",
    "registrationId": "Registration",
    "name": "Name",
    "email": "E-mail",
    "status": "Outcome",
    "becomes": "Would be",
    "similarity": "Similarity",
    "confidence": "Confidence",
    "quality": "Quality",
    "reasons": "Reasons",
    "why": "Reasons",
    "attempts": "Attempts",
    "source": "Source",
    "timestamp": "Last attempt",
    "expiresAt": "Expires",
    "case": "Case",
    "message": "What to send",
    "referencePhotoKey": "Reference photo",
    "submittedPhotoKey": "Submitted photo",
    "document": "Document",
    "field": "Field",
    "kind": "Kind",
}
DECISION_WORDS = {Decision.APPROVED: "approved", Decision.REJECTED: "rejected"}

#: How each kind of banner looks.
_BANNERS = {"error": st.error, "warning": st.warning, "info": st.info}


def banner(kind: Literal["error", "warning", "info"], sentence: str, *typed: str, icon: str) -> None:
    """A sentence of ours in a banner and, below it, what somebody typed or another service reported, as it is.

    Streamlit renders markdown in a banner, and escaping does not stop it: a bare address becomes a link, ``:cat:`` an
    emoji. Typed text is therefore shown by ``st.text`` alone, here and on all pages.
    """
    with st.container(border=bool(typed), gap="xsmall"):
        _BANNERS[kind](sentence, icon=icon)
        for text in typed:
            st.text(text)


def focus_on_arrival(label: str, again: str = "") -> None:
    """Put the cursor into the field with this label when the page opens, unless something has it already.

    With ``again``, which differs each time, put it there in any case. Streamlit fetches the code of each kind of
    element when it first shows one, so that the field may come after this script: it then waits for it, at most half
    a minute.
    """
    st.html(
        f"""<script>
        (() => {{
            const settled = () => {{
                const field = document.querySelector('input[aria-label="{label}"]');
                if ("{again}" === "" && document.activeElement !== document.body) return true;
                field?.focus();
                return field !== null && document.activeElement === field;
            }};
            if (settled()) return;
            const watch = new MutationObserver(() => settled() && watch.disconnect());
            watch.observe(document.body, {{ childList: true, subtree: true }});
            setTimeout(() => watch.disconnect(), 30000);
        }})();
        </script>""",
        unsafe_allow_javascript=True,
    )


def bring_into_view(key: str, occasion: str) -> None:
    """Scroll to the container with this key, once for each ``occasion``, unless it begins in the window's upper half.

    Where two columns stand side by side nothing moves; where one is below the other, what is new is seen. It looks
    again a little later, because what is above may still change its height.
    """
    st.html(
        f"""<script>
        (() => {{  // {occasion}
            const look = () => {{
                const place = document.querySelector('.st-key-{key}');
                const top = place?.getBoundingClientRect().top;
                // The bar over the page hides its first pixels.
                if (top === undefined || (top >= 50 && top < innerHeight / 2)) return;
                place.style.scrollMarginTop = '4rem';
                place.scrollIntoView();
            }};
            for (const later of [0, 250, 750]) setTimeout(look, later);
        }})();
        </script>""",
        unsafe_allow_javascript=True,
    )


def submitter(person: Principal) -> Submitter:
    return Submitter(Source.DASHBOARD, person.name, person.ip_address)


@contextmanager
def banner_on_failure(doing: str, *typed: str, again: bool = True) -> Iterator[None]:
    """Run a part of a page; a failure shows as a banner in its place, and the rest of the page lives.

    ``doing`` completes the sentence "Could not ..."; ``typed`` says to what, for example an event's id. Where a
    service failed, a button runs the page again, and where that may pass, the page does so by itself. That would not
    repeat the press of another button: what was pressed is tried with ``again=False``.
    """
    try:
        yield
    except FacedeskError as error:
        icon = ":material/cloud_off:" if isinstance(error, ServiceError) else ":material/error:"
        banner("error", f"Could not {doing}.", *typed, str(error), icon=icon)
        if again and isinstance(error, ServiceError):
            # What fails twice on a page is tried again by one button.
            with suppress(StreamlitDuplicateElementKey):
                st.button("Try again", key=f"again {doing} {typed}", icon=":material/refresh:")
            if isinstance(error, Unavailable):
                _run_again_soon()


def _run_again_soon() -> None:
    has_run = False

    @st.fragment(run_every=AGAIN_AFTER)
    def wait() -> None:
        nonlocal has_run
        if has_run:
            st.rerun()
        has_run = True

    wait()


def viewer_zone() -> tzinfo:
    """The viewer's time zone; UTC where the browser does not say."""
    try:
        return ZoneInfo(st.context.timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


def local(moment: datetime | None, zone: tzinfo) -> pd.Timestamp | None:
    """``moment`` in that time zone, for a table or a chart."""
    return None if moment is None else pd.Timestamp(moment).tz_convert(zone)


def when(moment: datetime | None, now: datetime) -> str:
    """``moment`` in a few words: relative if it is fresh, else the viewer's local date and time."""
    if moment is None:
        return "at an unknown time"
    age = now - moment
    if timedelta(0) <= age < timedelta(minutes=1):
        return "just now"
    if timedelta(0) <= age < timedelta(hours=1):
        return f"{int(age.total_seconds() // 60)} min ago"
    return f"{moment.astimezone(viewer_zone()):%d %b %Y, %H:%M}"


def how_long(time: timedelta) -> str:
    """How long it has been, in its largest unit, e.g. "28 days"."""
    minutes = max(0, int(time.total_seconds() // 60))
    for minutes_each, unit in ((24 * 60, "day"), (60, "hour"), (1, "minute")):
        if count := minutes // minutes_each:
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return "less than a minute"


def registration_line(registration: Registration) -> str:
    """A registration in one line, e.g. for a list to choose from."""
    parts = (registration.name, registration.email, registration.registration_id, registration.event_id)
    return " · ".join(part for part in parts if part)


def reason_labels(codes: str) -> str:
    """The words for reason codes that are separated by spaces."""
    return reasons.labels(codes.split())


def headline(record: ValidationRecord) -> str:
    """The verdict in a line of our own words, e.g. "Failed: not the same person"."""
    word = STATUS[record.validation_status].word
    if record.review:
        return f"{word}: {DECISION_WORDS[record.review.decision]} by a person"
    if record.failure_reasons:
        # An unknown code may be any text of another service; the attempts below show it.
        first, *others = (
            reasons.label(code) if reasons.is_known(code) else "A reason that another service gave"
            for code in reasons.main_first(record.failure_reasons)
        )
        more = f" and {len(others)} more" if others else ""
        return f"{word}: {first[0].lower()}{first[1:]}{more}"
    if record.validation_status is Status.PENDING:
        return f"{word}: a colleague decides"
    return word


def attempts_frame(attempts: Sequence[Attempt]) -> pd.DataFrame:
    """Attempts, newest first, in the words and the time zone of the viewer."""
    zone = viewer_zone()
    return pd.DataFrame(
        [
            {
                "Attempt": attempt.number,
                "Time": local(attempt.timestamp, zone),
                "Outcome": STATUS[attempt.status].word,
                "Similarity": attempt.similarity,
                "Reasons": reasons.labels(attempt.reasons) or None,
                "By": _by(attempt),
                "Judged with": made_by(attempt.provenance),
            }
            for attempt in reversed(attempts)
        ]
    )


def _by(attempt: Attempt) -> str:
    who = ": ".join(part for part in (attempt.source, attempt.operator) if part) or "unknown"
    if attempt.reviews:
        who += f" ({', then '.join(map(_reviewed, attempt.reviews))})"
    return who


def _reviewed(review: Review) -> str:
    undone = " and undone" if review.withdrawn_at else ""
    return f"{DECISION_WORDS[review.decision]} by {review.reviewer or 'unknown'}{undone}"


def made_by(provenance: Provenance | None) -> str | None:
    """The face engine, its model and the rules, as one text; None if nothing is known of them."""
    if provenance is None:
        return None
    rules = provenance.rules and f"rules {provenance.rules}"
    return " · ".join(part for part in (provenance.engine, provenance.model, rules) if part) or None


def attempts_table(attempts: Sequence[Attempt], threshold: float) -> None:
    st.dataframe(
        attempts_frame(attempts),
        hide_index=True,
        column_config={
            "Attempt": st.column_config.NumberColumn(width="small"),
            "Time": st.column_config.DatetimeColumn(format="D MMM, HH:mm:ss"),
            "Similarity": st.column_config.NumberColumn(format="%.1f", help=f"0-100; {threshold:g} or more passes"),
            "Judged with": st.column_config.TextColumn(help="The face engine, its model, and a mark of the rules"),
        },
        placeholder="–",
        alt="Attempts, newest first",
    )


def advice_text(codes: Sequence[str]) -> str:
    """What to send to the person, a sentence a line, of the main reason first."""
    return "\n".join(reasons.sentences(codes))


def span_control(spans: Iterable[str], default: str, on_change: Callable[[], None] = lambda: None) -> str:
    """Lets people choose the span of time that a page shows; the link names it."""
    offered = list(spans)
    chosen: str | None = st.segmented_control(
        "Span",
        offered,
        required=True,
        label_visibility="collapsed",
        **link.choice("span", offered, default, then=on_change),
    )
    return chosen or default
