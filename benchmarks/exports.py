"""An event's records as a file, from the embedded database. Run as ``python -m benchmarks.exports``."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import data
from benchmarks.measure import cost
from benchmarks.results import publish, table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        database = data.embedded(Path(folder), given.records)
        files: dict[str, Any] = {"database": str(database), "event_id": data.EVENT, "target": f"{folder}/records"}
        found = {
            "Facedesk, CSV": cost("benchmarks.ours:csv", given.runs, **files),
            "pandas read_sql + to_csv": cost("benchmarks.alternatives:read_sql_to_csv", given.runs, **files),
            "Facedesk, Parquet": cost("benchmarks.ours:parquet", given.runs, **files),
        }
    assert {each.counted for each in found.values()} == {given.records}, found
    ours = found["Facedesk, CSV"]
    rows = [
        [
            name,
            f"{each.cpu:.2f}",
            f"{each.wall:.2f}",
            f"{each.wall / ours.wall:.1f}",
            f"{each.peak:.0f}",
            f"{each.peak / ours.peak:.1f}",
            f"{each.counted / each.wall:,.0f}",
        ]
        for name, each in found.items()
    ]
    head = ["export", "CPU, s", "wall, s", "ratio", "peak memory, MB", "ratio", "records/s"]
    publish(
        "Exports",
        f"{given.records:,} records of the embedded database into a file (medians of {given.runs} runs, each in a "
        f"process of its own, whose imports are in its peak):\n\n{table(head, rows)}",
    )


if __name__ == "__main__":
    main()
