"""People with Event overview open: how long a click takes, what a page costs that nobody touches, and memory.

The embedded backend with an event of 6,000 records, served by a process of its own. Sessions are websockets in this
process: each runs its live fragment when the server asks for it, as a browser does, and its person clicks after
thinking for a while. Run as ``python -m benchmarks.sessions``.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.web.server.starlette.starlette_app_utils import generate_xsrf_token_string
from websockets.asyncio.client import ClientConnection, connect

from benchmarks import data, results
from benchmarks.measure import processor_seconds
from tests.support import knocking, pages_socket
from tests.support.browser import dashboard_process

SECTION = "Sessions of Event overview"
PEOPLE = 6000
#: Seconds that a person thinks between two clicks, on average.
THINKING = 30.0
SPANS = ("24 h", "7 days", "30 days")
#: Seconds that a click may take on a busy machine.
PATIENCE = 120.0
#: Sessions that rerun one after the other without thinking, for the look at memory.
HURRIED = 16


class Session:
    """One open page."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._page = ""
        self._fragment = ""
        self._runs: asyncio.Queue[None] = asyncio.Queue()
        self._live_runs: asyncio.Queue[None] = asyncio.Queue()
        self._live: asyncio.Task[None] | None = None
        self._reading = asyncio.create_task(self._read())
        #: The ends of runs, for the message if a click is not answered.
        self._heard: list[str] = []
        #: Runs of the live fragment that the server has answered.
        self.fragments = 0

    async def click(self, span: str) -> float:
        """Choose a span of time; seconds until the page is complete."""
        return await self._answered(
            pages_socket.rerun("event_overview", f"event_id={data.EVENT}&span={span}"), self._runs
        )

    async def live(self) -> float:
        """Run the live fragment now; seconds until that is complete."""
        while not self._live_runs.empty():
            self._live_runs.get_nowait()
        return await self._answered(self._live_run(), self._live_runs)

    async def _answered(self, message: BackMsg, runs: asyncio.Queue[None]) -> float:
        began = time.monotonic()
        await self._socket.send(message.SerializeToString())
        complete = asyncio.create_task(runs.get())
        await asyncio.wait({complete, self._reading}, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        if not complete.done():
            reason = repr(self._reading.exception()) if self._reading.done() else ", ".join(self._heard[-20:])
            raise TimeoutError(f"a click was not answered: {reason}")
        return time.monotonic() - began

    async def close(self) -> None:
        for task in (self._live, self._reading):
            if task:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    async def _read(self) -> None:
        async for raw in self._socket:
            assert isinstance(raw, bytes)
            said = ForwardMsg.FromString(raw)
            match said.WhichOneof("type"):
                case "new_session":
                    self._page = said.new_session.page_script_hash
                case "auto_rerun":
                    if self._live:
                        self._live.cancel()
                    self._fragment = said.auto_rerun.fragment_id
                    self._live = asyncio.create_task(self._repeat(said.auto_rerun.interval))
                case "script_finished":
                    self._heard.append(ForwardMsg.ScriptFinishedStatus.Name(said.script_finished))
                    if said.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
                        self._runs.put_nowait(None)
                    elif said.script_finished == ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY:
                        self.fragments += 1
                        self._live_runs.put_nowait(None)

    async def _repeat(self, seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds)
            await self._socket.send(self._live_run().SerializeToString())

    def _live_run(self) -> BackMsg:
        message = BackMsg()
        message.rerun_script.fragment_id = self._fragment
        message.rerun_script.is_auto_rerun = True
        message.rerun_script.page_script_hash = self._page
        message.rerun_script.query_string = f"event_id={data.EVENT}"
        return message


@asynccontextmanager
async def opened(address: str, count: int) -> AsyncIterator[list[Session]]:
    sessions: list[Session] = []
    sockets: list[ClientConnection] = []
    try:
        for number in range(count):
            token = generate_xsrf_token_string()
            socket = await connect(
                f"{address.replace('http', 'ws', 1)}/_stcore/stream",
                origin=address,  # type: ignore[arg-type]
                additional_headers={"Cookie": f"{pages_socket.XSRF_COOKIE}={token}"},
                subprotocols=["streamlit", token],  # type: ignore[list-item]
                max_size=None,
                ping_interval=None,
            )
            sockets.append(socket)
            sessions.append(Session(socket))
            await sessions[-1].click(SPANS[number % len(SPANS)])
        yield sessions
    finally:
        for session in sessions:
            await session.close()
        for socket in sockets:
            await socket.close()


async def clicks(sessions: list[Session], seconds: float) -> list[float]:
    """Seconds of each click, by people who think between two of them."""
    end = time.monotonic() + seconds
    took: list[float] = []

    async def person(session: Session, seed: int) -> None:
        pick = random.Random(seed)
        await asyncio.sleep(pick.uniform(0, THINKING))
        while time.monotonic() < end:
            took.append(await session.click(pick.choice(SPANS)))
            await asyncio.sleep(pick.uniform(0.5, 1.5) * THINKING)

    await asyncio.gather(*(person(session, seed) for seed, session in enumerate(sessions)))
    return took


async def idle(sessions: list[Session], process: int, seconds: float) -> tuple[float, float]:
    """The share of a core that the server takes while nobody clicks, and milliseconds of CPU for each live run."""
    before, ran = processor_seconds(process), sum(session.fragments for session in sessions)
    began = time.monotonic()
    await asyncio.sleep(seconds)
    spent = processor_seconds(process) - before
    ran = sum(session.fragments for session in sessions) - ran
    return spent / (time.monotonic() - began), 1000 * spent / max(ran, 1)


async def memory(address: str, process: int, reruns: int) -> list[list[str]]:
    """Rows: reruns so far, resident megabytes."""
    rows, done = [], 0
    async with opened(address, HURRIED) as sessions:

        async def hurry(session: Session, count: int) -> None:
            for number in range(count):
                await (session.live() if number % 4 else session.click(SPANS[number % len(SPANS)]))

        for _ in range(10):
            each = reruns // 10 // HURRIED
            await asyncio.gather(*(hurry(session, each) for session in sessions))
            done += each * HURRIED
            rows.append([f"{done:,}", f"{knocking.resident_bytes(process) / 2**20:.0f}"])
            print(*rows[-1], flush=True)
    return rows


async def measure(address: str, process: int, given: argparse.Namespace) -> str:
    rows = []
    for count in given.sessions:
        async with opened(address, count) as sessions:
            took = await clicks(sessions, given.seconds)
            share, of_fragment = await idle(sessions, process, given.seconds)
        cut = statistics.quantiles(took, n=100, method="inclusive")
        rows.append(
            [
                f"{count}",
                f"{len(took):,}",
                *(f"{1000 * seconds:,.0f}" for seconds in (cut[49], cut[94], max(took))),
                f"{100 * share:.1f} %",
                f"{1000 * share / count:.2f}",
                f"{of_fragment:.0f}",
            ]
        )
        print(*rows[-1], flush=True)
    head = [
        "sessions",
        "clicks",
        "median, ms",
        "p95, ms",
        "longest, ms",
        "idle: of a core",
        "a session, ms/s",
        "a live run, ms",
    ]
    said = results.table(head, rows)
    if given.reruns:
        grown = results.table(["reruns", "resident MB"], await memory(address, process, given.reruns))
        said += f"\n\nReruns without a pause by {HURRIED} sessions, three live runs to a click:\n\n{grown}"
    return said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, nargs="+", default=[50, 100])
    parser.add_argument("--seconds", type=float, default=120, help="of clicking, and of sitting idle")
    parser.add_argument("--reruns", type=int, default=10_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "data").mkdir(mode=0o700)
        data.embedded(folder / "data", PEOPLE, registered=PEOPLE * 6 // 5)
        environment = {"FACEDESK_DATA_DIR": str(folder / "data")}
        with dashboard_process(environment, folder / "log") as (process, address):
            said = asyncio.run(measure(address, process.pid, given))
    results.publish(
        SECTION,
        f"An event of {PEOPLE:,} records, live, {THINKING:g} s between two clicks of a person; then nobody clicks. "
        f"The clients share the machine's cores.\n\n{said}",
    )


if __name__ == "__main__":
    main()
