"""Terraform declares the table that ``provision`` creates, a private bucket, and policies without wildcards."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from core.adapters.aws import table as definition
from core.adapters.aws.face_collections import FaceCollections
from core.domain import errors
from core.flow.retry import Retry
from core.photos import keys
from core.settings import Settings
from dashboard.api.endpoints import ENDPOINTS
from dashboard.server import PING_SECONDS
from tests.infra.settings import setting_names
from tests.infra.terraform import (
    ALARMS,
    DATA,
    FOLDERS,
    INFRA,
    ROLES,
    SERVICE,
    STREAM,
    Body,
    conditional,
    declared,
    parsed,
    statements,
    unconditional,
)

FILES = sorted(INFRA.rglob("*.tf"))
#: Blocks of the table that are no part of ``CreateTable``, and those that a variable asks for.
SETTINGS_OF_THEIR_OWN = {"ttl", "point_in_time_recovery", "dynamic", "stream_enabled", "stream_view_type"}


def table(name: str = "records") -> Body:
    return declared("resource", "aws_dynamodb_table")[name]


def of_bucket(kind: str) -> Body:
    (body,) = declared("resource", f"aws_s3_bucket_{kind}").values()
    return body


def create_table(body: Body) -> dict[str, Any]:
    """The request that Terraform's table amounts to. Fails on anything that it does not know."""
    rest = {name: value for name, value in body.items() if name not in SETTINGS_OF_THEIR_OWN}
    request = {
        "TableName": rest.pop("name"),
        "BillingMode": rest.pop("billing_mode"),
        "AttributeDefinitions": [
            {"AttributeName": attribute.pop("name"), "AttributeType": attribute.pop("type")}
            for attribute in map(dict, rest.pop("attribute"))
        ],
        "KeySchema": definition.key_schema(rest.pop("hash_key"), rest.pop("range_key")),
        "DeletionProtectionEnabled": rest.pop("deletion_protection_enabled"),
    }
    if indexes := rest.pop("global_secondary_index", ()):
        request["GlobalSecondaryIndexes"] = [index(block) for block in indexes]
    assert not rest
    return request


def index(block: Body) -> dict[str, Any]:
    rest = {name: value for name, value in block.items() if name != "dynamic"}
    request = {
        "IndexName": rest.pop("name"),
        "KeySchema": definition.key_schema(rest.pop("hash_key"), rest.pop("range_key")),
        "Projection": {
            "ProjectionType": rest.pop("projection_type"),
            "NonKeyAttributes": rest.pop("non_key_attributes"),
        },
    }
    assert not rest
    return request


def without_order(value: Any) -> Any:
    """Attributes and projections are sets; the order of a key is that of its types."""
    if isinstance(value, Mapping):
        return {name: without_order(inner) for name, inner in value.items()}
    return sorted(map(without_order, value), key=str) if isinstance(value, list) else value


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(INFRA)))
def test_a_file_parses(path: Path) -> None:
    assert parsed(path)


def test_whatever_is_applied_has_the_same_one_version_of_the_provider() -> None:
    applied = [path for path in FILES if "modules" not in path.parts and "terraform" in parsed(path)]
    (version,) = {parsed(path)["terraform"][0]["required_providers"][0]["aws"]["version"] for path in applied}
    assert {path.parent for path in applied} == {folder for folder in FOLDERS if "modules" not in folder.parts}
    assert version.replace(".", "").isdigit()


def test_the_table_is_the_one_that_provision_makes() -> None:
    assert without_order(create_table(table())) == without_order(definition.create_table("${var.table_name}"))


def test_the_audit_table_is_the_one_that_provision_makes() -> None:
    made = create_table(table("audit"))
    assert without_order(made) == without_order(definition.create_audit_table("${var.audit_table_name}"))


def test_the_state_table_is_the_one_that_provision_makes() -> None:
    made = create_table(table("state"))
    assert without_order(made) == without_order(definition.create_state_table("${var.state_table_name}"))


def test_audit_entries_do_not_go_by_themselves() -> None:
    assert "ttl" not in table("audit")


