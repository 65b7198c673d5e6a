"""What a server does by itself at its start."""

from __future__ import annotations

import logging
import threading
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from core.domain.errors import Conflict, Unavailable
from core.runtime.housekeeping import Housekeeping


class Work:
    """Something that is done at the start; raises ``error`` where set."""

    def __init__(self, error: Exception | None = None) -> None:
        self.done = threading.Event()
        self._error = error

    def __call__(self) -> None:
        self.done.set()
        if self._error:
            raise self._error


def services(
    resume: Work,
    sweep: Work | None,
    look: Work | None = None,
    alert: Work | None = None,
    every: timedelta | None = timedelta(hours=1),
) -> Any:
    return SimpleNamespace(
        erasures=SimpleNamespace(resume=resume),
        forgetting=SimpleNamespace(look=look or Work()),
        retention=SimpleNamespace(sweep=sweep) if sweep else None,
        duplicates=SimpleNamespace(tidy=Work()),
        alerts=SimpleNamespace(look=alert or Work()),
        settings=SimpleNamespace(digest_every=every),
    )


def test_it_begins_with_what_was_cut_off_and_what_has_expired() -> None:
    resume, sweep = Work(), Work()
    keeping = Housekeeping(lambda: services(resume, sweep))
    assert resume.done.wait(10)
    assert sweep.done.wait(10)
    keeping.close()


@pytest.mark.parametrize("error", [Unavailable("records", "Timeout", "of reg-1"), KeyError("unforeseen")])
def test_what_fails_keeps_nothing_else_from_being_done(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    sweep = Work()
    with caplog.at_level(logging.WARNING):
        keeping = Housekeeping(lambda: services(Work(error), sweep))
        assert sweep.done.wait(10)
        keeping.close()
    assert "could not resume erasures" in caplog.text
    assert "reg-1" not in caplog.text


def test_it_begins_with_a_look_for_alerts_whatever_else_takes_long() -> None:
    alert, may_end = Work(), threading.Event()

    def slow() -> None:
        may_end.wait(30)

    keeping = Housekeeping(lambda: services(slow, None, alert=alert))  # type: ignore[arg-type]
    assert alert.done.wait(10)
    may_end.set()
    keeping.close()


def test_without_a_time_between_looks_there_are_no_alerts() -> None:
    alert, asked = Work(), threading.Event()
    found = services(Work(), None, alert=alert, every=None)

    def given() -> Any:
        if threading.current_thread().name == "alerts":
            asked.set()
        return found

    keeping = Housekeeping(given)
    assert asked.wait(10)
    keeping.close()
    assert not any(thread.is_alive() for thread in keeping._threads)
    assert not alert.done.is_set()


def test_where_services_clear_away_there_is_no_sweep() -> None:
    resume = Work()
    keeping = Housekeeping(lambda: services(resume, None))
    assert resume.done.wait(10)
    keeping.close()
    assert not any(thread.is_alive() for thread in keeping._threads)


def test_a_clock_that_has_jumped_is_told_to_the_log_with_what_to_do(caplog: pytest.LogCaptureFixture) -> None:
    look = Work()
    with caplog.at_level(logging.WARNING):
        keeping = Housekeeping(lambda: services(Work(), Work(Conflict("Say --trust-clock.")), look))
        assert look.done.wait(10)
        keeping.close()
    assert "Say --trust-clock." in caplog.text
