"""Settings -> the work on the DynamoDB table that the command line does. Names adapters, as bootstrap does.

Needs the table's name and region alone: a machine that provisions may know no MongoDB and no bucket.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from core.adapters.aws import clients
from core.adapters.aws.backfill import Backfill
from core.adapters.aws.provision import AUDIT, Provision
from core.domain.errors import SettingsError
from core.flow.pace import Pace
from core.flow.retry import Retry
from core.settings import Backend, Settings, load_settings

__all__ = ["Backfill", "Provision", "backfilling", "provisioning"]

#: Nobody waits for an answer here: what passes is waited out, seconds.
PATIENCE_SECONDS = 60.0
#: Capacity is measured by the second: as much may come at once after a pause.
BURST_SECONDS = 1.0


def provisioning(report: Callable[[str], None]) -> list[Provision]:
    """Of the records' table and of the audit trail's; ``report`` is told what is being waited for."""
    settings = load_settings(backend=Backend.EMBEDDED)
    region, table = _where(settings)
    client = clients.client("dynamodb", region)
    return [
        Provision(client, table, _retry(), report=report),
        Provision(client, settings.audit_table, _retry(), AUDIT, report=report),
    ]


def backfilling(*, write_units: float, read_units: float, segments: int, state: Path | None) -> Backfill:
    """``write_units`` and ``read_units`` a second at most; ``state`` by default lies in the data folder."""
    settings = load_settings(backend=Backend.EMBEDDED)
    region, table = _where(settings)
    return Backfill(
        clients.client("dynamodb", region),
        table,
        _retry(),
        writes=Pace(write_units, BURST_SECONDS),
        reads=Pace(read_units, BURST_SECONDS),
        segments=segments,
        state=state or settings.data_dir / f"backfill-{table}.json",
    )


def _where(settings: Settings) -> tuple[str, str]:
    """The region and the table's name."""
    if not settings.aws_region:
        raise SettingsError("AWS_REGION is missing; it says where the table is.")
    if not settings.dynamodb_table:
        raise SettingsError("DYNAMODB_FACE_VALIDATION_TABLE is missing; it names the table.")
    # At DEBUG they would write session tokens, signatures and item values.
    for name in ("boto3", "botocore", "urllib3"):
        logging.getLogger(name).setLevel(logging.INFO)
    return settings.aws_region, settings.dynamodb_table


def _retry() -> Retry:
    return Retry(PATIENCE_SECONDS, clients.CALL_TIMEOUT_SECONDS, tries=100)
