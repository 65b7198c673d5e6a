"""Sections of the page that erases a person: the preview, the confirmation and the receipt."""

from __future__ import annotations

import streamlit as st

from core.domain.erasures import ErasureCounts, Receipt
from core.domain.errors import ServiceError
from core.domain.file_names import file_name
from core.services.erasure import Preview
from dashboard.parts import link, ui
from dashboard.services import get_services

RECEIPT, PREVIEW = "erasure-receipt", "erasure-preview"


def who() -> str | None:
    text: str | None = st.text_input(
        "User id",
        icon=":material/person_search:",
        placeholder="The whole id, exactly",
        help="User lookup finds it by name or e-mail.",
        width=480,
        **link.text("user_id", then=forget_last),
    )
    return (text or "").strip() or None


def forget_last() -> None:
    for key in (RECEIPT, PREVIEW):
        st.session_state.pop(key, None)


def preview_of(user_id: str) -> Preview:
    """Looked up once, not for each key that is typed below: it may take reading all records."""
    services = get_services()
    found: Preview | None = st.session_state.get(PREVIEW)
    if found is None or found.user_id != user_id:
        with st.spinner("Looking for this person's data…"):
            found = st.session_state[PREVIEW] = services.erasures.preview(user_id)
    return found


def figures(counts: ErasureCounts) -> None:
    with st.container(horizontal=True):
        st.metric("Records", f"{counts.records:,}", border=True)
        st.metric("Attempts", f"{counts.attempts:,}", border=True)
        st.metric("Photos", f"{counts.photos:,}", border=True)
        st.metric("Registrations", f"{counts.registrations:,}", border=True)
        st.metric("Notes", f"{counts.case_notes:,}", help="What colleagues wrote on their cases.", border=True)
        st.metric("Pairs", f"{counts.pairs:,}", help="Pairs of faces with them that people answered.", border=True)
        st.metric("Photos that stay", f"{counts.shared_photos:,}", help="Other people have them too.", border=True)


def notes(texts: tuple[str, ...]) -> None:
    for text in texts:
        st.text(text)


def confirmation(preview: Preview) -> None:
    with st.container(border=True):
        st.markdown("**This cannot be undone**")
        typed = st.text_input(
            "Type the user id to erase all of this",
            key=f"confirm-{preview.user_id}",
            autocomplete="off",
            width=480,
        )
        st.button(
            "Erase for good",
            type="primary",
            icon=":material/delete_forever:",
            disabled=typed != preview.user_id,
            on_click=erase,
            args=(preview.user_id, typed),
        )


def erase(user_id: str, typed: str) -> None:
    """Callback. What came of it is shown, and kept until the page is left."""
    services = get_services()
    try:
        receipt = services.erasures.erase(user_id, typed)
    except ServiceError as error:
        st.session_state[RECEIPT] = str(error)
        return
    finally:
        # The id stays in no field and in no link.
        st.session_state.pop(f"confirm-{user_id}", None)
        st.session_state.pop(PREVIEW, None)
    st.session_state[RECEIPT] = receipt
    link.put("user_id", None)


def receipt_card(receipt: Receipt) -> None:
    with st.container(border=True):
        st.subheader(":green[:material/task_alt:] Erased", anchor=False)
        figures(receipt.counts)
        ended = receipt.ended_at.astimezone(ui.viewer_zone())
        st.text(f"{ended:%d %b %Y, %H:%M:%S} · by {receipt.who} · person {receipt.user}")
        notes(receipt.notes)
        # It names nobody, so Streamlit may serve it.
        st.download_button(
            "Receipt",
            receipt.model_dump_json(by_alias=True, exclude_none=True, indent=2),
            file_name=file_name(f"erasure-{receipt.erasure_id[:8]}", "json", receipt.ended_at),
            mime="application/json",
            icon=":material/download:",
            on_click="ignore",
        )


def under_way() -> None:
    """Erasures that were cut off: they go on by themselves, or here."""
    services = get_services()
    unfinished = services.erasures.unfinished()
    if not unfinished:
        return
    with st.container(border=True):
        count = len(unfinished)
        st.markdown(f"**{count} erasure{'s are' if count > 1 else ' is'} not finished yet**")
        for entry in unfinished:
            began = ui.when(entry.began_at, services.clock())
            st.text(f"person {entry.user} · begun {began} by {entry.who}")
        st.caption("A store failed, or the server was stopped. The server resumes them every five minutes.")
        if st.button("Resume now", icon=":material/resume:"):
            with ui.banner_on_failure("finish what was started", again=False):
                services.erasures.resume()
                st.rerun()


def nothing_chosen() -> None:
    with st.container(border=True):
        st.subheader("Which person?", anchor=False)
        st.write(
            "Enter a person's user id. First you see what is stored about them. Then their records, attempts, "
            "photos, registrations and the notes about them are deleted for good. The audit trail keeps an entry, "
            "with a hash instead of the id."
        )
