"""Counts and rates over records and frames. Pure: records or frames in, numbers or small frames out.

Frames are those of ``core.domain.frames``. One row is one registration's record, and speaks for its newest outcome;
shares are 0-1, of all rows, and NaN where there is no row to divide by.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from core.domain.columns import BECOMES, STATUSES
from core.domain.frames import places_of
from core.domain.policy import Policy, by_similarity
from core.domain.reasons import Reason
from core.domain.records import Quality, Status, ValidationRecord

#: The quality, and the source, of a record that has none.
NOT_MEASURED = "not measured"
NOT_REPORTED = "not reported"
#: Below this many records a group's failure rate says little: at 30 and 10 % it is good to +-11 points.
SMALL_GROUP = 30
_AGE_GROUPS: Mapping[str, Any] = {
    "bins": [0, 18, 30, 40, 50, 60, 70, 200],
    "labels": ["0-17", "18-29", "30-39", "40-49", "50-59", "60-69", "70+"],
    "right": False,
}
_COMPARED = [
    *("event", "records", "passed", "waiting", "failed", "unknown"),
    *("success_rate", "mean_attempts", "mean_confidence", "mean_similarity"),
]


class UserStatistics(BaseModel):
    """A user's outcomes, every attempt counted. ``average_confidence`` (0-100) is None where none was measured."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)

    user_id: str
    total_attempts: int
    successful_validations: int
    failed_validations: int
    pending_validations: int
    #: Outcomes of other services whose status is none of ours.
    unknown_validations: int
    average_confidence: float | None
    quality_breakdown: dict[str, int]


def user_statistics(user_id: str, records: Iterable[ValidationRecord]) -> UserStatistics:
    outcomes = [outcome for record in records for outcome in record.outcomes]
    by_status = Counter(outcome.status for outcome in outcomes)
    confidences = [outcome.confidence for outcome in outcomes if outcome.confidence is not None]
    return UserStatistics(
        user_id=user_id,
        total_attempts=len(outcomes),
        successful_validations=by_status[Status.SUCCESS],
        failed_validations=by_status[Status.FAILED],
        pending_validations=by_status[Status.PENDING],
        unknown_validations=by_status[Status.UNKNOWN],
        average_confidence=round(sum(confidences) / len(confidences), 2) if confidences else None,
        quality_breakdown=dict(Counter(outcome.quality for outcome in outcomes if outcome.quality is not None)),
    )


def latest_valid(records: Sequence[ValidationRecord], now: datetime, days: int) -> ValidationRecord | None:
    """The newest record that stands as passed and is at most ``days`` old; None where there is none.

    A record whose newest attempt failed is not valid, whatever its earlier attempts were.
    """
    since = now - timedelta(days=days)
    valid = [r for r in records if r.validation_status is Status.SUCCESS and r.order >= since]
    return max(valid, key=lambda record: record.order, default=None)


#: Where something could not be read, in which field, and what kind of value is there.
UNREADABLE_COLUMNS = ("registrationId", "field", "kind")


@dataclass(frozen=True)
class Readiness:
    """How far an event's registrations have come. Counts of registrations, but for ``unregistered``.

    ``attempted`` = passed + waiting + failed + unknown, and with ``never_tried`` it is ``registered``.
    ``unregistered`` counts records whose user and registration are not among the registrations; they are in no other
    number.
    """

    registered: int
    with_photo: int
    attempted: int
    passed: int
    waiting: int
    failed: int
    unknown: int
    never_tried: int
    unregistered: int

    @property
    def share_ready(self) -> float | None:
        """Passed of registered, 0-1; None where nobody registered."""
        return self.passed / self.registered if self.registered else None


def readiness(
    registrations: pd.DataFrame, records: pd.DataFrame, places: npt.NDArray[np.int64] | None = None
) -> Readiness:
    """``places`` is ``places_of`` the two, by those who know it already."""
    if places is None:
        places = places_of(registrations, records)
    tried = places[places >= 0]
    registered = np.zeros(len(records), dtype=bool)
    registered[tried] = True
    of_status = records["status"].iloc[tried].value_counts()
    passed, waiting, failed, unknown = (int(of_status.get(status, 0)) for status in STATUSES)
    return Readiness(
        registered=len(registrations),
        with_photo=int(registrations["referencePhotoKey"].notna().sum()),
        attempted=len(tried),
        passed=passed,
        waiting=waiting,
        failed=failed,
        unknown=unknown,
        never_tried=len(registrations) - len(tried),
        unregistered=len(records) - int(registered.sum()),
    )


def never_tried(registrations: pd.DataFrame, records: pd.DataFrame) -> pd.DataFrame:
    """The registrations without a record, in their order."""
    return registrations[places_of(registrations, records) < 0]


