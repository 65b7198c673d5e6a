"""The routes beside the pages, and the process that serves both."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

from core.adapters.embedded.photos import FolderPhotos
from core.adapters.embedded.records import SqliteRecords
from core.adapters.embedded.registrations import SqliteRegistrations
from core.domain.clock import utc_now
from core.domain.policy import Policy
from core.domain.records import Source
from core.photos.sanitiser import PhotoSanitiser
from core.services import sample
from core.services.export import BOM
from core.services.tables import OUTCOME_COLUMNS
from core.services.tokens import setting
from core.services.validation import Submitter
from tests.api.conftest import BARE, Client, is_error, rows
from tests.pages.test_validate import down
from tests.support import signin
from tests.support.browser import ROOT, dashboard
from tests.support.desk import REGISTERED, Desk
from tests.support.servers import free_port

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
ODD_IDS = {
    "slashes": "a/b//c",
    "spaces": "a b+c",
    "unicode": "Zoë-日本-🙂",
    "percent encodings": "100%25 %2F %",
    "query and fragment": "a?b=c#d",
    "quotes and commas": "a,\"b\";'c'",
    "the path's own end": "a/history.csv",
    "a line break": "a\nb",
    "markup": "<script>alert(1)</script>",
}


def history_of(user_id: str) -> str:
    """The address, as the User lookup page links to it."""
    return f"/api/exports/users/{quote(user_id, safe='')}/history.csv"


@pytest.fixture
def validated(desk: Desk, astronaut_jpeg: bytes) -> None:
    """Two attempts of one registration: failed, then passed."""
    for number, similarity in enumerate((20, 95), 1):
        desk.engine.similarity = similarity
        desk.validation.validate_upload("reg-1", astronaut_jpeg, f"a{number}", Submitter(Source.API, "asha"))


@pytest.mark.usefixtures("validated")
def test_a_users_history_has_a_row_for_each_attempt_newest_first(client: Client) -> None:
    found = [(row["attempt"], row["status"]) for row in rows(client.get(history_of("user-1")))]
    assert found == [("2", "success"), ("1", "failed")]


@pytest.mark.usefixtures("validated")
def test_a_row_names_what_the_columns_promise(client: Client) -> None:
    newest = rows(client.get(history_of("user-1")))[0]
    assert tuple(newest) == OUTCOME_COLUMNS
    assert (newest["userId"], newest["registrationId"], newest["eventId"]) == ("user-1", "reg-1", "event-1")
    assert (float(newest["similarity"]), newest["source"], newest["operator"]) == (95, "api", "asha")
    assert (newest["engine"], newest["model"], newest["rules"]) == ("chosen", "m1", Policy().digest)


def test_a_csv_begins_with_the_mark_that_makes_excel_read_utf_8(client: Client) -> None:
    assert client.get(history_of("user-1")).content.startswith(BOM)


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("content-type", "text/csv; charset=utf-8"),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
    ],
)
def test_a_csv_is_downloaded_as_what_it_is_and_not_kept_on_the_way(client: Client, header: str, value: str) -> None:
    assert client.get(history_of("user-1")).headers[header] == value


def test_a_user_without_records_is_the_header_alone(client: Client) -> None:
    answer = client.get(history_of("nobody"))
    assert answer.status_code == 200
    assert answer.content == BOM + ",".join(OUTCOME_COLUMNS).encode() + b"\r\n"


@pytest.mark.parametrize("user_id", ODD_IDS.values(), ids=ODD_IDS.keys())
def test_a_user_is_found_whatever_characters_the_id_has(
    client: Client, desk: Desk, astronaut_jpeg: bytes, user_id: str
) -> None:
    desk.registrations.import_many([REGISTERED.model_copy(update={"user_id": user_id})])
    desk.validation.validate_upload("reg-1", astronaut_jpeg, "a1", Submitter(Source.API))
    assert [row["userId"] for row in rows(client.get(history_of(user_id)))] == [user_id]


def test_an_id_that_is_a_formula_is_found_and_does_not_run(client: Client, desk: Desk, astronaut_jpeg: bytes) -> None:
    formula = '=HYPERLINK("http://x")'
    desk.registrations.import_many([REGISTERED.model_copy(update={"user_id": formula})])
    desk.validation.validate_upload("reg-1", astronaut_jpeg, "a1", Submitter(Source.API))
    assert [row["userId"] for row in rows(client.get(history_of(formula)))] == [f"'{formula}"]


@pytest.mark.usefixtures("validated")
def test_an_id_is_compared_exactly(client: Client) -> None:
    assert rows(client.get(history_of("USER-1"))) == []


def test_records_out_of_reach_are_a_503(client: Client, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk.records, "history", down("validation records"))
    answer = client.get(history_of("user-1"))
    assert is_error(answer, 503)
    assert "out of reach" in answer.json()["message"]


def test_an_unforeseen_failure_is_a_500_that_tells_nothing_of_itself(
    client: Client, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object) -> None:
        raise KeyError("a secret")

    monkeypatch.setattr(desk.records, "history", fail)
    answer = client.get(history_of("user-1"))
    assert is_error(answer, 500)
    assert "secret" not in answer.text


@pytest.mark.parametrize("method", [method for method in METHODS if method not in ("GET", "HEAD")])
def test_an_export_can_only_be_read(client: Client, method: str) -> None:
    answer = client.request(method, history_of("user-1"))
    assert is_error(answer, 405)
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}


def test_the_head_of_an_export_can_be_asked_for(client: Client) -> None:
    answer = client.request("HEAD", history_of("user-1"))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/csv; charset=utf-8")


@pytest.mark.parametrize(
    "path", ["/api", "/api/", "/api/none", "/api/exports/users/", "/api/a/%2e%2e/b", "/api/a%0Ab"]
)
def test_there_is_nothing_at_another_path(client: Client, path: str) -> None:
    assert is_error(client.get(path), 404)


@pytest.mark.parametrize("method", METHODS)
def test_no_method_finds_anything_at_another_path(client: Client, method: str) -> None:
    answer = client.request(method, "/api/none")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/json"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A fresh installation, running; nobody has opened a page yet."""
    folder = tmp_path_factory.mktemp("routes")
    with dashboard({**BARE, "FACEDESK_DATA_DIR": str(folder / "data")}, folder / "log") as address:
        yield address


