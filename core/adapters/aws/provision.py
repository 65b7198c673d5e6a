"""Creates a DynamoDB table, or compares an existing one with its definition and corrects it without downtime."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from core.adapters.aws import table as definition
from core.adapters.aws.clients import translated
from core.adapters.aws.provision_plan import RECORDS, Action, Definition, Step, Table, described, plan
from core.adapters.aws.table import EVENT_INDEX, INDEX_KEY, TTL_ATTRIBUTE, index_in
from core.domain.errors import NotConfigured, Refused, Service, Unavailable
from core.flow.retry import Retry

SERVICE = Service.RECORDS
#: Seconds between two looks at a table or an index that is being built.
POLL_SECONDS = 2.0

#: The answers of local servers to a call that they do not support.
_UNKNOWN_CALL = frozenset({"UnknownOperationException", "UnsupportedOperationException"})
#: A table that is new or being changed accepts no further change for some seconds.
_IN_USE = frozenset({"ContinuousBackupsUnavailableException", "ResourceInUseException"})
_PASSING_STATUS = frozenset({"CREATING", "UPDATING"})

_DONE = {
    Action.CREATE_TABLE: "created",
    Action.SET_BILLING: "changed",
    Action.PROTECT: "switched on",
    Action.ENABLE_TTL: "switched on",
    Action.ENABLE_RECOVERY: "switched on",
    Action.ADD_INDEX: "added",
    Action.AWAIT_INDEX: "waited for",
}


class Provision:
    """Compares a table with its definition and corrects it step by step.

    ``report`` is called with what is being waited for. Waits have no limit, because building a large index takes
    hours. A run that is stopped loses nothing and can be repeated.
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
        """The differences now. Calls only ``Describe...``."""
        return plan(self._wanted, self._found(), add_index=add_index, setting=self._definition.setting)

    def run(self, say: Callable[[str], None], *, add_index: bool = False, dry_run: bool = False) -> bool:
        """Report the differences and correct them; returns whether the table is now as it should be.

        A feature that the server lacks counts as correct. With ``dry_run`` nothing is changed.
        """
        steps = self.plan(add_index=add_index)
        say(f"Table {self._table} in {self._client.meta.region_name}:")
        right = True
        for step in steps:
            done = step.advice is None and not (step.action and dry_run)
            right = right and done
            say(f"{step.difference}: {self._outcome(step, dry_run)}.")
        if not any(step.action or step.advice for step in steps):
            say("No differences.")
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
        """Do it and wait until it is done; False if the server lacks the feature."""
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
            # In use: an earlier try, whose answer was lost, has created it.
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
        """The definitions of the attributes that are keys already, also of other indexes, and of the new index's."""
        both = [*self._described()["AttributeDefinitions"], *definition.attribute_definitions(*INDEX_KEY)]
        return list({entry["AttributeName"]: entry for entry in both}.values())

    def _table_active(self, missing: str | None = None) -> None:
        """Wait until the table accepts changes; ``missing`` is the status to assume if the table is not found."""
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
            index = index_in(description)
            status = index["IndexStatus"] if index else "missing"
            if status == "ACTIVE":
                return
            if index is None or status not in _PASSING_STATUS:
                raise Refused(SERVICE, f"IndexStatus {status}")
            phase = "is being filled" if index.get("Backfilling") else "is being created"
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
    """How far the index is by DynamoDB's counts, which are hours old; empty if it has none."""
    done, all_of = index.get("ItemCount"), description.get("ItemCount")
    return f": {done:,} of about {all_of:,} records" if done and all_of else ""
