"""What the machine holds and the process did, in figures."""

from __future__ import annotations

import os
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from core.domain.clock import utc_now
from core.domain.errors import Unavailable
from core.domain.records import Source
from core.runtime import usage
from core.runtime.bootstrap import build
from core.runtime.operation_log import Operation
from core.runtime.operation_metrics import OperationMetrics
from core.services.validation import Submitter
from core.settings import Settings
from tests.support.desk import Desk

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
ANYBODY = Submitter(Source.API)


def journal(*done: tuple[str, float, float], failed: bool = False) -> OperationMetrics:
    """A journal of operations: name, minutes after noon, milliseconds."""
    made = OperationMetrics()
    for name, minutes, milliseconds in done:
        made.add(Operation(name, "photos", NOON + timedelta(minutes=minutes), milliseconds, failed=failed))
    return made


# Disk


def test_the_database_and_the_photos_are_where_the_services_keep_them(tmp_path: Path) -> None:
    services = build(Settings(_env_file=None, data_dir=tmp_path))
    services.photos.put("face-images/one.jpg", b"12345")
    found = usage.disk_use(tmp_path)
    services.close()
    assert (found.photos, found.photo_bytes, found.database_bytes > 0) == (1, 5, True)


def test_photos_are_counted_in_all_folders(desk: Desk, tmp_path: Path) -> None:
    before = usage.disk_use(tmp_path)
    desk.photos.put("a/b/c.jpg", b"1234")
    desk.photos.put("a/.hidden.jpg", b"12")
    after = usage.disk_use(tmp_path)
    assert (after.photos - before.photos, after.photo_bytes - before.photo_bytes) == (2, 6)


def test_links_in_the_photo_folder_are_not_followed(desk: Desk, tmp_path: Path) -> None:
    before = usage.disk_use(tmp_path).photos
    (desk.photo_folder / "loop").symlink_to(desk.photo_folder)
    assert usage.disk_use(tmp_path).photos == before


def test_a_photo_that_moves_while_it_is_looked_at_does_no_harm(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.photos.put("moving/one.jpg", b"12345")
    scandir = os.scandir

    def listing(folder: Path) -> Any:
        entries = list(scandir(folder))
        if folder.name == "moving":
            (folder / "one.jpg").unlink()
        return nullcontext(entries)

    before = len(desk.stored_files)
    monkeypatch.setattr(usage.os, "scandir", listing)
    assert usage.disk_use(tmp_path).photos == before - 1


def test_free_space_is_what_the_file_system_says(desk: Desk, tmp_path: Path) -> None:
    assert usage.disk_use(tmp_path).free_bytes > 0


def test_a_data_folder_that_is_gone_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="data folder"):
        usage.disk_use(tmp_path / "nothing")


# Counts


def test_records_and_registrations_are_counted(desk: Desk, tmp_path: Path, astronaut_jpeg: bytes) -> None:
    desk.validation.validate_upload("reg-1", astronaut_jpeg, "a1", ANYBODY)
    desk.validation.validate_upload("reg-1", astronaut_jpeg, "a2", ANYBODY)
    assert usage.counts(tmp_path, utc_now()) == usage.RowCounts(records=1, registrations=2)


def test_expired_records_are_not_counted(desk: Desk, tmp_path: Path, astronaut_jpeg: bytes) -> None:
    desk.validation.validate_upload("reg-1", astronaut_jpeg, "a1", ANYBODY)
    assert usage.counts(tmp_path, utc_now() + timedelta(days=31)).records == 0


def test_counting_makes_no_database_where_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        usage.counts(tmp_path, utc_now())
    assert not list(tmp_path.iterdir())


# The journal


def test_operations_are_summed_the_most_frequent_first() -> None:
    done = journal(("photos.get", 0, 1), ("photos.put", 0, 2), ("photos.put", 5, 4)).by_minute(NOON)
    summed = usage.by_operation(done)
    assert list(summed[["operation", "count", "mean_ms", "max_ms"]].itertuples(index=False, name=None)) == [
        ("photos.put", 2, 3.0, 4.0),
        ("photos.get", 1, 1.0, 1.0),
    ]


def test_a_mean_over_minutes_weighs_each_operation_the_same() -> None:
    done = journal(("photos.get", 0, 10), ("photos.get", 0, 10), ("photos.get", 1, 40)).by_minute(NOON)
    assert usage.by_operation(done)["mean_ms"][0] == 20.0


def test_failures_are_summed() -> None:
    done = journal(("photos.get", 0, 1), ("photos.get", 1, 1), failed=True).by_minute(NOON)
    assert usage.by_operation(done)["failed"][0] == 2


def test_minutes_are_gathered_into_periods() -> None:
    done = journal(("photos.get", 0, 1), ("photos.put", 4, 3), ("photos.get", 5, 1)).by_minute(NOON)
    found = usage.by_time(done, NOON, NOON + timedelta(minutes=14), timedelta(minutes=5))
    assert list(found["count"]) == [2, 1, 0]


def test_periods_without_operations_have_no_milliseconds() -> None:
    done = journal(("photos.get", 5, 1)).by_minute(NOON)
    found = usage.by_time(done, NOON, NOON + timedelta(minutes=9), timedelta(minutes=5))
    assert found["max_ms"].isna().tolist() == [True, False]


def test_periods_begin_in_utc() -> None:
    found = usage.by_time(
        journal().by_minute(NOON),
        NOON.astimezone(datetime.fromisoformat("2026-01-01T00:00+05:30").tzinfo),
        NOON + timedelta(minutes=1),
        timedelta(minutes=1),
    )
    assert list(found["time"]) == [pd.Timestamp(NOON), pd.Timestamp(NOON) + pd.Timedelta(minutes=1)]


def test_milliseconds_stand_side_by_side_by_operation() -> None:
    done = journal(("photos.get", 0, 1), ("photos.get", 0, 3), ("photos.put", 1, 5)).by_minute(NOON)
    mean, slowest = usage.milliseconds(
        done, ["photos.get", "photos.put"], NOON, NOON + timedelta(minutes=1), timedelta(minutes=1)
    )
    assert (mean["photos.get"][0], slowest["photos.get"][0], mean["photos.put"][1]) == (2.0, 3.0, 5.0)


def test_a_process_that_did_nothing_has_no_rows() -> None:
    assert usage.by_operation(journal().by_minute(NOON)).empty