def visit(address: str, page: str, query: str = "") -> list[ForwardMsg]:
    """Open a page as a browser does, and return what it was sent for it."""
    asked = BackMsg()
    asked.rerun_script.page_name = page
    asked.rerun_script.query_string = query
    received: list[ForwardMsg] = []
    with connect(f"{address.replace('http', 'ws', 1)}/_stcore/stream", origin=address, max_size=None) as session:  # type: ignore[arg-type]
        session.send(asked.SerializeToString())
        while not received or not finished(received[-1]):
            received.append(ForwardMsg.FromString(session.recv(timeout=30)))  # type: ignore[arg-type]
    return received


def finished(message: ForwardMsg) -> bool:
    """Whether the page is complete: one that leads on to another ends early."""
    ended = message.WhichOneof("type") == "script_finished"
    return ended and message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN


@pytest.mark.parametrize(
    ("page", "title"),
    [("validate", "Validate a photo"), ("user_lookup", "User lookup"), ("start", "Load data"), ("", "Load data")],
)
def test_the_first_visit_after_the_start_goes_through_the_navigation(address: str, page: str, title: str) -> None:
    assert httpx.get(f"{address}/{page}").status_code == 200
    received = visit(address, page)
    assert any(message.WhichOneof("type") == "navigation" for message in received)
    assert title in [message.delta.new_element.heading.body for message in received]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("path", ["/api", "/api/none", "/api/a%0Ab"])
