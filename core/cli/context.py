"""What commands run in: the services or the data folder of the settings, the user, and how Ctrl-C stops them."""

from __future__ import annotations

import getpass
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cli.console import complain
from core.cli.failures import one_line_errors
from core.domain.errors import InvalidInput
from core.settings import Backend, load_settings

if TYPE_CHECKING:
    from core.ports import RegistrationImport
    from core.runtime.services import Services


@contextmanager
def open_services() -> Iterator[Services]:
    """The services that the settings name, closed at the end; errors as in ``one_line_errors``."""
    # Imported only now: the adapters' libraries take a second to load, and --help needs none of them.
    from core.runtime.bootstrap import build

    with one_line_errors():
        services = build(load_settings())
        try:
            yield services
        finally:
            services.close()


def importer(services: Services) -> RegistrationImport:
    """The store into which registrations are imported. Raises ``InvalidInput`` if the backend has none."""
    if services.importer is None:
        raise InvalidInput(
            f"With FACEDESK_BACKEND={services.settings.backend} registrations are only read, from MongoDB: "
            "load them there, or use FACEDESK_BACKEND=embedded."
        )
    return services.importer


def local_data_folder() -> Path:
    """The data folder of this machine's installation. Raises ``InvalidInput`` if the data is in AWS."""
    settings = load_settings()
    if settings.backend is not Backend.EMBEDDED:
        raise InvalidInput(
            "With FACEDESK_BACKEND=aws the data is in DynamoDB, S3 and MongoDB: use point-in-time recovery, the "
            "bucket's versions and MongoDB's own backups."
        )
    return settings.data_dir


def user_name() -> str:
    """The name of the operating system's user who runs the command."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container may run as a user id that has no name
        name = f"user {os.getuid()}"
    return name.encode(errors="replace").decode()


@contextmanager
def stop_on_signals() -> Iterator[threading.Event]:
    """The event is set by Ctrl-C or SIGTERM; a second signal ends the command at once."""
    stop = threading.Event()

    def on_signal(number: int, _frame: Any) -> None:
        stop.set()
        complain("Stopping after the photos in progress. Press Ctrl-C again to stop at once.")
        signal.signal(number, signal.SIG_DFL)

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
