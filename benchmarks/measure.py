"""One piece of work in a process of its own: what it costs there, and nothing of what others cost.

``cost`` starts the process; run as ``python -m benchmarks.measure MODULE:FUNCTION ARGUMENTS`` this is the process.
The function gets the arguments (JSON), prepares, and returns the work to measure: a callable that says how many
records it dealt with. Needs the standard library alone: alternatives run in an environment of their own.
"""

from __future__ import annotations

import gc
import importlib
import json
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Cost:
    """Medians over the runs: seconds of the client's processor and of the clock, the process's peak memory (MB) and
    what it counted, mostly records; ``server``: seconds of the server's processor, 0 without one.
    """

    cpu: float
    wall: float
    peak: float
    counted: float
    server: float = 0.0


def cost(function: str, runs: int, *, python: str = sys.executable, server: int | None = None, **given: Any) -> Cost:
    """Of ``MODULE:FUNCTION``, in ``runs`` processes one after the other."""
    found = []
    for _ in range(runs):
        before = processor_seconds(server)
        ended = subprocess.run(
            [python, "-m", "benchmarks.measure", function, json.dumps(given)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        if ended.returncode:
            sys.exit(f"{function} failed:\n{ended.stderr}")
        # Preparing asks the server too: only what a reading of all costs it is told (see the scripts).
        found.append({**json.loads(ended.stdout.splitlines()[-1]), "server": processor_seconds(server) - before})
    return Cost(**{name: statistics.median(run[name] for run in found) for name in found[0]})


def processor_seconds(process: int | None) -> float:
    """Of a process so far; 0 where there is none, or no /proc."""
    stat = Path(f"/proc/{process}/stat")
    if not stat.exists():
        return 0.0
    fields = stat.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def main() -> None:
    module, _, name = sys.argv[1].partition(":")
    work = getattr(importlib.import_module(module), name)(**json.loads(sys.argv[2]))
    gc.collect()
    cpu, wall = time.process_time(), time.perf_counter()
    counted = work()
    measured = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall, "counted": counted}
    measured["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
