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
[data-testid=stElementContainer]:has(> * > [data-testid=stPlotlyChart]), [data-testid=stPlotlyChart] .js-plotly-plot {
    overflow: visible !important;
}
[data-testid=stPlotlyChart] .modebar { top: -2.5rem !important; right: 0 !important; }
[class*=st-key-%(card)s] [data-testid=stMarkdown] { padding-right: 2rem; }
[data-testid=stPlotlyChart] .modebar .modebar-btn:focus-visible { outline: 2px solid %(text)s; }
[data-testid=stToastContainer] { top: -0.4rem; right: 0; }
[data-variant=segmented_control]:is([aria-checked=true], [aria-pressed=true]) p,
[data-testid=stSliderThumbValue] p { color: %(text)s; }
</style>"""
