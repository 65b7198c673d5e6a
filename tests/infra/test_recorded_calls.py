"""The record of calls: what counts, and how a run ends that calls what no policy allows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.adapters.aws.photos import S3Photos
from core.flow.retry import Retry
from tests.support.calls import ROOT, Call, allowed_to_code, differences
from tests.support.s3 import Bucket

DELETE = Call("dashboard", "dynamodb:DeleteTable", "table")


def test_a_call_of_production_code_counts(aws_calls: set[Call], s3_bucket: Bucket) -> None:
    S3Photos(s3_bucket.client, s3_bucket.name, Retry(deadline=8, call_timeout=4)).exists("face-images/a.jpg")
    assert aws_calls == {Call("dashboard", "s3:ListBucket", "bucket")}


def test_a_call_of_a_test_does_not_count(aws_calls: set[Call], s3_bucket: Bucket) -> None:
    s3_bucket.keys()
    assert not aws_calls


def test_a_call_that_no_policy_allows_is_named() -> None:
    assert differences({DELETE}, set(), complete=False) == [
        "not allowed by infra/modules/data/iam.tf: dashboard: dynamodb:DeleteTable on table"
    ]


def test_a_permission_that_nothing_used_is_named_once_all_is_known() -> None:
    assert differences(set(), {DELETE}, complete=True) == [
        "allowed by infra/modules/data/iam.tf, never called: dashboard: dynamodb:DeleteTable on table"
    ]


def run(folder: Path, calls: set[Call], *arguments: str) -> subprocess.CompletedProcess[str]:
    """A run of pytest of its own, in which production makes ``calls``."""
    (folder / "pytest.ini").write_text("[pytest]\ntestpaths = .\n")
    made = [tuple(call) for call in calls]
    (folder / "test_it.py").write_text(
        "from tests.support.calls import Call\n"
        f"def test_it(aws_calls): aws_calls.update(Call(*call) for call in {made})\n"
    )
    command = [sys.executable, "-m", "pytest", "-p", "tests.support.calls", *arguments]
    # Without the plugins that happen to be installed: they take longer than the run.
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("arguments", [(), ("-p", "xdist", "-n", "1")], ids=["one process", "a worker"])
def test_a_run_with_a_call_that_is_not_allowed_fails_and_names_it(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    ended = run(tmp_path, {DELETE}, *arguments)
    assert (ended.returncode, str(DELETE) in ended.stdout) == (1, True)


def test_a_whole_run_that_leaves_a_permission_unused_fails(tmp_path: Path) -> None:
    unused, *used = allowed_to_code()
    ended = run(tmp_path, set(used))
    assert (ended.returncode, str(unused) in ended.stdout) == (1, True)


def test_a_whole_run_that_makes_every_allowed_call_passes(tmp_path: Path) -> None:
    assert run(tmp_path, allowed_to_code()).returncode == 0


def test_a_run_of_a_few_tests_may_leave_permissions_unused(tmp_path: Path) -> None:
    assert run(tmp_path, {min(allowed_to_code())}, "test_it.py").returncode == 0
