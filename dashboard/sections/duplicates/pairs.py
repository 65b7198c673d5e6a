"""The pairs of a search: both faces, who they are, and what people say about them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import StrEnum
from functools import partial
from typing import Literal

import streamlit as st

from core.domain.duplicates import MAX_TEXT, Answer, Candidate, Search, Side
from core.domain.errors import FacedeskError
from core.domain.roles import Action
from core.photos.sanitiser import CleanPhoto
from core.runtime.facades.guard import GuardedServices
from dashboard import pages
from dashboard.parts import lead_on, link, notices, photos, ui, your_name
from dashboard.services import get_services

#: Pairs on a page.
PAIRS_A_PAGE = 10
#: Pixels of both faces together at the most.
_WIDTH = 480
WORDS = {Answer.SAME: "Same person", Answer.DIFFERENT: "Different people", Answer.RELATIVES: "Relatives"}
_ICONS = {
    Answer.SAME: ":material/person:",
    Answer.DIFFERENT: ":material/group:",
    Answer.RELATIVES: ":material/family_restroom:",
}
_COLOURS: dict[Answer, Literal["orange", "green", "blue"]] = {
    Answer.SAME: "orange",
    Answer.DIFFERENT: "green",
    Answer.RELATIVES: "blue",
}
#: In the link: which pairs, and the page of the list.
ANSWERS, PAGE = "answers", "pair_page"
#: What the session keeps: which list is shown, and of which pairs it was made. A pair that is answered stays in its
#: place until another list is asked for: a second press must not hit the pair that would come after it.
_LIST = "list-of-pairs"
#: What the session keeps: the pairs whose faces the audit trail knows to be seen.
_LOOKED = "looked-at-pairs"

PairKey = tuple[str, str]


class Which(StrEnum):
    """Which pairs are listed; a link may name each."""

    UNANSWERED = "unanswered"
    SAME = "same"
    DIFFERENT = "different"
    RELATIVES = "relatives"
    ALL = "all"


_TITLES = {
    Which.UNANSWERED: "Not answered",
    **{Which(answer): words for answer, words in WORDS.items()},
    Which.ALL: "All",
}


def listing(services: GuardedServices, event_id: str, found: Search) -> None:
    """The list with its filter and pages."""
    if not found.pairs:
        return
    opened = ANSWERS not in st.session_state
    which = _filter(found.pairs)
    listed = _listed(event_id, found, which, made_again=opened)
    if not listed:
        st.caption("No such pair.")
        return
    may_answer = services.principal.may(Action.ANSWER_DUPLICATES) and your_name.known("duplicates-answers")
    last = math.ceil(len(listed) / PAIRS_A_PAGE)
    if st.session_state.get(PAGE, 1) > last:  # a link may name a page that there no longer is
        st.session_state[PAGE] = 1
    number = st.pagination(last, key=PAGE, bind="query-params") if last > 1 else 1
    st.html(_STYLE)
    for place, pair in enumerate(listed[(number - 1) * PAIRS_A_PAGE : number * PAIRS_A_PAGE]):
        _card(services, event_id, pair, place, may_answer=may_answer)


def _fits(pair: Candidate, which: Which) -> bool:
    if which is Which.ALL:
        return True
    return str(pair.answer.answer) == which if pair.answer else which is Which.UNANSWERED


def _filter(found: Sequence[Candidate]) -> Which:
    """Lets people choose which pairs are listed; the link has it."""
    counts = {which: sum(_fits(pair, which) for pair in found) for which in Which}
    offered = [str(which) for which in Which]
    chosen: str | None = st.segmented_control(
        "Which pairs",
        offered,
        format_func=lambda which: f"{_TITLES[Which(which)]} · {counts[Which(which)]:,}",
        required=True,
        label_visibility="collapsed",
        **link.choice(ANSWERS, offered, str(Which.UNANSWERED), then=_first_page),
    )
    return Which(chosen or Which.UNANSWERED)


def _first_page() -> None:
    st.session_state[PAGE] = 1


def _listed(event_id: str, found: Search, which: Which, *, made_again: bool) -> list[Candidate]:
    """The pairs of the list that is shown, as they are now; those who were erased meanwhile are gone."""
    this = (event_id, found.at, which)
    known: tuple[object, frozenset[PairKey]] = st.session_state.get(_LIST, (None, frozenset()))
    if made_again or known[0] != this:
        fitting = frozenset(pair.key for pair in found.pairs if _fits(pair, which))
        known = st.session_state[_LIST] = this, fitting
    return [pair for pair in found.pairs if pair.key in known[1]]


def _card(services: GuardedServices, event_id: str, pair: Candidate, place: int, *, may_answer: bool) -> None:
    """One pair. ``place`` is its place on the page."""
    with st.container(border=True, horizontal=True, gap="medium"):
        with st.container(width=_WIDTH):
            seen = _look(services, event_id, pair)
            with st.container(key=f"pair-{place}"):
                sides = enumerate(pair.sides)
                shown = [_side(services, event_id, side, number, seen=seen) for number, side in sides]
        with st.container():
            _judge(pair, event_id, may_answer=may_answer and all(shown))


def _side(services: GuardedServices, event_id: str, side: Side, place: int, *, seen: bool) -> bool:
    """A face and whose it is; returns whether the face is shown."""
    caption = "Reference photo of the " + ("second" if place else "first")

    def read(_key: str) -> CleanPhoto:
        return services.duplicates.photo(event_id, side.registration_id)

    with st.container(gap="xsmall"):
        uri = photos.face(side.photo_key, caption, None, read=read) if seen else None
        if uri:
            st.image(uri, width="stretch", alt=caption)
        st.text(side.name or "No name")
        st.text(f"{side.registration_id} · {side.user_id}")
        _to_person(services, event_id, side)
    return uri is not None


def _look(services: GuardedServices, event_id: str, pair: Candidate) -> bool:
    """Whether both faces may be shown: the audit trail is told first, once a session. A banner says why not."""
    looked: set[PairKey] = st.session_state.setdefault(_LOOKED, set())
    if pair.key not in looked:
        with ui.banner_on_failure("show the faces"):
            services.duplicates.look(event_id, *pair.key)
            looked.add(pair.key)
    return pair.key in looked


def _to_person(services: GuardedServices, event_id: str, side: Side) -> None:
    """Leads to the person, for those who may find people; else to their line in the event's list."""
    if services.principal.may(Action.FIND_PEOPLE):
        person = {"user_id": side.user_id, "registration_id": side.registration_id}
        pages.link(pages.USER_LOOKUP, "User lookup", ":material/person_search:", person)
    else:
        line = {"event_id": event_id, lead_on.PEOPLE: "registered", lead_on.SEARCH: side.registration_id}
        pages.link(pages.EVENT_OVERVIEW, "Event's list", ":material/list:", line)


