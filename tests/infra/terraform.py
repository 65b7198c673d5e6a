"""What the Terraform files of ``infra/`` declare, read by a parser."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import hcl2
from hcl2 import SerializationOptions

from tests.support.calls import Call

INFRA = Path(__file__).parents[2] / "infra"
#: What has the tables, the bucket and the policies.
DATA = INFRA / "modules/data"
SERVICE = INFRA / "modules/service"
ALARMS = INFRA / "modules/alarms"
STREAM = INFRA / "modules/stream"
#: Each is applied, or used as a module, as a whole.
FOLDERS = sorted({path.parent for path in INFRA.rglob("*.tf")})
#: Policies for a role, by the name of their document.
ROLES = ("dashboard", "provisioner", "analyst", "stream")

Body = Mapping[str, Any]

_READING = SerializationOptions(with_comments=False, explicit_blocks=False, strip_string_quotes=True)
#: How a resource of a policy begins -> what it is; the longest that fits counts.
_KINDS = {
    "*": "anything",
    "${aws_dynamodb_table.records.arn}": "table",
    "${aws_dynamodb_table.records.arn}/index/": "index",
    "${aws_dynamodb_table.audit.arn}": "audit table",
    "${aws_dynamodb_table.state.arn}": "state table",
    "${aws_s3_bucket.photos.arn}": "bucket",
    "${aws_s3_bucket.photos.arn}/": "object",
    "${local.collections}": "collection",
}


@cache
def parsed(path: Path) -> Body:
    body: Body = hcl2.loads(path.read_text(), serialization_options=_READING)
    return body


def declared(kind: str, *labels: str, folder: Path = DATA) -> dict[str, Body]:
    """The blocks of a kind (``variable``; ``resource``, ``aws_s3_bucket``) by name, a block within in a list."""
    found: dict[str, Body] = {}
    for path in sorted(folder.glob("*.tf")):
        for block in parsed(path).get(kind, ()):
            for label in labels:
                block = block.get(label, {})
            found |= block
    return found


def statements(document: str) -> list[Body]:
    """The statements of a policy document, with those that a variable adds."""
    return unconditional(document) + [content for _, content in conditional(document)]


def unconditional(document: str) -> list[Body]:
    """The statements that a policy document always has."""
    found: list[Body] = declared("data", "aws_iam_policy_document")[document]["statement"]
    return found


def conditional(document: str) -> list[tuple[str, Body]]:
    """The other statements of a policy document, each with the expression on which it depends."""
    blocks = declared("data", "aws_iam_policy_document")[document].get("dynamic", ())
    return [(block["statement"]["for_each"], *block["statement"]["content"]) for block in blocks]


def granted(role: str) -> set[Call]:
    """What the role's policy allows, whatever its conditions."""
    return {
        Call(role, action, _kind(resource))
        for statement in statements(role)
        for action in statement["actions"]
        for resource in statement["resources"]
    }


def _kind(resource: str) -> str:
    return _KINDS[max((start for start in _KINDS if resource.startswith(start)), key=len)]
