"""What the code asks of AWS while the tests run, held against the policies of ``infra/modules/data/iam.tf``.

A call counts where the nearest of our modules on the stack is one of ``core``: the tests' own hands prepare and look,
and need other permissions. Child processes are not seen. At the end a call that no policy allows fails the run; after
the whole suite, so does a permission that nothing made use of.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache, wraps
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import pytest
from botocore.client import BaseClient

ROOT = Path(__file__).parents[2]
#: Modules that only another role than the dashboard's runs. Both roles may call others of ``core``.
_ROLES = {
    str(ROOT / "core/adapters/aws" / name): role
    for name, role in (
        ("provision.py", "provisioner"),
        ("sharding.py", "provisioner"),
        ("stream.py", "stream"),
        ("table_pass.py", "provisioner"),
    )
}
#: Operations whose permission has another name. All others are named after theirs.
_ACTIONS = {
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:ListObjectVersions": "s3:ListBucketVersions",
    # It reads the photo, too, which needs s3:GetObject: the role has that for all photos.
    "s3:CopyObject": "s3:PutObject",
    # Ours are never without a version.
    "s3:DeleteObject": "s3:DeleteObjectVersion",
}


class Call(NamedTuple):
    """``role`` calls for ``action``, in IAM's spelling, on a resource of the kind that IAM tells apart."""

    role: str
    action: str
    resource: str

    def __str__(self) -> str:
        return f"{self.role}: {self.action} on {self.resource}"


class Recorder:
    """Collects calls from when it is installed until the process ends."""

    def __init__(self) -> None:
        self.calls: set[Call] = set()

    def install(self) -> None:
        make_api_call: Callable[..., Any] = BaseClient._make_api_call

        @wraps(make_api_call)
        def recorded(client: Any, operation: str, parameters: Mapping[str, Any]) -> Any:
            if role := _role(sys._getframe(1)):
                name = f"{client.meta.service_model.service_name}:{operation}"
                self.calls.add(Call(role, _ACTIONS.get(name, name), _resource(name, parameters)))
            return make_api_call(client, operation, parameters)

        BaseClient._make_api_call = recorded


def differences(calls: set[Call], allowed: set[Call], *, complete: bool) -> list[str]:
    """A line for each call that is not allowed and, if ``calls`` are ``complete``, each permission without a call."""
    unlisted = [f"not allowed by infra/modules/data/iam.tf: {call}" for call in sorted(calls - allowed)]
    unused = [f"allowed by infra/modules/data/iam.tf, never called: {call}" for call in sorted(allowed - calls)]
    return unlisted + (unused if complete else [])


def allowed_to_code() -> set[Call]:
    """The permissions of the roles that our code runs as; the analyst is a person."""
    # Only at the end: most runs of a few tests have no need of the parser.
    from tests.infra.terraform import granted

    return granted("dashboard").union(*map(granted, set(_ROLES.values())))


@cache
def _owner(file: str) -> str | None:
    """Whose code a file holds: a role's, the ``tests``', or nobody's (None)."""
    if role := _ROLES.get(file):
        return role
    # The two that every adapter calls through tell nothing.
    if file in (str(ROOT / "core/adapters/aws/clients.py"), str(ROOT / "core/flow/retry.py")):
        return None
    return {"core": "dashboard", "tests": "tests"}.get(file.removeprefix(f"{ROOT}/").partition("/")[0])


def _role(frame: FrameType | None) -> str | None:
    """The role that code of ours runs as; None for the tests.

    It is another than the dashboard's if one of its modules has called the others, with no code of the tests in
    between.
    """
    owners = []
    while frame and "tests" not in owners:
        if owner := _owner(frame.f_code.co_filename):
            owners.append(owner)
        frame = frame.f_back
    if owners[:1] == ["tests"]:
        return None
    # "dashboard" also for a thread that runs nothing of ours but a client's method: not to be overlooked.
    return next((owner for owner in owners if owner in _ROLES.values()), "dashboard")


def _resource(name: str, parameters: Mapping[str, Any]) -> str:
    match name.partition(":")[0]:
        case "dynamodb":
            if "IndexName" in parameters:
                return "index"
            # Tests name the other tables so.
            return next((f"{name} table" for name in ("audit", "state") if name in parameters["TableName"]), "table")
        case "s3":
            return "object" if "Key" in parameters else "bucket"
        case "rekognition" if name != "rekognition:CreateCollection" and "CollectionId" in parameters:
            return "collection"
        case _:
            return "anything"


_RECORDER = pytest.StashKey[Recorder]()
_DIFFERENCES = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_RECORDER] = Recorder()
    config.stash[_RECORDER].install()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A worker of xdist has ended: its calls are the run's."""
    calls = getattr(node, "workeroutput", {}).get("aws_calls", ())
    node.config.stash[_RECORDER].calls |= {Call(*call) for call in calls}


def pytest_sessionfinish(session: pytest.Session) -> None:
    config, calls = session.config, session.config.stash[_RECORDER].calls
    if hasattr(config, "workeroutput"):
        config.workeroutput["aws_calls"] = [list(call) for call in calls]
        return
    whole = _was_whole(session)
    if not (calls or whole):
        return
    config.stash[_DIFFERENCES] = found = differences(calls, allowed_to_code(), complete=whole)
    if found and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if found := config.stash.get(_DIFFERENCES, []):
        terminalreporter.section("AWS calls and policies", red=True)
        for line in found:
            terminalreporter.line(line)


def _was_whole(session: pytest.Session) -> bool:
    """Whether all tests ran, but the long ones of faults, and passed."""
    option = session.config.option
    chosen = option.keyword or option.deselect or option.lf or option.collectonly
    return (
        session.config.args_source is pytest.Config.ArgsSource.TESTPATHS
        and option.markexpr in ("", "not faults")
        and not chosen
        and session.exitstatus == pytest.ExitCode.OK
    )


@pytest.fixture
def aws_calls(pytestconfig: pytest.Config) -> Iterator[set[Call]]:
    """The calls that are made while the test runs."""
    recorder = pytestconfig.stash[_RECORDER]
    before, recorder.calls = recorder.calls, set()
    yield recorder.calls
    recorder.calls |= before
