"""The ports with every call recorded as an operation. Each class implements the port that it wraps."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from core.domain.audit import AuditEntry
from core.domain.expiry import ExpiredRecord
from core.domain.records import Outcome, Registration, Review, ValidationRecord, Withdrawal
from core.domain.search import Found
from core.ports import (
    Answer,
    AuditTrail,
    BeingRead,
    ErasureStore,
    EventChanges,
    ExpiringRecords,
    ExpiryCheck,
    FaceEngine,
    RegistrationChanges,
    RegistrationImport,
    RegistrationPage,
    RegistrationPages,
    Registrations,
    SecondLooks,
    ServiceMetrics,
    StoredRecord,
    ValidationRecords,
)
from core.runtime.observed_alerts import AlertLog
from core.runtime.observer import Observed, Observer

if TYPE_CHECKING:  # half a second to load, and only frames need it
    from pandas import DataFrame

    from core.domain.costs import Usage
    from core.domain.erasures import Erasure, Receipt
    from core.domain.metrics import Metrics
    from core.domain.second_looks import SecondLook


class ObservedRecords(Observed):
    """``ValidationRecords`` with every call recorded."""

    def __init__(self, port: ValidationRecords, observer: Observer) -> None:
        super().__init__(observer, "records")
        self._port = port

    def get(self, user_id: str, registration_id: str) -> ValidationRecord | None:
        with self._call("get", user_id, registration_id):
            return self._port.get(user_id, registration_id)

    def history(self, user_id: str, limit: int | None = None) -> list[ValidationRecord]:
        with self._call("history", user_id):
            return self._port.history(user_id, limit)

    def event_frame(self, event_id: str) -> DataFrame:
        with self._call("event_frame", event_id=event_id):
            return self._port.event_frame(event_id)

    def event_changes(self, event_id: str, since: Any = None, columns: Sequence[str] | None = None) -> EventChanges:
        with self._call("event_changes", event_id=event_id):
            return self._port.event_changes(event_id, since, columns)

    def event_batches(self, event_id: str) -> Iterator[DataFrame]:
        call = self._call("event_batches", event_id=event_id)
        return self._observer.steps(call, self._port.event_batches(event_id))

    def event_records(self, event_id: str, limit: int) -> list[ValidationRecord]:
        with self._call("event_records", event_id=event_id):
            return self._port.event_records(event_id, limit)

    def event_notice(self) -> str | None:
        with self._call("event_notice"):
            return self._port.event_notice()

    def events_verified(self) -> datetime | None:
        with self._call("events_verified"):
            return self._port.events_verified()

    def record_attempt(
        self, outcome: Outcome, ttl: timedelta, kept_until: datetime | None = None
    ) -> ValidationRecord:
        with self._call("record_attempt", outcome.user_id, outcome.registration_id, outcome.event_id):
            return self._port.record_attempt(outcome, ttl, kept_until)

    def take_back(self, user_id: str, registration_id: str, attempt_id: str) -> ValidationRecord | None:
        with self._call("take_back", user_id, registration_id):
            return self._port.take_back(user_id, registration_id, attempt_id)

    def decide(
        self, user_id: str, registration_id: str, change: Review | Withdrawal, seen_version: str
    ) -> ValidationRecord:
        with self._call("decide", user_id, registration_id):
            return self._port.decide(user_id, registration_id, change, seen_version)

    def redate(self, cases: Sequence[tuple[str, str]], ttl: timedelta, kept_until: datetime | None) -> int:
        with self._call("redate"):
            return self._port.redate(cases, ttl, kept_until)

    def ping(self) -> None:
        with self._call("ping"):
            self._port.ping()

    def close(self) -> None:
        self._port.close()


class ObservedRegistrations(Observed):
    """``Registrations`` with every call recorded."""

    def __init__(self, port: Registrations, observer: Observer) -> None:
        super().__init__(observer, "registrations")
        self._port = port

    def get(self, registration_id: str) -> Registration | None:
        with self._call("get", registration_id=registration_id):
            return self._port.get(registration_id)

    def of_user(self, user_id: str) -> list[Registration]:
        with self._call("of_user", user_id):
            return self._port.of_user(user_id)

    def search(self, text: str, limit: int = 20, events: Collection[str] | None = None) -> Found:
        with self._call("search"):  # the text may name a person
            return self._port.search(text, limit, events)

    def event_frame(self, event_id: str) -> DataFrame:
        with self._call("event_frame", event_id=event_id):
            return self._port.event_frame(event_id)

    def being_read(self, event_id: str) -> BeingRead | None:
        return self._port.being_read(event_id)

    def unreadable(self, event_id: str | None) -> DataFrame:
        with self._call("unreadable", event_id=event_id):
            return self._port.unreadable(event_id)

    def events(self) -> list[str]:
        with self._call("events"):
            return self._port.events()

    def is_empty(self) -> bool:
        with self._call("is_empty"):
            return self._port.is_empty()

    def ping(self) -> None:
        with self._call("ping"):
            self._port.ping()

    def close(self) -> None:
        self._port.close()


class ObservedRegistrationPages(Observed):
    """``RegistrationPages`` with every call recorded."""

    def __init__(self, port: RegistrationPages, observer: Observer) -> None:
        super().__init__(observer, "registrations")
        self._port = port

    def event_count(self, event_id: str) -> int:
        with self._call("event_count", event_id=event_id):
            return self._port.event_count(event_id)

    def event_mark(self, event_id: str) -> Any:
        with self._call("event_mark", event_id=event_id):
            return self._port.event_mark(event_id)

    def event_page(self, event_id: str, after: Any, limit: int) -> RegistrationPage:
        with self._call("event_page", event_id=event_id):
            return self._port.event_page(event_id, after, limit)

    def event_changes(self, event_id: str, mark: Any) -> RegistrationChanges:
        with self._call("event_changes", event_id=event_id):
            return self._port.event_changes(event_id, mark)


class ObservedImport(Observed):
    """``RegistrationImport`` with every call recorded."""

    def __init__(self, port: RegistrationImport, observer: Observer) -> None:
        super().__init__(observer, "registrations")
        self._port = port

    def import_many(self, registrations: Iterable[Registration]) -> int:
        with self._call("import_many"):
            return self._port.import_many(registrations)

    def existing(self, registration_ids: Collection[str]) -> set[str]:
        with self._call("existing"):
            return self._port.existing(registration_ids)

    def named_elsewhere(self, keys: Collection[str], user_id: str | None) -> set[str]:
        with self._call("named_elsewhere", user_id):
            return self._port.named_elsewhere(keys, user_id)

    def erase(self, user_id: str) -> int:
        with self._call("erase", user_id):
            return self._port.erase(user_id)


class ObservedEngine(Observed):
    """``FaceEngine`` with every call recorded."""

    def __init__(self, port: FaceEngine, observer: Observer, name: str = "engine") -> None:
        super().__init__(observer, name)
        self._port = port
        self.provenance = port.provenance

    def detect(self, photo: bytes) -> Answer:
        with self._call("detect"):
            return self._port.detect(photo)

    def compare(self, submitted: bytes, reference: bytes) -> Answer:
        with self._call("compare"):
            return self._port.compare(submitted, reference)

    def ping(self) -> None:
        with self._call("ping"):
            self._port.ping()

    def close(self) -> None:
        self._port.close()


class ObservedAuditTrail(Observed):
    """``AuditTrail`` with every call recorded."""

    def __init__(self, port: AuditTrail, observer: Observer) -> None:
        super().__init__(observer, "audit")
        self._port = port

    def append(self, entry: AuditEntry) -> None:
        with self._call("append"):
            self._port.append(entry)

    def entries(self, since: datetime, until: datetime) -> Iterator[AuditEntry]:
        return self._observer.steps(self._call("entries"), self._port.entries(since, until))

    def ping(self) -> None:
        with self._call("ping"):
            self._port.ping()

    def close(self) -> None:
        self._port.close()


class ObservedErasureStore(Observed):
    """``ErasureStore`` with every call recorded."""

    def __init__(self, port: ErasureStore, observer: Observer) -> None:
        super().__init__(observer, "records")
        self._port = port

    def records_of(self, user_id: str) -> list[StoredRecord]:
        with self._call("records_of", user_id):
            return self._port.records_of(user_id)

    def users(self) -> Iterator[str]:
        return self._observer.steps(self._call("users"), self._port.users())

    def named_elsewhere(self, keys: Collection[str], user_id: str | None) -> set[str]:
        with self._call("named_elsewhere", user_id):
            return self._port.named_elsewhere(keys, user_id)

    def erase_records(self, user_id: str) -> int:
        with self._call("erase_records", user_id):
            return self._port.erase_records(user_id)

    def scrub(self) -> None:
        with self._call("scrub"):
            self._port.scrub()

    def journal_entry(self, user: str) -> Erasure | Receipt | None:
        with self._call("journal_entry"):
            return self._port.journal_entry(user)

    def unfinished(self) -> list[Erasure | Receipt]:
        with self._call("unfinished"):
            return self._port.unfinished()

    def ended(self) -> list[Receipt]:
        with self._call("ended"):
            return self._port.ended()

    def begin(self, erasure: Erasure) -> Erasure | Receipt:
        with self._call("begin"):
            return self._port.begin(erasure)

    def forget(self, receipt: Receipt) -> Receipt:
        with self._call("forget"):
            return self._port.forget(receipt)

    def finish(self, receipt: Receipt) -> None:
        with self._call("finish"):
            self._port.finish(receipt)

    def ping(self) -> None:
        with self._call("ping"):
            self._port.ping()

    def close(self) -> None:
        self._port.close()


class ObservedSecondLooks(Observed):
    """``SecondLooks`` with every call recorded."""

    def __init__(self, port: SecondLooks, observer: Observer) -> None:
        super().__init__(observer, "looks")
        self._port = port

    def add(self, look: SecondLook) -> SecondLook:
        with self._call("add", event_id=look.event_id):
            return self._port.add(look)

    def of_event(self, event_id: str) -> list[SecondLook]:
        with self._call("of_event", event_id=event_id):
            return self._port.of_event(event_id)

    def close(self) -> None:
        self._port.close()


class ObservedExpiringRecords(Observed):
    """``ExpiringRecords`` with every call recorded."""

    def __init__(self, port: ExpiringRecords, observer: Observer) -> None:
        super().__init__(observer, "records")
        self._port = port

    def expired(self, now: datetime, limit: int) -> list[ExpiredRecord]:
        with self._call("expired"):
            return self._port.expired(now, limit)

    def drop_expired(self, records: Collection[ExpiredRecord], now: datetime) -> int:
        with self._call("drop_expired"):
            return self._port.drop_expired(records, now)

    def named_alive(self, keys: Collection[str], now: datetime) -> set[str]:
        with self._call("named_alive"):
            return self._port.named_alive(keys, now)


class ObservedExpiryCheck(Observed):
    """``ExpiryCheck`` with every call recorded, and an alert where it finds something."""

    def __init__(self, port: ExpiryCheck, observer: Observer) -> None:
        super().__init__(observer, "records")
        self._port = port
        self._alerts = AlertLog(observer)

    def count_ignored(self) -> int:
        with self._call("count_ignored"):
            number = self._port.count_ignored()
        if number:
            self._alerts.never_expire()
        return number

    def close(self) -> None:
        self._port.close()


class ObservedMetrics(Observed):
    """``ServiceMetrics`` with every call recorded."""

    def __init__(self, port: ServiceMetrics, observer: Observer) -> None:
        super().__init__(observer, "metrics")
        self._port = port

    def read(self, since: datetime, until: datetime) -> Metrics:
        with self._call("read"):
            return self._port.read(since, until)

    def month_to_date(self, now: datetime) -> Usage:
        with self._call("month_to_date"):
            return self._port.month_to_date(now)

    def close(self) -> None:
        self._port.close()