def test_no_policy_lets_anybody_change_an_audit_entry_or_take_it_away() -> None:
    on_trail = {
        action
        for role in ROLES
        for each in statements(role)
        for action in each["actions"]
        if "${aws_dynamodb_table.audit.arn}" in each["resources"]
    }
    assert not on_trail & {
        "dynamodb:UpdateItem",
        "dynamodb:DeleteItem",
        "dynamodb:BatchWriteItem",
        "dynamodb:DeleteTable",
    }


@pytest.mark.parametrize("name", ["audit_table", "state_table"])
def test_a_table_is_named_as_the_setting_names_it_where_nobody_says_otherwise(name: str) -> None:
    assert declared("variable")[f"{name}_name"]["default"] == Settings.model_fields[name].default


@pytest.mark.parametrize("name", ["records", "state"])
def test_what_expires_goes_by_itself(name: str) -> None:
    assert table(name)["ttl"] == [{"attribute_name": definition.TTL_ATTRIBUTE, "enabled": True}]


@pytest.mark.parametrize("name", ["records", "audit", "state"])
def test_a_table_can_be_restored_to_any_moment(name: str) -> None:
    assert table(name)["point_in_time_recovery"] == [{"enabled": True}]


@pytest.mark.parametrize(
    "way", ["block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets"]
)
def test_no_way_makes_the_bucket_public(way: str) -> None:
    assert of_bucket("public_access_block")[way] is True


def test_photos_are_encrypted() -> None:
    (rule,) = of_bucket("server_side_encryption_configuration")["rule"]
    (encryption,) = rule["apply_server_side_encryption_by_default"]
    assert encryption["sse_algorithm"] == '${var.customer_key ? "aws:kms" : "AES256"}'


@pytest.mark.parametrize("name", ["records", "audit", "state"])
def test_a_table_has_the_accounts_key_where_there_is_one(name: str) -> None:
    (encryption,) = [block for block in table(name)["dynamic"] if "server_side_encryption" in block]
    assert encryption["server_side_encryption"]["for_each"] == "${aws_kms_key.data}"


def test_the_accounts_key_is_used_through_aws_alone_and_is_rotated() -> None:
    (through,) = [each for each in statements("key") if each["sid"] == "ThroughServicesAlone"]
    assert [condition["variable"] for condition in through["condition"]] == ["kms:CallerAccount", "kms:ViaService"]
    assert declared("resource", "aws_kms_key")["data"]["enable_key_rotation"] is True


@pytest.mark.parametrize("name", ["customer_key", "max_read_units", "max_write_units", "backup_days"])
def test_what_costs_more_is_there_only_where_somebody_asks_for_it(name: str) -> None:
    assert not declared("variable")[name]["default"]


def test_whoever_uploads_the_buckets_owner_owns() -> None:
    assert of_bucket("ownership_controls")["rule"] == [{"object_ownership": "BucketOwnerEnforced"}]


def test_the_bucket_refuses_whoever_comes_without_tls() -> None:
    (statement,) = statements("tls_only")
    assert (statement["effect"], statement["actions"], statement["condition"]) == (
        "Deny",
        ["s3:*"],
        [{"test": "Bool", "variable": "aws:SecureTransport", "values": ["false"]}],
    )


def test_submitted_photos_and_no_others_expire_with_their_records() -> None:
    expiring = [
        (rule["filter"][0]["prefix"], rule["expiration"][0]["days"])
        for rule in of_bucket("lifecycle_configuration")["rule"]
        if "expiration" in rule
    ]
    assert expiring == [("face-images/", "${var.record_ttl_days}")]


def test_submitted_photos_lie_where_they_expire_and_may_be_written() -> None:
    key = keys.key_of("reg-1", "attempt-1", b"a photo")
    (statement,) = [each for each in statements("dashboard") if "s3:PutObject" in each["actions"]]
    assert key.startswith("face-images/")
    assert statement["resources"] == ["${aws_s3_bucket.photos.arn}/face-images/*"]


def test_a_record_is_kept_as_long_as_the_setting_says_where_nobody_says_otherwise() -> None:
    assert declared("variable")["record_ttl_days"]["default"] == Settings.model_fields["record_ttl_days"].default


