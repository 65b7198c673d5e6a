"""What the look of all pages needs beyond Streamlit's theme."""

from __future__ import annotations

import streamlit as st

#: Pixels at the top of a window that its pages leave free. What passes is said there, so that it covers nothing.
TOP = 56

#: What the key of a card with a chart begins with.
CHART_CARD = "chart-card"
#: The key of a container that is left out of what is printed.
SCREEN_ONLY = "screen-only"
#: What the keys of the parts of a sentence of links begin with, and how they end for the link that was followed.
SENTENCE, CHOSEN = "sentence-part", "-chosen"


def colour(option: str) -> str:
    """Returns a colour of the viewer's theme, by its name in ``.streamlit/config.toml``."""
    theme = "dark" if st.context.theme.type == "dark" else "light"
    found: str = st.get_option(f"theme.{theme}.{option}")
    return found


def style() -> None:
    """Gives every page its style: to be called once a run."""
    keys = {"card": CHART_CARD, "screen": SCREEN_ONLY, "sentence": SENTENCE}
    st.html(_STYLE % {"top": TOP, **keys, "text": colour("textColor")})


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

#: On paper there is nothing to press, and charts keep the widths that they have in a window: the page is made
#: smaller, so that those of a window fit on a sheet. Without exact colours, the white text of the dark theme would be
#: on white paper.
#: A chart keeps the width that its words need: where too little is left, the next one goes below it.
#: A chart's button stands beside its title, where it covers nothing of the chart.
#: Streamlit writes a chosen segment and a slider's value in the primary colour. White on that colour is readable, so
#: that it is too dark to be read on a dark background.
_STYLE = """<style>
[data-testid=stMainBlockContainer] { padding-top: calc(%(top)spx + 0.5rem); }
[data-testid=stColumn]:has([class*=st-key-%(card)s]) { min-width: 21rem; }
@media (min-width: 641px) {
    [data-testid=stMainBlockContainer] { padding-left: 2rem; padding-right: 2rem; }
}
[class*=st-key-%(sentence)s] [data-testid=stPageLink-NavLink] { background: none; padding: 0; }
[class*=st-key-%(sentence)s] [data-testid=stPageLink-NavLink] p { font-size: 1.1rem; font-weight: 400; }
[class*=st-key-%(sentence)s] [data-testid=stPageLink-NavLink] p { text-decoration: underline; color: %(text)s; }
[class*=st-key-%(sentence)s] [data-testid=stPageLink-NavLink] :is(span, p) { white-space: normal; }
[class*=st-key-%(sentence)s-chosen] [data-testid=stPageLink-NavLink] p { font-weight: 700; text-decoration: none; }
[data-testid=stElementContainer]:has(> * > [data-testid=stPlotlyChart]), [data-testid=stPlotlyChart] .js-plotly-plot {
    overflow: visible !important;
}
[data-testid=stPlotlyChart] .modebar { top: -2.5rem !important; right: 0 !important; }
[class*=st-key-%(card)s] [data-testid=stMarkdown] { padding-right: 2rem; }
[data-testid=stPlotlyChart] .modebar .modebar-btn:focus-visible { outline: 2px solid %(text)s; }
[data-testid=stToastContainer] { top: -0.4rem; right: 0; }
[data-variant=segmented_control]:is([aria-checked=true], [aria-pressed=true]) p,
[data-testid=stSliderThumbValue] p { color: %(text)s; }
@media print {
    @page { size: A4; margin: 10mm; }
    html { zoom: 0.58; print-color-adjust: exact; }
    [data-testid=stSidebar], [data-testid=stHeader], [data-testid=stToolbar], [data-testid=stToastContainer],
    [data-testid=stButton], [data-testid=stLinkButton], [data-testid=stDownloadButton], [data-testid=stPopover],
    [data-testid=stExpander], [data-testid=stCheckbox], [data-testid=stTooltipIcon], .modebar { display: none; }
    [data-testid=stMainBlockContainer] { padding: 0; }
    .st-key-%(screen)s { display: none; }
    [class*=st-key-%(card)s], [data-testid=stMetric] { break-inside: avoid; }
}
</style>"""
