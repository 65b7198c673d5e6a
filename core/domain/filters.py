"""Which records a filter lets through: of the pages, of the files, and of the part of a chart that was clicked. Pure.

Frames are those of ``core.domain.frames``, or have some of their columns.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import datetime

import numpy as np
import pandas as pd

from core.domain.statistics import NOT_MEASURED, NOT_REPORTED, TRIES, age_groups, named, tries

#: What the filter by smile takes.
SMILES = ("yes", "no", NOT_REPORTED)
#: The most that a measure can be.
MOST = 100.0
#: From a value on, and up to another one that is not within, unless it is ``MOST``: no value is higher.
Span = tuple[float, float]
_NUMBER = "(100([.]0{1,4})?|[0-9]{1,2}([.][0-9]{1,4})?)"
#: The texts that ``span_of`` reads, as a regular expression.
SPAN_PATTERN = f"^{_NUMBER}-{_NUMBER}$"


def filtered(
    records: pd.DataFrame,
    *,
    statuses: Collection[str] = (),
    sources: Collection[str] = (),
    since: datetime | None = None,
    until: datetime | None = None,
    quality: Collection[str] = (),
    reason: str | None = None,
    similarity: Span | None = None,
    confidence: Span | None = None,
    attempts: str | None = None,
    age: str | None = None,
    gender: str | None = None,
    smile: str | None = None,
) -> pd.DataFrame:
    """The records that fit every filter; an empty one lets all through, and without any it is the same frame.

    ``since`` is within, ``until`` is not. ``NOT_MEASURED`` stands for no quality, ``NOT_REPORTED`` for no source,
    age, gender or smile. ``similarity`` and ``confidence`` (0-100) let nothing through that was not measured.
    ``attempts`` is one of ``TRIES``, ``age`` a group of ``core.domain.statistics.with_age_groups``, ``smile`` one of
    ``SMILES``.
    """
    fits = []
    if statuses:
        fits.append(records["status"].isin(statuses))
    if sources:
        fits.append(named(records["source"], NOT_REPORTED).isin(sources))
    if since is not None:
        fits.append(records["timestamp"] >= since)
    if until is not None:
        fits.append(records["timestamp"] < until)
    if quality:
        fits.append(named(records["quality"], NOT_MEASURED).isin(quality))
    if reason:
        fits.append((" " + records["reasons"] + " ").str.contains(f" {reason} ", regex=False))
    for name, span in {"similarity": similarity, "confidence": confidence}.items():
        if span:
            fits.append(_within(records[name], span))
    if attempts:
        fits.append(tries(records["attempts"]) == TRIES.index(attempts) + 1)
    for name, group in {"age": age, "gender": gender, "smile": smile}.items():
        if group:
            values = age_groups(records[name]) if name == "age" else records[name]
            fits.append(named(values, NOT_REPORTED) == group)
    return records[np.logical_and.reduce(fits)] if fits else records


def span_of(text: str) -> Span:
    """The span that a link or a query names, such as "60-62.5"; raises ``ValueError`` if it names none.

    One that ends before it begins has nothing in it.
    """
    if not re.fullmatch(SPAN_PATTERN, text):
        raise ValueError(text)
    low, high = (float(end) for end in text.split("-"))
    return low, high


def span_text(span: Span) -> str:
    """The text that ``span_of`` reads."""
    return "-".join(f"{end:g}" for end in span)


def _within(values: pd.Series, span: Span) -> pd.Series:
    low, high = span
    return (values >= low) & ((values < high) | (high == MOST))
