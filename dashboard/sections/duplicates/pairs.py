"""The pairs of a search: both faces, who they are, and what people say about them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import partial

import streamlit as st

from core.domain.duplicates import MAX_TEXT, Answer, Candidate, Search, Side
from core.domain.errors import FacedeskError
from core.domain.records import Box
from core.domain.roles import Action
from core.runtime.facades.guard import GuardedServices
from dashboard import pages
from dashboard.parts import link, lead_on, notices, photos, ui, your_name
from dashboard.services import get_services

#: Pairs on a page.
PAIRS_A_PAGE = 10
#: Pixels of both faces together at the most.
_WIDTH = 480
_WHOLE = Box(left=0, top=0, width=1, height=1)
WORDS = {Answer.SAME: "Same person", Answer.DIFFERENT: "Different people", Answer.RELATIVES: "Relatives"}
_ICONS = {
    Answer.SAME: ":material/person:",
    Answer.DIFFERENT: ":material/group:",
    Answer.RELATIVES: ":material/family_restroom:",
}
#: In the link: which pairs, and the page of the list.
ANSWERS, PAGE = "answers", "pair_page"
#: What the session keeps: which list is shown, and of which pairs it was made. A pair that is answered stays in its
#: place until another list is asked for: a second press must not hit the pair that would come after it.
_LIST = "list-of-pairs"

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


def show(services: GuardedServices, event_id: str, found: Search) -> None:
    """The list with its filter and pages."""
    if not found.pairs:
        with st.container(border=True):
            st.subheader(":green[:material/task_alt:] No two faces look alike", anchor=False)
            st.write("No pair of registrations is as similar as the search asks for.")
        return
    opened = ANSWERS not in st.session_state
    which = _filter(found.pairs)
    listed = _listed(event_id, found, which, made_again=opened)
    if not listed:
        st.caption("No such pair.")
        return
    known = your_name.known("duplicates-answers")
    last = math.ceil(len(listed) / PAIRS_A_PAGE)
    if st.session_state.get(PAGE, 1) > last:  # a link may name a page that there no longer is
        st.session_state[PAGE] = 1
    number = st.pagination(last, key=PAGE, bind="query-params") if last > 1 else 1
    st.html(_STYLE)
    for place, pair in enumerate(listed[(number - 1) * PAIRS_A_PAGE : number * PAIRS_A_PAGE]):
        _card(services, event_id, pair, place, may_answer=known)


def _fits(pair: Candidate, which: Which) -> bool:
    if which is Which.ALL:
        return True
    return pair.answer is None if which is Which.UNANSWERED else _answer_of(pair) == which


def _answer_of(pair: Candidate) -> str | None:
    return pair.answer and str(pair.answer.answer)


def _filter(found: Sequence[Candidate]) -> Which:
    """Lets people choose which pairs are listed; the link has it."""
    counts = {which: sum(_fits(pair, which) for pair in found) for which in Which}
    chosen: str | None = st.segmented_control(
        "Which pairs",
        [str(which) for which in Which],
        format_func=lambda which: f"{_TITLES[Which(which)]} · {counts[Which(which)]:,}",
        required=True,
        label_visibility="collapsed",
        **link.choice(ANSWERS, list(Which), str(Which.UNANSWERED), then=_first_page),
    )
    return Which(chosen or Which.UNANSWERED)


def _first_page() -> None:
    st.session_state[PAGE] = 1


def _key(pair: Candidate) -> PairKey:
    return pair.first.registration_id, pair.second.registration_id


def _listed(event_id: str, found: Search, which: Which, *, made_again: bool) -> list[Candidate]:
    """The pairs of the list that is shown, as they are now; those who were erased meanwhile are gone."""
    this = (event_id, found.at, which)
    known: tuple[object, frozenset[PairKey]] = st.session_state.get(_LIST, (None, frozenset()))
    if made_again or known[0] != this:
        fitting = frozenset(_key(pair) for pair in found.pairs if _fits(pair, which))
        known = st.session_state[_LIST] = this, fitting
    return [pair for pair in found.pairs if _key(pair) in known[1]]


def _card(services: GuardedServices, event_id: str, pair: Candidate, place: int, *, may_answer: bool) -> None:
    """One pair. ``place`` is its place on the page."""
    with st.container(border=True, horizontal=True, gap="medium"):
        with st.container(width=_WIDTH):
            seen = _look(services, event_id, pair)
            with st.container(key=f"pair-{place}"):
                shown = [_side(services, event_id, side, n, seen=seen) for n, side in enumerate((pair.first, pair.second))]
        with st.container():
            _judge(pair, event_id, may_answer=may_answer and all(shown))


def _side(services: GuardedServices, event_id: str, side: Side, place: int, *, seen: bool) -> bool:
    """A face and whose it is; returns whether the face is shown."""
    caption = "Reference photo of the " + ("second" if place else "first")
    with st.container(gap="xsmall"):
        read = lambda key: services.duplicates.photo(event_id, side.registration_id)
        uri = photos.face(side.photo_key, caption, _WHOLE, read=read) if seen else None
        if uri:
            st.image(uri, width="stretch", alt=caption)
        st.text(side.name or "No name")
        st.caption("Registration, user")
        st.text(f"{side.registration_id}\n{side.user_id}")
        _to_person(services, event_id, side)
    return uri is not None
