"""Two faces side by side, and buttons that can be pressed only once both have been seen.

The browser holds the presses back: the server cannot know when a face was painted. That a press never reaches
another case than the one that it was made for holds on the server: each button's key names its case.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from dashboard.parts import look, photos

#: Milliseconds for which the faces must have been painted before a press counts.
SEEN_FOR = 700
#: Milliseconds after which a case that is still there can be pressed again, because the press was lost: if the page
#: did not react to it at all, and in any case.
_UNHEARD_AFTER, _AGAIN_AFTER = 1_500, 10_000
#: What the buttons' keys begin with, and the keys on the keyboard that press them.
_PRESS = "press"
SHORTCUTS = {"approve": "y", "reject": "n", "again": "a", "skip": "s"}
_ICONS = {
    "approve": ":material/how_to_reg:",
    "reject": ":material/person_off:",
    "skip": ":material/skip_next:",
}
BAR = "case-bar"


@dataclass(frozen=True)
class Face:
    """A face to be shown: what it is, its data URI, and the colour of its frame. Without a URI the frame is empty."""

    caption: str
    uri: str | None
    colour: str


def press_key(action: str, case: str) -> str:
    """The key of the button for an action on ``case``, so that a late press is never one on the next case."""
    return f"{_PRESS}-{action}-{case}"


def press_button(
    action: str,
    case: str,
    label: str,
    on_click: Callable[..., None],
    args: tuple[object, ...],
    *,
    disabled: bool = False,
    help: str | None = None,
) -> None:
    """A button for an action on ``case``, with the action's key, that is held back until both faces were seen."""
    st.button(
        label,
        type="primary" if action == "approve" else "secondary",
        icon=_ICONS[action],
        shortcut=SHORTCUTS[action],
        key=press_key(action, case),
        disabled=disabled,
        on_click=on_click,
        args=args,
        help=help,
    )


def pair(faces: list[Face], case: str) -> None:
    """The faces in equal frames. They arm the buttons of ``case``, and the page starts at its top.

    ``case`` is a word of ours that no other case on any page has.
    """
    values = {
        "faces": [vars(face) for face in faces],
        "case": case,
        "press": f"st-key-{_PRESS}-",
        "shortcuts": {key: action for action, key in SHORTCUTS.items()},
        "seenFor": SEEN_FOR,
        "unheardAfter": _UNHEARD_AFTER,
        "againAfter": _AGAIN_AFTER,
    }
    background = look.colour("backgroundColor")
    st.html(
        f"<style>{_STYLE} .st-key-{BAR} {{ background: {background}; }}</style>"
        f"<div class='facedesk-faces' data-case='{case}'></div>"
        f"<script>({_SCRIPT})({json.dumps(values)})</script>",
        unsafe_allow_javascript=True,
    )


#: The faces leave room for the rest of the card in a window of 1024x768. On a phone the bar stays at the bottom.
_STYLE = f"""
.facedesk-faces {{ display: grid; grid-template-columns: 1fr 1fr; gap: 0.75rem; }}
.facedesk-faces figure {{ margin: 0; min-width: 0; }}
.facedesk-faces .frame {{
    display: block; box-sizing: border-box; width: 100%; height: clamp(11rem, 100vh - 28.5rem, 32rem);
    object-fit: contain; border: 2px solid; border-radius: 0.6rem;
}}
.facedesk-faces figcaption {{ font-size: 0.85rem; opacity: 0.75; }}
.st-key-case-name [data-testid=stText] {{ font-size: 1.4rem; font-weight: 600; }}
.stApp:not(:has(.facedesk-faces[data-armed])) [class*=st-key-{_PRESS}-] button {{ opacity: 0.5; cursor: progress; }}
@media (max-width: 640px) {{
    [data-testid=stMainBlockContainer] {{ padding-bottom: 10rem; }}
    h1 {{ font-size: 1.4rem !important; }}
    .facedesk-faces .frame {{ aspect-ratio: {photos.FACE_SHAPE}; height: auto; max-height: 40vh; }}
    .st-key-{BAR} {{
        position: fixed; left: 0; right: 0; bottom: 0; z-index: 100; padding: 0.6rem 1rem; gap: 0.5rem;
        border-top: 1px solid #8884;
    }}
    .st-key-{BAR} > * {{ flex: 1 1 40%; }}
}}
"""
#: The listeners are on the window, ahead of Streamlit's own, and are put there once. Whether a case is armed stands
#: on the element with its faces, so that it goes with them.
_SCRIPT = """values => {
    const place = document.querySelector(`.facedesk-faces[data-case="${values.case}"]`);
    const images = values.faces.map(({ caption, uri, colour }) => {
        const figure = document.createElement('figure');
        const frame = figure.appendChild(uri ? new Image() : document.createElement('div'));
        frame.className = 'frame';
        frame.style.borderColor = colour;
        if (uri) Object.assign(frame, { alt: caption, src: uri });
        figure.appendChild(document.createElement('figcaption')).textContent = uri ? caption : `${caption}: none`;
        place.append(figure);
        return frame;
    }).filter(frame => frame instanceof Image);
    document.querySelector('[data-testid=stMain]')?.scrollTo(0, 0);
    const idle = () => document.querySelector('.stApp').dataset.testScriptState === 'notRunning';
    // The buttons' keys are heard only after the page has been built: an earlier press would be lost.
    const arm = () => {
        const button = document.querySelector(`[class*="${values.press}"][class*="-${values.case}"] button`);
        if (button && idle()) place.dataset.armed = '';
        else if (place.isConnected) setTimeout(arm, 50);
    };
    const painted = () => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
    Promise.all(images.map(image => image.decode()))
        .then(painted)
        .then(() => setTimeout(arm, values.seenFor));

    if (window.facedeskHoldsBack) return;
    window.facedeskHoldsBack = true;
    const pressed = (event, buttons) => {
        const place = document.querySelector('.facedesk-faces');
        const its = button => button.className.includes(`-${place.dataset.case}`);
        if (place?.hasAttribute('data-armed') && !event.repeat && [...buttons].every(its)) {
            place.removeAttribute('data-armed');
            setTimeout(() => { if (idle()) place.dataset.armed = ''; }, values.unheardAfter);
            setTimeout(() => place.dataset.armed = '', values.againAfter);
        } else {
            event.stopImmediatePropagation();
            event.preventDefault();
        }
    };
    addEventListener('click', event => {
        const button = event.target.closest?.(`[class*="${values.press}"]`);
        if (button && event.target.closest('button')) pressed(event, [button]);
    }, true);
    addEventListener('keydown', event => {
        if (event.ctrlKey || event.altKey || event.metaKey) return;
        if (event.target.closest?.('input, textarea, select, [contenteditable=true]')) return;
        for (const key of [(event.key ?? '').toLowerCase(), String.fromCharCode(event.keyCode).toLowerCase()]) {
            const buttons = document.querySelectorAll(`[class*="${values.press}${values.shortcuts[key]}-"]`);
            if (buttons.length) return pressed(event, buttons);
        }
    }, true);
}"""
