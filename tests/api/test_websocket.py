"""The gate before the websocket of the pages, in this process: who gets one and which messages pass."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from core.domain.roles import Role
from core.runtime.services import Services
from core.settings import Settings
from dashboard.access import websocket
from dashboard.access.gate import Gate
from tests.api.test_gate import Unknown
from tests.support import signin

pytestmark = pytest.mark.usefixtures("shared_services")
ORIGIN = "http://localhost"
SIGN_IN = Settings.model_validate(signin.settings(ORIGIN))
KINDS = [field.name for field in BackMsg.DESCRIPTOR.oneofs_by_name["type"].fields]


class Streamlit:
    """What stands behind the gate: takes every websocket and keeps what it is sent."""

    def __init__(self) -> None:
        self.received: list[Any] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            said = BackMsg.FromString(message["bytes"])
            self.received.append(said.WhichOneof("type"))
            if said.WhichOneof("type") == "file_urls_request":
                answer = ForwardMsg()
                for name in said.file_urls_request.file_names:
                    answer.file_urls_response.file_urls.add().upload_url = f"/_stcore/upload_file/page/{name}"
                await send({"type": "websocket.send", "bytes": answer.SerializeToString()})


def message(kind: str) -> BackMsg:
    said = BackMsg()
    field = BackMsg.DESCRIPTOR.fields_by_name[kind]
    if field.message_type:
        getattr(said, kind).SetInParent()
    else:
        setattr(said, kind, True)
    return said


def scope(cookies: dict[str, str], origin: str = ORIGIN, path: str = websocket.STREAM) -> Scope:
    headers = [(b"origin", origin.encode())]
    headers += [(b"cookie", f"{name}={value}".encode()) for name, value in cookies.items()]
    return {"type": "websocket", "path": path, "headers": headers, "client": ("127.0.0.1", 1), "subprotocols": []}


def cookie_of(person: str, **changed: Any) -> dict[str, str]:
    return signin.cookie({**signin.claims(person, ORIGIN), **changed})


async def use(gate: Gate, asked: Scope, *messages: bytes | str | None) -> list[Message]:
    """Send these through a websocket, None being a moment's pause, and leave; returns what the browser was sent."""
    sent: list[Message] = []
    waiting: asyncio.Queue[Message] = asyncio.Queue()

    async def send(answer: Message) -> None:
        sent.append(answer)
        if answer["type"] == "websocket.close":
            waiting.put_nowait({"type": "websocket.disconnect"})

    waiting.put_nowait({"type": "websocket.connect"})
    for each in messages:
        if each is not None:
            kind = "bytes" if isinstance(each, bytes) else "text"
            waiting.put_nowait({"type": "websocket.receive", kind: each})
    waiting.put_nowait({"type": "websocket.disconnect"})
    await gate(asked, waiting.get, send)
    return sent


def used(settings: Settings, asked: Scope, *messages: bytes | str) -> tuple[Streamlit, list[Message]]:
    pages = Streamlit()
    return pages, asyncio.run(use(Gate(pages, settings), asked, *messages))


def accepted(sent: list[Message]) -> bool:
    return any(answer["type"] == "websocket.accept" for answer in sent)


def led_to(sent: list[Message]) -> list[str]:
    """The addresses that the browser was led to."""
    said = [ForwardMsg.FromString(answer["bytes"]) for answer in sent if answer["type"] == "websocket.send"]
    return [each.auth_redirect.url for each in said if each.WhichOneof("type") == "auth_redirect"]


@pytest.mark.parametrize(
    "asked",
    [
        scope({}),
        scope(signin.cookie(signin.claims("support", ORIGIN), secret="another secret, long enough to be one")),
        scope(cookie_of("support", exp=1_700_000_000)),
        scope(cookie_of("support", origin="https://other.example")),
        scope(cookie_of("support"), origin="https://other.example"),
        scope(cookie_of("support"), path="/_stcore/other"),
    ],
    ids=["no cookie", "forged", "over", "foreign cookie", "foreign origin", "another path"],
)
def test_without_a_good_session_there_is_no_websocket(asked: Scope) -> None:
    pages, sent = used(SIGN_IN, asked, message("rerun_script").SerializeToString())
    assert not accepted(sent)
    assert pages.received == []


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("kind", KINDS)
def test_only_messages_that_pages_need_pass(kind: str, role: Role) -> None:
    pages, _ = used(SIGN_IN, scope(cookie_of(role)), message(kind).SerializeToString())
    uploads = role in (Role.SUPPORT, Role.ADMIN)
    needed = kind in ("rerun_script", "stop_script", "app_heartbeat") or (kind == "file_urls_request" and uploads)
    assert pages.received == ([kind] if needed else [])


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_holds_for_everybody_if_nobody_signs_in(kind: str) -> None:
    pages, _ = used(Settings(), scope({}), message(kind).SerializeToString())
    assert bool(pages.received) is (kind in websocket.NEEDED)


