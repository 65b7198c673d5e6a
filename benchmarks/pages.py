"""What a rerun of a page costs, and how large its charts are. Run as ``python -m benchmarks.pages``.

The script runs in Streamlit's own test harness, without a browser; times are those of the whole run.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import data
from benchmarks.measure import cost
from benchmarks.results import publish, table

PAGES = {"event_overview": "Event overview", "statistics": "Statistics"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        data.embedded(Path(folder), given.records, registered=given.records * 6 // 5)
        for name, title in PAGES.items():
            of_page: dict[str, Any] = {"folder": folder, "name": name}
            warm = cost("benchmarks.ours:page", given.runs, warm=True, **of_page)
            cold = cost("benchmarks.ours:page_as_before", given.runs, **of_page)
            rows.append(
                [
                    title,
                    *(f"{1000 * seconds:,.0f}" for seconds in (warm.cpu, warm.wall, cold.cpu, cold.wall)),
                    f"{cold.wall / warm.wall:.1f}",
                    f"{warm.counted / 1000:.1f}",
                ]
            )
    head = ["page", "warm CPU, ms", "warm wall, ms", "cold CPU, ms", "cold wall, ms", "ratio", "largest chart, KB"]
    publish(
        "Pages",
        f"A rerun of the script with an event of {given.records:,} records in the embedded backend; cold: nothing is "
        f"kept, the stores are read (medians of {given.runs} runs, each in a process of its own):\n\n"
        f"{table(head, rows)}",
    )


if __name__ == "__main__":
    main()
