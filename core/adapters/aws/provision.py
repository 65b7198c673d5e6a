"""A table put right: made where it is missing, compared where it is there, changed where that stops nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from core.adapters.aws import table as definition
from core.adapters.aws.clients import translated
from core.adapters.aws.table import EVENT_INDEX, INDEX_KEY, TTL_ATTRIBUTE
from core.domain.errors import NotConfigured, Refused, Unavailable
from core.flow.retry import Retry

SERVICE = "validation records"
#: Time between two looks at a table or an index that is being made, seconds.
POLL_SECONDS = 2.0

#: Local servers answer so to a call that they do not have.
_UNKNOWN_CALL = frozenset({"UnknownOperationException", "UnsupportedOperationException"})
#: For some seconds a new table, or one that changes, takes no further change.
_IN_USE = frozenset({"ContinuousBackupsUnavailableException", "ResourceInUseException"})
_PASSING_STATUS = frozenset({"CREATING", "UPDATING"})


class Action(Enum):
    """What can be done about a difference without stopping anything."""

    CREATE_TABLE = auto()
    SET_BILLING = auto()
    PROTECT = auto()
    ENABLE_TTL = auto()
    ENABLE_RECOVERY = auto()
    ADD_INDEX = auto()
    AWAIT_INDEX = auto()


_DONE = {
    Action.CREATE_TABLE: "created",
    Action.SET_BILLING: "changed",
    Action.PROTECT: "switched on",
    Action.ENABLE_TTL: "switched on",
    Action.ENABLE_RECOVERY: "switched on",
    Action.ADD_INDEX: "added",
    Action.AWAIT_INDEX: "waited for",
}


@dataclass(frozen=True)
class Step:
    """One difference between the table and its definition.

    ``action`` is what is done about it; ``advice`` what a person has to do instead. Neither: the server does not
    have the feature at all, as local ones may not.
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
    """What the definition says about a table. None: the server does not have the feature."""

    #: Partition key, sort key, each with its type.
    keys: tuple[str, ...]
    billing: str
    index: Index | None
    protected: bool | None
    #: TTL's status and attribute.
    ttl: tuple[str, str | None] | None
    recovery: bool | None


def _index(description: Any) -> Any:
    indexes = description.get("GlobalSecondaryIndexes", ())
    return next((index for index in indexes if index["IndexName"] == EVENT_INDEX), None)


