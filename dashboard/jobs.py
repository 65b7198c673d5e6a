"""The work in the background, as pages see it and start it."""

from __future__ import annotations

from core.services.jobs import Jobs
from dashboard.services import shared


def jobs() -> Jobs:
    """The jobs of all processes."""
    return shared().services.jobs
