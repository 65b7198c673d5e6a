"""``benchmarks/RESULTS.md``: a section a benchmark, each with the versions and the machine of its run."""

from __future__ import annotations

import os
import platform
import re
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")
_HEAD = """# Results

Made by `make bench`, and by `benchmarks.faces` on photos that it is given; each script replaces its own section.
Ratios hold within one section: all of it was measured in one run, in turn, on one machine.
"""
_PACKAGES = ("boto3", "orjson", "pyarrow", "pandas", "apsw", "streamlit")


def publish(section: str, body: str) -> None:
    """Put ``body`` (Markdown) in the place of what the section said before, and print it."""
    said = f"## {section}\n\n{body.strip()}\n\n{_measured_with()}\n"
    print(said)
    text = RESULTS.read_text() if RESULTS.exists() else _HEAD
    parts = re.split(r"(?m)^(?=## )", text)
    others = [part.rstrip() + "\n" for part in parts[1:] if part.splitlines()[0] != f"## {section}"]
    RESULTS.write_text("\n".join([parts[0].rstrip() + "\n", *sorted([*others, said])]))


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table; all but the first column are set to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _measured_with() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    return (
        f"*{datetime.now(UTC):%Y-%m-%d %H:%M} UTC; Python {platform.python_version()}, {packages}; "
        f"{platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GiB; load {os.getloadavg()[0]:.1f} at the end.*"
    )
