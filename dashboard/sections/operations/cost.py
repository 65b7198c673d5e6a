"""What this month costs, and what a month would cost."""

from __future__ import annotations

from datetime import datetime

import pandas as pd
import streamlit as st

from core.domain import costs
from core.domain.costs import Cost, Load, Prices, Usage
from core.runtime.facades.administration import GuardedMetrics
from dashboard.parts import ui
from dashboard.services import get_services


@st.cache_resource(ttl=300, show_spinner=False)
def used_this_month(_source: GuardedMetrics) -> tuple[Usage, datetime]:
    services = get_services()
    now = services.clock()
    return _source.month_to_date(now), now


def prices() -> Prices:
    services = get_services()
    settings = services.settings
    return Prices(settings.price_dynamodb_write, settings.price_dynamodb_read, settings.price_rekognition)


def month_so_far(source: GuardedMetrics) -> None:
    with st.container(border=True), ui.banner_on_failure("read this month's use"):
        st.markdown(
            "**Cost of this month**",
            help="From what CloudWatch counted since the 1st, UTC: of the tables, whoever used them, and of "
            "Rekognition in the whole account and region.",
        )
        with st.spinner("Reading this month's use…"):
            used, now = used_this_month(source)
        spent = costs.cost(used, prices())
        pace = costs.at_this_pace(spent.total, now)
        figures, items = st.columns([1, 2])
        with figures:
            st.metric("So far, USD", f"{spent.total:,.2f}")
            help_text = "The whole month, at the present rate"
            st.metric("At this pace, USD", "–" if pace is None else f"{pace:,.2f}", help=help_text)
        with items:
            bill(used, spent)


def bill(used: Usage, spent: Cost) -> None:
    rows = [
        ("DynamoDB write units", round(used.write_units), spent.writes),
        ("DynamoDB read units", round(used.read_units), spent.reads),
        ("Rekognition images", round(used.images), spent.images),
    ]
    st.dataframe(
        pd.DataFrame(rows, columns=["Charged", "How many", "Cost"]),
        hide_index=True,
        alt="What is charged, how much of it, and what it costs",
        column_config={
            "How many": st.column_config.NumberColumn(format="localized"),
            "Cost": st.column_config.NumberColumn(format="dollar"),
        },
    )


@st.fragment
def what_if() -> None:
    with st.container(border=True):
        st.markdown(
            "**What would a month cost?**",
            help="30 days. DynamoDB charges each write by the record's whole KB, and its index entry's. A repeated "
            "attempt moves that entry: two writes.",
        )
        with st.container(horizontal=True):
            validations = number("Validations a day", 10_000, 1_000, "validations")
            repeats = number("Repeated attempts, %", 20, 5, "repeats", most=100)
            record = number("Record, KB", 2, 0.5, "record_kb", most=400)
            entry = number("Index entry, KB", 1, 0.5, "entry_kb", most=400)
            read = number("Entries read a day", 100_000, 10_000, "entries_read", note="By event pages and CSVs")
        month = costs.month_of(Load(validations, record * 1024, entry * 1024, repeats / 100, read))
        asked = prices()
        spent = costs.cost(month, asked)
        figures, items = st.columns([1, 2])
        with figures:
            st.metric("A month, USD", f"{spent.total:,.2f}")
        with items:
            bill(month, spent)
        st.caption(
            f"At {asked.million_writes:g} USD a million write units, {asked.million_reads:g} a million read units, "
            f"{asked.thousand_images:g} a thousand images: settings, by default for ap-south-1. Not included: free "
            "allowances, discounts, storage, backups, audit trail (a write unit an entry), S3, MongoDB, CloudWatch."
        )


def number(label: str, start: float, step: float, key: str, *, most: float = 1e9, note: str = "") -> float:
    """A number from 0 that the link keeps."""
    value: float = st.number_input(
        label,
        0.0,
        float(most),
        float(start),
        float(step),
        format="%.0f" if step >= 1 else "%.1f",
        key=key,
        bind="query-params",
        help=note or None,
    )
    return value