def backlog(records: pd.DataFrame, due: datetime) -> tuple[datetime | None, int]:
    """When the oldest waiting case began to wait (None if none waits), and how many began before ``due``."""
    since = records.loc[records["status"] == Status.PENDING, "timestamp"].dropna()
    return (since.min().to_pydatetime() if len(since) else None), int((since < pd.Timestamp(due)).sum())


def unreadable(*frames: pd.DataFrame) -> pd.DataFrame:
    """What could not be read in the rows of frames of one kind: a row each, by document, all text; the columns are
    ``UNREADABLE_COLUMNS``.
    """
    rows = pd.concat([frame.loc[frame["unreadable"] != "", ["registrationId", "unreadable"]] for frame in frames])
    problems = rows["unreadable"].str.split(" ")
    lines = sorted(
        (document, *problem.split(":", 1))
        for document, found in zip(rows["registrationId"], problems, strict=True)
        for problem in found
    )
    return pd.DataFrame(lines, columns=list(UNREADABLE_COLUMNS), dtype="str")


def reasons_ranked(records: pd.DataFrame) -> pd.DataFrame:
    """Columns reason (code), count of records with it; the most frequent first, equal ones by code."""
    # There are few combinations: they are taken apart once each, not once a record.
    combinations = records["reasons"].value_counts().rename_axis("reason").reset_index()
    codes = combinations.assign(reason=combinations["reason"].str.split()).explode("reason")
    once = codes.reset_index().drop_duplicates(["index", "reason"]).dropna(subset="reason")
    ranked = once.groupby("reason")["count"].sum().reset_index()
    return ranked.sort_values(["count", "reason"], ascending=[False, True], ignore_index=True)


def attempts_until_success(records: pd.DataFrame) -> pd.DataFrame:
    """Columns attempts ("1" to "4", "5+"), count of passed records that took as many."""
    taken = records.loc[records["status"] == Status.SUCCESS.value, "attempts"].clip(1, 5)
    counts = taken.value_counts().reindex(range(1, 6), fill_value=0)
    return pd.DataFrame({"attempts": ["1", "2", "3", "4", "5+"], "count": counts.to_numpy()})


def histogram(values: pd.Series, status: pd.Series, low: float, high: float, width: float) -> pd.DataFrame:
    """Counts of ``values`` by bin and status: columns left, right, success, pending, failed.

    ``values`` and ``status`` stand row by row for the same records. Bins are closed at the left, the last one at both
    ends; a value outside of ``low`` to ``high`` counts in the bin at that end, an absent one nowhere.
    """
    edges = np.append(np.arange(low, high, width), high)
    measured = values.notna()
    bins = np.searchsorted(edges, values[measured].to_numpy(), side="right") - 1
    counts = status_counts(status[measured], np.clip(bins, 0, len(edges) - 2))
    counts = counts.reindex(range(len(edges) - 1), fill_value=0)
    counts.insert(0, "left", edges[:-1])
    counts.insert(1, "right", edges[1:])
    return counts


def what_if(
    records: pd.DataFrame,
    threshold: float,
    review_from: float,
    default_threshold: float = Policy().similarity_threshold,
) -> pd.Series:
    """Each record's status if the similarity threshold were ``threshold`` and review began at ``review_from``.

    Only what the similarity alone decided can change: records that have one, that no person decided, and that have
    no other reason than a mismatch. They change where the rule says something else at ``threshold`` than at the
    record's own threshold, or at ``default_threshold`` where it has none. All numbers 0-100.
    """
    own = records["threshold"].fillna(default_threshold)
    then, now = (_by_similarity(records["similarity"], limit, review_from) for limit in (own, threshold))
    open_to_change = (
        records["similarity"].notna()
        & records["decision"].isna()
        & records["reasons"].str.fullmatch(f"(?:{Reason.FACE_MISMATCH}(?: |$))*")
    )
    return records["status"].mask(open_to_change & (then != now), now)


def flips(
    records: pd.DataFrame,
    threshold: float,
    review_from: float,
    default_threshold: float = Policy().similarity_threshold,
) -> pd.DataFrame:
    """The records whose status ``what_if`` changes, with the status that they would have as ``becomes``."""
    becomes = what_if(records, threshold, review_from, default_threshold)
    return records.assign(**{BECOMES.name: becomes})[becomes != records["status"]]


def by_group(records: pd.DataFrame, column: str) -> pd.DataFrame:
    """Failures by the values of age, gender or smile: columns group, total, failed, failure_rate, small.

    ``small`` marks groups under ``SMALL_GROUP`` records. Ages in their order, the rest by name (smile: yes, no), and
    "not reported" for the records without the attribute at the end.
    """
    groups = _failures(records["status"], _named(records[column], NOT_REPORTED))
    years = pd.to_numeric(groups["group"].str.extract(r"^(\d{1,3})\b", expand=False))
    order = pd.DataFrame({"last": groups["group"] == NOT_REPORTED, "years": years, "group": groups["group"]})
    return groups.loc[order.sort_values(["last", "years", "group"]).index].reset_index(drop=True)


