"""What one principal may do and see. Every facade checks its calls and filters its answers here."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn, TypeVar

from core.domain.cases import Claim
from core.domain.errors import Forbidden, ServiceError
from core.domain.records import Registration, ValidationRecord
from core.domain.roles import Action, Principal
from core.domain.text import require_texts
from core.runtime.facades.trail import NOBODY, PrincipalTrail, Subject
from core.services.pseudonyms import Pseudonyms

if TYPE_CHECKING:
    from pandas import DataFrame

T = TypeVar("T")
#: A record or registration, which belongs to one event or to none.
OfAnEvent = TypeVar("OfAnEvent", ValidationRecord, Registration)


class Permissions:
    """Checks one principal's calls, and reduces answers to what the principal may see.

    A refused call raises ``Forbidden`` and has an entry in the audit trail.
    """

    def __init__(self, principal: Principal, trail: PrincipalTrail, pseudonyms: Pseudonyms) -> None:
        self.principal = principal
        self.trail = trail
        self._pseudonyms = pseudonyms
        self._sees_identities = principal.sees_identities
        self._unnamed = _Unnamed(self._sees_identities)

    # What may be done

    def require(self, actions: Iterable[Action], subject: Subject = NOBODY) -> None:
        """Raises ``Forbidden`` unless the principal may do all of ``actions``."""
        for action in actions:
            if not self.principal.may(action):
                self.refuse(action, subject, f"Your role may not do this ({action}).")

    def reading(
        self, *actions: Action, subject: Subject = NOBODY, text: str | None = None
    ) -> AbstractContextManager[None]:
        """Allows a read in a ``with`` statement if the principal may do any one of ``actions``.

        ``event_reading`` is the same for an event. ``text`` is other text that was typed. Raises ``Forbidden``, and
        ``InvalidInput`` for ids or text that are not valid Unicode. If the principal sees no identities, an error of
        a store loses its message, which may name a registration.
        """
        require_texts(*subject, text)
        if not any(map(self.principal.may, actions)):
            self.refuse(actions[0], subject, f"Your role may not do this ({actions[0]}).")
        return self._unnamed

    def event_reading(self, *actions: Action, event_id: str | None) -> AbstractContextManager[None]:
        """As ``reading``, for an event, which must be one of the principal's; None stands for no event."""
        subject = Subject(event_id=event_id)
        reading = self.reading(*actions, subject=subject)
        self.require_event(event_id, actions[0], subject)
        return reading

    def require_event(self, event_id: str | None, action: Action, subject: Subject) -> None:
        """Raises ``Forbidden`` unless the event is one of the principal's; None stands for no event."""
        if not self.principal.sees_event(event_id):
            self.refuse(action, subject, "This event is not one of yours.")

    def require_all_events(self, action: Action, subject: Subject, message: str) -> None:
        """Raises ``Forbidden`` with ``message`` if the principal is limited to some events."""
        if self.principal.events is not None:
            self.refuse(action, subject, message)

    def refuse(self, action: Action, subject: Subject, message: str) -> NoReturn:
        """Writes the refusal into the audit trail, and raises ``Forbidden`` with ``message``."""
        self.trail.after(action, subject, Forbidden.__name__, {})
        raise Forbidden(message)

    # What may be seen

    def visible(self, found: OfAnEvent | None) -> OfAnEvent | None:
        """Returns ``found`` if it belongs to one of the principal's events, else None.

        Raises ``Forbidden`` if the principal sees no identities, because it names a person.
        """
        if found is None or not self.principal.sees_event(_event_of(found)):
            return None
        return self.named(found)

    def all_visible(self, found: Iterable[OfAnEvent]) -> list[OfAnEvent]:
        """Returns those of ``found`` that are ``visible``."""
        return [each for each in found if self.visible(each) is not None]

    def named(self, found: T) -> T:
        """Returns ``found``, which names people. Raises ``Forbidden`` if the principal sees no identities."""
        if not self._sees_identities:
            raise Forbidden("Your role may only see figures.")
        return found

    def frame(self, found: DataFrame) -> DataFrame:
        """Returns ``found``, with pseudonyms instead of identities if the principal sees none."""
        return found if self._sees_identities else self._pseudonyms.kept(found)

    def claims(self, found: list[Claim]) -> list[Claim]:
        """Returns ``found``, with pseudonyms instead of identities if the principal sees none."""
        return found if self._sees_identities else self._pseudonyms.claims(found)

    def frames(self, found: Iterator[DataFrame]) -> Iterator[DataFrame]:
        """As ``frame``, for the batches of one event, with the errors of ``reading``."""
        with self._unnamed:
            yield from found if self._sees_identities else self._pseudonyms.batches(found)

    # What callers write into the audit trail

    def reveal(self, user_id: str, registration_id: str | None = None, event_id: str | None = None) -> None:
        """Writes into the audit trail that a person's blurred faces are about to be revealed.

        Raises ``Forbidden``, and ``ServiceError`` if the trail cannot be written; the faces must then stay blurred.
        """
        self._look(Action.REVEAL, Subject(user_id, registration_id, event_id))

    def look(self, user_id: str, registration_id: str, event_id: str | None) -> None:
        """As ``reveal``, for the faces of the case that the principal is working on."""
        self._look(Action.SEE_FACES, Subject(user_id, registration_id, event_id))

    def look_at_pair(self, event_id: str, first_id: str, second_id: str) -> None:
        """As ``look``, for the faces of a pair of registrations of an event."""
        require_texts(event_id, first_id, second_id)
        for registration_id in (first_id, second_id):
            self._look(Action.FIND_DUPLICATES, Subject(None, registration_id, event_id))

    def export(
        self,
        what: str,
        parts: Iterator[bytes],
        needed: Action = Action.EXPORT,
        *,
        user_id: str | None = None,
        event_id: str | None = None,
        contacts: bool = False,
    ) -> Generator[bytes]:
        """Yields the ``parts`` of a download of the user's or the event's data, after writing an audit entry.

        ``needed`` is the action that the principal must be allowed. With ``contacts`` the download has names and
        e-mail addresses, as the entry says, and the principal must see identities. Raises ``Forbidden``, and
        ``ServiceError`` before the first part if the trail cannot be written. A second entry says how the download
        ended.
        """
        subject = Subject(user_id=user_id, event_id=event_id)
        require_texts(user_id, event_id)
        self.require([needed], subject)
        if event_id is not None:
            self.require_event(event_id, needed, subject)
        if contacts and not self._sees_identities:
            self.refuse(needed, subject, "Your role may only see figures, without names and addresses.")
        details = {"what": what} | ({"reveals": "name email"} if contacts else {})
        self.trail.before(Action.EXPORT, subject, details)
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
            self.trail.after(Action.EXPORT, subject, outcome, {**details, "bytes": str(size)})

    def tell(self, action: Action, outcome: str = "ok", *, at: datetime | None = None, entry_id: str = "") -> None:
        """Writes an audit entry about the principal, with their roles. A failure is only logged."""
        details = {"roles": " ".join(sorted(self.principal.roles))}
        self.trail.after(action, NOBODY, outcome, details, at=at, entry_id=entry_id)

    def _look(self, action: Action, subject: Subject) -> None:
        require_texts(*subject)
        self.require([action], subject)
        if subject.event_id is not None:
            self.require_event(subject.event_id, action, subject)
        try:
            self.trail.append(action, subject, "ok", {})
        except ServiceError as error:
            message = "The audit trail cannot be written right now, so no face is shown. Try again in a moment."
            raise type(error)(error.service, error.code, message) from error


class _Unnamed(AbstractContextManager[None]):
    """Removes the message of a store's error if the principal sees no identities. Has no state, so calls share it."""

    def __init__(self, sees_identities: bool) -> None:
        self._sees_identities = sees_identities

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, ServiceError) and not self._sees_identities:
            raise type(error)(error.service, error.code) from None


def _event_of(found: ValidationRecord | Registration) -> str | None:
    return found.event if isinstance(found, ValidationRecord) else found.event_id
