"""Typed text never reaches an element that renders markdown: shown of the source, and of the pages when all fails."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.domain.errors import Unavailable
from core.domain.roles import PAGES
from tests.support.app import RunPage
from tests.support.desk import Desk

ROOT = Path(__file__).parents[2]
FILES = [
    path
    for folder in ("pages", "dashboard")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "import streamlit as st" in path.read_text()
]

EVIL = "www.evil.example"
#: Kinds of elements that show text as it is.
AS_IT_IS = ("text", "text_input", "arrow_data_frame")
#: Streamlit's elements that render markdown in their text, and ours that hand a text on to them. An element that is
#: not here (``text``, ``code``, ``dataframe``, ``selectbox``'s options) shows text as it is.
MARKDOWN = re.findall(
    r"\w+",
    """write markdown caption error warning info success exception toast title header subheader metric badge button
    link_button page_link download_button form_submit_button radio pills segmented_control selectbox multiselect
    checkbox toggle slider text_input text_area number_input date_input datetime_input file_uploader camera_input tabs
    expander popover status spinner dialog image progress html latex Page
    banner banner_on_failure chart_card titled_card chart file_links link number box show _ended""",
)
#: Their arguments, by place and by name, that are no text, or are shown as they are.
NOT_MARKDOWN = re.findall(
    r"\w+",
    """key bind default value icon on_click on_change args width height alt url query_params options config color
    delta_color delta_arrow data file_name mime address figure typed group persist_state disabled blurred type index
    max_chars max_upload_size threshold files parquet others""",
)
#: The elements whose options are rendered too.
RENDERED_OPTIONS = ("radio", "pills", "segmented_control")
#: Of these the text stands in the first places; what follows is a value, options, a figure, a photo's key or typed.
PLACES = {
    **dict.fromkeys(("image", "page_link"), 0),
    **dict.fromkeys(("download_button", "link_button", "selectbox", "multiselect", "slider", "text_input"), 1),
    **dict.fromkeys(("text_area", "number_input", "date_input", "datetime_input", "file_uploader"), 1),
    **dict.fromkeys(("camera_input", "toggle"), 1),
    **dict.fromkeys(("checkbox", "popover", "banner_on_failure", "chart_card", "titled_card", "file_links"), 1),
    "chart": 0,
    "number": 1,
    "box": 2,
    "metric": 3,
}
#: Where our own text does not stand first: these places.
ELSEWHERE = {"banner": {1}, "link": {1}, "show": {1}, "_ended": {2, 3}, "progress": {1}}
#: Read by a person, each: fixed words of ours or a number. Of a parameter the callers are looked at as well.
REVIEWED: dict[str, set[str]] = {
    "dashboard/parts/batch.py": {
        "_ended: _checked(checked)",
        "_ended: said",
        "segmented_control: CHOICE_WORDS.__getitem__",
        "segmented_control: list(CHOICE_WORDS)",
        "caption: _counts(progress)",
        "markdown: title",
        "progress: _pace(progress)",
        "write: CHOICE_WORDS[choice]",
        "write: CHOICE_WORDS[choice].lower()",
        "write: _checked(last)",
        "write: _price(services, photos)",
        "write: _price(services, photos, images=1)",
        "write: left",
        "write: said",
        "write: ui.when(last.at, services.clock())",
    },
    "dashboard/parts/case.py": {
        "badge: record.verification_attempt",
        "badge: ui.when(record.updated_at or record.timestamp, get_services().clock())",
        "caption: note",  # one of the sentences of ENGINE_NOTES
        "caption: why_no_similarity(record)",
        "expander: count",
        "metric: meaning",
        "metric: name",
        "metric: value",  # numbers, and the quality, which is one of three
        "subheader: look.badge",
        "subheader: look.icon",
        "subheader: ui.headline(record)",
        "warning: 1 + len(record.other_face_boxes)",
    },
    "dashboard/parts/decisions.py": {"banner: sentence", "popover: label"},
    "dashboard/parts/distributions.py": {"chart: empty", "chart: within"},  # what is typed of a link is its part
    "dashboard/parts/event.py": {
        "caption: empty",
        "chart: empty",
        "chart: within",
        "link_button: word",
        "markdown: note",
        "markdown: title",
        "popover: what",
        "titled_card: note",
        "titled_card: title",
    },
    "dashboard/app.py": {"caption: __version__"},
    "dashboard/pages.py": {
        "Page: entry.address",
        "Page: entry.script",
        "Page: entry.title",
        "Page: home",
        "Page: instead",
        "page_link: label",
    },
    # Our own style and script; a word and a colour of ours; the captions, colours and data URIs of the faces.
    "dashboard/parts/faces.py": {
        "button: SHORTCUTS[action]",
        "button: help",
        "button: label",
        "html: _STYLE",
        "html: background",
        "html: case",
        "html: json.dumps(values)",
    },
    "dashboard/parts/notes.py": {"expander: bool(notes)"},
    "dashboard/sections/people.py": {
        "caption: _outlook(readiness, everybody, now, profile, profile.starts_at)",  # a sentence of ours with numbers
        "link: words",  # counts, and words of ours
        "markdown: _TITLES[group]",
    },
    "dashboard/sections/review/waiting.py": {
        "caption: ' · '.join(filter(None, words)).lower()",
        "caption: colleagues",
        "segmented_control: views",
    },
    "dashboard/sections/review/blind.py": {
        "banner: said",  # a sentence of its own
    },
    "dashboard/sections/review/card.py": {
        "badge: f'Waits {waits}' + (' · overdue' if late else '')",
        "popover: label",
        "banner: said",  # a sentence of its own
        "caption: case.why_no_similarity(record)",
        "markdown: ui.headline(record)",
        "write: doubt",
    },
    "dashboard/parts/photos.py": {"banner: caption", "image: caption", "info: caption", "warning: caption"},
    "dashboard/parts/search.py": {"selectbox: _count(lines, found)", "text_input: label", "text_input: placeholder"},
    "dashboard/access/signin.py": {"caption: ', '.join(sorted(person.roles))"},
    "dashboard/parts/toast.py": {
        "html: _STYLE % (look.colour('secondaryBackgroundColor'), f'{seconds}s')",
        "markdown: shown.badge",
        "markdown: shown.icon",
    },
    "dashboard/parts/look.py": {"html: _STYLE % {'top': TOP, **keys, 'text': colour('textColor')}"},
    "dashboard/parts/ui.py": {
        "banner: doing",
        "html: again",
        "html: key",
        "html: label",
        "html: occasion",
        "segmented_control: offered",  # spans of time
    },
    # A cookie, of letters, digits and harmless signs. The names of events are options, which are shown as they are.
    "dashboard/parts/chosen_event.py": {
        "html: to_be_kept",
        "multiselect: _field(events)",
        "selectbox: _field(events)",
        "selectbox: _field(events, ALL)",
    },
    "dashboard/parts/your_name.py": {"html: to_be_kept"},  # a cookie, of letters, digits and harmless signs
    "dashboard/sections/being_read.py": {
        "metric: ui.STATUS_WORDS[status]",
        "progress: said",  # two numbers
    },
    "pages/event_overview.py": {
        "file_links: span",
        "show: records",  # a part of ours, not Streamlit's
    },
    "dashboard/sections/validate.py": {
        "banner: said",  # sentences of its own
        "button: why_not",
        "caption: SMALLER",
        "caption: services.settings.max_upload_mb",
    },
    "dashboard/sections/event_profile.py": {
        "banner: sentence",
        "caption: ui.when(profile.changed_at, get_services().clock())",
        "datetime_input: label",
        "datetime_input: meaning",
        "number_input: label",
    },
    "dashboard/sections/erasure.py": {
        "markdown: count",
    },
    "dashboard/parts/unmapped.py": {"expander: sentence"},  # a number and words of ours
    "dashboard/parts/unreadable.py": {"caption: _MEANING[noun]", "expander: sentence"},  # a number and a noun of ours
    "dashboard/sections/all_events.py": {
        "caption: ' · '.join(said)",  # counts
        "info: other",
        "segmented_control: [each.value for each in Show]",
    },
    "dashboard/sections/digest.py": {  # sentences of ours with figures
        "link: finding.sentence",
        "markdown: _looked_for(limits)",
        "markdown: looked_for",
        "markdown: said",
    },
    "dashboard/sections/event_overview.py": {
        "chart_card: event.TOO_FEW",
        "chart: nothing",
        "chart_card: last",  # of our own names of spans
        "chart_card: period.span",
        "chart_card: unit",
        "metric: compared(lately['failed'], before['failed'])",
        "metric: compared(lately['success'], before['success'])",
        "metric: period.span",
        "titled_card: last",
        "metric: ui.how_long(now - oldest)",
        "caption: age",
        "metric: _share_ready(readiness)",
        "metric: label",  # of ours
        "metric: value",
        "show: records",  # frames, which a table shows
        "show: registered",
        "toggle: event.LIVE_SECONDS",
    },
    "dashboard/sections/operations/aws.py": {
        "chart_card: per",
        "metric: every(found.period)",
    },
    "dashboard/sections/operations/cost.py": {
        "metric: help_text",
        "number_input: label",
        "number_input: note",
    },
    "dashboard/sections/operations/health.py": {
        "badge: ', '.join(down)",  # names of our services
        "banner: hint",  # a sentence of `core.domain.hints`
        "metric: service.service.capitalize()",
        "metric: time_taken(service.milliseconds)",
    },
    "dashboard/sections/operations/records.py": {
        "caption: since",  # a sentence of ours
        "caption: ui.when(verified, services.clock())",
    },
    "dashboard/sections/operations/registrations.py": {"show: left_out"},  # a frame, which a table shows
    "dashboard/sections/operations/process.py": {
        "chart_card: every(period)",
        "metric: size(disk.database_bytes + disk.log_bytes)",
        "metric: size(disk.free_bytes)",
        "metric: size(disk.log_bytes)",
        "metric: size(disk.photo_bytes)",
    },
    "dashboard/sections/imported_events.py": {"markdown: sentence"},
    "dashboard/sections/next_steps.py": {"markdown: words"},
    "dashboard/sections/start.py": {
        "expander: any(map(columns.name_of, imported_events.LABELS))",
        "info: '\\n\\n'.join((_TO_CHOOSE[meaning] for meaning in meanings))",
        "markdown: sentence",
        "selectbox: label",
        "success: said",
    },
    "dashboard/sections/duplicates/pairs.py": {
        "html: _STYLE",
        "badge: WORDS[given]",
        "banner: said",  # a sentence of its own
        "button: words",
        "segmented_control: lambda which: f'{_TITLES[Which(which)]} · {counts[Which(which)]:,}'",
        "segmented_control: offered",
    },
    "dashboard/sections/duplicates/searching.py": {  # sentences of ours with figures
        "caption: KEPT.days",
        "caption: said",
        "caption: searched",
        "write: _expectation(found.expected_false)",
        "write: looks",
    },
    "dashboard/sections/duplicates/switch.py": {
        "banner: not_done",  # sentences of its own
        "popover: ui.when(switch.at, get_services().clock())",
    },
    # Words of ours: whom an error rate is about, and what is wrong with them.
    "dashboard/sections/second_looks.py": {"metric: title", "write: mistaken", "write: whom"},
    "dashboard/sections/statistics.py": {
        "chart: nothing",
        "chart: within",
        "chart_card: event.TOO_FEW",
        "chart_card: label",
        "chart_card: unit",
        "chart_card: within",
        "file_links: what",
        # Of the names of our own splits.
        "info: ', '.join(empty)",
        "info: split",
        "info: why_empty()",
        "metric: look.word.lower()",
        "metric: mean(records['confidence'])",
        "metric: mean(records['similarity'])",
        "segmented_control: list(SPLITS)",
    },
    "dashboard/sections/user_lookup.py": {
        "metric: days",
        "metric: standing",
        "metric: statistics.failed_validations",
        "metric: statistics.pending_validations",
        "metric: statistics.successful_validations",
        "metric: statistics.total_attempts",
    },
    "dashboard/static.py": {"write: body"},  # bytes, into a file
}


def is_number_or_time(spec: ast.expr | None) -> bool:
    """Whether a text would be refused by this format: what goes through it is no text."""
    if not isinstance(spec, ast.JoinedStr) or not all(isinstance(part, ast.Constant) for part in spec.values):
        return False
    try:
        format("text", "".join(str(part.value) for part in spec.values if isinstance(part, ast.Constant)))
    except ValueError:
        return True
    return False


def doubtful(node: ast.expr, constants: set[str]) -> Iterator[str]:
    """The parts of an expression that may be text which is not in the source."""
    match node:
        case ast.Constant() | ast.List():
            return
        case ast.JoinedStr(values=parts):
            for part in parts:
                if isinstance(part, ast.FormattedValue) and not is_number_or_time(part.format_spec):
                    yield from doubtful(part.value, constants)
        case ast.IfExp(body=body, orelse=orelse):
            yield from doubtful(body, constants)
            yield from doubtful(orelse, constants)
        case ast.BoolOp(values=values):
            for value in values:
                yield from doubtful(value, constants)
        case ast.Call(func=ast.Name(id="len")):
            return
        case ast.Name(id=name) if name in constants:
            return
        case _:
            yield ast.unparse(node)


def texts(call: ast.Call, name: str, given: list[ast.expr]) -> Iterator[ast.expr]:
    """The arguments that are rendered."""
    for place, argument in enumerate(given):
        if place in ELSEWHERE.get(name, set()) or (name not in ELSEWHERE and place < PLACES.get(name, 99)):
            yield argument
    for keyword in call.keywords:
        if ast.unparse(keyword.value).startswith(("link.choice(", "link.text(")):
            continue  # a key, a callback and its arguments
        if keyword.arg in NOT_MARKDOWN or (keyword.arg == "format_func" and name not in RENDERED_OPTIONS):
            continue
        yield keyword.value


def found(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    constants = {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    doubts: set[str] = set()
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call) or ast.unparse(call.func).startswith("logger."):
            continue
        called, given = call.func, call.args
        if isinstance(called, ast.Name) and called.id == "partial" and given:
            called, *given = given
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        if name in MARKDOWN:
            for argument in texts(call, name, given):
                doubts.update(f"{name}: {doubt}" for doubt in doubtful(argument, constants))
    return doubts


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_text_but_our_own_is_rendered(path: Path) -> None:
    assert found(path) == REVIEWED.get(str(path.relative_to(ROOT)), set())


@pytest.mark.parametrize("page", PAGES)
def test_what_a_failing_service_says_is_text(
    run_page: RunPage, desk: Desk, page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error's code is another service's: whatever it says, no element that renders markdown gets it."""

    def fail(*_: object, **__: object) -> None:
        raise Unavailable("validation records", EVIL)

    assert desk.services.token_service
    tokens = desk.services.token_service._store
    for part in (desk.records, desk.registrations, desk.audit, desk.engine, desk.photos, tokens):
        for name in (
            "get",
            "history",
            "search",
            "of_user",
            "event_frame",
            "event_changes",
            "events",
            "ping",
            "entries",
            "all",
        ):
            if hasattr(part, name):
                monkeypatch.setattr(type(part), name, fail)
    app = run_page(page, registration_id="reg-1", user_id="user-1", event_id="event-1")
    assert [element.value for element in app.text if EVIL in element.value] or page == "start"
    for element in app.main:
        assert element.type in AS_IT_IS or EVIL not in str(element.proto), element.type
