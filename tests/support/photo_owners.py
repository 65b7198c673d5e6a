"""Passes that note whose photos are whose, in the table of Facedesk's own state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.adapters.aws.photo_owners import PhotoOwners
from core.adapters.aws.table_pass import TablePass
from core.adapters.aws.unindexed import Unindexed
from core.adapters.aws.unnoted import AlsoUnnoted
from core.flow.pace import Pace
from tests.support.clock import NOON
from tests.support.stores import PATIENT


def noting_pass(client: Any, table: str, owners: PhotoOwners, state: Path, **changes: Any) -> TablePass:
    """A pass as ``backfill-index`` runs it, at full speed."""
    search = AlsoUnnoted(Unindexed(lambda: NOON), owners)
    return TablePass(
        client,
        table,
        PATIENT,
        search,
        **{
            "writes": Pace(1e6, 1),
            "reads": Pace(1e6, 1),
            "segments": 2,
            "state": state,
            "keeper": search,
            "clock": owners._clock,
            **changes,
        },
    )
