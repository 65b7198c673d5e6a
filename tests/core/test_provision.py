"""Creating, comparing and correcting the table: the plan by itself, then on moto and on a real local server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from botocore.stub import Stubber

from core.adapters.aws import clients
from core.adapters.aws import table as definition
from core.adapters.aws.provision import Provision
from core.adapters.aws.provision_plan import AUDIT, STATE, WANTED, Action, Index, Step, Table, plan
from core.adapters.aws.table import EVENT_INDEX
from core.domain.errors import Refused
from core.flow.retry import Retry
from tests.support.dynamodb import Proxy, client_of, first, made
from tests.support.servers import REGION, fresh_name

RETRY = Retry(deadline=10, call_timeout=1, base=0.001, cap=0.01)
UNSUPPORTED = "Point-in-time recovery: not supported by this server."


class Run:
    """``Provision`` on one table; records what is printed and what is waited for. Waits take no time."""

    def __init__(self, client: Any, table: str | None = None) -> None:
        self.client = client
        self.table = table or fresh_name("face-verifications")
        self.said: list[str] = []
        self.reports: list[str] = []
        self._provision = Provision(client, self.table, RETRY, report=self.reports.append, sleep=lambda seconds: None)

    def __call__(self, **options: bool) -> bool:
        self.said.clear()
        right = self._provision.run(self.said.append, **options)
        self.said.remove(f"Table {self.table} in {REGION}:")
        return right

    @property
    def description(self) -> Any:
        return self.client.describe_table(TableName=self.table)["Table"]


def table_with_keys_alone(client: Any, **changes: Any) -> str:
    """As the previous service's guide creates it."""
    wanted = definition.create_table(fresh_name("face-verifications"))
    return made(
        client,
        **{
            "TableName": wanted["TableName"],
            "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": wanted["KeySchema"],
            "AttributeDefinitions": definition.attribute_definitions("userId", "registrationId"),
            **changes,
        },
    )


@pytest.fixture(params=["moto_dynamodb", "dynamodb"])
def client(request: pytest.FixtureRequest) -> Any:
    if request.param == "dynamodb":
        request.getfixturevalue("passing_tables")
    return request.getfixturevalue(request.param)


@pytest.fixture
def observed(dynamodb_proxy: Proxy, passing_tables: None) -> Iterator[Any]:
    """A client of the real server whose calls ``dynamodb_proxy`` sees."""
    client = client_of(dynamodb_proxy.url)
    yield client
    client.close()


def only(step: Step, *, add_index: bool = False, **changes: Any) -> bool:
    return plan(WANTED, replace(WANTED, **changes), add_index=add_index) == [step]


# The plan


def test_a_table_as_it_should_be_needs_nothing() -> None:
    assert plan(WANTED, WANTED, add_index=True) == []


def test_a_missing_table_is_made_with_ttl_and_recovery() -> None:
    actions = [step.action for step in plan(WANTED, None, add_index=False)]
    assert actions == [Action.CREATE_TABLE, Action.ENABLE_TTL, Action.ENABLE_RECOVERY]


