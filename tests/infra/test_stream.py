"""The Lambda of the stream: what is packed and whether that is enough, what comes through its filters, its role."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from packaging.utils import canonicalize_name

from core.adapters.aws.table import JOURNAL
from core.settings import Settings
from tests.core.test_stream import GOOD, NAMELESS, SHAPES
from tests.infra.terraform import ALARMS, DATA, INFRA, STREAM, declared, parsed
from tests.infra.test_requirements import pinned
from tests.support.dynamodb import create_state_table, create_table, put_item, stored_item
from tests.support.records import a_foreign_item
from tests.support.servers import CREDENTIALS, REGION
from tests.support.streams import change, writes

ROOT = INFRA.parent
LAMBDA = INFRA / "lambda"
REQUIREMENTS = ROOT / "requirements-lambda.txt"
FILTERS: list[Mapping[str, Any]] = json.loads((STREAM / "filters.json").read_text())
ENTRY = {"userId": {"S": JOURNAL}, "registrationId": {"S": "a hash"}, "entry": {"S": "{}"}}
FUNCTION = declared("resource", "aws_lambda_function", folder=STREAM)["stream"]
MAPPING = declared("resource", "aws_lambda_event_source_mapping", folder=STREAM)["records"]

#: Loads the handler, and prints the packages that it has brought along.
LOADED = """
import sys
sys.path[:0] = sys.argv[1:]
import handler
names = {name.partition(".")[0] for name in sys.modules}
print(*(name for name in names if "site-packages" in str(getattr(sys.modules[name], "__file__", ""))))
"""
#: Follows a batch from standard input.
FOLLOWED = """
import json, sys
sys.path[:0] = sys.argv[1:]
import handler
print(json.dumps(handler.handle(json.load(sys.stdin), None)))
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, without the packages of others."""
    folder = tmp_path_factory.mktemp("lambda")
    (folder / "packages/bin").mkdir(parents=True)
    (folder / "packages/bin/tool").write_text("not for a Lambda")
    (folder / "packages/theirs.py").write_text("")
    for name in ("one.zip", "other.zip"):
        command = [sys.executable, str(LAMBDA / "package.py"), str(folder / "packages"), str(folder / name)]
        subprocess.run(command, check=True)
    return folder / "one.zip"


def test_the_same_content_makes_the_same_package(package: Path) -> None:
    assert package.read_bytes() == package.with_name("other.zip").read_bytes()


def test_the_handler_and_all_of_core_are_packed_and_no_tools(package: Path) -> None:
    with ZipFile(package) as packed:
        names = set(packed.namelist())
    core = {str(path.relative_to(ROOT)) for path in (ROOT / "core").rglob("*.py")}
    assert names == {"handler.py", "theirs.py", *core}


def test_the_handler_needs_no_package_that_is_not_packed(package: Path, environment: dict[str, str]) -> None:
    command = [sys.executable, "-c", LOADED, str(package)]
    loaded = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.split()
    packed = {canonicalize_name(name).replace("-", "_") for name in pinned(REQUIREMENTS)}
    by_other_names = {"dateutil": "python_dateutil", "dotenv": "python_dotenv"}
    # The server has these, and where they are, boto3 takes them along; it does without.
    needed = {by_other_names.get(name, name) for name in loaded} - {"brotli", "_brotli", "certifi", "_distutils_hack"}
    assert needed <= packed


def test_the_lambda_has_the_versions_that_the_server_has() -> None:
    assert pinned(REQUIREMENTS).items() <= pinned(ROOT / "requirements.txt").items()


@pytest.fixture
def environment(dynamodb: Any, dynamodb_url: str) -> dict[str, str]:
    """What the Lambda has of Terraform and of AWS."""
    values = {
        "DYNAMODB_FACE_VALIDATION_TABLE": create_table(dynamodb),
        "DYNAMODB_STATE_TABLE": create_state_table(dynamodb),
        "RECORD_TTL_DAYS": "30",
    }
    assert values.keys() == {*parsed(STREAM / "lambda.tf")["locals"][0]["settings"]}
    own = {"AWS_REGION": REGION, "AWS_ENDPOINT_URL_DYNAMODB": dynamodb_url, **CREDENTIALS}
    return {"PATH": os.environ["PATH"], **own, **values}


def test_the_package_brings_a_record_into_the_index(
    dynamodb: Any, environment: dict[str, str], package: Path, tmp_path: Path
) -> None:
    table = environment["DYNAMODB_FACE_VALIDATION_TABLE"]
    put_item(dynamodb, table, a_foreign_item())
    given = json.dumps(writes([stored_item(dynamodb, table)]))
    command = [sys.executable, "-c", FOLLOWED, str(package)]
    ended = subprocess.run(
        command, env=environment, cwd=tmp_path, input=given, capture_output=True, text=True, check=False
    )
    assert (ended.stderr, json.loads(ended.stdout)) == ("", {"batchItemFailures": []})
    assert stored_item(dynamodb, table)["eventId"] == {"S": "event-1"}


def test_terraform_runs_what_is_packed() -> None:
    assert FUNCTION["handler"] == "handler.handle"
    python = FUNCTION["runtime"].removeprefix("python")
    assert f"--python-version {python} " in (ROOT / "Makefile").read_text()
    assert "build/stream.zip" in (ROOT / "Makefile").read_text()
    assert declared("variable", folder=INFRA / "examples/complete")["stream_package"]["default"].endswith(
        "/build/stream.zip"
    )


# Filters


def passes(record: Mapping[str, Any]) -> bool:
    return any(_matches(pattern, record) for pattern in FILTERS)


def _matches(pattern: Any, value: Any) -> bool:
    """As Lambda matches: a list names what a leaf may be."""
    if isinstance(pattern, list):
        return any(_allows(rule, value) for rule in pattern)
    inner = value if isinstance(value, Mapping) else {}
    return all(_matches(part, inner.get(name)) for name, part in pattern.items())


def _allows(rule: Any, value: Any) -> bool:
    match rule:
        case {"anything-but": [*others]}:
            return value is not None and value not in others
        case {"exists": bool(exists)}:
            return (value is not None) is exists
        case str():
            return bool(value == rule)
    raise AssertionError(f"Lambda knows no such rule: {rule}")


def test_whatever_is_written_comes_through() -> None:
    key = {"userId": {"S": "user-1"}, "registrationId": {"S": "reg-1"}}
    assert all(passes(change({**key, "any": {"S": name}})) for name in SHAPES)
    assert passes(change(GOOD, NAMELESS))


@pytest.mark.parametrize("lacking", ["eventId", "timestamp"])
def test_of_what_is_deleted_that_comes_through_which_may_be_in_the_list(lacking: str) -> None:
    assert passes(change(None, {name: value for name, value in GOOD.items() if name != lacking}))
    assert passes(change(None, {**GOOD, lacking: {"N": "7"}}))
    assert not passes(change(None, GOOD))


@pytest.mark.parametrize("record", [change(ENTRY), change(ENTRY, ENTRY), change(None, ENTRY)])
def test_the_journal_of_erasures_stays_outside(record: Mapping[str, Any]) -> None:
    assert not passes(record)


def test_a_table_s_stream_has_what_the_filters_look_at() -> None:
    table = declared("resource", "aws_dynamodb_table", folder=DATA)["records"]
    assert (table["stream_enabled"], table["stream_view_type"]) == (True, "NEW_AND_OLD_IMAGES")


# Faults, and the role


def test_what_fails_is_singled_out_tried_again_and_told_of() -> None:
    assert MAPPING["function_response_types"] == ["ReportBatchItemFailures"]
    assert MAPPING["bisect_batch_on_function_error"] is True
    # The stream keeps a day.
    assert 0 < MAPPING["maximum_record_age_in_seconds"] < 86_400
    (told,) = MAPPING["destination_config"]
    assert told["on_failure"][0]["destination_arn"] == "${aws_sqs_queue.failures.arn}"


def test_a_batch_has_more_time_than_a_record_takes_at_the_most() -> None:
    from core.runtime.maintenance import STREAM_SECONDS

    assert FUNCTION["timeout"] > 2 * STREAM_SECONDS


def test_the_lambda_s_log_does_not_stay_for_ever_and_is_the_one_that_is_counted() -> None:
    group = declared("resource", "aws_cloudwatch_log_group", folder=STREAM)["stream"]
    assert "retention_in_days" in group
    counted = declared("resource", "aws_cloudwatch_log_metric_filter", folder=STREAM)["unmapped"]
    said = re.search(r'"a record [a-z ]+', (ROOT / "core/adapters/aws/stream.py").read_text())
    assert said
    assert counted["pattern"].replace("\\", "").strip('"') == said[0].strip('"')


def test_the_lambdas_role_has_the_policy_that_is_held_to_the_code_and_what_lambda_itself_needs() -> None:
    attached = declared("resource", "aws_iam_role_policy_attachment", folder=STREAM)
    assert [each["policy_arn"] for each in attached.values()] == ["${var.policy_arn}"]
    used = declared("module", folder=INFRA / "examples/complete")["stream"]
    assert used["policy_arn"] == "${module.data.policies.stream}"
    statements = declared("data", "aws_iam_policy_document", folder=STREAM)["follow"]["statement"]
    assert [each["actions"] for each in statements if each["resources"] == ["*"]] == [["dynamodb:ListStreams"]]
    assert not [action for each in statements for action in each["actions"] if "*" in action]


def test_the_servers_are_told_that_the_stream_is_followed_where_it_is() -> None:
    given = declared("module", folder=INFRA / "examples/complete")["service"]["data_settings"]
    assert given == "${merge(module.data.settings, module.stream.settings)}"
    assert declared("output", folder=STREAM)["settings"]["value"] == {"EVENT_INDEX_STREAM": "true"}
    assert Settings(**{"EVENT_INDEX_STREAM": "true"}, _env_file=None).event_index_stream


def test_the_alarms_of_the_stream_are_there_only_with_it() -> None:
    assert declared("variable", folder=ALARMS)["stream"]["default"] is None
