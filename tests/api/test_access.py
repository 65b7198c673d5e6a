"""Who gets what under /api where people sign in: tokens, sessions, and the table walked route by route."""

from __future__ import annotations

import io
import json
import threading
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import apsw
import httpx
import pandas as pd
import pytest
from streamlit.auth_util import set_cookie_with_chunks
from streamlit.web.server.starlette.starlette_app_utils import create_signed_value

from core.domain.audit import AuditEntry
from core.domain.records import Outcome, Status, ValidationRecord
from core.domain.roles import ALLOWED, Action, ApiToken, Role
from core.runtime.services import Services
from core.services.export import READ_CSV
from core.services.tokens import new_token
from dashboard.api import openapi
from dashboard.api.routes import Api
from dashboard.services import shared
from tests.api.conftest import Client, MakeApi, is_error, serving
from tests.support import signin
from tests.support.desk import REGISTERED, Desk
from tests.support.frames import registration_rows
from tests.support.routes import ROUTES
from tests.support.spreadsheet import text_of

ORIGIN = "http://localhost"
SIGN_IN = signin.as_fields(signin.settings(ORIGIN))
TOKENS = {role: new_token() for role in Role}
LIMITED = new_token()
API_TOKENS = (
    *(ApiToken(name=str(role), hash=hashed, roles={role}) for role, (_, hashed) in TOKENS.items()),
    ApiToken(name="limited", hash=LIMITED[1], roles={Role.MANAGER}, events={"event-9"}),
)
ADDRESSES = {
    "{registrationId}": "reg-1",
    "{userId}": "user-1",
    "{eventId}": "event-1",
}


def address(path: str) -> str:
    for name, value in ADDRESSES.items():
        path = path.replace(name, value)
    return f"{path}?threshold=75" if "what-if" in path else path


@pytest.fixture
def api(make_api: MakeApi) -> Api:
    return make_api(**SIGN_IN, api_tokens=API_TOKENS)


@pytest.fixture
def client(api: Api) -> Client:
    return Client(api)


@pytest.fixture
def record(desk: Desk) -> None:
    outcome = Outcome(
        attempt_id="a1",
        user_id=REGISTERED.user_id,
        registration_id=REGISTERED.registration_id,
        event_id=REGISTERED.event_id,
        timestamp=datetime.now(UTC),
        status=Status.PENDING,
        face_image_key="face-images/canary.jpg",
    )
    desk.records.record_attempt(outcome, timedelta(days=1))
    desk.references.run(REGISTERED.event_id, threading.Event())


def bearer(role: Role) -> dict[str, str]:
    return {"Authorization": f"Bearer {TOKENS[role][0]}"}


def sent(cookies: Mapping[str, str]) -> dict[str, str]:
    return {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}


def entries(services: Services) -> list[AuditEntry]:
    now = datetime.now(UTC)
    return list(services.audit.entries(now - timedelta(hours=1), now + timedelta(hours=1)))


def ask(client: Client, method: str, path: str, **more: Any) -> httpx.Response:
    body = {"json": {"faceImageKey": "reference-faces/one.jpg"}} if method == "POST" else {}
    return client.request(method, address(path), **body, **more)


def test_every_route_is_in_the_table_and_no_other(api: Api) -> None:
    served = {(method, route.path) for route in api.routes() for method in (route.methods or set()) - {"HEAD"}}
    assert served == set(ROUTES)


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_without_a_token_or_a_session_a_route_is_closed(client: Client, method: str, path: str) -> None:
    answer = ask(client, method, path)
    if not ROUTES[method, path]:
        assert answer.status_code == 200
        return
    assert is_error(answer, 401)
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.usefixtures("record")
def test_a_role_gets_what_the_table_says(client: Client, method: str, path: str, role: Role) -> None:
    answer = ask(client, method, path, headers=bearer(role))
    if all(role in ALLOWED[action] for action in ROUTES[method, path]):
        assert answer.status_code == 200
    else:
        assert is_error(answer, 403)


