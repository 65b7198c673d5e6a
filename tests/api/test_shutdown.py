"""How the process ends: it finishes what it was asked, and waits for nobody who takes too long."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from core.adapters.embedded.records import SqliteRecords
from core.domain.clock import utc_now
from dashboard.server import GRACE_SECONDS
from tests.api.test_routes import process
from tests.support.records import an_outcome

#: On a busy machine.
SLACK_SECONDS = 15
HANG_SECONDS = 60


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A data folder whose event is far more than sockets hold: 40 MB of records."""
    records = SqliteRecords(tmp_path / "facedesk.sqlite3", utc_now)
    for number in range(200):
        long = an_outcome(registration_id=f"r{number}", timestamp=utc_now(), face_image_key="x" * 200_000)
        records.record_attempt(long, timedelta(days=30))
    records.close()
    return tmp_path


@contextmanager
def asked(address: str, request: str) -> Iterator[socket.socket]:
    """A connection on which ``request`` was sent."""
    with socket.create_connection(("127.0.0.1", urlsplit(address).port), HANG_SECONDS) as connection:
        connection.sendall(request.replace("\n", "\r\n").encode())
        yield connection


def until_closed(address: str) -> None:
    """Until it takes no connection any more."""
    with suppress(OSError):
        while True:
            socket.create_connection(("127.0.0.1", urlsplit(address).port), HANG_SECONDS).close()


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_a_download_that_nobody_takes_does_not_hold_up_the_end(large: Path, signal_number: int) -> None:
    with process(large) as (running, address):
        request = "GET /api/exports/events/event-1/records.csv HTTP/1.1\nHost: localhost\n\n"
        with asked(address, request) as connection:
            assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")
            running.send_signal(signal_number)
            running.wait(GRACE_SECONDS + SLACK_SECONDS)


BODY = json.dumps({"faceImageKey": "face-images/none.jpg"})
BEGUN = f"""POST /api/registrations/none/validate-face-image HTTP/1.1
Host: localhost
Content-Type: application/json
Content-Length: {len(BODY)}
Expect: 100-continue

"""


def test_what_was_asked_before_the_end_is_answered(tmp_path: Path) -> None:
    with process(tmp_path) as (running, address), asked(address, BEGUN) as connection:
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")
        running.send_signal(signal.SIGTERM)
        until_closed(address)
        connection.sendall(BODY.encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 404 ")
        running.wait(SLACK_SECONDS)


def test_what_takes_too_long_is_told_so(tmp_path: Path) -> None:
    with process(tmp_path) as (running, address), asked(address, BEGUN) as connection:
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")
        running.send_signal(signal.SIGTERM)
        assert connection.recv(1000).startswith(b"HTTP/1.1 503 ")
        running.wait(SLACK_SECONDS)