def _judge(pair: Candidate, event_id: str, *, may_answer: bool) -> None:
    """The similarity, the answer that there is, and the buttons that give one."""
    key = repr(pair.key)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"**Similarity {pair.similarity:.1f}**", width="content")
        if pair.answer:
            given = pair.answer.answer
            st.badge(WORDS[given], icon=_ICONS[given], color=_COLOURS[given])
    if pair.first.user_id == pair.second.user_id:
        st.caption("Both registrations are of the same user id.")
    if pair.answer:
        st.text(f"{pair.answer.by}, {ui.when(pair.answer.at, get_services().clock())}")
        if pair.answer.note:
            st.text(pair.answer.note)
    st.text_input(
        "Note (optional)",
        key=f"note-{key}",
        max_chars=MAX_TEXT,
        placeholder="Why, for colleagues",
        disabled=not may_answer,
    )
    with st.container(horizontal=True, gap="small"):
        for answer, words in WORDS.items():
            st.button(
                words,
                type="primary" if pair.answer and pair.answer.answer is answer else "secondary",
                icon=_ICONS[answer],
                key=f"{answer}-{key}",
                disabled=not may_answer,
                on_click=_answer,
                args=(event_id, pair.key, answer, f"note-{key}"),
            )


def _answer(event_id: str, pair: PairKey, answer: Answer, note: str) -> None:
    """Callback: stores the answer, with the note of the field ``note``."""
    services = get_services()
    try:
        typed = (st.session_state.get(note) or "").strip()
        services.duplicates.answer(event_id, *pair, answer, typed, services.principal.known_as)
    except FacedeskError as error:
        said = "The answer was not stored."
        notices.put(partial(ui.banner, "error", said, str(error), icon=":material/error:"))
    else:
        st.session_state[note] = ""


#: Both photos stand side by side in any window, in frames of one size, so that they can be compared.
_STYLE = f"""<style>
[class*=st-key-pair-] {{ display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); align-items: start; }}
[class*=st-key-pair-] [data-testid=stImage] img {{
    width: 100%; height: auto; aspect-ratio: {photos.FACE_SHAPE}; object-fit: contain; box-sizing: border-box;
    border: 1px solid #8884; border-radius: 0.6rem;
}}
</style>"""
