"""The doors under siege: validations by token while strangers knock, and what a long time of it leaves behind.

The embedded backend where people sign in, in a temporary folder, started by its own command, with its own
face engine. Clients and strangers are in this process: all share the machine's cores. Run as
``python -m benchmarks.doors``; ``--minutes`` is the length of the second part, 0 leaves it out.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import itertools
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import numpy as np
from PIL import Image
from streamlit.web.server.starlette.starlette_app_utils import generate_xsrf_token_string
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from benchmarks import results
from core.services.tokens import new_token, setting
from tests.support import knocking, pages_socket, signin
from tests.support.browser import ROOT, dashboard_process
from tests.support.portraits import astronaut
from tests.support.servers import free_port

SIEGE, SOAK = "Strangers at the doors", "Strangers at the doors for a long time"
STRANGERS = 300
#: Seconds that a stranger waits before knocking again, as a browser does.
PAUSE = (1.0, 5.0)
#: Validations of each measurement; two clients send them.
VALIDATIONS = 120
PHOTOS = 150
PAGES = ["validate", "review", "user_lookup"]
SAMPLE_SECONDS = 20.0


class Desk:
    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.address = f"http://localhost:{self.port}"
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        self._token, hashed = new_token()
        self.environment = {
            **signin.settings(self.address),
            "FACEDESK_DATA_DIR": str(folder / "data"),
            "TMPDIR": str(self.temporary),
            "API_TOKENS": f"[{setting('kiosk', hashed, ['support'], [])}]",
            "API_REQUESTS_PER_MINUTE": "100000",
        }
        # Each is another one: the engine remembers what it has seen.
        self._photos = itertools.cycle([_noisy(seed) for seed in range(PHOTOS)])
        self.outcomes: Counter[str] = Counter()

    def load(self) -> None:
        command = [sys.executable, "-m", "core", "sample", "--registrations", "300"]
        subprocess.run(command, cwd=ROOT, env={**os.environ, **self.environment}, check=True, capture_output=True)

    def client(self) -> httpx.AsyncClient:
        header = {"Authorization": f"Bearer {self._token}"}
        return httpx.AsyncClient(base_url=self.address, timeout=120, headers=header)

    async def validate(self, http: httpx.AsyncClient) -> float:
        began = time.monotonic()
        path = "/api/registrations/sample-0001/validate-face-image"
        answer = await http.post(path, files={"photo": ("me.jpg", next(self._photos), "image/jpeg")})
        self.outcomes[f"validation {answer.status_code}"] += 1
        assert answer.json()["data"]["validationStatus"] == "success", answer.text
        return time.monotonic() - began

    async def stranger(self, seed: int) -> None:
        """Knocks for ever: half of the times by a good handshake, else by half of one, which is left hanging."""
        pick = random.Random(seed)
        while True:
            await asyncio.sleep(pick.uniform(0, PAUSE[1]))
            with suppress(OSError):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.write(
                    b"GET /_stcore/stream HTTP/1.1\r\nHost: localhost\r\n"
                    b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
                    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                )
                if pick.random() < 0.5:
                    writer.write(b"\r\n")
                    said = await reader.read(1000)
                    self.outcomes[f"stranger {said[9:12].decode() or 'closed'}"] += 1
                else:
                    await asyncio.sleep(pick.uniform(*PAUSE))
                    self.outcomes["stranger left hanging"] += 1
                writer.close()

    async def page(self, seed: int) -> None:
        """Somebody who is signed in opens pages, does something every few seconds, and now and then reloads."""
        pick = random.Random(seed)
        cookies = signin.cookie(signin.claims("support", self.address))
        while True:
            token = generate_xsrf_token_string()
            every = {**cookies, pages_socket.XSRF_COOKIE: token}
            header = {"Cookie": "; ".join(f"{name}={value}" for name, value in every.items())}
            with suppress(ConnectionClosed, OSError):
                async with connect(
                    f"ws://localhost:{self.port}/_stcore/stream",
                    origin=self.address,  # type: ignore[arg-type]
                    additional_headers=header,
                    subprotocols=["streamlit", token],  # type: ignore[list-item]
                    max_size=None,
                ) as socket:
                    for _ in range(10):
                        await socket.send(pages_socket.rerun(pick.choice(PAGES)).SerializeToString())
                        self.outcomes["rerun"] += 1
                        await _read_away(socket, pick.uniform(3, 8))


def _noisy(seed: int) -> bytes:
    portrait = np.asarray(Image.open(io.BytesIO(astronaut())), dtype=np.int16)
    noise = np.random.default_rng(seed).integers(-3, 4, portrait.shape, dtype=np.int16)
    out = io.BytesIO()
    Image.fromarray(np.clip(portrait + noise, 0, 255).astype(np.uint8)).save(out, "JPEG", quality=90)
    return out.getvalue()


async def _read_away(socket: ClientConnection, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while True:
                await socket.recv()


async def validations(desk: Desk, count: int) -> list[float]:
    """Seconds of each, sent by two clients in turn."""
    async with desk.client() as http:

        async def client() -> list[float]:
            return [await desk.validate(http) for _ in range(count // 2)]

        first, second = await asyncio.gather(client(), client())
        return first + second


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


async def health(desk: Desk, seconds: list[float]) -> None:
    async with httpx.AsyncClient(base_url=desk.address, timeout=120) as http:
        while True:
            began = time.monotonic()
            await http.get("/api/health")
            seconds.append(time.monotonic() - began)
            await asyncio.sleep(0.25)


async def siege(desk: Desk) -> str:
    """Validations alone and with strangers, twice in turn."""
    rows: list[list[str]] = []
    quiet: list[float] = []
    loud: list[float] = []
    healthy: list[float] = []
    await validations(desk, 20)
    for _ in range(2):
        quiet += await validations(desk, VALIDATIONS // 2)
        strangers = [asyncio.create_task(desk.stranger(seed)) for seed in range(STRANGERS)]
        strangers.append(asyncio.create_task(health(desk, healthy)))
        await asyncio.sleep(PAUSE[1])
        loud += await validations(desk, VALIDATIONS // 2)
        for each in strangers:
            each.cancel()
        await asyncio.gather(*strangers, return_exceptions=True)
    for name, values in (("alone", quiet), (f"with {STRANGERS} strangers", loud)):
        cells = [statistics.median(values), percentile(values, 0.95), max(values)]
        rows.append([f"validation by token, {name}", *(f"{1000 * each:.0f}" for each in cells)])
    cells = [statistics.median(healthy), percentile(healthy, 0.95), max(healthy)]
    rows.append(["`/api/health` meanwhile", *(f"{1000 * each:.0f}" for each in cells)])
    ratio = percentile(loud, 0.95) / percentile(quiet, 0.95)
    return (
        results.table(["milliseconds", "p50", "p95", "max"], rows)
        + f"\n\np95 with strangers to p95 alone: {ratio:.2f}."
    )


async def soak(desk: Desk, process: int, minutes: float) -> str:
    """Everything at once for a while, with a look at the process now and then."""
    rows: list[list[str]] = []
    healthy: list[float] = []
    tasks = [asyncio.create_task(desk.stranger(1000 + seed)) for seed in range(50)]
    tasks += [asyncio.create_task(desk.page(seed)) for seed in range(8)]
    tasks.append(asyncio.create_task(health(desk, healthy)))

    async def reading() -> None:
        pick = random.Random(1)
        async with desk.client() as http:
            while True:
                number = pick.randrange(1, 301)
                answer = await http.get(f"/api/registrations/sample-user-{number:04}/face-validation/history")
                desk.outcomes[f"history {answer.status_code}"] += 1
                await asyncio.sleep(0.2)

    async def validating() -> None:
        async with desk.client() as http:
            while True:
                await desk.validate(http)
                await asyncio.sleep(2)

    tasks += [asyncio.create_task(reading()), asyncio.create_task(validating())]
    began = time.monotonic()
    samples: list[tuple[float, float, int, int, int]] = []
    while time.monotonic() - began < minutes * 60:
        await asyncio.sleep(SAMPLE_SECONDS)
        samples.append(
            (
                (time.monotonic() - began) / 60,
                knocking.resident_bytes(process) / 2**20,
                knocking.descriptors(process),
                knocking.threads(process),
                len(list(desk.temporary.rglob("*"))),
            )
        )
        print(" ".join(f"{each:.1f}" for each in samples[-1]), flush=True)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    fifth = max(len(samples) // 5, 1)
    for number in range(0, len(samples), fifth):
        part = samples[number : number + fifth]
        minutes_of = f"minutes {part[0][0]:.0f} to {part[-1][0]:.0f}"
        rows.append(
            [minutes_of, *(f"{statistics.mean(each[column] for each in part):.0f}" for column in (1, 2, 3, 4))]
        )
    did = ", ".join(f"{count:,} {name}" for name, count in sorted(desk.outcomes.items()))
    return (
        f"{minutes:g} minutes of mixed traffic, strangers knocking:\n\n"
        + results.table(["mean of", "resident MB", "descriptors", "threads", "temporary files"], rows)
        + f"\n\nDone meanwhile: {did}. `/api/health`: p95 {1000 * percentile(healthy, 0.95):.0f} ms, "
        + f"longest {1000 * max(healthy):.0f} ms."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        desk = Desk(folder)
        desk.load()
        with dashboard_process(desk.environment, folder / "log", desk.port) as (process, address):
            assert urlsplit(address).port == desk.port
            results.publish(SIEGE, asyncio.run(siege(desk)))
            if asked.minutes:
                desk.outcomes.clear()
                results.publish(SOAK, asyncio.run(soak(desk, process.pid, asked.minutes)))


if __name__ == "__main__":
    main()
