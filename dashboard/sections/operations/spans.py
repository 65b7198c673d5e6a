"""The span of time that the page shows, and how its charts name periods."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd
import streamlit as st

from dashboard.parts import ui

SPANS = {
    "3 h": timedelta(hours=3),
    "24 h": timedelta(hours=24),
    "7 days": timedelta(days=7),
    "30 days": timedelta(days=30),
}
#: The process remembers no longer.
KEPT_SPAN = timedelta(hours=24)
#: Pixels, of a chart with two parts and of its neighbour.
TALL = 300


def heading(spans: list[str]) -> str:
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        st.title("Operations", anchor=False, width="content")
        return ui.span_control(spans, "24 h")


def every(period: timedelta) -> str:
    """A period as in "per 5 min"."""
    minutes = int(period.total_seconds() // 60)
    words = {1: "minute", 60: "hour", 1440: "day"}
    return words.get(minutes) or (f"{minutes} min" if minutes < 60 else f"{minutes // 60} h")


def local(frame: pd.DataFrame) -> pd.DataFrame:
    """``frame`` with its times in the viewer's zone."""
    return frame.assign(time=frame["time"].dt.tz_convert(ui.viewer_zone()))