@pytest.mark.parametrize(
    ("changes", "step"),
    [
        (
            {"billing": "PROVISIONED"},
            Step("The billing mode is PROVISIONED instead of PAY_PER_REQUEST", Action.SET_BILLING),
        ),
        ({"protected": False}, Step("Deletion protection is off", Action.PROTECT)),
        ({"ttl": ("DISABLED", None)}, Step("TTL is off", Action.ENABLE_TTL)),
        ({"recovery": False}, Step("Point-in-time recovery is off", Action.ENABLE_RECOVERY)),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_can_be_put_right_is(changes: dict[str, Any], step: Step) -> None:
    assert only(step, **changes)


@pytest.mark.parametrize(
    ("feature", "name"),
    [("protected", "Deletion protection"), ("ttl", "TTL"), ("recovery", "Point-in-time recovery")],
)
def test_what_the_server_does_not_have_is_said_and_left(feature: str, name: str) -> None:
    assert only(Step(name), **{feature: None})


@pytest.mark.parametrize(
    ("ttl", "difference"),
    [
        (("ENABLED", "createdAt"), "TTL is on createdAt instead of expiresAt"),
        (("ENABLING", "createdAt"), "TTL is on createdAt instead of expiresAt"),
        (("DISABLING", "expiresAt"), "TTL is being switched off"),
    ],
)
def test_ttl_that_takes_no_change_now_is_for_a_person(ttl: tuple[str, str], difference: str) -> None:
    (step,) = plan(WANTED, replace(WANTED, ttl=ttl), add_index=False)
    assert (step.difference, step.action, bool(step.advice)) == (difference, None, True)


def test_ttl_that_is_being_switched_on_is_right() -> None:
    assert plan(WANTED, replace(WANTED, ttl=("ENABLING", "expiresAt")), add_index=False) == []


@pytest.mark.parametrize(
    "keys",
    [("userId (S)",), ("registrationId (S)", "userId (S)"), ("userId (S)", "registrationId (N)")],
    ids=["no sort key", "the other way round", "another type"],
)
def test_of_a_table_with_other_keys_nothing_is_changed(keys: tuple[str, ...]) -> None:
    other = Table(keys, "PROVISIONED", None, False, ("DISABLED", None), False)
    (step,) = plan(WANTED, other, add_index=True)
    assert step.action is None
    assert "The key is" in step.difference


def test_a_missing_index_is_added_only_when_asked() -> None:
    (step,) = plan(WANTED, replace(WANTED, index=None), add_index=False)
    assert step.action is None
    assert "python -m core provision --add-index" in (step.advice or "")
    assert only(Step(step.difference, Action.ADD_INDEX), index=None, add_index=True)


@pytest.mark.parametrize("status", ["CREATING", "UPDATING"])
def test_an_index_that_is_being_built_is_waited_for_only_when_asked(status: str) -> None:
    index = replace(WANTED.index, status=status)
    (step,) = plan(WANTED, replace(WANTED, index=index), add_index=False)
    assert step.action is None
    assert only(Step(step.difference, Action.AWAIT_INDEX), index=index, add_index=True)


@pytest.mark.parametrize(
    "index",
    [
        replace(WANTED.index, projection=("ALL",)),
        replace(WANTED.index, projection=("INCLUDE", "confidence")),
        replace(WANTED.index, keys=("eventId (S)",)),
        replace(WANTED.index, status="DELETING"),
    ],
    ids=["projects all", "projects less", "no sort key", "being deleted"],
)
def test_another_index_of_that_name_is_for_a_person_even_when_asked(index: Index) -> None:
    (step,) = plan(WANTED, replace(WANTED, index=index), add_index=True)
    assert step.action is None
    assert step.advice


def test_the_index_comes_last_for_a_table_takes_few_changes_while_it_is_built() -> None:
    bare = Table(WANTED.keys, "PROVISIONED", None, False, ("DISABLED", None), False)
    actions = [step.action for step in plan(WANTED, bare, add_index=True)]
    assert actions == [
        Action.SET_BILLING,
        Action.PROTECT,
        Action.ENABLE_TTL,
        Action.ENABLE_RECOVERY,
        Action.ADD_INDEX,
    ]


# On servers


def test_a_table_is_made_and_the_second_run_finds_nothing(client: Any) -> None:
    run = Run(client)
    assert run()
    assert run()
    assert [line for line in run.said if line != UNSUPPORTED] == ["No differences."]


def test_a_second_run_calls_nothing_but_describe(observed: Any, dynamodb_proxy: Proxy) -> None:
    run = Run(observed)
    run()
    dynamodb_proxy.seen.clear()
    run(add_index=True)
    assert {name.startswith("Describe") for name in dynamodb_proxy.seen} == {True}


@pytest.mark.parametrize("exists", [False, True])
def test_a_dry_run_calls_nothing_but_describe(observed: Any, dynamodb_proxy: Proxy, exists: bool) -> None:
    run = Run(observed, table_with_keys_alone(observed) if exists else None)
    dynamodb_proxy.seen.clear()
    assert not run(dry_run=True, add_index=True)
    assert {name.startswith("Describe") for name in dynamodb_proxy.seen} == {True}


def test_a_table_with_keys_alone_is_put_right_but_for_the_index(client: Any) -> None:
    run = Run(client, table_with_keys_alone(client))
    assert not run()
    assert not run()
    assert [line for line in run.said if line != UNSUPPORTED] == [
        f"Index {EVENT_INDEX} is missing: event reads scan the whole table; "
        "add it with: python -m core provision --add-index."
    ]


def test_with_the_index_added_nothing_differs(client: Any) -> None:
    run = Run(client, table_with_keys_alone(client))
    assert run(add_index=True)
    assert run()


def test_a_table_that_paid_for_capacity_gets_the_index_too(client: Any) -> None:
    capacity = {"ReadCapacityUnits": 5, "WriteCapacityUnits": 5}
    run = Run(client, table_with_keys_alone(client, BillingMode="PROVISIONED", ProvisionedThroughput=capacity))
    assert run(add_index=True)
    assert run.description["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"


def test_an_index_of_others_stays(client: Any) -> None:
    theirs = {
        "IndexName": "theirs",
        "KeySchema": definition.key_schema("quality", "userId"),
        "Projection": {"ProjectionType": "KEYS_ONLY"},
    }
    definitions = definition.attribute_definitions("userId", "registrationId", "quality")
    run = Run(
        client, table_with_keys_alone(client, AttributeDefinitions=definitions, GlobalSecondaryIndexes=[theirs])
    )
    assert run(add_index=True)
    assert {index["IndexName"] for index in run.description["GlobalSecondaryIndexes"]} == {"theirs", EVENT_INDEX}


def test_ttl_is_on_expires_at(client: Any) -> None:
    run = Run(client)
    run()
    ttl = client.describe_time_to_live(TableName=run.table)["TimeToLiveDescription"]
    assert ttl == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expiresAt"}


def test_point_in_time_recovery_is_on(moto_dynamodb: Any) -> None:
    run = Run(moto_dynamodb)
    run()
    backups = moto_dynamodb.describe_continuous_backups(TableName=run.table)["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"


def test_the_table_is_protected_from_deletion(client: Any) -> None:
    run = Run(client)
    run()
    assert run.description["DeletionProtectionEnabled"]


def test_a_server_without_recovery_is_told_and_is_right(dynamodb: Any, passing_tables: None) -> None:
    run = Run(dynamodb)
    assert run()
    assert "Point-in-time recovery is off: not supported by this server." in run.said


def test_a_table_with_other_keys_is_not_touched(observed: Any, dynamodb_proxy: Proxy) -> None:
    other = table_with_keys_alone(observed, KeySchema=definition.key_schema("registrationId", "userId"))
    dynamodb_proxy.seen.clear()
    assert not Run(observed, other)(add_index=True)
    assert {name.startswith("Describe") for name in dynamodb_proxy.seen} == {True}


def test_a_creation_whose_answer_was_lost_is_done(observed: Any, dynamodb_proxy: Proxy) -> None:
    dynamodb_proxy.fault = first(1, "CreateTable", Proxy.LOSE)
    assert Run(observed)()


def test_what_is_throttled_is_tried_again(observed: Any, dynamodb_proxy: Proxy) -> None:
    dynamodb_proxy.fault = lambda operation: (
        ("ThrottlingException", 400) if dynamodb_proxy.seen.count(operation) == 1 else None
    )
    assert Run(observed)()


def test_what_is_denied_is_one_of_our_errors(observed: Any, dynamodb_proxy: Proxy) -> None:
    dynamodb_proxy.fault = lambda operation: ("AccessDeniedException", 400)
    with pytest.raises(Refused, match="AccessDeniedException"):
        Run(observed)()


# Waits, which do not occur on local servers


@pytest.fixture
def stubbed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    """A client that returns the answers queued for it, in their order."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    client = clients.client("dynamodb", REGION)
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def a_description(status: str = "ACTIVE", index: str | None = "ACTIVE", **of_index: Any) -> dict[str, Any]:
    wanted = definition.create_table("t")
    indexes = [{**definition.event_index(), "IndexStatus": index, **of_index}] if index else []
    return {
        "Table": {
            **{name: wanted[name] for name in ("KeySchema", "AttributeDefinitions", "DeletionProtectionEnabled")},
            "TableStatus": status,
            "ItemCount": 2000,
            "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"},
            "GlobalSecondaryIndexes": indexes,
        }
    }


def answer_other_describes(stubbed: Stubber) -> None:
    ttl = {"TimeToLiveStatus": "ENABLED", "AttributeName": "expiresAt"}
    stubbed.add_response("describe_time_to_live", {"TimeToLiveDescription": ttl})
    recovery = {"PointInTimeRecoveryStatus": "ENABLED"}
    backups = {"ContinuousBackupsStatus": "ENABLED", "PointInTimeRecoveryDescription": recovery}
    stubbed.add_response("describe_continuous_backups", {"ContinuousBackupsDescription": backups})


def test_adding_the_index_waits_and_tells_how_far_it_is(stubbed: Stubber) -> None:
    stubbed.add_response("describe_table", a_description(index=None))
    answer_other_describes(stubbed)
    for _ in ("is it active?", "its definitions"):
        stubbed.add_response("describe_table", a_description(index=None))
    stubbed.add_response("update_table", {})
    stubbed.add_response("describe_table", a_description("UPDATING", "CREATING"))
    stubbed.add_response("describe_table", a_description("ACTIVE", "CREATING"))
    stubbed.add_response("describe_table", a_description("ACTIVE", "CREATING"))
    stubbed.add_response("describe_table", a_description("ACTIVE", "CREATING", Backfilling=True, ItemCount=500))
    stubbed.add_response("describe_table", a_description("ACTIVE", "ACTIVE"))
    run = Run(stubbed.client, "t")
    assert run(add_index=True)
    assert run.reports == [
        "Table t is updating.",
        f"Index {EVENT_INDEX} is being created.",
        f"Index {EVENT_INDEX} is being filled: 500 of about 2,000 records.",
    ]


def test_an_index_that_goes_while_it_is_waited_for_is_an_error(stubbed: Stubber) -> None:
    stubbed.add_response("describe_table", a_description("ACTIVE", "CREATING"))
    answer_other_describes(stubbed)
    stubbed.add_response("describe_table", a_description("ACTIVE", "DELETING"))
    with pytest.raises(Refused, match="DELETING"):
        Run(stubbed.client, "t")(add_index=True)


def test_a_new_table_that_is_not_known_yet_is_waited_for(stubbed: Stubber) -> None:
    missing = ("ResourceNotFoundException", "", 400)
    stubbed.add_client_error("describe_table", *missing)
    stubbed.add_response("create_table", {})
    stubbed.add_client_error("describe_table", *missing)
    stubbed.add_response("describe_table", a_description("CREATING"))
    stubbed.add_response("describe_table", a_description())
    stubbed.add_response("update_time_to_live", {})
    # The backups of a new table are not available at once.
    stubbed.add_client_error("update_continuous_backups", "ContinuousBackupsUnavailableException", "", 400)
    stubbed.add_response("update_continuous_backups", {})
    assert Run(stubbed.client, "t")()


# The audit trail's table


def test_the_audit_table_is_made_without_ttl(client: Any) -> None:
    name = fresh_name("facedesk-audit")
    provision = Provision(client, name, RETRY, AUDIT, report=lambda text: None, sleep=lambda seconds: None)
    said: list[str] = []
    assert provision.run(said.append)
    assert provision.run(said.append)
    assert not [line for line in said if "TTL" in line]


def test_an_audit_table_whose_entries_go_by_themselves_is_for_a_person() -> None:
    found = replace(AUDIT.wanted, ttl=("ENABLED", "expiresAt"))
    (step,) = plan(AUDIT.wanted, found)
    assert (step.difference, step.action, bool(step.advice)) == ("TTL is on expiresAt instead of off", None, True)


def test_an_audit_table_without_any_ttl_is_right() -> None:
    assert plan(AUDIT.wanted, replace(AUDIT.wanted, ttl=None)) == []


# The table of Facedesk's own state


def test_the_state_table_is_made_with_ttl(client: Any) -> None:
    name = fresh_name("facedesk-state")
    provision = Provision(client, name, RETRY, STATE, report=lambda text: None, sleep=lambda seconds: None)
    said: list[str] = []
    assert provision.run(said.append)
    assert "TTL is off: switched on." in said
    assert client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]["AttributeName"] == "expiresAt"
    said.clear()
    assert provision.run(said.append)
    assert not [line for line in said if "TTL" in line]
