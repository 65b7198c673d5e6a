"""How many attempts are throttled that come faster than one key of the event index takes, by the event's shards.

Facedesk's adapter writes to a local DynamoDB server behind a model of DynamoDB's limit for each key of an index
(``tests.support.partition_limit``). Time is simulated, so the result depends on no machine. Run as
``python -m benchmarks.shards``.
"""

from __future__ import annotations

import argparse
import tempfile
from contextlib import closing
from pathlib import Path

from benchmarks.results import publish, table
from core.adapters.aws.event_shards import EventShards
from core.adapters.aws.records import DynamoRecords
from core.adapters.aws.sharding import Sharding
from core.domain.clock import utc_now
from core.flow.retry import Retry
from tests.support.dynamodb import client_of, create_state_table, create_table, running_server
from tests.support.partition_limit import LIMIT, SAVED, PartitionLimit, rush

EVENT, RATE = "event-1", 1500
SHARDS = (0, 4, 8)
_RETRY = Retry(deadline=30, call_timeout=4)


def measured(url: str, shards: int, count: int) -> PartitionLimit:
    with closing(client_of(url)) as client, closing(client_of(url)) as of_state:
        state_table = create_state_table(of_state)
        if shards:
            sharding = Sharding(of_state, state_table, _RETRY, utc_now, wait=lambda seconds: None)
            sharding.set(EVENT, shards, lambda text: None)
        limit = PartitionLimit(client)
        known = EventShards(of_state, state_table, utc_now)
        rush(DynamoRecords(client, create_table(client), _RETRY, utc_now, shards=known), limit, EVENT, RATE, count)
        known.close()
    return limit


def main() -> None:
    parser = argparse.ArgumentParser(description="Attempts at a sharded event that are throttled.")
    parser.add_argument("--seconds", type=int, default=4, help="simulated seconds of the rush (default: 4)")
    seconds = parser.parse_args().seconds
    rows = []
    with tempfile.TemporaryDirectory() as folder, running_server(Path(folder)) as url:
        for shards in SHARDS:
            limit = measured(url, shards, RATE * seconds)
            busiest = max(limit.units.values()) / seconds
            share = limit.refused / (limit.taken + limit.refused)
            rows.append([f"{shards or 'no'} shards", f"{limit.taken:,}", f"{limit.refused:,}", f"{share:.0%}"])
            rows[-1] += [f"{sum(limit.units.values()) / seconds:,.0f}", f"{busiest:,.0f}"]
    head = ["", "written", "throttled at first", "share", "units a second in the index", "of the busiest key"]
    publish(
        "Attempts at a sharded event",
        f"{RATE:,} attempts a second for {seconds} simulated seconds, half of the people twice, against a model of "
        f"the limit of {LIMIT:,.0f} write units a second for each key of the index, which saves up those of "
        f"{SAVED:g} s at most. What an attempt takes is what the server reports. Facedesk tries again what is "
        f"throttled here, which adds to the load:\n\n{table(head, rows)}",
    )


if __name__ == "__main__":
    main()
