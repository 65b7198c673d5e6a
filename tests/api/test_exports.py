"""Downloads: what is in them, how they are sent, and how they end."""

from __future__ import annotations

import gzip
import io
import re
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from email.message import Message
from urllib.parse import quote

import httpx
import numpy as np
import pandas as pd
import pytest

from core.domain.clock import utc_now
from core.domain.errors import Unavailable
from core.domain.frames import record_frame
from core.runtime.services import Services
from core.services.export import BOM
from core.services.tables import PEOPLE_EXPORT, RECORD_EXPORT, REGISTRATION_EXPORT
from dashboard.api import exports
from dashboard.api.exports import takes_gzip
from tests.api.conftest import Client, MakeApi, PutBatches, is_error, rows, serving
from tests.core.test_export import as_text
from tests.pages.test_validate import down
from tests.support.desk import REGISTERED, Desk
from tests.support.frames import registration_rows
from tests.support.records import an_outcome

EVENT = "/api/exports/events/event-1"
RECORDS = f"{EVENT}/records.csv"
ALL = ("records", "people", "never-tried", "expiring", "what-if")
#: Generous: nothing here takes long.
HANG_SECONDS = 30


def address(name: str) -> str:
    return f"{EVENT}/{name}.csv{'?threshold=90' if name == 'what-if' else ''}"


def batch(size: int = 1000, first: int = 0) -> pd.DataFrame:
    numbers = [str(number) for number in range(first, first + size)]
    # Random, so that compression does not make it small.
    keys = np.random.default_rng(first).integers(2**62, size=size).astype(str).tolist()
    return record_frame(
        {
            "userId": numbers,
            "registrationId": numbers,
            "eventId": ["event-1"] * size,
            "status": ["failed"] * size,
            "timestamp": ["2026-03-01T12:00:00Z"] * size,
            "faceImageKey": keys,
        }
    )