def test_every_setting_that_terraform_gives_exists() -> None:
    given = {*declared("output")["settings"]["value"]}
    (values, *_) = parsed(SERVICE / "service.tf")["locals"]
    given |= {*re.findall(r"\b([A-Z][A-Z_]{3,})\b\s*=(?!=)", values["environment"])}
    given |= {*parsed(SERVICE / "secrets.tf")["locals"][0]["secret_settings"]}
    given |= {*declared("module", folder=INFRA / "examples/minimal")["service"]["settings"]}
    given |= {*declared("output", folder=STREAM)["settings"]["value"]}
    ours = {name for name in given if not name.startswith("STREAMLIT_")} - {"FORWARDED_ALLOW_IPS"}
    assert len(ours) > 10
    assert ours <= set(setting_names())


def test_every_setting_that_is_a_secret_comes_from_the_secret() -> None:
    secret = {name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)}
    aliases = {str(Settings.model_fields[name].validation_alias) for name in secret}
    assert aliases == {*parsed(SERVICE / "secrets.tf")["locals"][0]["secret_settings"]}


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_do_what_is_named_and_nothing_else(role: str) -> None:
    for statement in statements(role):
        assert not [action for action in statement["actions"] if "*" in action]
        assert statement.keys() - {"condition"} == {"sid", "actions", "resources"}


@pytest.mark.parametrize("role", ROLES)
def test_only_calls_without_a_resource_of_their_own_are_allowed_on_anything(role: str) -> None:
    open_to_all = {a for each in statements(role) if "*" in each["resources"] for a in each["actions"]}
    assert {action.partition(":")[0] for action in open_to_all} <= {"rekognition", "cloudwatch"}


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_use_collections_of_faces_only_where_searches_for_duplicates_are_wanted(role: str) -> None:
    always = {action for each in unconditional(role) for action in each["actions"]}
    assert {action for action in always if action.startswith("rekognition:")} <= {
        "rekognition:CompareFaces",
        "rekognition:DetectFaces",
    }
    assert {condition for condition, _ in conditional(role)} <= {"${var.find_duplicates ? [true] : []}"}
    assert declared("variable")["find_duplicates"]["default"] is False


def test_the_server_puts_nothing_beside_records_but_its_journal() -> None:
    putting = [
        each
        for each in statements("dashboard")
        if "dynamodb:PutItem" in each["actions"] and "${aws_dynamodb_table.records.arn}" in each["resources"]
    ]
    (journal,) = [each["condition"] for each in putting]
    assert journal == [
        {"test": "ForAllValues:StringEquals", "variable": "dynamodb:LeadingKeys", "values": [definition.JOURNAL]}
    ]


def test_the_collections_are_those_of_the_installations_table() -> None:
    (values,) = parsed(DATA / "iam.tf")["locals"]
    of_event = FaceCollections(None, "${var.table_name}", Retry(8, 4), 5).name_of("event-1")
    assert fnmatchcase(of_event, values["collections"].rpartition(":collection/")[2])


def test_an_analyst_changes_nothing_and_sees_no_face() -> None:
    actions = {action for statement in statements("analyst") for action in statement["actions"]}
    read = (
        "dynamodb:Describe",
        "dynamodb:Get",
        "dynamodb:Query",
        "dynamodb:Scan",
        "cloudwatch:Get",
        "cloudwatch:List",
    )
    assert not [action for action in actions if not action.startswith(read)]


@pytest.mark.parametrize("role", ROLES)
def test_a_role_has_its_policy_and_an_output_for_it(role: str) -> None:
    policy = declared("resource", "aws_iam_policy")[role]["policy"]
    assert policy == f"${{data.aws_iam_policy_document.{role}.json}}"
    assert declared("output")["policies"]["value"][role] == f"${{aws_iam_policy.{role}.arn}}"


def test_installations_from_before_there_were_modules_keep_what_they_have() -> None:
    moved = [(block["from"], block["to"]) for block in parsed(INFRA / "main.tf")["moved"]]
    before = [
        f"{kind}.{name}"
        for file in ("dynamodb.tf", "iam.tf", "s3.tf")
        for block in parsed(DATA / file).get("resource", ())
        for kind, resources in block.items()
        for name in resources
    ]
    assert moved == [(f"${{{name}}}", f"${{module.data.{name}}}") for name in before]


