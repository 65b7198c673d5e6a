"""Health: what is told of each service, whatever the others do."""

from __future__ import annotations

import threading
from dataclasses import replace
from types import SimpleNamespace

import pytest

from core.domain.errors import NotConfigured, Unavailable
from core.domain.hints import Hint
from core.runtime import health
from core.runtime.services import Services
from core.settings import Backend
from tests.support.desk import Desk


def test_each_service_is_well_and_timed(services: Services) -> None:
    found = health.check(services)
    assert [each.service for each in found] == [
        "validation records",
        "registrations",
        "photos",
        "face engine",
        "audit trail",
        "claims and notes",
        "event profiles",
    ]
    assert all(each.ok and each.milliseconds >= 0 for each in found)


def test_one_that_fails_is_told_by_its_class_and_code_and_the_others_are_well(services: Services, desk: Desk) -> None:
    desk.engine.error = NotConfigured("face engine", "AccessDenied", "with a detail")
    engine, *others = sorted(health.check(services), key=lambda each: each.ok)
    assert (engine.service, engine.error) == ("face engine", "NotConfigured (AccessDenied)")
    assert engine.hint is Hint.PERMISSION
    assert all(each.ok for each in others)


def test_what_nobody_foresaw_is_told_without_its_detail(services: Services, desk: Desk) -> None:
    desk.engine.error = KeyError("a secret")
    (failing,) = (each for each in health.check(services) if not each.ok)
    assert (failing.error, failing.hint) == ("KeyError", Hint.UNEXPECTED)


def test_all_are_asked_at_once(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    together = threading.Barrier(6)

    class Meeting:
        def ping(self) -> None:
            together.wait(30)

    all_meet = replace(
        services, **dict.fromkeys(("records", "registrations", "photos", "engine", "audit", "claims"), Meeting())
    )
    assert all(each.ok for each in health.check(all_meet))


@pytest.mark.parametrize(
    ("backend", "sign_in", "asked"),
    [(Backend.AWS, True, True), (Backend.AWS, False, False), (Backend.EMBEDDED, True, False)],
)
def test_sign_outs_are_indispensable_where_people_sign_in_and_they_are_in_a_table(
    services: Services, backend: Backend, sign_in: bool, asked: bool
) -> None:
    settings = SimpleNamespace(backend=backend, sign_in=sign_in)

    def gone() -> None:
        raise Unavailable("sign-outs", "Timeout")

    sessions = SimpleNamespace(ping=gone)
    found = health.check(replace(services, settings=settings, sessions=sessions))  # type: ignore[arg-type]
    failing = [(each.service, each.is_dispensable) for each in found if not each.ok]
    assert failing == ([("sign-outs", False)] if asked else [])
