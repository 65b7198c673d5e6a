"""The people of an event one by one: each registration with its record, or without one. Pure, and by columns.

Frames are those of ``core.domain.frames``; nobody writes into one.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Any

import numpy as np
import pandas as pd

from core.domain import frames, reasons, statistics
from core.domain.columns import STATUSES
from core.domain.filters import filtered
from core.domain.records import Status
from core.domain.search import Query, fold

#: The status of somebody who is registered and has no record.
NEVER_TRIED = "never-tried"
_OF_REGISTRATIONS = ["registrationId", "userId", "eventId", "name", "email"]
_OF_RECORDS = ["status", "reasons", "attempts", "timestamp", "expiresAt", "decidedAt"]
#: What else of a record its filters look at.
_FILTERED = ["quality", "source", "similarity", "confidence"]
_STATUS = pd.CategoricalDtype([NEVER_TRIED, *STATUSES])
_WITHOUT_REASON = {
    NEVER_TRIED: "We do not have a photo of you yet. Please send one of your face, from the front and in good light.",
    Status.FAILED: reasons.advice(""),
    Status.PENDING: "We have your photo, and a member of our team will look at it. There is nothing you need to do.",
}
#: Stands between the texts of a column while they are folded at once; no text has it.
_BETWEEN = "\ue000"


class Group(StrEnum):
    """Whom a list is about. ``NOT_READY`` are all but ``PASSED``."""

    REGISTERED = "registered"
    #: Who has a reference photo.
    WITH_PHOTO = "with-photo"
    TRIED = "tried"
    NOT_READY = "not-ready"
    NEVER_TRIED = "never-tried"
    FAILED = "failed"
    WAITING = "waiting"
    UNKNOWN = "unknown"
    PASSED = "passed"
    #: Who passed, and whose record expires within a week.
    EXPIRING = "expiring"
    #: Who has a record, also those who are not registered (any more): whom charts of records are about.
    VALIDATED = "validated"


class Order(StrEnum):
    """How a list is sorted; equal ones stay in the order of the registrations."""

    NAME = "name"
    OLDEST = "oldest"
    NEWEST = "newest"
    ATTEMPTS = "attempts"


_OF_STATUS = {
    Group.NEVER_TRIED: NEVER_TRIED,
    Group.FAILED: Status.FAILED,
    Group.WAITING: Status.PENDING,
    Group.UNKNOWN: Status.UNKNOWN,
    Group.PASSED: Status.SUCCESS,
}


def people(registrations: pd.DataFrame, records: pd.DataFrame) -> pd.DataFrame:
    """A row for each registration, in their order: its own columns, those of its record, and two besides.

    ``why`` has the words for ``reasons``, ``message`` the text to send to the person, empty where there is nothing to
    say. Who has no record has the status ``NEVER_TRIED``, no attempts and no times. Records of nobody who is
    registered are in no row.
    """
    at = frames.places_of(registrations, records)
    # No row has the number -1, so that whoever has no record gets nothing.
    found = records[[*_OF_RECORDS, *_FILTERED]].reset_index(drop=True).reindex(at).reset_index(drop=True)
    has_photo = registrations["referencePhotoKey"].notna()
    who = registrations[_OF_REGISTRATIONS].assign(hasPhoto=has_photo).reset_index(drop=True)
    return _in_words(pd.concat([who, found], axis="columns"))


def validated(registrations: pd.DataFrame, records: pd.DataFrame) -> pd.DataFrame:
    """The same with a row for each record, in their order. Who is not registered has no name and no e-mail."""
    at = frames.places_of(records, registrations)
    known = registrations[["name", "email"]].reset_index(drop=True).reindex(at, fill_value="").reset_index(drop=True)
    found = records[["registrationId", "userId", "eventId", *_OF_RECORDS, *_FILTERED]].reset_index(drop=True)
    return _in_words(pd.concat([found, known], axis="columns"))


def records_of(some: pd.DataFrame, records: pd.DataFrame) -> pd.DataFrame:
    """The records of some of the ``people``."""
    return records[frames.places_of(records, some) >= 0]


def _in_words(rows: pd.DataFrame) -> pd.DataFrame:
    status = rows["status"].astype(_STATUS).fillna(NEVER_TRIED)
    codes = rows["reasons"].fillna("")
    return rows.assign(
        status=status,
        reasons=codes,
        attempts=rows["attempts"].fillna(0).astype("int32"),
        why=_each(codes, lambda text: reasons.labels(text.split())),
        message=_each(status.astype("str") + " " + codes, _message),
    )


def with_contacts(records: pd.DataFrame, registrations: pd.DataFrame) -> pd.DataFrame:
    """Records of an event with the ``name`` and ``email`` of their registrations; absent if there is none."""
    at = frames.places_of(records, registrations)
    found = registrations[["name", "email"]].reset_index(drop=True).reindex(at)
    return records.assign(name=found["name"].array, email=found["email"].array)


def passed_at(everybody: pd.DataFrame) -> pd.Series:
    """The moments at which those of ``people`` passed who are ready: by a person's decision, or by themselves."""
    ready = everybody[everybody["status"] == Status.SUCCESS]
    return ready["decidedAt"].fillna(ready["timestamp"])


