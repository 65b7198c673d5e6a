"""How costs grow with an event: reading it, refreshing it, a rerun of its page, its CSV.

The embedded backend at all sizes, and DynamoDB (a local server) at those that it can be filled to in minutes. Run as
``python -m benchmarks.scale``.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks import data
from benchmarks.measure import cost
from benchmarks.results import publish, table

NEW = 100


def embedded(size: int, runs: int) -> dict[str, float]:
    """Seconds of the clock by what is done."""
    with tempfile.TemporaryDirectory() as folder:
        database = data.embedded(Path(folder), size, registered=size)
        event: dict[str, Any] = {"database": str(database), "event_id": data.EVENT}
        return {
            "read": cost("benchmarks.ours:read_embedded", runs, **event).wall,
            "page rerun": cost("benchmarks.ours:page", runs, folder=folder, name="event_overview", warm=True).wall,
            "CSV": cost("benchmarks.ours:csv", runs, target=f"{folder}/records.csv", **event).wall,
            # Last: it adds records.
            "refresh": cost("benchmarks.ours:refresh_embedded", runs, new=NEW, **event).wall,
        }


def dynamodb(size: int, runs: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder, data.dynamodb(Path(folder), size) as (url, _):
        event: dict[str, Any] = {"url": url, "table": data.TABLE, "event_id": data.EVENT}
        return {
            "read (DynamoDB)": cost("benchmarks.ours:event_frame", runs, **event).wall,
            "refresh (DynamoDB)": cost("benchmarks.ours:refresh", runs, new=NEW, **event).wall,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--largest-in-dynamodb", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    found = {
        size: embedded(size, given.runs) | (dynamodb(size, given.runs) if size <= given.largest_in_dynamodb else {})
        for size in given.sizes
    }
    publish("Cost against size", body(found, given.runs))


def body(found: dict[int, dict[str, float]], runs: int) -> str:
    sizes = list(found)
    works = list(found[sizes[0]])
    rows = [
        [
            work,
            *(f"{1000 * found[size][work]:,.1f}" if work in found[size] else "–" for size in sizes),
            *(slope(found, work, smaller, larger) for smaller, larger in pairwise(sizes)),
        ]
        for work in works
    ]
    steps = [f"{smaller:,} → {larger:,}" for smaller, larger in pairwise(sizes)]
    return f"""
Wall time in milliseconds by records of the event (medians of {runs} runs), and the slope between two sizes: 1 where a
cost grows as the event does, 0 where it does not grow.

{table(["work", *(f"{size:,}" for size in sizes), *steps], rows)}

{chart(found, [work for work in works if all(work in at_size for at_size in found.values())])}

Reading and exporting have to touch every record: their slope goes to 1 as the fixed cost of a call fades. A refresh
reads what is new, whatever is there; what grows with the event is the copy that puts the new records in their places,
in memory. A warm rerun reads nothing; what grows are the passes over the frame's columns (filters, counts).
"""


def slope(found: dict[int, dict[str, float]], work: str, smaller: int, larger: int) -> str:
    if work not in found[larger] or work not in found[smaller]:
        return "–"
    return f"{math.log(found[larger][work] / found[smaller][work]) / math.log(larger / smaller):.2f}"


def chart(found: dict[int, dict[str, float]], works: list[str]) -> str:
    """Mermaid's chart, which knows no logarithmic axis: it shows the logarithms."""
    lines = [
        f"    line [{', '.join(f'{math.log10(1000 * at_size[w]):.2f}' for at_size in found.values())}]" for w in works
    ]
    axis = ", ".join(f'"{size:,}"' for size in found)
    return "\n".join(
        [
            "```mermaid",
            "xychart-beta",
            f'    title "{" / ".join(works)} (in this order)"',
            f'    x-axis "records" [{axis}]',
            '    y-axis "log10 of milliseconds"',
            *lines,
            "```",
        ]
    )


if __name__ == "__main__":
    main()