def by_quality(records: pd.DataFrame) -> pd.DataFrame:
    """The same by the photo's quality: those of high, medium, low and "not measured" that occur, in this order."""
    groups = _failures(records["status"], _named(records["quality"], NOT_MEASURED)).set_index("group")
    order = (*(str(quality) for quality in Quality), NOT_MEASURED)
    return groups.loc[[quality for quality in order if quality in groups.index]].reset_index()


def with_age_groups(records: pd.DataFrame) -> pd.DataFrame:
    """The records with ``age`` by the decade in which the middle of the reported range lies: "18-29", "30-39", ...

    An engine reports a range of its own for each face ("25-35", "26-34"): by these, every group would be small.
    """
    # There are few ranges: each is read once, not once a record.
    ranges = pd.Series(records["age"].cat.categories, dtype="str")
    limits = ranges.str.extract(r"^(\d{1,3})-(\d{1,3})$").astype("float64")
    groups = pd.cut(limits.mean(axis="columns", skipna=False), **_AGE_GROUPS).array
    return records.assign(age=groups.take(records["age"].cat.codes, allow_fill=True))


def expiring(records: pd.DataFrame, now: datetime, days: int = 7) -> pd.DataFrame:
    """The records that expire after ``now``, but at most ``days`` later."""
    return records[(records["expiresAt"] > now) & (records["expiresAt"] <= now + timedelta(days=days))]


def compare(frames: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """One row an event, as given: columns event, records, passed, waiting, failed, unknown, success_rate,
    mean_attempts, mean_confidence, mean_similarity (both 0-100, of the records that have one).
    """
    rows = [
        {
            "event": event,
            "records": len(records),
            **{
                word: int((records["status"] == status).sum())
                for word, status in zip(("passed", "waiting", "failed", "unknown"), STATUSES, strict=True)
            },
            "success_rate": (records["status"] == Status.SUCCESS.value).mean(),
            "mean_attempts": records["attempts"].mean(),
            "mean_confidence": records["confidence"].mean(),
            "mean_similarity": records["similarity"].mean(),
        }
        for event, records in frames.items()
    ]
    return pd.DataFrame(rows, columns=_COMPARED)


def filtered(
    records: pd.DataFrame,
    *,
    statuses: Collection[str] = (),
    sources: Collection[str] = (),
    since: datetime | None = None,
    until: datetime | None = None,
    quality: Collection[str] = (),
    reason: str | None = None,
) -> pd.DataFrame:
    """The records that fit every filter; an empty one lets all through, and without any it is the same frame.

    ``since`` is within, ``until`` is not. ``NOT_MEASURED`` stands for no quality, ``NOT_REPORTED`` for no source.
    """
    fits = []
    if statuses:
        fits.append(records["status"].isin(statuses))
    if sources:
        fits.append(_named(records["source"], NOT_REPORTED).isin(sources))
    if since is not None:
        fits.append(records["timestamp"] >= since)
    if until is not None:
        fits.append(records["timestamp"] < until)
    if quality:
        fits.append(_named(records["quality"], NOT_MEASURED).isin(quality))
    if reason:
        fits.append((" " + records["reasons"] + " ").str.contains(f" {reason} ", regex=False))
    return records[np.logical_and.reduce(fits)] if fits else records


def status_counts(status: pd.Series, by: Any) -> pd.DataFrame:
    """Rows by ``by``, columns by status, in the order of ``STATUSES``."""
    return pd.DataFrame({name: status == name for name in STATUSES}).groupby(by, observed=True).sum()


def _failures(status: pd.Series, groups: pd.Series) -> pd.DataFrame:
    """How many of each group failed, row by row for the same records; see ``by_group``."""
    counts = status_counts(status, groups).rename_axis("group").reset_index()
    total = counts[list(STATUSES)].sum(axis="columns")
    return pd.DataFrame(
        {
            "group": counts["group"].astype("str"),
            "total": total,
            "failed": counts["failed"],
            "failure_rate": counts["failed"] / total,
            "small": total < SMALL_GROUP,
        }
    )


def _by_similarity(similarity: pd.Series, threshold: Any, review_from: float) -> pd.Series:
    """What the similarity alone says, by ``core.domain.policy.by_similarity``."""
    said = np.select(list(by_similarity(similarity, threshold, review_from)), [*STATUSES[:2]], default=STATUSES[2])
    return pd.Series(pd.Categorical(said, categories=STATUSES), index=similarity.index)


def _named(values: pd.Series, absent: str) -> pd.Series:
    """``values`` as text, with ``absent`` where there is none."""
    if values.dtype == "boolean":
        values = values.map({True: "yes", False: "no"})
    return values.astype("str").fillna(absent)
