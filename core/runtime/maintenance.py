"""Builds, from the settings, what works on the DynamoDB tables apart from the server: what the command line runs on
them, and what follows the stream of the table of records.

Needs only the region and the tables' names: a machine that provisions may know neither MongoDB nor the bucket.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path

from core.adapters.aws import clients
from core.adapters.aws.audit import DynamoAudit
from core.adapters.aws.expiry import IgnoredExpiry
from core.adapters.aws.photo_owners import PhotoOwners
from core.adapters.aws.provision import Provision
from core.adapters.aws.provision_plan import AUDIT, STATE, Action
from core.adapters.aws.repair import Keeper, PassCounts, Search
from core.adapters.aws.sharding import Sharding, ShardMove
from core.adapters.aws.stream import StreamRepairs
from core.adapters.aws.table_pass import TablePass
from core.adapters.aws.unindexed import RefusedByIndex, Unindexed
from core.adapters.aws.unmapped import DynamoUnmapped
from core.adapters.aws.unnoted import AlsoUnnoted
from core.domain.audit import erased
from core.domain.clock import utc_now
from core.domain.errors import InvalidInput, SettingsError
from core.flow.pace import Pace
from core.flow.retry import Retry
from core.settings import Backend, Settings, load_settings

__all__ = [
    "PassCounts",
    "Provision",
    "StreamRepairs",
    "TablePass",
    "backfilling",
    "erased_since",
    "following",
    "is_followed",
    "provisioning",
    "refused_by_index",
    "repairing_ttl",
    "sharding",
]

#: Seconds for which a passing fault is retried: longer than elsewhere, as no user waits for an answer.
PATIENCE_SECONDS = 60.0
#: The same for a record of the stream: it is given again later.
STREAM_SECONDS = 10.0
#: DynamoDB measures capacity per second, so one second's worth may be consumed at once after a pause.
BURST_SECONDS = 1.0
#: Segments of a table that a pass reads in parallel if nothing else is asked for.
SEGMENTS = 4


def provisioning(report: Callable[[str], None]) -> list[Provision]:
    """For the tables of the records, of the audit trail and of Facedesk's own state.

    ``report`` is called with what is waited for.
    """
    settings = load_settings(backend=Backend.EMBEDDED)
    region, table = _region_and_table(settings)
    client = clients.client("dynamodb", region)
    return [
        Provision(client, table, _retry(), report=report),
        Provision(client, settings.audit_table, _retry(), AUDIT, report=report),
        Provision(client, settings.state_table, _retry(), STATE, report=report),
    ]


def erased_since(settings: Settings, table: str, since: datetime, until: datetime) -> set[str]:
    """The hashes of the people who were erased in this time, by the audit trail in that table.

    An erasure that was begun and not ended counts, too. Raises ``InvalidInput`` if the trail is in no table.
    """
    if settings.backend is not Backend.AWS:
        raise InvalidInput(
            "With FACEDESK_BACKEND=embedded a restore brings back its own audit trail, so Facedesk cannot know who "
            "was erased since: erase them again by their user ids."
        )
    region, _ = _region_and_table(settings)
    with closing(DynamoAudit(clients.client("dynamodb", region), table, _retry())) as audit:
        return erased(audit.entries(since, until))


def backfilling(*, write_units: float, read_units: float, segments: int, state: Path | None) -> TablePass:
    """The units are limits per second; ``state`` is by default a file in the data folder.

    Photos in no upload folder are noted, too, if there is a table of Facedesk's own state.
    """
    settings = load_settings(backend=Backend.EMBEDDED)
    region, table = _region_and_table(settings)
    state = state or settings.data_dir / f"backfill-{table}.json"
    state_client = clients.client("dynamodb", region)
    followed = settings.event_index_stream
    owners = PhotoOwners(state_client, settings.state_table, _retry(), utc_now, followed=followed)
    search = AlsoUnnoted(Unindexed(utc_now), owners)
    return _table_pass(
        settings,
        search,
        read_units,
        write_units,
        segments=segments,
        state=state,
        keeper=search,
    )


def is_followed() -> bool:
    """Whether what ``following`` returns is at work somewhere, as the settings say."""
    return load_settings(backend=Backend.EMBEDDED).event_index_stream


def following() -> StreamRepairs:
    """Does for each record of the table's stream what ``backfilling`` and then ``repairing_ttl`` do in a pass."""
    settings = load_settings(backend=Backend.EMBEDDED)
    region, table = _region_and_table(settings)
    client = clients.client("dynamodb", region)
    retry = Retry(STREAM_SECONDS, clients.CALL_TIMEOUT_SECONDS)
    also_unnoted = AlsoUnnoted(Unindexed(utc_now), PhotoOwners(client, settings.state_table, retry, utc_now))
    ignored_expiry = IgnoredExpiry(utc_now, settings.record_ttl)
    return StreamRepairs(
        client,
        table,
        retry,
        [(also_unnoted, also_unnoted), (ignored_expiry, None)],
        DynamoUnmapped(client, settings.state_table, retry, utc_now),
        utc_now,
        settings.record_ttl,
    )


