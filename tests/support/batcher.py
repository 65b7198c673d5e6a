"""A process that runs an event's batch, for tests that kill it: ``python -m tests.support.batcher DATA EVENT``.

Everything as with the embedded backend but the engine, which costs nothing. A line on stdout for each photo.
"""

from __future__ import annotations

import sys
import threading
from contextlib import closing
from pathlib import Path

from core.adapters.embedded.worklists import SqliteWorklists
from core.domain.records import Source
from core.runtime.bootstrap import build
from core.services.batch import Batches, BatchProgress, Choice
from core.services.validation import Submitter
from core.settings import Settings
from tests.support.production import validation_by
from tests.support.rekognition import SameFace


def main(data: str, event_id: str) -> None:
    services = build(Settings(_env_file=None, data_dir=Path(data)))  # type: ignore[call-arg]
    settings = services.settings
    validation = validation_by(SameFace(), services, engine_deadline=30, engine_must_answer=True)
    batches = Batches(
        services.records,
        services.registrations,
        validation,
        SqliteWorklists(settings.data_dir),
        workers=8,
        max_file_bytes=settings.max_upload_bytes,
    )

    def report(progress: BatchProgress) -> None:
        sys.stdout.write(f"{progress.done}\n")
        sys.stdout.flush()

    with closing(batches.open(event_id, Choice.ALL, Submitter(Source.BATCH))) as batch:
        batch.run(threading.Event(), report)
    validation.close()
    services.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
