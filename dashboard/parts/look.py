"""What the look of all pages needs beyond Streamlit's theme."""

from __future__ import annotations

import streamlit as st

#: Pixels at the top of a window that its pages leave free. What passes is said there, so that it covers nothing.
TOP = 56

#: What the key of a card with a chart begins with.
CHART_CARD = "chart-card"


def colour(option: str) -> str:
    """Returns a colour of the viewer's theme, by its name in ``.streamlit/config.toml``."""
    theme = "dark" if st.context.theme.type == "dark" else "light"
    found: str = st.get_option(f"theme.{theme}.{option}")
    return found


def style() -> None:
    """Gives every page its style: to be called once a run."""
    st.html(_STYLE % {"top": TOP, "card": CHART_CARD, "text": colour("textColor")})


def logo() -> None:
    """Shows the product's sign and name over the navigation."""
    st.logo(_LOGO % {"sign": colour("primaryColor"), "text": colour("textColor")}, size="medium")


#: The sign is that of ``dashboard/icon.png``.
_LOGO = """<svg xmlns="http://www.w3.org/2000/svg" width="150" height="28" viewBox="0 0 150 28">
<title>Facedesk</title>
<rect width="28" height="28" rx="6" fill="%(sign)s"/>
<path d="M4 8V4h4M20 4h4v4M24 20v4h-4M8 24H4v-4" fill="none" stroke="#fff" stroke-width="1.4"/>
<circle cx="14" cy="11" r="4.1" fill="#fff"/><path d="M7.5 23a6.5 7 0 0 1 13 0z" fill="#fff"/>
<text x="37" y="20.5" font-family="system-ui, sans-serif" font-size="19" font-weight="600" fill="%(text)s">
Facedesk</text>
</svg>"""

#: A chart keeps the width that its words need: where too little is left, the next one goes below it.
#: Streamlit writes a chosen segment and a slider's value in the primary colour. White on that colour is readable, so
#: that it is too dark to be read on a dark background.
_STYLE = """<style>
[data-testid=stMainBlockContainer] { padding-top: calc(%(top)spx + 0.5rem); }
[data-testid=stColumn]:has([class*=st-key-%(card)s]) { min-width: 21rem; }
@media (min-width: 641px) {
    [data-testid=stMainBlockContainer] { padding-left: 2rem; padding-right: 2rem; }
}
[data-testid=stToastContainer] { top: -0.4rem; right: 0; }
[data-variant=segmented_control][aria-checked=true] p, [data-testid=stSliderThumbValue] p { color: %(text)s; }
</style>"""