def refused_by_index(*, read_units: float) -> TablePass | None:
    """Counts the records that could not be written as they are with the event index.

    None if adding the index adds none: the table has it, is not there yet, or is not ours.
    """
    settings = load_settings(backend=Backend.EMBEDDED)
    records, *_ = provisioning(report=lambda _: None)
    if all(step.action is not Action.ADD_INDEX for step in records.plan(add_index=True)):
        return None
    return _table_pass(settings, RefusedByIndex(), read_units)


def repairing_ttl(*, dry_run: bool, write_units: float, read_units: float) -> TablePass:
    """Makes records expire that DynamoDB never deletes; with ``dry_run`` it only counts them."""
    settings = load_settings(backend=Backend.EMBEDDED)
    _, table = _region_and_table(settings)
    state = None if dry_run else settings.data_dir / f"repair-ttl-{table}.json"
    return _table_pass(settings, IgnoredExpiry(utc_now, settings.record_ttl), read_units, write_units, state=state)


def sharding(*, write_units: float) -> tuple[Sharding, ShardMove]:
    """Sets how many shards an event has, and moves its records there; the units are a limit per second."""
    settings = load_settings(backend=Backend.EMBEDDED)
    region, table = _region_and_table(settings)
    client = clients.client("dynamodb", region)
    return (
        Sharding(client, settings.state_table, _retry(), utc_now),
        ShardMove(client, table, _retry(), Pace(write_units, BURST_SECONDS)),
    )


def _table_pass(
    settings: Settings,
    search: Search,
    read_units: float,
    write_units: float = 1,
    *,
    segments: int = SEGMENTS,
    state: Path | None = None,
    keeper: Keeper | None = None,
) -> TablePass:
    """The units are limits per second. Without ``state`` the pass only counts: it writes nothing."""
    region, table = _region_and_table(settings)
    return TablePass(
        clients.client("dynamodb", region),
        table,
        _retry(),
        search,
        writes=Pace(write_units, BURST_SECONDS),
        reads=Pace(read_units, BURST_SECONDS),
        segments=segments,
        state=state,
        keeper=keeper,
    )


def _region_and_table(settings: Settings) -> tuple[str, str]:
    if not settings.aws_region:
        raise SettingsError("The setting AWS_REGION is missing: set it to the region of the table.")
    if not settings.dynamodb_table:
        raise SettingsError("The setting DYNAMODB_FACE_VALIDATION_TABLE is missing: set it to the table's name.")
    # At DEBUG these would log session tokens, signatures and the values of items.
    for name in ("boto3", "botocore", "urllib3"):
        logging.getLogger(name).setLevel(logging.INFO)
    return settings.aws_region, settings.dynamodb_table


def _retry() -> Retry:
    return Retry(PATIENCE_SECONDS, clients.CALL_TIMEOUT_SECONDS, tries=100)