def registrations_of(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return sorted(row["registrationId"] for row in rows(answer))


@pytest.mark.usefixtures("recorded")
@pytest.mark.parametrize(
    ("path", "found"),
    [
        (RECORDS, ["reg-1", "reg-3"]),
        (f"{RECORDS}?status=success", ["reg-1"]),
        (f"{RECORDS}?status=success&status=failed", ["reg-1", "reg-3"]),
        (f"{RECORDS}?quality=high", ["reg-1"]),
        (f"{RECORDS}?quality=not+measured", ["reg-3"]),
        (f"{RECORDS}?source=batch", ["reg-3"]),
        (f"{RECORDS}?reason=FACE_MISMATCH", ["reg-3"]),
        (f"{RECORDS}?since=0001-01-01", ["reg-1", "reg-3"]),
        (f"{RECORDS}?until=2020-01-01T00:00:00Z", []),
        (f"{EVENT}/never-tried.csv", ["reg-2"]),
        (f"{EVENT}/people.csv", ["reg-1", "reg-2"]),
        (f"{EVENT}/people.csv?who=not-ready", ["reg-2"]),
        (f"{EVENT}/people.csv?who=passed", ["reg-1"]),
        (f"{EVENT}/people.csv?who=expiring", ["reg-1"]),
        (f"{EVENT}/people.csv?who=failed", []),
        (f"{EVENT}/people.csv?search=ADA+reg-2", ["reg-2"]),
        (f"{EVENT}/people.csv?who=passed&search=reg-2", []),
        (f"{EVENT}/expiring.csv", ["reg-1"]),
        (f"{EVENT}/what-if.csv?threshold=99", ["reg-1"]),
        (f"{EVENT}/what-if.csv?threshold=99&status=failed", []),
        ("/api/exports/events/none/records.csv", []),
        ("/api/exports/events/none/never-tried.csv", []),
        ("/api/exports/events/none/people.csv", []),
    ],
)
def test_an_export_has_the_rows_that_it_promises(client: Client, path: str, found: list[str]) -> None:
    assert registrations_of(client.get(path)) == found


def test_the_reference_problems_are_those_of_the_last_check(client: Client, services: Services) -> None:
    address = f"{EVENT}/reference-problems.csv"
    assert is_error(client.get(address), 404)
    services.references.run("event-1", threading.Event())
    assert [(row["registrationId"], row["problems"]) for row in rows(client.get(address))] == [
        ("reg-2", "NO_REFERENCE")
    ]


CONTACT_FILES = ["records", "expiring", "what-if"]


def with_contacts(name: str, ending: str = "csv") -> str:
    return f"{EVENT}/{name}.{ending}?contacts=true{'&threshold=99' if name == 'what-if' else ''}"


@pytest.mark.usefixtures("recorded")
@pytest.mark.parametrize("name", CONTACT_FILES)
def test_contacts_come_behind_the_columns_of_the_file(client: Client, name: str) -> None:
    plain = rows(client.get(with_contacts(name).replace("contacts=true", "contacts=false")))
    found = rows(client.get(with_contacts(name)))
    assert [list(row)[-2:] for row in found] == [["name", "email"]] * len(plain)
    assert [{key: value for key, value in row.items() if key not in ("name", "email")} for row in found] == plain
    (ours,) = [row for row in found if row["registrationId"] == "reg-1"]
    assert (ours["name"], ours["email"]) == ("Ada Example", "ada@example.com")


@pytest.mark.usefixtures("recorded")
def test_whoever_is_not_registered_has_no_contact(client: Client) -> None:
    (row,) = [row for row in rows(client.get(with_contacts("records"))) if row["registrationId"] == "reg-3"]
    assert (row["name"], row["email"]) == ("", "")


@pytest.mark.usefixtures("recorded")
def test_workbooks_and_parquet_have_contacts_too(client: Client) -> None:
    for ending, read in (("xlsx", pd.read_excel), ("parquet", pd.read_parquet)):
        found = read(io.BytesIO(client.get(with_contacts("records", ending)).content)).set_index("registrationId")
        assert list(found.columns[-2:]) == ["name", "email"]
        assert found.loc["reg-1", "email"] == "ada@example.com"


@pytest.mark.usefixtures("recorded")
def test_contacts_of_several_events_are_those_of_each(client: Client, desk: Desk) -> None:
    other = REGISTERED.model_copy(update={"registration_id": "reg-9", "event_id": "event-9", "name": "Bo"})
    desk.registrations.import_many([other])
    desk.records.record_attempt(
        an_outcome("a9", registration_id="reg-9", event_id="event-9", timestamp=utc_now()), timedelta(days=1)
    )
    found = rows(client.get(f"{with_contacts('records')}&with=event-9"))
    assert {row["registrationId"]: row["name"] for row in found} == {
        "reg-1": "Ada Example",
        "reg-3": "",
        "reg-9": "Bo",
    }


@pytest.mark.usefixtures("recorded")
def test_a_name_that_looks_like_a_formula_is_neutralised(client: Client, desk: Desk) -> None:
    desk.registrations.import_many([REGISTERED.model_copy(update={"name": "=1+1", "email": "@a;=2"})])
    found = {row["registrationId"]: row for row in rows(client.get(with_contacts("records")))}["reg-1"]
    assert (found["name"], found["email"]) == ("'=1+1", "'@a;'=2")


@pytest.mark.usefixtures("recorded")
def test_a_download_with_contacts_is_told_as_such(client: Client, desk: Desk) -> None:
    begun = utc_now()
    client.get(RECORDS)
    client.get(with_contacts("records"))
    told = [each.details.get("reveals") for each in desk.audit.entries(begun, utc_now() + timedelta(minutes=1))]
    assert sorted(map(str, told)) == ["None", "None", "name email", "name email"]


def test_the_registrations_are_read_once_however_many_batches_there_are(
    client: Client, desk: Desk, batches: PutBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    read = desk.registrations.event_frame
    monkeypatch.setattr(
        desk.registrations, "event_frame", lambda event_id: [asked.append(event_id), read(event_id)][1]
    )
    batches(lambda: (batch(1000, first) for first in range(0, 5000, 1000)))
    assert len(rows(client.get(with_contacts("records")))) == 5000
    assert asked == ["event-1"]


def test_registrations_out_of_reach_are_an_error_not_a_file(
    client: Client, desk: Desk, batches: PutBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches(lambda: iter([batch()]))
    monkeypatch.setattr(desk.registrations, "event_frame", down("registrations"))
    assert is_error(client.get(with_contacts("records")), 503)


@pytest.mark.parametrize("query", ["contacts=yes", "contacts=", "contacts=true&contacts=true"])
def test_contacts_are_true_or_false(client: Client, query: str) -> None:
    assert is_error(client.get(f"{RECORDS}?{query}"), 400)


@pytest.mark.usefixtures("recorded")
def test_the_people_have_what_came_of_them_and_what_to_send(client: Client) -> None:
    answer = client.get(f"{EVENT}/people.csv?sort=newest")
    passed, untried = rows(answer)
    assert tuple(passed) == PEOPLE_EXPORT
    assert [passed[name] for name in ("name", "status", "attempts", "message")] == ["Ada Example", "success", "1", ""]
    assert [untried[name] for name in ("status", "attempts", "timestamp")] == ["never-tried", "0", ""]
    assert untried["message"].startswith("We do not have a photo of you yet.")


@pytest.mark.parametrize("query", ["who=everybody", "sort=age", "who=failed&who=passed", "search=a&search=b"])
def test_a_list_of_people_that_cannot_be_is_named(client: Client, query: str) -> None:
    answer = client.get(f"{EVENT}/people.csv?{query}")
    assert is_error(answer, 400)
    assert query.partition("=")[0] in answer.json()["message"]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (f"{EVENT}/records.csv", "event-1_2026-11-25_records.csv"),
        (f"{EVENT}/records.parquet", "event-1_2026-11-25_records.parquet"),
        (f"{EVENT}/people.xlsx", "event-1_2026-11-25_people.xlsx"),
        (f"{EVENT}/what-if.csv?threshold=99", "event-1_2026-11-25_what-if.csv"),
        (f"/api/exports/events/{quote('展示会/1', safe='')}/records.csv", "展示会-1_2026-11-25_records.csv"),
        ("/api/exports/users/user-1/history.csv", "2026-11-25_face-validation-history.csv"),
        ("/api/exports/audit.csv", "2026-11-25_audit.csv"),
    ],
)
def test_a_download_is_named_after_its_event_its_date_and_what_it_is(
    client: Client, monkeypatch: pytest.MonkeyPatch, path: str, name: str
) -> None:
    monkeypatch.setattr(exports, "utc_now", lambda: datetime(2026, 11, 25, 23, tzinfo=UTC))
    said = Message()
    said["Content-Disposition"] = client.get(path).headers["content-disposition"]
    assert (said.get_content_disposition(), said.get_filename()) == ("attachment", name)


@pytest.mark.usefixtures("recorded")
def test_parquet_has_the_records_of_the_frame_with_their_types(client: Client, desk: Desk) -> None:
    answer = client.get(f"{EVENT}/records.parquet")
    assert answer.headers["content-type"] == "application/vnd.apache.parquet"
    assert "content-encoding" not in answer.headers
    found = pd.read_parquet(io.BytesIO(answer.content))
    pd.testing.assert_frame_equal(
        as_text(found), as_text(desk.records.event_frame("event-1").drop(columns="unreadable"))
    )


@pytest.mark.usefixtures("recorded")
@pytest.mark.parametrize(
    ("query", "found"), [("status=success", ["reg-1"]), ("source=batch", ["reg-3"]), ("until=2020-01-01", [])]
)
def test_parquet_has_the_same_filters(client: Client, query: str, found: list[str]) -> None:
    content = client.get(f"{EVENT}/records.parquet?{query}").content
    assert list(pd.read_parquet(io.BytesIO(content))["registrationId"]) == found


def test_a_store_that_is_down_is_an_error_not_a_parquet_file(
    client: Client, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk.records, "event_batches", down("validation records"))
    assert is_error(client.get(f"{EVENT}/records.parquet"), 503)


def test_what_could_not_be_read_has_a_row_for_each_field(
    client: Client, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_out = registration_rows([{"registrationId": "=d-1", "unreadable": "userId:map name:list"}])
    monkeypatch.setattr(desk.registrations, "unreadable", lambda event_id: left_out)
    found = rows(client.get(f"{EVENT}/unreadable-registrations.csv"))
    assert [tuple(row.values()) for row in found] == [("'=d-1", "name", "list"), ("'=d-1", "userId", "map")]


def test_where_everything_could_be_read_the_list_is_the_header_alone(client: Client) -> None:
    answer = client.get(f"{EVENT}/unreadable-registrations.csv")
    assert answer.content == BOM + b"registrationId,field,kind\r\n"


@pytest.mark.usefixtures("recorded")
def test_the_what_if_says_what_would_become_of_each(client: Client) -> None:
    assert [row["becomes"] for row in rows(client.get(f"{EVENT}/what-if.csv?threshold=99"))] == ["pending"]


@pytest.mark.parametrize("name", ALL)
def test_an_event_without_records_is_the_header_alone(client: Client, name: str) -> None:
    others = {"people": PEOPLE_EXPORT, "never-tried": REGISTRATION_EXPORT, "what-if": [*RECORD_EXPORT, "becomes"]}
    expected = others.get(name, RECORD_EXPORT)
    answer = client.get(address(name).replace("event-1", "none"))
    assert answer.content == BOM + ",".join(expected).encode() + b"\r\n"


@pytest.mark.parametrize(
    "query",
    [
        *("status=passed", "quality=best", "since=yesterday", "until=2026-13-01"),
        *("since=0001-01-01T00:00:00%2B14:00", "reason=A&reason=B", "since=2026-01-01&since=2026-01-02"),
        *("similarity=60", "confidence=90-101", "attempts=6", "age=18-29&age=30-39", "smile=perhaps"),
    ],
)
def test_a_filter_that_cannot_be_is_named(client: Client, query: str) -> None:
    answer = client.get(f"{RECORDS}?{query}")
    assert is_error(answer, 400)
    assert query.partition("=")[0] in answer.json()["message"]


@pytest.mark.parametrize("threshold", ["", "?threshold=", "?threshold=nan", "?threshold=101", "?threshold=-1"])
def test_a_what_if_needs_a_threshold(client: Client, threshold: str) -> None:
    assert is_error(client.get(f"{EVENT}/what-if.csv{threshold}"), 400)


def test_a_record_met_twice_does_not_hide_a_registration(client: Client, desk: Desk, batches: PutBatches) -> None:
    desk.registrations.import_many([REGISTERED.model_copy(update={"registration_id": "0", "user_id": "0"})])
    batches(lambda: [batch(2), batch(1)])
    assert registrations_of(client.get(f"{EVENT}/never-tried.csv")) == ["reg-1", "reg-2"]


# How it is sent


@pytest.mark.parametrize(
    ("accepted", "takes"),
    [
        ("gzip", True),
        ("deflate, GZIP;q=0.5", True),
        ("*", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000, *", False),
        ("*;q=0", False),
        ("br", False),
        ("", False),
    ],
)
def test_gzip_is_sent_to_whom_takes_it(accepted: str, takes: bool) -> None:
    assert takes_gzip(accepted) is takes


@pytest.mark.usefixtures("recorded")
@pytest.mark.parametrize("name", ALL)
def test_compressed_it_is_the_same_file(served: str, name: str) -> None:
    plain = httpx.get(served + address(name), headers={"Accept-Encoding": "identity"})
    with httpx.stream("GET", served + address(name), headers={"Accept-Encoding": "gzip"}) as answer:
        packed = b"".join(answer.iter_raw())
    assert "content-encoding" not in plain.headers
    assert answer.headers["content-encoding"] == "gzip"
    assert plain.headers["vary"] == answer.headers["vary"] == "Accept-Encoding"
    assert gzip.decompress(packed) == plain.content


def test_the_head_is_that_of_the_download_and_reads_one_batch(served: str, batches: PutBatches) -> None:
    read = []
    batches(lambda: (read.append(number) or batch() for number in range(5)))  # type: ignore[func-returns-value]
    answer = httpx.head(served + RECORDS)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/csv; charset=utf-8")
    assert read == [0]


@pytest.mark.parametrize("name", ALL)
def test_a_store_that_is_down_is_an_error_not_a_file(
    client: Client, desk: Desk, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(desk.records, "event_batches", down("validation records"))
    monkeypatch.setattr(desk.registrations, "event_frame", down("registrations"))
    answer = client.get(address(name))
    assert is_error(answer, 503)
    assert "retry-after" in answer.headers


@pytest.mark.parametrize("accepted", ["identity", "gzip"])
def test_a_failure_midway_breaks_the_connection(served: str, batches: PutBatches, accepted: str) -> None:
    def failing() -> Iterator[pd.DataFrame]:
        yield batch()
        yield batch()
        raise Unavailable("validation records", "ConnectTimeout")

    batches(failing)
    with (
        httpx.stream("GET", served + RECORDS, headers={"Accept-Encoding": accepted}) as answer,
        pytest.raises(httpx.RemoteProtocolError),
    ):
        answer.read()
    assert answer.status_code == 200


# How it ends


class Endless:
    """Batches without end; counts them, and tells when nobody reads them any more."""

    def __init__(self) -> None:
        self.read = 0
        self.closed = threading.Event()

    def __iter__(self) -> Iterator[pd.DataFrame]:
        try:
            while True:
                self.read += 1
                yield batch()
        finally:
            self.closed.set()


def test_a_client_that_goes_away_ends_the_reading(served: str, batches: PutBatches) -> None:
    endless = Endless()
    batches(lambda: endless)
    with httpx.stream("GET", served + RECORDS) as answer:
        next(answer.iter_raw())
    assert endless.closed.wait(HANG_SECONDS)


def test_nothing_is_read_ahead_of_a_client_that_does_not_take_it(served: str, batches: PutBatches) -> None:
    endless = Endless()
    batches(lambda: endless)
    with httpx.stream("GET", served + RECORDS, headers={"Accept-Encoding": "identity"}) as answer:
        next(answer.iter_raw())
        read = -1
        while read != endless.read:  # until the sockets' buffers are full
            read = endless.read
            time.sleep(0.3)
        assert read < 200


def test_there_are_so_many_downloads_at_once_and_no_more(served: str, batches: PutBatches) -> None:
    with ExitStack() as open_downloads:
        for _ in range(8):
            batches(Endless)
            open_downloads.enter_context(httpx.stream("GET", served + RECORDS))
        refused = httpx.get(served + RECORDS)
        assert is_error(refused, 503)
        assert refused.headers["retry-after"] == "5"


def test_a_download_that_was_refused_leaves_its_place_to_the_next(make_api: MakeApi) -> None:
    with serving(make_api(api_exports=1)) as address, httpx.Client(base_url=address) as client:
        answers = [client.get(f"{EVENT}/what-if.csv?threshold=high") for _ in range(200)]
    assert {answer.status_code for answer in answers} == {400}


def test_a_place_is_free_again_after_a_download(served: str, batches: PutBatches) -> None:
    for _ in range(20):
        batches(lambda: [batch(3)])
        assert len(rows(httpx.get(served + RECORDS))) == 3


def test_whoever_has_a_download_in_full_can_have_the_next(make_api: MakeApi, batches: PutBatches) -> None:
    batches(lambda: [batch(3)])
    with serving(make_api(api_exports=1)) as address, httpx.Client() as client:
        assert {client.get(address + RECORDS).status_code for _ in range(200)} == {200}


def test_a_place_is_free_again_after_a_refusal(client: Client) -> None:
    assert {client.get(f"{RECORDS}?status=x").status_code for _ in range(20)} == {400}


# Several events


@pytest.fixture
def two_events(desk: Desk) -> None:
    for event_id in ("event-1", "event-2"):
        ids = {"user_id": f"user-{event_id}", "registration_id": f"reg-{event_id}", "event_id": event_id}
        desk.records.record_attempt(an_outcome(timestamp=utc_now(), **ids), timedelta(days=1))


@pytest.mark.usefixtures("two_events")
@pytest.mark.parametrize("ending", ["csv", "xlsx"])
def test_several_events_are_in_one_file(client: Client, ending: str) -> None:
    answer = client.get(f"{EVENT}/records.{ending}?with=event-2&with=event-1&with=event-2")
    assert re.fullmatch(
        rf'attachment; filename="2-events_[-0-9]+_records\.{ending}"', answer.headers["Content-Disposition"]
    )
    if ending == "csv":
        assert [row["eventId"] for row in rows(answer)] == ["event-1", "event-2"]


@pytest.mark.usefixtures("two_events")
def test_a_file_of_several_events_has_entries_of_each(client: Client, services: Services) -> None:
    client.get(f"{RECORDS}?with=event-2")
    now = utc_now()
    told = [
        each.event_id for each in services.audit.entries(now - timedelta(minutes=5), now) if each.action == "export"
    ]
    assert sorted(map(str, told)) == ["event-1", "event-1", "event-2", "event-2"]


def test_the_id_of_a_further_event_must_be_text(client: Client) -> None:
    assert client.get(f"{RECORDS}?with=a%00b").status_code == 400
    assert client.get(f"{RECORDS}?with=").status_code == 400
