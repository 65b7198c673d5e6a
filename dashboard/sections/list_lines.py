"""Lines of a list, each with what is to be said of it."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from core.services.lists.tables import Problem

#: Lines on the page; files have all.
MAX_LINES = 500


def table(lines: Sequence[Problem], heading: str, alt: str) -> None:
    """The first ``MAX_LINES`` lines, each with its message under ``heading``."""
    shown = lines[:MAX_LINES]
    st.dataframe(
        pd.DataFrame({"Line": [each.line for each in shown], heading: [each.message for each in shown]}),
        hide_index=True,
        # As wide as the longest message: a table breaks no line, but it scrolls.
        column_config={
            "Line": st.column_config.NumberColumn(width=70, format="%d"),
            heading: st.column_config.TextColumn(width=1300),
        },
        alt=alt,
    )