def of_group(everybody: pd.DataFrame, group: Group, now: datetime) -> pd.DataFrame:
    """Those rows of ``people`` that the group is about; for ``VALIDATED``, ``everybody`` are the ``validated``."""
    match group:
        case Group.REGISTERED | Group.VALIDATED:
            return everybody
        case Group.WITH_PHOTO:
            return everybody[everybody["hasPhoto"]]
        case Group.TRIED:
            return everybody[everybody["status"] != NEVER_TRIED]
        case Group.NOT_READY:
            return everybody[everybody["status"] != Status.SUCCESS]
        case Group.EXPIRING:
            return statistics.expiring(everybody[everybody["status"] == Status.SUCCESS], now)
        case _:
            return everybody[everybody["status"] == _OF_STATUS[group]]


def fitting(some: pd.DataFrame, **filters: Any) -> pd.DataFrame:
    """Those of the rows whose record fits the filters of ``core.domain.filters.filtered``; without any, all rows."""
    if not any(filters.values()):
        return some
    return filtered(some[some["status"] != NEVER_TRIED], **filters)


def searchable(everybody: pd.DataFrame) -> pd.DataFrame:
    """The column ``text``: of each row what ``found`` looks into."""
    parts = everybody[["email", "registrationId", "userId"]]
    whole = everybody["name"].str.cat(parts, sep=" ").str.replace(_BETWEEN, "", regex=False)
    # All at once: one by one takes ten times as long.
    folded = fold(_BETWEEN.join(whole)).split(_BETWEEN) if len(whole) else []
    return pd.DataFrame({"text": pd.Series(folded, index=everybody.index, dtype="str")})


def found(some: pd.DataFrame, texts: pd.DataFrame, text: str) -> pd.DataFrame:
    """Those rows of ``some`` whose name, e-mail or ids have all words of ``text`` in them, in any order and however
    they are written (``core.domain.search``). ``texts`` are the ``searchable`` ones. Without a word all are found.
    """
    query = Query.of(text)
    if query is None:
        return some
    looked_at = texts["text"].loc[some.index]
    fits = [looked_at.str.contains(word, regex=False) for word in query.words]
    return some[np.logical_and.reduce(fits)] if fits else some.iloc[:0]


def in_order(some: pd.DataFrame, order: Order) -> pd.DataFrame:
    """The rows sorted; those without a time come last."""
    by, ascending = {
        Order.NAME: ("name", True),
        Order.OLDEST: ("timestamp", True),
        Order.NEWEST: ("timestamp", False),
        Order.ATTEMPTS: ("attempts", False),
    }[order]
    return some.sort_values(by, ascending=ascending, kind="stable", key=_folded if order is Order.NAME else None)


def listed(everybody: pd.DataFrame, group: Group, text: str, order: Order, now: datetime) -> pd.DataFrame:
    """The list of a page, of a count and of a file alike: the ``found`` ones of the group, in order."""
    some = of_group(everybody, group, now)
    return in_order(found(some, searchable(some), text) if text.strip() else some, order)


def _folded(names: pd.Series) -> pd.Series:
    """Names as they are sorted, whatever their case; those who have none come last."""
    return names.str.casefold().replace("", None)


def _each(values: pd.Series, worded: Callable[[str], str]) -> pd.Series:
    """``worded`` of each value. There are few different ones: each is put into words once."""
    codes, different = pd.factorize(values)
    words = np.array([worded(each) for each in different], dtype=object)
    return pd.Series(words[codes] if len(words) else [], index=values.index, dtype="str")


def _message(status_and_codes: str) -> str:
    status, *codes = status_and_codes.split()
    if status == Status.SUCCESS:
        return ""
    return " ".join(reasons.sentences(codes)) or _WITHOUT_REASON.get(status, "")
