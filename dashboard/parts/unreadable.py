"""What other services wrote and Facedesk could not read."""

from __future__ import annotations

from typing import Literal

import pandas as pd
import streamlit as st

from core.domain import statistics
from dashboard.parts import event
from dashboard.parts.kept import kept

_MEANING = {
    "record": "Another service wrote them in a form that Facedesk does not know. Only the listed field is left out.",
    "registration": (
        "Another service wrote them in a form that Facedesk does not know. What has no readable registration id, "
        "user or event is in no list and no figure; of the others only the listed field is left out."
    ),
}


def show(noun: Literal["record", "registration"], *frames: pd.DataFrame, files: event.Files | None = None) -> None:
    """What could not be read in the rows of frames (``registrationId``, ``unreadable``); nothing if all was read.

    ``noun`` names one row; ``files`` have the same list.
    """
    lines = kept(statistics.unreadable, *frames)
    if lines.empty:
        return
    count = sum(int((frame["unreadable"] != "").sum()) for frame in frames)
    sentence = f"{count:,} {noun}{'' if count == 1 else 's'} could not be read in full"
    with st.expander(sentence, icon=":material/warning:"):
        st.caption(_MEANING[noun])
        if files:
            event.file_links("", files, f"unreadable-{noun}s")
        event.table(lines, statistics.UNREADABLE_COLUMNS, sentence)
