"""The services as one principal has them: each call is checked against ``core.domain.roles``, and what it gives is
cut down to what they may see. What counts as a deed goes into the audit trail here, so that no door can forget it.
"""

from __future__ import annotations

import inspect
import logging
import uuid
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import datetime
from functools import wraps
from typing import TYPE_CHECKING, Any, cast

from core.domain.audit import AuditEntry
from core.domain.errors import FacedeskError, Forbidden, RegistrationNotFound, ServiceError
from core.domain.records import Outcome, Registration, ValidationRecord
from core.domain.roles import METHODS, Action, Principal
from core.domain.text import require_text
from core.runtime.bootstrap import Services
from core.services.hashing import IdHash, id_hash
from core.services.pseudonyms import Pseudonyms

if TYPE_CHECKING:
    from pandas import DataFrame

logger = logging.getLogger(__name__)

#: Parts of the services that hold nobody's data and do nothing to it.
OPEN = frozenset({"settings", "clock", "sanitiser", "observer", "verify", "closing"})
#: A method that is a deed -> the action that the audit trail names it by.
_DEEDS: Mapping[str, Action] = {
    "validation.validate_upload": Action.VALIDATE,
    "validation.validate_stored": Action.VALIDATE,
    "validation.decide": Action.DECIDE,
    "batches.open": Action.RUN_BATCH,
    "batches.resume": Action.RUN_BATCH,
    "batches.drop": Action.RUN_BATCH,
    "references.run": Action.RUN_BATCH,
}
#: Deeds that are not done where the trail cannot tell of them.
_TOLD_BEFORE = frozenset({Action.DECIDE, Action.EXPORT})
#: The outcome of an entry that is written before its deed; a second one tells what came of it.
BEGUN = "begun"
#: How many are asked for where some of the found may not be shown: a method's ``limit``, by its name.
_WIDER: Mapping[str, int | None] = {"records.history": None, "registrations.search": 1000}


@dataclass(frozen=True)
class _Deed:
    """What an audit entry says besides who did it; ids are still plain."""

    action: Action
    user_id: str | None = None
    registration_id: str | None = None
    event_id: str | None = None
    #: Of a deed that may be told more than once and stays one entry; else now, and an id of its own.
    at: datetime | None = None
    entry_id: str | None = None


