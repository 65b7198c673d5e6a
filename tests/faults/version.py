"""One of two versions of Facedesk's code over the same stores, which does what it is asked.

This file is run with the code of either version (``PYTHONPATH``), so it uses only what both have. A line on stdin is
a JSON list, the name of a command and its arguments; the answer is a line of JSON on stdout.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from core.domain.cases import LEASE, Claim, Note
from core.domain.clock import utc_now
from core.domain.records import Decision, Source
from core.domain.roles import Role
from core.runtime.bootstrap import build
from core.runtime.services import Services
from core.services.batch_jobs import BATCH
from core.services.validation import Submitter
from core.settings import Settings

TTL = timedelta(days=30)


def validate(services: Services, registration_id: str, key: str, attempt_id: str) -> None:
    submitter = Submitter(Source.API, "Ada")
    services.validation.validate_stored(registration_id, key=key, attempt_id=attempt_id, submitter=submitter)


def record(services: Services, user_id: str, registration_id: str) -> Any:
    found = services.records.get(user_id, registration_id)
    return found.model_dump(mode="json") if found else None


def decide(services: Services, user_id: str, registration_id: str, reviewer: str) -> None:
    seen = services.records.get(user_id, registration_id)
    assert seen
    services.validation.decide(seen, Decision.APPROVED, reviewer)


def take_case(services: Services, user_id: str, registration_id: str, event_id: str) -> None:
    now, ids = utc_now(), {"user_id": user_id, "registration_id": registration_id, "event_id": event_id}
    services.claims.take(Claim(holder="ada-1", name="Ada", since=now, until=now + LEASE, **ids), "ada-1")
    services.notes.add(Note(note_id="note-1", author="Ada", text="They will send another.", at=now, **ids), TTL)


def case(services: Services, user_id: str) -> Any:
    claims = [each for each in services.claims.standing() if each.user_id == user_id]
    return [each.model_dump(mode="json") for each in [*claims, *services.notes.of(user_id)]]


def name_event(services: Services, event_id: str, name: str) -> None:
    seen = services.profile_service.get(event_id)
    services.profile_service.save(seen.model_copy(update={"name": name, "ends_at": utc_now() + TTL}), "Ada")


def event(services: Services, event_id: str) -> Any:
    found = services.profiles.get(event_id)
    return found.model_dump(mode="json") if found else None


def make_token(services: Services, name: str) -> str:
    assert services.token_service
    return services.token_service.make(name, list(Role), [], None, "Ada")[0]


def holder(services: Services, token: str) -> str | None:
    found = services.tokens.bearer(token, None)
    return found[0].name if found else None


def sign_out(services: Services, claims: Mapping[str, Any]) -> None:
    services.sessions.sign_out(claims)


def is_signed_in(services: Services, claims: Mapping[str, Any]) -> bool:
    return services.sessions.of(claims) is not None


def job(services: Services, event_id: str) -> Any:
    """Of an event's batch, in whichever process: who started it, how many photos it has, and whether it runs."""
    found = services.jobs.of(BATCH, event_id)
    if found is None or found.progress is None:
        return None
    return {"by": found.operator, "photos": found.progress.total, "runs": found.running}


def stop_job(services: Services, event_id: str) -> None:
    services.jobs.stop(BATCH, event_id)


def photos_left(services: Services, event_id: str) -> int | None:
    found = services.batches.unfinished(event_id)
    return found[1].total - found[1].done if found else None


def resume_erasures(services: Services) -> None:
    services.erasures.resume()


def erasures_under_way(services: Services) -> int:
    return len(services.erasures.unfinished())


_COMMANDS: tuple[Callable[..., Any], ...] = (
    validate,
    record,
    decide,
    take_case,
    case,
    name_event,
    event,
    make_token,
    holder,
    sign_out,
    is_signed_in,
    job,
    stop_job,
    photos_left,
    resume_erasures,
    erasures_under_way,
)


def main() -> None:
    commands = {command.__name__: command for command in _COMMANDS}
    services = build(Settings(_env_file=None))  # type: ignore[call-arg]
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        sys.stdout.write(json.dumps(commands[name](services, *arguments)) + "\n")
        sys.stdout.flush()
    services.close()


if __name__ == "__main__":
    main()
