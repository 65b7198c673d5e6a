"""Records that DynamoDB never deletes: counted when somebody asks, because that reads the whole table."""

from __future__ import annotations

import streamlit as st

from core.runtime.facades.administration import GuardedExpiryCheck
from dashboard.parts import ui


def ignored_expiry(source: GuardedExpiryCheck) -> None:
    if not st.button(
        "Count records that never expire",
        icon=":material/hourglass_disabled:",
        help="Reads the whole table once, which consumes half a read unit for each 4 KB",
    ):
        return
    with ui.banner_on_failure("count the records", again=False), st.spinner("Reading the table…"):
        number = source.count_ignored()
        if number:
            st.warning(
                f"{number:,} records never expire, because DynamoDB ignores their `expiresAt`. "
                "`python -m core provision --repair-ttl` repairs it; with `--dry-run` it lists what is wrong.",
                icon=":material/warning:",
            )
        else:
            st.success("DynamoDB acts on the expiry of every record.", icon=":material/check_circle:")