def test_the_root_has_every_variable_of_the_data() -> None:
    assert (INFRA / "variables.tf").read_text() == (DATA / "variables.tf").read_text()


def test_files_are_formatted() -> None:
    if (terraform := shutil.which("terraform")) is None:
        pytest.skip("there is no terraform on the PATH")
    asked = [terraform, "fmt", "-check", "-recursive", str(INFRA)]
    assert subprocess.run(asked, capture_output=True, text=True, check=False).stdout == ""


def test_the_probe_of_the_load_balancer_and_of_the_container_are_those_of_the_image() -> None:
    (probe,) = declared("resource", "aws_lb_target_group", folder=SERVICE)["servers"]["health_check"]
    definition = declared("resource", "aws_ecs_task_definition", folder=SERVICE)["server"]["container_definitions"]
    image = (INFRA.parent / "Dockerfile").read_text()
    assert any(endpoint.path == probe["path"] for endpoint in ENDPOINTS)
    assert 'CMD ["python", "-m", "dashboard.probe"]' in image
    assert '["CMD", "python", "-m", "dashboard.probe"]' in definition


def test_a_server_on_aws_is_bound_as_the_image_is() -> None:
    definition = declared("resource", "aws_ecs_task_definition", folder=SERVICE)["server"]["container_definitions"]
    assert re.search(r"readonlyRootFilesystem\s*=\s*true", definition)
    assert re.search(r'user\s*=\s*"10001:10001"', definition)


def test_a_browser_keeps_its_server_and_a_websocket_outlives_its_pings() -> None:
    (stickiness,) = declared("resource", "aws_lb_target_group", folder=SERVICE)["servers"]["stickiness"]
    assert stickiness["type"] == "lb_cookie"
    assert declared("resource", "aws_lb", folder=SERVICE)["this"]["idle_timeout"] > 2 * PING_SECONDS


def test_the_servers_role_has_the_policy_that_is_held_to_the_code_and_no_other() -> None:
    attached = declared("resource", "aws_iam_role_policy_attachment", folder=SERVICE)
    assert [each["policy_arn"] for each in attached.values()] == ["${var.task_policy_arn}"]
    used = {name: declared("module", folder=INFRA / "examples" / name)["service"] for name in ("minimal", "complete")}
    assert {each["task_policy_arn"] for each in used.values()} == {"${module.data.policies.dashboard}"}


def test_only_the_load_balancer_reaches_a_server() -> None:
    rules = declared("resource", "aws_vpc_security_group_ingress_rule", folder=SERVICE)
    into = [rule for rule in rules.values() if rule["security_group_id"] == "${aws_security_group.servers.id}"]
    assert [rule.get("referenced_security_group_id") for rule in into] == ["${aws_security_group.balancer.id}"]


def test_the_log_does_not_stay_for_ever() -> None:
    assert "retention_in_days" in declared("resource", "aws_cloudwatch_log_group", folder=SERVICE)["operations"]


def alarm_names() -> list[str]:
    """The alarms of one table stand for those of each."""
    text = (ALARMS / "alarms.tf").read_text()
    return re.findall(r"(?m)^    ([a-z-]+) = {$", text) + re.findall(r'"([a-z-]+)-\$\{table\}" =>', text)


@pytest.mark.parametrize("name", alarm_names())
def test_the_documentation_says_what_to_do_when_an_alarm_rings(name: str) -> None:
    assert f"\n| `{name}`" in (INFRA.parent / "docs/operations.md").read_text()


def test_an_alarm_counts_failures_by_the_names_of_their_classes() -> None:
    pattern = parsed(ALARMS / "log.tf")["locals"][0]["lines"]["Failures"]
    named = set(re.findall(r'\$\.outcome = "(\w+)"', pattern))
    assert named == {"Unavailable", "Throttled", "Refused", "NotConfigured"}
    assert all(issubclass(getattr(errors, name), errors.ServiceError) for name in named)
