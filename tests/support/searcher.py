"""A process that searches an event, for tests that kill it: ``python -m tests.support.searcher EVENT``.

The settings come from its environment, and it writes a line on stdout for each step.
"""

from __future__ import annotations

import sys
from threading import Event

from core.flow.crew import Progress
from core.runtime.bootstrap import build
from core.settings import Settings


def main(event_id: str) -> None:
    services = build(Settings(_env_file=None))  # type: ignore[call-arg]

    def report(progress: Progress) -> None:
        sys.stdout.write(f"{progress.done}\n")
        sys.stdout.flush()

    services.duplicates.search(event_id, Event(), report)
    services.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