class Guard:
    """Hands out ``services``, each principal's own view of them."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self._hashed = id_hash(services.settings)
        self._pseudonyms = Pseudonyms(self._hashed)

    def acting_as(self, principal: Principal) -> GuardedServices:
        """The services for ``principal``: whatever they may not do raises ``Forbidden``, with a word in the trail.

        Of other events than theirs there is nothing to be found; asked for by name, an event is ``Forbidden``. Who
        may not see identities gets frames with pseudonyms.
        """
        acting = _Acting(principal, self.services, self._hashed, self._pseudonyms)
        parts = {field.name: getattr(self.services, field.name) for field in fields(Services)}
        doors: dict[str, Any] = {
            name: part if name in OPEN or part is None else _Door(acting, name, part) for name, part in parts.items()
        }
        return GuardedServices(**doors, acting=acting)


class _Door:
    """A part of the services, each of whose methods is checked when it is called."""

    def __init__(self, acting: _Acting, name: str, part: object) -> None:
        self._acting = acting
        self._name = name
        self._part = part

    def __getattr__(self, name: str) -> Any:
        return self._acting.checked(f"{self._name}.{name}", getattr(self._part, name))


@dataclass(frozen=True)
class _Acting:
    principal: Principal
    services: Services
    hashed: IdHash
    pseudonyms: Pseudonyms

    def require(self, actions: Iterable[Action], deed: _Deed | None = None) -> None:
        """Raises ``Forbidden``, and tells the trail, unless the principal may do all of ``actions``."""
        for action in actions:
            if not self.principal.may(action):
                self._refuse(deed or _Deed(action), f"Your role may not do this ({action}).")

    def checked(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def call(*args: Any, **kwargs: Any) -> Any:
            sufficient = METHODS.get(name, ())
            given = inspect.signature(method).bind(*args, **kwargs).arguments
            require_text(given)
            deed = _deed(_DEEDS.get(name) or next(iter(sufficient), Action.SIGN_IN), given)
            if not any(map(self.principal.may, sufficient)):
                self._refuse(deed, f"Your role may not do this ({name}).")
            self._check_events(name, given, deed)
            if name in _DEEDS:
                return self._done(deed, lambda: method(*args, **kwargs))
            with self._naming_nobody():
                return self._shown(self._asked(name, method, given))

        return call

    def reveal(self, user_id: str, registration_id: str | None = None, event_id: str | None = None) -> None:
        """Tell the trail that a person's faces are about to be revealed where they were blurred.

        Raises ``Forbidden``, and ``ServiceError`` where the trail cannot be written: then they stay blurred.
        """
        self._look(_Deed(Action.REVEAL, user_id, registration_id, event_id))

    def look(self, user_id: str, registration_id: str, event_id: str | None) -> None:
        """As ``reveal``, of the faces of the case that is being worked on."""
        self._look(_Deed(Action.SEE_FACES, user_id, registration_id, event_id))

    def export(
        self,
        what: str,
        parts: Iterator[bytes],
        needed: Action = Action.EXPORT,
        *,
        user_id: str | None = None,
        event_id: str | None = None,
    ) -> Generator[bytes]:
        """``parts`` of a download of the user's or the event's data, after the trail was told.

        ``needed`` is what the principal must be allowed. Raises ``ServiceError`` before the first part where the
        trail cannot be written. How it ended is told too.
        """
        require_text((user_id, event_id))
        deed = _Deed(Action.EXPORT, user_id=user_id, event_id=event_id)
        self.require([needed], deed)
        if deed.event_id is not None:
            self._check_event(deed.event_id, deed)
        details = {"what": what}
        self._tell_before(deed, details)
        size, outcome = 0, "broken off"
        try:
            for part in parts:
                size += len(part)
                yield part
            outcome = "ok"
        except BaseException as error:
            outcome = type(error).__name__
            raise
        finally:
            self._tell_after(deed, outcome, {**details, "bytes": str(size)})

    def tell(self, action: Action, outcome: str = "ok", *, at: datetime | None = None, entry_id: str = "") -> None:
        """An entry about the principal themself; the log says where the trail could not be written."""
        deed = _Deed(action, at=at, entry_id=entry_id)
        self._tell_after(deed, outcome, {"roles": " ".join(sorted(self.principal.roles))})

    def _look(self, deed: _Deed) -> None:
        require_text(deed)
        self.require([deed.action], deed)
        if deed.event_id is not None:
            self._check_event(deed.event_id, deed)
        try:
            self._append(deed, "ok", {})
        except ServiceError as error:
            message = "The audit trail cannot be written right now, so no face is shown. Try again in a moment."
            raise type(error)(error.service, error.code, message) from error

    def _asked(self, name: str, method: Callable[..., Any], given: Mapping[str, Any]) -> Any:
        if self.principal.events is None or name not in _WIDER:
            return method(**given)
        limit = given.get("limit", inspect.signature(method).parameters["limit"].default)
        return self._shown(method(**{**given, "limit": _WIDER[name]}))[:limit]

    def _check_events(self, name: str, given: Mapping[str, Any], deed: _Deed) -> None:
        """Raises where the call names something of an event that is not theirs."""
        if given.get("by", self.principal) != self.principal:
            self._refuse(deed, "Nobody acts in another's name.")
        if self.principal.events is None:
            return
        if name.startswith("erasures."):
            # A person may have records of every event.
            self._refuse(deed, "Erasing a person takes a role in all events.")
        for argument, value in given.items():
            if argument == "event_id":
                self._check_event(value, deed)
            elif isinstance(value, Outcome | ValidationRecord):
                self._check_event(_event_of(value), deed)
            elif argument == "registrations":
                for each in value:
                    self._check_event(each.event_id, deed)
        if name.startswith("validation.validate"):
            registration = self.services.registrations.get(given["registration_id"])
            if registration is None or not self.principal.sees_event(registration.event_id):
                raise RegistrationNotFound("There is no registration with this id.")

    def _check_event(self, event_id: str | None, deed: _Deed) -> None:
        if not self.principal.sees_event(event_id):
            self._refuse(deed, "This event is not one of yours.")

    def _shown(self, found: Any) -> Any:
        """What they may see of ``found``, by what it is; without identities nothing of a kind not named here."""
        match found:
            case list():
                return [each for each in found if self._is_shown(each)]
            case Iterator():
                return self._each_shown(found)
            case ValidationRecord() | Registration() | AuditEntry() if not self.principal.sees_event(
                _event_of(found)
            ):
                return None
        if self.principal.sees_identities or found is None or isinstance(found, str | bool):
            return found
        return self.pseudonyms.kept(_frame_alone(found))

    def _each_shown(self, found: Iterator[Any]) -> Iterator[Any]:
        with self._naming_nobody():
            if self.principal.sees_identities:
                yield from (shown for each in found if (shown := self._shown(each)) is not None)
            else:
                yield from self.pseudonyms.batches(map(_frame_alone, found))

    @contextmanager
    def _naming_nobody(self) -> Iterator[None]:
        """Takes the sentence from a store's error, which may name a registration, if the principal sees no ids."""
        try:
            yield
        except ServiceError as error:
            if self.principal.sees_identities:
                raise
            raise type(error)(error.service, error.code) from None

    def _is_shown(self, each: Any) -> bool:
        if isinstance(each, str):  # an event's id: no service lists other texts
            return self.principal.sees_event(each)
        return self._shown(each) is not None

    def _done(self, deed: _Deed, act: Callable[[], Any]) -> Any:
        if deed.action in _TOLD_BEFORE:
            self._tell_before(deed, {})
        try:
            result = act()
        except Exception as error:
            self._tell_after(deed, type(error).__name__, {})
            raise
        record = getattr(result, "record", result)
        if isinstance(record, ValidationRecord):
            deed = _Deed(deed.action, record.user_id, record.registration_id, record.event)
            self._tell_after(deed, "ok", {"status": str(record.validation_status)})
        else:
            self._tell_after(deed, "ok", {})
        return result

    def _refuse(self, deed: _Deed, message: str) -> None:
        self._tell_after(deed, Forbidden.__name__, {})
        raise Forbidden(message)

    def _tell_before(self, deed: _Deed, details: Mapping[str, str]) -> None:
        try:
            self._append(deed, BEGUN, details)
        except ServiceError as error:
            message = "Nothing was done: the audit trail cannot be written right now. Try again in a moment."
            raise type(error)(error.service, error.code, message) from error

    def _tell_after(self, deed: _Deed, outcome: str, details: Mapping[str, str]) -> None:
        """The deed is done or refused: it stays so, whether the trail can be written or not."""
        try:
            self._append(deed, outcome, details)
        except FacedeskError as error:
            logger.error("the audit trail lacks an entry: %s %s (%s)", deed.action, outcome, type(error).__name__)

    def _append(self, deed: _Deed, outcome: str, details: Mapping[str, str]) -> None:
        self.services.audit.append(
            AuditEntry(
                entry_id=deed.entry_id or uuid.uuid4().hex,
                at=deed.at or self.services.clock(),
                who=self.principal.id,
                action=deed.action,
                user=None if deed.user_id is None else self.hashed(deed.user_id),
                registration=None if deed.registration_id is None else self.hashed(deed.registration_id),
                event_id=deed.event_id,
                ip_address=self.principal.ip_address,
                outcome=outcome,
                details=details,
            )
        )


@dataclass(frozen=True, kw_only=True)
class GuardedServices(Services):
    """``Services`` for one principal."""

    acting: _Acting

    @property
    def principal(self) -> Principal:
        return self.acting.principal


def _deed(action: Action, given: Mapping[str, Any]) -> _Deed:
    """Whom a call is about, by its arguments."""
    seen = given.get("seen")
    if isinstance(seen, ValidationRecord):
        return _Deed(action, seen.user_id, seen.registration_id, seen.event)
    return _Deed(action, given.get("user_id"), given.get("registration_id"), given.get("event_id"))


def _frame_alone(found: Any) -> DataFrame:
    """``found``, if it is a frame. Raises ``Forbidden`` otherwise: nothing else can be shown without identities."""
    if type(found).__name__ != "DataFrame":  # by name: pandas takes half a second to load
        raise Forbidden("Your role may see figures alone.")
    return cast("DataFrame", found)


def _event_of(found: Outcome | ValidationRecord | Registration | AuditEntry) -> str | None:
    return found.event if isinstance(found, ValidationRecord) else found.event_id
