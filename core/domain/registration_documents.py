"""An event's registrations as another system stores them: document by document, with those that are left out.

A frame of documents is a frame of registrations with the column ``DOCUMENT``, by which the store tells its documents
apart. A document without a readable id, user or event of its own has no ``userId``: such a row says in
``registrationId`` by what the store tells the document, in ``unreadable`` what could not be read, and nothing else.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from core.domain.columns import DOCUMENT, REGISTRATION_DTYPES
from core.domain.frames import registration_frame

_KEY = DOCUMENT.name


def document_frame(pages: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The documents of all pages, each once (the last of several), by registration id."""
    whole = pd.concat([registration_frame({}, document=True), *pages], ignore_index=True)
    # Arrow counts and sorts without Python's lock; it sorts by bytes, which is the order of Python's texts.
    if pc.count_distinct(pa.array(whole[_KEY], pa.large_string())).as_py() < len(whole):
        whole = whole[~whole[_KEY].duplicated(keep="last")]
    keys = {name: pa.array(whole[name], pa.large_string()) for name in ("registrationId", _KEY)}
    order = pc.sort_indices(pa.table(keys), sort_keys=[(name, "ascending") for name in keys])
    return whole.take(order.to_numpy()).reset_index(drop=True)


def with_document_changes(documents: pd.DataFrame, changed: pd.DataFrame, gone: Collection[str] = ()) -> pd.DataFrame:
    """``documents`` with those of ``changed`` added or replaced and without those that are ``gone``; ``documents``
    itself if that changes nothing.
    """
    if changed.empty and not gone:
        return documents
    changed = document_frame([changed])
    concerned = documents[_KEY].isin({*changed[_KEY], *gone})
    if documents[concerned].reset_index(drop=True).equals(changed):
        return documents
    return document_frame([documents[~concerned], changed])


def without_users(documents: pd.DataFrame, users: Collection[str]) -> pd.DataFrame:
    """``documents`` without those of ``users``; ``documents`` itself if there are none."""
    theirs = documents["userId"].isin(users)
    return documents[~theirs].reset_index(drop=True) if theirs.any() else documents


def registrations_of(documents: pd.DataFrame) -> pd.DataFrame:
    """The registrations, as ``registration_frame``."""
    return _rows(documents, documents["userId"] != "")


def left_out_of(documents: pd.DataFrame) -> pd.DataFrame:
    """What is left out of ``registrations_of``, as ``Registrations.unreadable`` says."""
    return _rows(documents, documents["userId"] == "")


def _rows(documents: pd.DataFrame, wanted: pd.Series[bool]) -> pd.DataFrame:
    # Without a copy where all rows are wanted.
    rows = documents if wanted.all() else documents[wanted].reset_index(drop=True)
    return rows[list(REGISTRATION_DTYPES)]
