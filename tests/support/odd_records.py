"""A grammar of records as other services write them: any field of any kind, several at once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import orjson
from hypothesis import strategies as st

from tests.support.records import a_foreign_item

#: `FACEDESK_TEST_EXAMPLES=2000` looks longer.
EXAMPLES = int(os.environ.get("FACEDESK_TEST_EXAMPLES", "60"))
#: In the year 2100: a record that has not expired, whatever the clock of a test.
_LATER = 4_102_444_800
#: Kinds of values: the value, and how it is named if it cannot be read, None if it can.
Kind = tuple[Any, str | None]

_TEXT: list[Kind] = [("", "text"), ("N/A", "text")]
_NEVER: list[Kind] = [({"value": 1}, "map"), ([1], "list")]
_NUMBERS: list[Kind] = [
    (99, None),
    (99.5, None),
    ("99.5", None),
    (" 99.5 % ", None),
    (100.00001, None),
    (-0.000001, None),
    (None, None),
    ("  ", None),
    ("N/A", "text"),
    (101, "number"),
    (True, "truth-value"),
    *_NEVER,
]
_TIMES: list[Kind] = [
    ("2026-02-28T10:30:00+05:30", None),
    ("2026-02-28T10:30:00Z[UTC]", None),
    ("2026-02-28", None),
    ("Sat, 28 Feb 2026 10:30:00 GMT", None),
    ("Sat Feb 28 2026 10:30:00 GMT+0530 (India Standard Time)", None),
    ("1772274600", None),
    (1772274600, None),
    (1772274600000, None),
    (None, None),
    ("yesterday", "text"),
    ("02/28/2026", "text"),
    (False, "truth-value"),
    *_NEVER,
]
_EXPIRIES: list[Kind] = [
    (_LATER, None),
    (_LATER + 0.5, None),
    (str(_LATER), None),
    (_LATER * 1000, None),
    ("2100-01-01T00:00:00Z", None),
    (None, None),
    ("never", "text"),
    (True, "truth-value"),
    *_NEVER,
]
_TEXTS: list[Kind] = [("x", None), (5, None), (True, None), (str(UUID(int=5)), None), (None, None), *_NEVER]
_MAPS: list[Kind] = [({}, None), ("{}", None), (None, None), ("", None), ("x", "text"), (False, "truth-value")]
FIELDS: Mapping[str, list[Kind]] = {
    "validationStatus": [
        ("SUCCESS", None),
        (" Failed ", None),
        (None, None),
        ("passed", "text"),
        (1, "number"),
        *_NEVER,
    ],
    "confidence": _NUMBERS,
    "quality": [("HIGH", None), ("best", "text"), (3, "number"), (None, None), *_NEVER],
    "faceImageKey": _TEXTS,
    "storedFaceKey": _TEXTS,
    "comparisonResult": [*_MAPS, ('{"similarity": "92 %"}', None), ([], "list")],
    "attributes": [*_MAPS, ('{"smile": true}', None), ({"age": {"Low": 20, "High": 30}}, None), (7, "number")],
    "verificationAttempt": [(2.9, None), ("3", None), (None, None), ("many", "text"), (10**12, "number"), *_NEVER],
    "timestamp": _TIMES,
    "updatedAt": _TIMES,
    "expiresAt": _EXPIRIES,
    "failureReasons": [("NO_FACE", None), ('["NO_FACE"]', None), (None, None), ([5], None), ([{"a": 1}], "list")],
    "review": [*_MAPS, ({"reviewer": "ann"}, "map"), ({"decision": "Approved"}, None), ([1], "list")],
    "device": [("kiosk", None), ({"name": "kiosk"}, None), ([1, "x"], None)],
}
#: One odd field: its name, its value, and how that is named if it cannot be read.
OddField = tuple[str, Any, str | None]
#: The odd fields of one record, and the number of the form in which it names its event.
OddRecord = tuple[list[OddField], int]
_ODD_FIELDS: st.SearchStrategy[list[OddField]] = st.lists(
    st.sampled_from([(name, *kind) for name, kinds in FIELDS.items() for kind in kinds]),
    min_size=1,
    max_size=4,
    unique_by=lambda odd: odd[0],
)


def _naming(event: str) -> list[dict[str, Any]]:
    """The forms in which a record names its event."""
    return [
        {"eventId": event},
        {"metadata": {"eventId": event}},
        {"metadata": orjson.dumps({"eventId": event, "source": "kiosk"}).decode()},
        {"eventId": event, "metadata": None},
        {"eventId": "", "metadata": {"eventId": event, "source": "kiosk", "shift": 4}},
        {"metadata": {"eventId": event, "provenance": {"engine": 7, "by": "kiosk"}}},
    ]


ODD_RECORDS: st.SearchStrategy[OddRecord] = st.tuples(_ODD_FIELDS, st.sampled_from(range(len(_naming("")))))


def item_of(odd: OddRecord, *, user: str, registration: str, event: str) -> dict[str, Any]:
    """The record as another service writes it."""
    fields, form = odd
    return {
        **a_foreign_item(userId=user, registrationId=registration, metadata=None, expiresAt=_LATER),
        **_naming(event)[form],
        **{name: value for name, value, _ in fields},
    }


def unreadable_in(odd: OddRecord) -> set[str]:
    """What of the record cannot be read, as ``field:kind``."""
    return {f"{name}:{kind}" for name, _, kind in odd[0] if kind}