@pytest.mark.parametrize(
    ("data", "code"),
    [("text", 1003), (b"\xff\xff", 1002), (bytes(websocket.MAX_MESSAGE_BYTES + 1), 1009)],
    ids=["text", "no message", "too large"],
)
def test_what_is_no_message_ends_the_websocket(data: bytes | str, code: int) -> None:
    pages, sent = used(Settings(), scope({}), data, message("rerun_script").SerializeToString())
    assert sent[-1] == {"type": "websocket.close", "code": code}
    assert pages.received == []


def test_a_message_of_two_kinds_passes_as_the_one_that_was_checked() -> None:
    both = message("clear_cache").SerializeToString() + message("rerun_script").SerializeToString()
    pages, _ = used(Settings(), scope({}), both)
    assert pages.received == ["rerun_script"]


def test_more_addresses_than_a_page_needs_are_not_asked_for() -> None:
    asked = BackMsg()
    asked.file_urls_request.file_names.extend(["x"] * 10_000)
    pages, _ = used(Settings(), scope({}), asked.SerializeToString())
    assert pages.received == []


def test_a_session_that_ends_leads_its_page_to_the_sign_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "CHECK_SECONDS", 0.01)
    pages = Streamlit()
    gate = Gate(pages, SIGN_IN)

    async def idle() -> list[Message]:
        sent: list[Message] = []
        first: list[Message] = [{"type": "websocket.connect"}]

        async def receive() -> Message:
            if first:
                return first.pop()
            monkeypatch.setattr(gate._authenticator, "session", lambda _scope: None)
            await asyncio.Event().wait()
            raise AssertionError

        async def send(answer: Message) -> None:
            sent.append(answer)

        await asyncio.wait_for(gate(scope(cookie_of("support")), receive, send), 30)
        return sent

    sent = asyncio.run(idle())
    assert led_to(sent) == [""]
    assert sent[-1]["type"] == "websocket.close"


def test_a_page_is_led_away_when_it_is_no_longer_known_who_signed_out(
    shared_services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "CHECK_SECONDS", 0.01)
    gate = Gate(Streamlit(), SIGN_IN)

    async def idle() -> list[Message]:
        sent: list[Message] = []
        first: list[Message] = [{"type": "websocket.connect"}]

        async def receive() -> Message:
            if first:
                return first.pop()
            monkeypatch.setattr(shared_services.sessions, "_sign_outs", Unknown())
            await asyncio.Event().wait()
            raise AssertionError

        async def send(answer: Message) -> None:
            sent.append(answer)

        await asyncio.wait_for(gate(scope(cookie_of("support")), receive, send), 30)
        return sent

    sent = asyncio.run(idle())
    assert led_to(sent) == [""]
    assert sent[-1]["type"] == "websocket.close"


@pytest.mark.parametrize(
    ("limits", "second", "address"),
    [
        ({"pages_per_person": 1}, "support", websocket.TOO_MANY),
        ({"pages_per_person": 1}, "manager", None),
        ({"pages_open": 1}, "manager", websocket.FULL),
    ],
)
def test_more_pages_than_there_may_be_are_led_to_a_page_that_says_so(
    monkeypatch: pytest.MonkeyPatch, limits: dict[str, int], second: str, address: str | None
) -> None:
    monkeypatch.setattr(websocket, "PLACE_SECONDS", 0.01)
    gate = Gate(Streamlit(), SIGN_IN.model_copy(update=limits))

    async def two() -> list[Message]:
        leave = asyncio.Event()
        first: list[Message] = [{"type": "websocket.connect"}]

        async def receive() -> Message:
            if first:
                return first.pop()
            await leave.wait()
            return {"type": "websocket.disconnect"}

        async def send(_answer: Message) -> None:
            pass

        holding = asyncio.create_task(gate(scope(cookie_of("support")), receive, send))
        await asyncio.sleep(0.05)
        sent = await use(gate, scope(cookie_of(second)))
        leave.set()
        await holding
        # The place is free again.
        assert led_to(await use(gate, scope(cookie_of("support")))) == []
        return sent

    assert led_to(asyncio.run(two())) == ([address] if address else [])


def test_messages_that_come_too_fast_are_held_back_and_then_end_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(websocket.asyncio, "sleep", sleep)  # type: ignore[attr-defined]
    flood = [message("rerun_script").SerializeToString()] * 1000
    pages, sent = used(Settings(), scope({}), *flood)
    burst = int(websocket.MESSAGES_A_SECOND * websocket.BURST_SECONDS)
    assert waited[: burst - 1] == [0.0] * (burst - 1)
    assert len(pages.received) < 300
    assert led_to(sent) == [websocket.TOO_FAST]
