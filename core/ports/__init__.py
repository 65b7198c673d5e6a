"""The ports: what the services need from the outside world. ``tests/contracts`` checks every adapter against them.

Common to all: methods may be called from many threads at once. A passing fault that outlasts the adapter's retries
raises ``Unavailable``, a final one ``Refused`` or ``NotConfigured``. Ids are compared exactly and may contain any
characters.
"""

from __future__ import annotations

from core.ports.alerts import Crossings
from core.ports.audit import AuditTrail
from core.ports.cases import Claims, ExpiringCases, Notes
from core.ports.duplicates import DuplicateStore, FaceSearch, ReadPhoto
from core.ports.engine import Answer, FaceEngine, TemplateEngine
from core.ports.erasures import ErasureStore, StoredRecord
from core.ports.findings import FindingsStore
from core.ports.jobs import JobBoard, Notice
from core.ports.metrics import ExpiryCheck, ServiceMetrics
from core.ports.photos import AgeingPhotos, ExpiringPhotos, Photos
from core.ports.profiles import DatedEvents, EventProfileEdits, EventProfiles
from core.ports.records import EventChanges, ExpiringRecords, ValidationRecords
from core.ports.registrations import (
    BeingRead,
    RegistrationChanges,
    RegistrationImport,
    RegistrationPage,
    RegistrationPages,
    Registrations,
)
from core.ports.second_looks import SecondLooks
from core.ports.sign_outs import SignOuts
from core.ports.summaries import SummaryStore
from core.ports.templates import Templates
from core.ports.tokens import ApiTokens, TokenRates
from core.ports.unmapped import UnmappedRecords
from core.ports.worklists import Worklist, Worklists

__all__ = [
    "AgeingPhotos",
    "Answer",
    "ApiTokens",
    "AuditTrail",
    "BeingRead",
    "Claims",
    "Crossings",
    "DatedEvents",
    "DuplicateStore",
    "ErasureStore",
    "EventChanges",
    "EventProfileEdits",
    "EventProfiles",
    "ExpiringCases",
    "ExpiringPhotos",
    "ExpiringRecords",
    "ExpiryCheck",
    "FaceEngine",
    "FaceSearch",
    "FindingsStore",
    "JobBoard",
    "Notes",
    "Notice",
    "Photos",
    "ReadPhoto",
    "RegistrationChanges",
    "RegistrationImport",
    "RegistrationPage",
    "RegistrationPages",
    "Registrations",
    "SecondLooks",
    "ServiceMetrics",
    "SignOuts",
    "StoredRecord",
    "SummaryStore",
    "TemplateEngine",
    "Templates",
    "TokenRates",
    "UnmappedRecords",
    "ValidationRecords",
    "Worklist",
    "Worklists",
]
