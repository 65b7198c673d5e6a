"""The websocket of a page, used as a browser uses it, or as nobody should."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.web.server.starlette.starlette_app_utils import generate_xsrf_token_string
from websockets.sync.client import ClientConnection, connect

XSRF_COOKIE = "_streamlit_xsrf"
#: Seconds that a message may take on a busy machine.
PATIENCE = 60


@contextmanager
def opened(
    address: str, cookies: Mapping[str, str] | None = None, session: str = "", **more: Any
) -> Iterator[ClientConnection]:
    """A websocket of the dashboard at ``address``, with these cookies; ``session``: the page session to go on with.

    Raises ``InvalidStatus`` if it is refused.
    """
    token = generate_xsrf_token_string()
    every = {**(cookies or {}), XSRF_COOKIE: token}
    headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in every.items())}
    origin = "/".join(address.split("/")[:3])
    # Like a browser it reads all the time, whether or not the test has use for it: a page that is not read is closed.
    more = {"origin": origin, "max_size": None, "max_queue": None, "open_timeout": PATIENCE, **more}
    protocols = ["streamlit", token, *([session] if session else [])]
    where = f"{address.replace('http', 'ws', 1)}/_stcore/stream"
    with connect(where, additional_headers=headers, subprotocols=protocols, **more) as connection:  # type: ignore[arg-type]
        yield connection


def rerun(page: str = "", query: str = "") -> BackMsg:
    """The message that opens a page."""
    asked = BackMsg()
    asked.rerun_script.page_name = page
    asked.rerun_script.query_string = query
    return asked


def send(connection: ClientConnection, message: BackMsg) -> None:
    connection.send(message.SerializeToString())


def heard(connection: ClientConnection) -> None:
    """Return once Streamlit has dealt with whatever was sent before."""
    said = BackMsg()
    said.app_heartbeat = True
    for _ in range(PATIENCE):
        send(connection, said)
        # Streamlit forgets its answer if a script begins before it was sent: then it is asked once more.
        with suppress(TimeoutError):
            until(connection, "heartbeat_ack", patience=1)
            return
    raise TimeoutError("no heartbeat was answered")


def receive(connection: ClientConnection, patience: float = PATIENCE) -> ForwardMsg:
    data = connection.recv(timeout=patience)
    assert isinstance(data, bytes)
    message: ForwardMsg = ForwardMsg.FromString(data)
    return message


def until(connection: ClientConnection, kind: str, patience: float = PATIENCE) -> ForwardMsg:
    """The next message of this kind; ``patience``: seconds that the next one of any kind may take."""
    while (message := receive(connection, patience)).WhichOneof("type") != kind:
        pass
    return message


def page_session(connection: ClientConnection) -> str:
    """Open the first page, and return the id of its page session once it is complete."""
    send(connection, rerun())
    session = until(connection, "new_session").new_session.initialize.session_id
    finish(connection)
    return session


def finish(connection: ClientConnection) -> None:
    """Wait until the page is complete: one that leads on to another ends early."""
    while until(connection, "script_finished").script_finished == ForwardMsg.FINISHED_EARLY_FOR_RERUN:
        pass
