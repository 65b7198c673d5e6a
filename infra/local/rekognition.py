"""Plays Rekognition for ``docker compose --profile aws-local up``, by the face engine of this machine."""

from __future__ import annotations

import signal

from core.adapters.embedded.engine import LocalEngine
from tests.support.rekognition import RekognitionServer

_PORT = 5100

if __name__ == "__main__":
    ends = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    server = RekognitionServer(LocalEngine(), host="0.0.0.0", port=_PORT)
    server.start()
    signal.sigwait(ends)
    server.stop()
