"""One of several instances over the same stores, for tests that kill it: ``python -m tests.support.instance EVENT``.

It is built from its environment as a server is, and keeps house as one; but unless it is ``--as-in-production``, the
times after which others notice that it is gone are shorter. With ``--start`` it starts the event's batch, in Olga's
name. It writes a line for each news of a batch that it works on: the number of photos done.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from datetime import timedelta
from functools import partial

from core.adapters.aws import jobs as notices
from core.adapters.aws import kept_lease, worklists
from core.domain.records import Source
from core.runtime import housekeeping
from core.runtime.bootstrap import build
from core.services import jobs
from core.services.batch import Choice
from core.services.batch_jobs import BATCH, batch_work
from core.services.validation import Submitter
from core.settings import Settings


def hasten() -> None:
    """Half a minute becomes two seconds."""
    kept_lease.LEASE = worklists.LEASE = timedelta(seconds=2)
    kept_lease.RENEW_EVERY = timedelta(seconds=0.4)
    notices.RUNNING_FOR = timedelta(seconds=1.5)
    jobs.TELL_EVERY = 0.2
    housekeeping.TAKE_OVER_AFTER = timedelta(seconds=0.3), timedelta(seconds=0.6)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("event")
    parser.add_argument("--start", action="store_true")
    parser.add_argument("--as-in-production", action="store_true")
    arguments = parser.parse_args()
    if not arguments.as_in_production:
        hasten()
    end = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: end.set())
    services = build(Settings(_env_file=None))  # type: ignore[call-arg]
    keeping = housekeeping.Housekeeping(lambda: services)
    if arguments.start:
        opened = partial(services.batches.open, arguments.event, Choice.ALL, Submitter(Source.BATCH, "Olga"))
        services.jobs.start(BATCH, arguments.event, batch_work(opened), "Olga")
    told = None
    while not end.wait(0.02):
        here = services.jobs._here.get((BATCH, arguments.event))
        progress = here.progress if here else None
        if progress and progress.done != told:
            told = progress.done
            sys.stdout.write(f"{told}\n")
            sys.stdout.flush()
    keeping.close()
    services.close()


if __name__ == "__main__":
    main()