def described(description: Any, ttl: tuple[str, str | None] | None, recovery: bool | None) -> Table:
    """A table as ``DescribeTable`` answers, or ``CreateTable`` takes it: their shapes are the same."""
    types = {entry["AttributeName"]: entry["AttributeType"] for entry in description["AttributeDefinitions"]}

    def keys(owner: Any) -> tuple[str, ...]:
        ordered = sorted(owner["KeySchema"], key=lambda entry: str(entry["KeyType"]))  # HASH before RANGE
        return tuple(f"{entry['AttributeName']} ({types[entry['AttributeName']]})" for entry in ordered)

    found = _index(description)
    projection = found.get("Projection", {}) if found else {}
    return Table(
        keys=keys(description),
        # Tables from before there was a choice do not say.
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
    """A table as it should be: the request that makes it, and the setting that names it."""

    create_table: Callable[[str], dict[str, Any]]
    setting: str
    ttl: tuple[str, str | None]

    @property
    def wanted(self) -> Table:
        return described(self.create_table(""), self.ttl, True)


RECORDS = Definition(definition.create_table, "DYNAMODB_FACE_VALIDATION_TABLE", ("ENABLED", TTL_ATTRIBUTE))
AUDIT = Definition(definition.create_audit_table, "DYNAMODB_AUDIT_TABLE", ("DISABLED", None))
#: The table of the records as it should be.
WANTED = RECORDS.wanted


def plan(
    wanted: Table, found: Table | None, *, add_index: bool = False, setting: str = RECORDS.setting
) -> list[Step]:
    """What differs, in the order in which it is put right. Empty: nothing. Pure.

    A table with other keys may be somebody else's: nothing of it is changed.
    """
    if found is None:
        return [
            Step("The table is missing", Action.CREATE_TABLE),
            *([Step("TTL is off", Action.ENABLE_TTL)] if _expires(wanted) else []),
            Step("Point-in-time recovery is off", Action.ENABLE_RECOVERY),
        ]
    if found.keys != wanted.keys:
        return [
            Step(
                f"The key is {', '.join(found.keys)} instead of {', '.join(wanted.keys)}",
                advice=f"a key cannot be changed: name another table in {setting}",
            )
        ]
    return [*_settings(wanted, found), *_index_steps(wanted, found, add_index)]


def _settings(wanted: Table, found: Table) -> Iterator[Step]:
    if found.billing != wanted.billing:
        yield Step(f"The billing mode is {found.billing} instead of {wanted.billing}", Action.SET_BILLING)
    if found.protected is None:
        yield Step("Deletion protection")
    elif not found.protected:
        yield Step("Deletion protection is off", Action.PROTECT)
    match found.ttl:
        case None:
            if _expires(wanted):
                yield Step("TTL")
        case ("ENABLED" | "ENABLING", attribute) if not _expires(wanted):
            yield Step(
                f"TTL is on {attribute} instead of off",
                advice="entries must not go by themselves: switch it off (aws dynamodb update-time-to-live)",
            )
        case _ if not _expires(wanted):
            pass
        case ("DISABLED", _):
            yield Step("TTL is off", Action.ENABLE_TTL)
        case ("DISABLING", _):
            yield Step("TTL is being switched off", advice="run this again in an hour")
        case (_, attribute) if wanted.ttl and attribute != wanted.ttl[1]:
            yield Step(
                f"TTL is on {attribute} instead of {wanted.ttl[1]}",
                advice="switch it off (aws dynamodb update-time-to-live), then run this again in an hour",
            )
    if found.recovery is None:
        yield Step("Point-in-time recovery")
    elif not found.recovery:
        yield Step("Point-in-time recovery is off", Action.ENABLE_RECOVERY)


def _expires(table: Table) -> bool:
    return table.ttl is not None and table.ttl[0] == "ENABLED"


def _index_steps(wanted: Table, found: Table, add_index: bool) -> Iterator[Step]:
    """Last of all: while an index is being built a table takes few other changes."""
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


class Provision:
    """Compares a table with its definition, and puts it right step by step.

    ``report`` is told what is being waited for. Waits have no limit, for an index is built for hours where there is
    much: whoever stops one loses nothing, and runs it again.
    """

    def __init__(
        self,
        client: Any,
        table: str,
        retry: Retry,
        wanted: Definition = RECORDS,
        *,
        report: Callable[[str], None],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._table = table
        self._retry = retry
        self._definition = wanted
        self._wanted = wanted.wanted
        self._report = report
        self._sleep = sleep

    def plan(self, *, add_index: bool = False) -> list[Step]:
        """What differs now; calls nothing but ``Describe...``."""
        return plan(self._wanted, self._found(), add_index=add_index, setting=self._definition.setting)

    def run(self, say: Callable[[str], None], *, add_index: bool = False, dry_run: bool = False) -> bool:
        """Say what differs, and put it right; true if the table is now as it should be.

        What the server does not have counts as right. With ``dry_run`` nothing is changed.
        """
        steps = self.plan(add_index=add_index)
        say(f"Table {self._table} in {self._client.meta.region_name}:")
        right = True
        for step in steps:
            done = step.advice is None and not (step.action and dry_run)
            right = right and done
            say(f"{step.difference}: {self._outcome(step, dry_run)}.")
        if not any(step.action or step.advice for step in steps):
            say("Nothing differs.")
        return right

    def _outcome(self, step: Step, dry_run: bool) -> str:
        if step.advice:
            return step.advice
        if step.action and dry_run:
            return f"would be {_DONE[step.action]}"
        if step.action and self._apply(step.action):
            return _DONE[step.action]
        return "not supported by this server"

    def _apply(self, action: Action) -> bool:
        """Do it, and wait until it is done; False where the server does not have the feature."""
        try:
            self._do(action)
        except _Unsupported:
            return False
        return True

    def _do(self, action: Action) -> None:
        match action:
            case Action.CREATE_TABLE:
                self._create()
            case Action.SET_BILLING:
                self._update(BillingMode=self._wanted.billing)
            case Action.PROTECT:
                self._update(DeletionProtectionEnabled=True)
            case Action.ENABLE_TTL:
                wanted = {"Enabled": True, "AttributeName": TTL_ATTRIBUTE}
                self._call("update_time_to_live", TimeToLiveSpecification=wanted)
            case Action.ENABLE_RECOVERY:
                wanted = {"PointInTimeRecoveryEnabled": True}
                self._call("update_continuous_backups", PointInTimeRecoverySpecification=wanted)
            case Action.ADD_INDEX:
                self._update(
                    AttributeDefinitions=self._definitions_with_index(),
                    GlobalSecondaryIndexUpdates=[{"Create": definition.event_index()}],
                )
                self._index_active()
            case Action.AWAIT_INDEX:
                self._index_active()

    def _found(self) -> Table | None:
        try:
            description = self._described()
        except NotConfigured:
            return None
        return described(description, self._ttl(), self._recovery())

    def _ttl(self) -> tuple[str, str | None] | None:
        try:
            answer = self._call("describe_time_to_live")["TimeToLiveDescription"]
        except _Unsupported:
            return None
        return answer["TimeToLiveStatus"], answer.get("AttributeName")

    def _recovery(self) -> bool | None:
        try:
            answer = self._call("describe_continuous_backups")["ContinuousBackupsDescription"]
        except _Unsupported:
            return None
        state = answer.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus")
        return bool(state == "ENABLED")

    def _create(self) -> None:
        def once() -> None:
            # In use: an earlier try, whose answer was lost, has made it.
            with suppress(_InUse), _errors():
                self._client.create_table(**self._definition.create_table(self._table))

        self._retry(once)
        # DescribeTable may not know a new table yet.
        self._table_active(missing="CREATING")

    def _update(self, **changes: Any) -> None:
        self._table_active()
        self._call("update_table", **changes)
        self._table_active()

    def _definitions_with_index(self) -> list[Any]:
        """Of the attributes that are keys already, of other indexes too, and of those that will be."""
        both = [*self._described()["AttributeDefinitions"], *definition.attribute_definitions(*INDEX_KEY)]
        return list({entry["AttributeName"]: entry for entry in both}.values())

    def _table_active(self, missing: str | None = None) -> None:
        """Wait until the table takes changes; ``missing`` is the status that none at all stands for."""
        while (status := self._status(missing)) != "ACTIVE":
            if status not in _PASSING_STATUS:
                raise Refused(SERVICE, f"TableStatus {status}")
            self._report(f"Table {self._table} is {status.lower()}.")
            self._sleep(POLL_SECONDS)

    def _status(self, missing: str | None) -> str:
        try:
            return str(self._described()["TableStatus"])
        except NotConfigured:
            if missing is None:
                raise
            return missing

    def _index_active(self) -> None:
        while True:
            description = self._described()
            index = _index(description)
            status = index["IndexStatus"] if index else "missing"
            if status == "ACTIVE":
                return
            if index is None or status not in _PASSING_STATUS:
                raise Refused(SERVICE, f"IndexStatus {status}")
            phase = "is being filled" if index.get("Backfilling") else "is being made"
            self._report(f"Index {EVENT_INDEX} {phase}{_progress(description, index)}.")
            self._sleep(POLL_SECONDS)

    def _described(self) -> Any:
        return self._call("describe_table")["Table"]

    def _call(self, method: str, **request: Any) -> Any:
        def once() -> Any:
            with _errors():
                return getattr(self._client, method)(TableName=self._table, **request)

        return self._retry(once)


class _Unsupported(Refused):
    pass


class _InUse(Unavailable):
    pass


@contextmanager
def _errors() -> Iterator[None]:
    try:
        with translated(SERVICE):
            yield
    except Refused as error:
        if error.code in _UNKNOWN_CALL:
            raise _Unsupported(SERVICE, error.code) from error
        if error.code in _IN_USE:
            raise _InUse(SERVICE, error.code) from error
        raise


def _progress(description: Any, index: Any) -> str:
    """How far it is, as DynamoDB counts, which trails by hours; nothing where it does not say."""
    done, all_of = index.get("ItemCount"), description.get("ItemCount")
    return f": {done:,} of about {all_of:,} records" if done and all_of else ""
