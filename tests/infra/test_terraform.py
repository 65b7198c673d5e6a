"""Terraform declares the table that ``provision`` creates, a private bucket, and policies without wildcards."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from core.adapters.aws import table as definition
from core.adapters.aws.face_collections import FaceCollections
from core.flow.retry import Retry
from core.photos import keys
from core.settings import Settings
from tests.infra.settings import setting_names
from tests.infra.terraform import INFRA, ROLES, Body, conditional, declared, parsed, statements, unconditional

FILES = sorted(INFRA.glob("*.tf"))
#: Blocks of the table that are no part of ``CreateTable``.
SETTINGS_OF_THEIR_OWN = {"ttl", "point_in_time_recovery"}


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
    rest = dict(block)
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


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_parses(path: Path) -> None:
    assert parsed(path)


def test_the_provider_has_one_version() -> None:
    (terraform,) = parsed(INFRA / "versions.tf")["terraform"]
    (providers,) = terraform["required_providers"]
    assert providers["aws"]["version"].replace(".", "").isdigit()


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
    assert rule["apply_server_side_encryption_by_default"] == [{"sse_algorithm": "AES256"}]


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
    assert declared("output")["settings"]["value"].keys() <= set(setting_names())


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_do_what_is_named_and_nothing_else(role: str) -> None:
    for statement in statements(role):
        assert not [action for action in statement["actions"] if "*" in action]
        assert statement.keys() == {"sid", "actions", "resources"}


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


def test_the_collections_are_those_of_the_installations_table() -> None:
    (values,) = parsed(INFRA / "iam.tf")["locals"]
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
