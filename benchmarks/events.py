"""Reading an event from DynamoDB: all of it, what is new of it, and one person's history.

A local DynamoDB server on the loopback, which shares the machine's cores. Its own processor time stands beside the
client's: what it takes, no client can save. Run as ``python -m benchmarks.events``.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import data
from benchmarks.measure import ROOT, Cost, cost
from benchmarks.results import publish, table

#: The environment that `make bench` makes for awswrangler, which wants another pyarrow.
WRANGLER = ROOT / ".venv-bench" / "bin" / "python"
CALLS = 200
NEW = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, data.dynamodb(Path(folder), given.records) as (url, server):
        event: dict[str, Any] = {"url": url, "table": data.TABLE, "event_id": data.EVENT}
        reads = {
            "Facedesk": cost("benchmarks.ours:event_frame", given.runs, server=server, **event),
            "boto3 Table.query + DataFrame": cost(
                "benchmarks.alternatives:table_query", given.runs, server=server, **event
            ),
        }
        if WRANGLER.exists():
            reads["awswrangler read_items"] = cost(
                "benchmarks.alternatives:wrangler", given.runs, python=str(WRANGLER), server=server, **event
            )
        user: dict[str, Any] = {"url": url, "table": data.TABLE, "user_id": data.USER, "calls": CALLS}
        histories = {
            "Facedesk": cost("benchmarks.ours:history", given.runs, **user),
            "boto3 Table.query": cost("benchmarks.alternatives:history", given.runs, **user),
        }
        refresh = cost("benchmarks.ours:refresh", given.runs, new=NEW, **event)
    assert {read.counted for read in reads.values()} == {given.records}, reads
    assert {found.counted for found in histories.values()} == {data.HISTORY * CALLS}, histories
    assert refresh.counted == NEW, refresh
    publish("An event from DynamoDB", body(reads, refresh, histories, given.runs))


def body(reads: dict[str, Cost], refresh: Cost, histories: dict[str, Cost], runs: int) -> str:
    ours = reads["Facedesk"]
    rows = [
        [
            name,
            f"{read.cpu:.2f}",
            f"{read.cpu / ours.cpu:.1f}",
            f"{read.wall:.2f}",
            f"{read.wall / ours.wall:.1f}",
            f"{read.server:.2f}",
            f"{read.peak:.0f}",
            f"{read.counted / read.wall:,.0f}",
        ]
        for name, read in reads.items()
    ]
    head = ["read", "client CPU, s", "ratio", "wall, s", "ratio", "server CPU, s", "peak memory, MB", "records/s"]
    again = [[name, f"{1000 * read.wall:,.0f}", f"{read.wall / refresh.wall:,.0f}"] for name, read in reads.items()]
    calls = [
        [name, f"{1000 * found.cpu / CALLS:.2f}", f"{1000 * found.wall / CALLS:.2f}"]
        for name, found in histories.items()
    ]
    return f"""
{ours.counted:,.0f} records into a DataFrame (medians of {runs} runs, each in a process of its own; the peak is the
whole process's, its imports included):

{table(head, rows)}

The server works through one request after the other and takes most of the wall time: it bounds what reading in
parallel can win here.

The same event after {NEW} new records, kept in memory, against reading it again:

{table(["refreshed", "wall, ms", "ratio"], [["Facedesk, what is new", f"{1000 * refresh.wall:,.1f}", "1"], *again])}

A person's history of {data.HISTORY} records, whole and checked (`ValidationRecord`) against plain items, a call:

{table(["history", "client CPU, ms", "wall, ms"], calls)}
"""


if __name__ == "__main__":
    main()