def test_the_process_answers_nothing_under_api_with_a_page(address: str, method: str, path: str) -> None:
    answer = httpx.request(method, address + path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/json"


def test_the_process_serves_an_export(address: str) -> None:
    answer = httpx.get(address + history_of("a/b"))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/csv; charset=utf-8")


@pytest.mark.parametrize("odd", [*ODD_IDS.values(), "..", "C:\\x", "\\\\server\\share", "//server"])
def test_no_id_is_too_odd_for_the_process(address: str, odd: str) -> None:
    encoded = "".join(f"%{byte:02X}" for byte in odd.encode())
    answer = httpx.get(f"{address}/api/registrations/{encoded}/face-validation/stats")
    assert answer.json()["data"]["userId"] == odd


@pytest.mark.parametrize("path", ["/", "/validate", "/api/none", history_of("user-1"), "/_stcore/health"])
def test_a_foreign_host_is_refused(address: str, path: str) -> None:
    assert httpx.get(address + path, headers={"Host": "evil.example"}).status_code == 400


@pytest.mark.parametrize("host", ["10.0.3.17:8501", "10.0.3.17", "[fd00::17]:8501"])
def test_a_load_balancer_may_ask_for_health_by_an_address_and_for_nothing_else(address: str, host: str) -> None:
    paths = ("/api/health", "/", "/api/openapi.json")
    answers = [httpx.get(address + path, headers={"Host": host}) for path in paths]
    assert [answer.status_code for answer in answers] == [200, 400, 400]


#: Where its browser is is said as well: Streamlit would ask the internet for this machine's address.
EVERYWHERE = {"STREAMLIT_SERVER_ADDRESS": "0.0.0.0", "STREAMLIT_BROWSER_SERVER_ADDRESS": "localhost"}
IN_PRODUCTION = {
    "FACEDESK_BACKEND": "aws",
    "DYNAMODB_FACE_VALIDATION_TABLE": "face-verifications",
    "AWS_REGION": "ap-south-1",
    "FACE_IMAGES_BUCKET": "faces",
    "MONGODB_URI": "mongodb://localhost",
    "MONGODB_DATABASE": "events",
    "HASH_KEY": "a key of these tests",
}


def command(port: int) -> list[str]:
    return [sys.executable, "-m", "dashboard", "--port", str(port)]


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"FACEDESK_BACKEND": "somewhere"}, "FACEDESK_BACKEND"),
        ({"SIMILARITY_THRESHOLD": "eighty"}, "SIMILARITY_THRESHOLD"),
        ({"FACEDESK_BACKEND": "aws"}, "DYNAMODB_FACE_VALIDATION_TABLE"),
        ({"FACEDESK_AUTH": "oidc"}, "OIDC_METADATA_URL"),
        (EVERYWHERE, "FACEDESK_AUTH"),
        ({**EVERYWHERE, "FACEDESK_AUTH": "off"}, "FACEDESK_AUTH"),
        ({"STREAMLIT_SERVER_ALLOWED_HOSTS": "desk.example"}, "FACEDESK_AUTH"),
        (IN_PRODUCTION, "FACEDESK_AUTH"),
        (
            {
                **IN_PRODUCTION,
                "FACEDESK_AUTH": "off",
                "API_TOKENS": f"[{setting('kiosk', '0' * 64, ['support'], [])}]",
            },
            "python -m core tokens --take-over",
        ),
        (
            {**signin.settings("http://localhost"), "STREAMLIT_SERVER_TRUSTED_USER_HEADERS": '{"X-User": "sub"}'},
            "trustedUserHeaders",
        ),
    ],
)
def test_a_bad_setting_ends_the_start_with_one_line_that_names_it(
    tmp_path: Path, environment: Mapping[str, str], named: str
) -> None:
    ended = subprocess.run(
        command(free_port()),
        cwd=ROOT,
        env={**os.environ, **BARE, "FACEDESK_DATA_DIR": str(tmp_path), **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    (line,) = ended.stderr.splitlines()
    assert named in line
    assert ended.returncode == 1


@pytest.fixture
def sampled(tmp_path: Path, sanitiser: PhotoSanitiser) -> Path:
    """A data folder with a small sample event."""
    database = tmp_path / "facedesk.sqlite3"
    records, registrations = SqliteRecords(database, utc_now), SqliteRegistrations(database)
    sample.load(records, registrations, FolderPhotos(tmp_path / "photos"), sanitiser, utc_now(), count=10)
    records.close()
    registrations.close()
    return tmp_path


@contextmanager
def process(
    data: Path, started_by: Callable[[int], list[str]] = command
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """The dashboard on ``data``, answering; killed at the end unless it ended before."""
    port = free_port()
    running = subprocess.Popen(
        started_by(port),
        cwd=ROOT,
        env={**os.environ, **BARE, "FACEDESK_DATA_DIR": str(data)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://localhost:{port}"
    try:
        end = time.monotonic() + 60
        while True:
            try:
                httpx.get(f"{address}/_stcore/health", timeout=2)
                break
            except httpx.TransportError:
                assert running.poll() is None, "it ended"
                assert time.monotonic() < end, "it does not answer"
                time.sleep(0.1)
        yield running, address
    finally:
        running.kill()
        running.wait()


def stat(process: int) -> tuple[str, int] | None:
    """State and parent of a process; None where there is none."""
    try:
        state, parent = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[:2]
    except (FileNotFoundError, ProcessLookupError):
        return None
    return state, int(parent)


def children(parent: int) -> list[int]:
    processes = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return [each for each in processes if (found := stat(each)) and found[1] == parent]


def ends(process: int, seconds: float) -> bool:
    """Whether it ends in that time. One that ended and that nobody has waited for counts as ended."""
    end = time.monotonic() + seconds
    while (found := stat(process)) and found[0] != "Z":
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def test_streamlits_own_command_serves_the_dashboard_too(sampled: Path) -> None:
    streamlit = [sys.executable, "-m", "streamlit", "run", "streamlit_app.py", "--server.port"]
    with process(sampled, lambda port: [*streamlit, str(port)]) as (_, address):
        shown = [message.delta.new_element for message in visit(address, "user_lookup", "user_id=sample-user-0003")]
        assert any("sample-user-0003" in str(element) for element in shown)
        assert httpx.get(f"{address}/api/health").status_code == 200


def test_a_port_that_is_taken_is_named_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        environment = {**os.environ, **BARE, "FACEDESK_DATA_DIR": str(tmp_path)}
        ended = subprocess.run(
            command(port), cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
    (line,) = ended.stderr.splitlines()
    assert str(port) in line
    assert ended.returncode


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_process_within_ten_seconds_and_its_workers_with_it(
    sampled: Path, signal_number: int
) -> None:
    with process(sampled) as (running, address):
        visit(address, "user_lookup", "user_id=sample-user-0003")
        workers = children(running.pid)
        assert workers
        running.send_signal(signal_number)
        running.wait(10)
        assert [worker for worker in workers if not ends(worker, 5)] == []