HELD = "/api/exports/users/user-1/history.csv"


@contextmanager
def slow(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Semaphore]:
    """Histories that are read only while this lasts; the semaphore counts those that are being read."""
    begun, free, history = threading.Semaphore(0), threading.Event(), desk.records.history

    def held(user_id: str, limit: int | None = None) -> list[ValidationRecord]:
        begun.release()
        assert free.wait(30)
        return history(user_id, limit)

    monkeypatch.setattr(desk.records, "history", held)
    try:
        yield begun
    finally:
        free.set()


@pytest.mark.parametrize("path", ["/api/registrations/user-1/face-validation/history", HELD])
def test_one_callers_requests_and_downloads_leave_room_for_others(
    make_api: MakeApi, desk: Desk, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    others = ApiToken(name="other", hash=LIMITED[1], roles={Role.SUPPORT})
    bounds = {"api_requests_per_person": 2, "api_exports_per_person": 2, "api_threads": 4}
    api = make_api(**SIGN_IN, **bounds, api_tokens=(*API_TOKENS[:-1], others))
    record = "/api/registrations/user-1/face-validation/none"
    with serving(api) as server, ThreadPoolExecutor(2) as threads, slow(desk, monkeypatch) as begun:
        ours, theirs = bearer(Role.SUPPORT), {"Authorization": f"Bearer {LIMITED[0]}"}
        asked = [threads.submit(httpx.get, server + path, headers=ours, timeout=60) for _ in range(2)]
        for _ in asked:
            assert begun.acquire(timeout=30)
        refused = httpx.get(server + path, headers=ours)
        assert is_error(refused, 429)
        assert int(refused.headers["retry-after"]) >= 1
        assert httpx.get(server + record, headers=theirs).status_code == 404


@pytest.mark.parametrize(
    "header",
    ["Bearer", "Bearer ", "Bearer wrong", f"Bearer {TOKENS[Role.ADMIN][1]}", f"Basic {TOKENS[Role.ADMIN][0]}"],
    ids=["nothing", "blank", "another", "its hash", "another scheme"],
)
def test_a_wrong_token_is_refused(client: Client, header: str) -> None:
    assert is_error(client.get("/api/openapi.json", headers={"Authorization": header}), 401)


def test_a_wrong_token_is_refused_though_the_session_is_good(client: Client) -> None:
    cookies = signin.cookie(signin.claims("support", ORIGIN))
    answer = client.get("/api/openapi.json", headers={"Authorization": "Bearer wrong", **sent(cookies)})
    assert is_error(answer, 401)


def test_the_trail_is_told_of_wrong_tokens_and_not_filled_with_them(client: Client, services: Services) -> None:
    for _ in range(20):
        client.get("/api/openapi.json", headers={"Authorization": "Bearer wrong"})
    told = entries(services)
    assert 1 <= len(told) < 10
    assert {(entry.who, entry.action, entry.outcome) for entry in told} == {
        ("unknown", Action.SIGN_IN, "Unauthorized")
    }


def test_the_trail_is_told_of_a_refusal(client: Client, services: Services) -> None:
    client.get("/api/ready", headers=bearer(Role.ANALYST))
    (entry,) = entries(services)
    told = (entry.who, entry.action, entry.outcome, entry.ip_address)
    assert told == ("token analyst", Action.SEE_OPERATIONS, "Forbidden", "203.0.113.7")


def test_a_token_that_is_used_too_fast_has_to_wait(make_api: MakeApi) -> None:
    client = Client(make_api(**SIGN_IN, api_tokens=API_TOKENS, api_requests_per_minute=1))
    client.get("/api/openapi.json", headers=bearer(Role.ADMIN))
    answer = client.get("/api/openapi.json", headers=bearer(Role.ADMIN))
    assert is_error(answer, 429)
    assert 0 < int(answer.headers["Retry-After"]) <= 60


def test_who_validates_with_a_token_stands_in_the_record(client: Client, desk: Desk) -> None:
    body = {"faceImageKey": "reference-faces/one.jpg"}
    path = "/api/registrations/reg-1/validate-face-image"
    assert client.post(path, json=body, headers=bearer(Role.SUPPORT)).status_code == 200
    record = desk.records.get("user-1", "reg-1")
    assert record
    assert record.attempts[-1].operator == "support"


class TestSessions:
    PATH = "/api/exports/events/event-1/records.csv"

    def status(self, client: Client, cookies: Mapping[str, str], method: str = "GET", path: str = PATH) -> int:
        return client.request(method, path, headers=sent(cookies)).status_code

    def test_a_signed_in_browser_downloads(self, client: Client) -> None:
        assert self.status(client, signin.cookie(signin.claims("manager", ORIGIN))) == 200

    def test_a_session_has_its_role_and_no_more(self, client: Client) -> None:
        assert self.status(client, signin.cookie(signin.claims("support", ORIGIN))) == 403

    def test_a_session_without_a_role_gets_nothing(self, client: Client) -> None:
        assert self.status(client, signin.cookie(signin.claims("nobody", ORIGIN))) == 403

    def test_a_session_writes_nothing(self, client: Client, desk: Desk) -> None:
        cookies = signin.cookie(signin.claims("support", ORIGIN))
        path = "/api/registrations/reg-1/validate-face-image"
        body = {"faceImageKey": "reference-faces/one.jpg"}
        assert client.post(path, json=body, headers=sent(cookies)).status_code == 401
        assert desk.records.get("user-1", "reg-1") is None

    def test_a_cookie_signed_with_another_secret_is_refused(self, client: Client) -> None:
        forged = signin.cookie(signin.claims("manager", ORIGIN), secret="x" * 40)
        assert self.status(client, forged) == 401

    def test_a_cookie_that_was_changed_is_refused(self, client: Client) -> None:
        (name, value), *_ = signin.cookie(signin.claims("manager", ORIGIN)).items()
        payload, _, rest = value.partition(".")
        assert self.status(client, {name: f"{payload[:-2]}AA.{rest}"}) == 401

    def test_the_cookie_of_another_application_is_refused(self, client: Client) -> None:
        assert self.status(client, signin.cookie(signin.claims("manager", "https://other.example"))) == 401

    def test_another_of_our_cookies_is_refused(self, client: Client) -> None:
        said = json.dumps(signin.claims("manager", ORIGIN))
        tokens = create_signed_value(signin.COOKIE_SECRET, "_streamlit_user_tokens", said).decode()
        assert self.status(client, {signin.COOKIE: tokens}) == 401

    @pytest.mark.parametrize("ended", [{"exp": 1_700_000_000}, {"iat": 1_700_000_000}])
    def test_a_session_that_is_over_is_refused(self, client: Client, ended: dict[str, Any]) -> None:
        assert self.status(client, signin.cookie(signin.claims("manager", ORIGIN, **ended))) == 401

    def test_a_cookie_that_was_signed_too_long_ago_is_refused(self, client: Client) -> None:
        signed = datetime.now(UTC) - timedelta(hours=9)
        assert self.status(client, signin.cookie(signin.claims("manager", ORIGIN), signed=signed)) == 401

    def test_a_copied_cookie_is_useless_after_signing_out(self, client: Client) -> None:
        said = signin.claims("manager", ORIGIN)
        shared().services.sessions.sign_out(said)
        assert self.status(client, signin.cookie(said)) == 401

    def test_a_cookie_in_parts_is_put_together(self, client: Client) -> None:
        parts: dict[str, str] = {}

        def sign(name: str, value: str) -> bytes:
            return create_signed_value(signin.COOKIE_SECRET, name, value)

        def keep(name: str, value: str) -> None:
            parts[name] = sign(name, value).decode()

        long = signin.claims("manager", ORIGIN, groups=[uuid.uuid4().hex for _ in range(400)])
        set_cookie_with_chunks(keep, sign, signin.COOKIE, long, cookie_attr_size=100)
        assert len(parts) > 1
        assert self.status(client, parts) == 200
        del parts[f"{signin.COOKIE}_1"]
        assert self.status(client, parts) == 401


@pytest.mark.usefixtures("record")
class TestWhatIsSeen:
    @pytest.mark.parametrize("name", ["records", "people", "expiring", "what-if", "never-tried"])
    @pytest.mark.parametrize("ending", ["csv", "xlsx"])
    def test_no_file_of_an_analyst_names_anybody(self, client: Client, name: str, ending: str) -> None:
        path = f"/api/exports/events/event-1/{name}.{ending}?threshold=10"
        text = text_of(client.get(path, headers=bearer(Role.ANALYST)).content)
        canaries = ("user-1", "reg-1", "reg-2", "Ada", "ada@example.com", "canary", "reference-faces")
        assert "eventId" in text
        assert not [canary for canary in canaries if canary in text]

    @pytest.mark.parametrize("name", ["records", "expiring", "what-if"])
    def test_no_file_of_an_analyst_has_contacts(self, client: Client, services: Services, name: str) -> None:
        path = f"/api/exports/events/event-1/{name}.csv?threshold=10&contacts=true"
        assert is_error(client.get(path, headers=bearer(Role.ANALYST)), 403)
        assert [entry.outcome for entry in entries(services) if entry.action is Action.EXPORT] == ["Forbidden"]

    def test_a_manager_can_have_contacts(self, client: Client) -> None:
        path = "/api/exports/events/event-1/records.csv?contacts=true"
        assert "ada@example.com" in text_of(client.get(path, headers=bearer(Role.MANAGER)).content)

    def test_an_analyst_has_every_figure(self, client: Client) -> None:
        path = "/api/exports/events/event-1/records.csv"
        plain, shown = (
            pd.read_csv(io.BytesIO(client.get(path, headers=bearer(role)).content), **READ_CSV)
            for role in (Role.MANAGER, Role.ANALYST)
        )
        counted = ["eventId", "status", "attempts", "similarity", "reasons"]
        pd.testing.assert_frame_equal(plain[counted], shown[counted])
        assert shown["timestamp"].equals(plain["timestamp"].dt.floor("15min"))

    @pytest.mark.parametrize(
        ("method", "path"), [each for each in ROUTES if "{eventId}" in each[1]], ids=lambda each: str(each)
    )
    def test_a_token_is_good_for_its_events_alone(self, client: Client, method: str, path: str) -> None:
        answer = ask(client, method, path, headers={"Authorization": f"Bearer {LIMITED[0]}"})
        assert is_error(answer, 403)

    def test_an_export_is_told_with_its_user_hashed(self, client: Client, services: Services) -> None:
        client.get("/api/exports/users/user-1/history.csv", headers=bearer(Role.SUPPORT))
        told = [entry for entry in entries(services) if entry.action is Action.EXPORT]
        assert {entry.outcome for entry in told} == {"begun", "ok"}
        assert "user-1" not in str(told)
        assert all(entry.user for entry in told)


#: Routes that an analyst may ask and that tell of no person.
TELLS_OF_NOBODY = {"/api/health", "/api/openapi.json"}
OF_ANALYSTS = [
    path
    for (_, path), actions in ROUTES.items()
    if all(Role.ANALYST in ALLOWED[action] for action in actions) and path not in TELLS_OF_NOBODY
]


def shown_to_an_analyst(client: Client, path: str) -> pd.DataFrame:
    answer = client.get(address(path), headers=bearer(Role.ANALYST))
    assert answer.status_code == 200
    if path.endswith(".parquet"):
        return pd.read_parquet(io.BytesIO(answer.content))
    if path.endswith(".xlsx"):
        return pd.read_excel(io.BytesIO(answer.content))
    assert path.endswith(".csv"), "a new kind of file: have this test read it"
    return pd.read_csv(io.BytesIO(answer.content))


class TestOrder:
    """No order tells an analyst who is who."""

    @pytest.fixture(autouse=True)
    def people(self, desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Half of them tried, all within a minute, in the order of their ids; some more could not be read."""
        left_out = registration_rows({"registrationId": f"d-{n}", "unreadable": "userId:map"} for n in range(10, 40))
        monkeypatch.setattr(desk.registrations, "unreadable", lambda event_id: left_out)
        people = [
            REGISTERED.model_copy(update={"registration_id": f"reg-{n:02}", "user_id": f"user-{n:02}"})
            for n in range(10, 70)
        ]
        desk.registrations.import_many(people)
        moment = datetime.now(UTC).replace(minute=1, second=0) - timedelta(hours=2)
        for number, person in enumerate(people[:30]):
            outcome = Outcome(
                attempt_id=f"a{number}",
                user_id=person.user_id,
                registration_id=person.registration_id,
                event_id=person.event_id,
                timestamp=moment + timedelta(milliseconds=number),
                status=Status.SUCCESS if number % 2 else Status.FAILED,
                face_image_key="face-images/canary.jpg",
                comparison_result={"similarity": 77.96, "threshold": 80.0, "is_match": False},
            )
            desk.records.record_attempt(outcome, timedelta(days=1))
        with closing(apsw.Connection(str(tmp_path / "facedesk.sqlite3"))) as connection:
            connection.execute("UPDATE faceVerifications SET item = json_set(item, '$.quality', 'best')")

    @pytest.mark.parametrize("path", OF_ANALYSTS)
    def test_rows_are_ordered_by_what_the_file_shows(self, client: Client, path: str) -> None:
        rows = shown_to_an_analyst(client, path)
        # People are listed by name, which is nothing here: what is left is the order of the pseudonyms.
        shown = ("registrationId",) if "/people." in path else ("timestamp", "registrationId", "userId", "field")
        keys = [name for name in shown if name in rows]
        assert len(rows) >= 15
        assert rows[keys].equals(rows.sort_values(keys, ignore_index=True)[keys])

    @pytest.mark.parametrize("path", OF_ANALYSTS)
    def test_no_exact_time_or_similarity_is_in_a_file(self, client: Client, path: str) -> None:
        rows = shown_to_an_analyst(client, path)
        for name in {"timestamp", "updatedAt", "expiresAt"} & set(rows):
            times = pd.to_datetime(rows[name].dropna())
            assert (times.dt.floor("15min") == times).all()
        assert set(rows.get("similarity", [])) <= {77.9}

    def test_a_managers_files_have_exact_values(self, client: Client) -> None:
        path = "/api/exports/events/event-1/records.csv"
        assert "77.96" in client.get(path, headers=bearer(Role.MANAGER)).text


def test_the_document_says_what_each_route_takes() -> None:
    document = openapi.document(sign_in=True)
    for (method, path), actions in ROUTES.items():
        operation = document["paths"][path][method.lower()]
        assert bool(operation["security"]) == bool(actions)
        assert ({"401", "403", "429"} <= set(operation["responses"])) == bool(actions)


def test_the_document_does_not_ask_for_a_token_where_nobody_signs_in() -> None:
    assert "securitySchemes" not in openapi.document(sign_in=False)["components"]


def test_a_file_of_several_events_is_for_those_who_see_them_all(client: Client) -> None:
    limited = {"Authorization": f"Bearer {LIMITED[0]}"}
    path = "/api/exports/events/event-9/records.csv"
    assert client.get(path, headers=limited).status_code == 200
    for others in ("?with=event-1", "?with=event-9&with=event-1"):
        assert is_error(client.get(path + others, headers=limited), 403)
