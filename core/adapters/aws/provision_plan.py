"""What differs between a DynamoDB table and its definition, and what can be done about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from core.adapters.aws import table as definition
from core.adapters.aws.table import EVENT_INDEX, TTL_ATTRIBUTE, index_in


class Action(Enum):
    """What can be done about a difference without downtime."""

    CREATE_TABLE = auto()
    SET_BILLING = auto()
    PROTECT = auto()
    ENABLE_TTL = auto()
    ENABLE_RECOVERY = auto()
    ADD_INDEX = auto()
    AWAIT_INDEX = auto()


@dataclass(frozen=True)
class Step:
    """One difference between the table and its definition.

    ``action`` is what is done about it, ``advice`` what a person has to do instead. If both are None, the server
    lacks the feature, as local servers may.
    """

    difference: str
    action: Action | None = None
    advice: str | None = None


@dataclass(frozen=True)
class Index:
    keys: tuple[str, ...]
    #: The type, then the attributes, sorted.
    projection: tuple[str, ...]
    status: str


@dataclass(frozen=True)
class Table:
    """The settings of a table that the definition covers. None: the server lacks the feature."""

    #: Partition key and sort key, each with its type.
    keys: tuple[str, ...]
    billing: str
    index: Index | None
    protected: bool | None
    #: TTL's status and attribute.
    ttl: tuple[str, str | None] | None
    recovery: bool | None

    @property
    def expires(self) -> bool:
        """Whether TTL is on."""
        return self.ttl is not None and self.ttl[0] in ("ENABLED", "ENABLING")


def described(description: Any, ttl: tuple[str, str | None] | None, recovery: bool | None) -> Table:
    """A table as ``DescribeTable`` returns it, or as ``CreateTable`` takes it: both have the same shape."""
    types = {entry["AttributeName"]: entry["AttributeType"] for entry in description["AttributeDefinitions"]}

    def keys(owner: Any) -> tuple[str, ...]:
        ordered = sorted(owner["KeySchema"], key=lambda entry: str(entry["KeyType"]))  # HASH before RANGE
        return tuple(f"{entry['AttributeName']} ({types[entry['AttributeName']]})" for entry in ordered)

    found = index_in(description)
    projection = found.get("Projection", {}) if found else {}
    return Table(
        keys=keys(description),
        # Tables that are older than on-demand billing have no billing mode in their description.
        billing=description.get("BillingMode")
        or description.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED"),
        index=Index(
            keys=keys(found),
            projection=(projection["ProjectionType"], *sorted(projection.get("NonKeyAttributes", ()))),
            status=found.get("IndexStatus", "ACTIVE"),
        )
        if found
        else None,
        protected=description.get("DeletionProtectionEnabled"),
        ttl=ttl,
        recovery=recovery,
    )


@dataclass(frozen=True)
class Definition:
    """A table as it should be: the request that creates it, and the setting that names it."""

    create_table: Callable[[str], dict[str, Any]]
    setting: str
    ttl: tuple[str, str | None]

    @property
    def wanted(self) -> Table:
        return described(self.create_table(""), self.ttl, True)


RECORDS = Definition(definition.create_table, "DYNAMODB_FACE_VALIDATION_TABLE", ("ENABLED", TTL_ATTRIBUTE))
AUDIT = Definition(definition.create_audit_table, "DYNAMODB_AUDIT_TABLE", ("DISABLED", None))
STATE = Definition(definition.create_state_table, "DYNAMODB_STATE_TABLE", ("ENABLED", TTL_ATTRIBUTE))
#: The table of the records as it should be.
WANTED = RECORDS.wanted


def plan(
    wanted: Table, found: Table | None, *, add_index: bool = False, setting: str = RECORDS.setting
) -> list[Step]:
    """The differences, in the order in which they are corrected; empty if there are none. Pure.

    A table with another key may belong to somebody else, so nothing in it is changed.
    """
    if found is None:
        return [
            Step("The table is missing", Action.CREATE_TABLE),
            *([Step("TTL is off", Action.ENABLE_TTL)] if wanted.expires else []),
            Step("Point-in-time recovery is off", Action.ENABLE_RECOVERY),
        ]
    if found.keys != wanted.keys:
        return [
            Step(
                f"The key is {', '.join(found.keys)} instead of {', '.join(wanted.keys)}",
                advice=f"a key cannot be changed: name another table in {setting}",
            )
        ]
    return [
        *_billing_steps(wanted, found),
        *_feature_steps("Deletion protection", found.protected, Action.PROTECT),
        *(_ttl_steps(wanted, found) if wanted.expires else _no_ttl_steps(found)),
        *_feature_steps("Point-in-time recovery", found.recovery, Action.ENABLE_RECOVERY),
        # Last: while an index is built, a table accepts few other changes.
        *_index_steps(wanted, found, add_index),
    ]


def _billing_steps(wanted: Table, found: Table) -> Iterator[Step]:
    if found.billing != wanted.billing:
        yield Step(f"The billing mode is {found.billing} instead of {wanted.billing}", Action.SET_BILLING)


def _feature_steps(name: str, is_on: bool | None, enable: Action) -> Iterator[Step]:
    if is_on is None:
        yield Step(name)
    elif not is_on:
        yield Step(f"{name} is off", enable)


def _ttl_steps(wanted: Table, found: Table) -> Iterator[Step]:
    match found.ttl:
        case None:
            yield Step("TTL")
        case ("DISABLED", _):
            yield Step("TTL is off", Action.ENABLE_TTL)
        case ("DISABLING", _):
            yield Step("TTL is being switched off", advice="run this again in an hour")
        case (_, attribute) if wanted.ttl and attribute != wanted.ttl[1]:
            yield Step(
                f"TTL is on {attribute} instead of {wanted.ttl[1]}",
                advice="switch it off (aws dynamodb update-time-to-live), then run this again in an hour",
            )


def _no_ttl_steps(found: Table) -> Iterator[Step]:
    if found.ttl and found.expires:
        yield Step(
            f"TTL is on {found.ttl[1]} instead of off",
            advice="audit entries must not expire: switch it off (aws dynamodb update-time-to-live)",
        )


def _index_steps(wanted: Table, found: Table, add_index: bool) -> Iterator[Step]:
    command = "python -m core provision --add-index"
    index, should = found.index, wanted.index
    if should is None:
        return
    if index is None:
        yield _if_asked(
            add_index,
            f"Index {EVENT_INDEX} is missing",
            Action.ADD_INDEX,
            f"event reads scan the whole table; add it with: {command}",
        )
    elif index.status == "DELETING":
        yield Step(f"Index {EVENT_INDEX} is being deleted", advice="run this again when it is gone")
    elif (index.keys, index.projection) != (should.keys, should.projection):
        yield Step(
            f"Index {EVENT_INDEX} is on {_text(index)} instead of {_text(should)}",
            advice=f"an index cannot be changed: delete it (event reads scan meanwhile), then: {command}",
        )
    elif index.status != "ACTIVE":
        yield _if_asked(
            add_index, f"Index {EVENT_INDEX} is being built", Action.AWAIT_INDEX, f"wait for it with: {command}"
        )


def _if_asked(asked: bool, difference: str, action: Action, advice: str) -> Step:
    return Step(difference, action) if asked else Step(difference, advice=advice)


def _text(index: Index) -> str:
    return f"{', '.join(index.keys)}, projection {' '.join(index.projection)}"
