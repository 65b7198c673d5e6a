"""The API under load: clients that read and validate at once, while a page is opened now and then.

The embedded backend in a temporary folder, served by uvicorn in a process of its own with the dashboard's launcher;
only the face engine is a stub, which takes 100 ms. Clients are in this process: both share the machine's cores.
Times are milliseconds. Run as ``python -m benchmarks.api``.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import uuid4

import httpx

from core.domain.clock import utc_now
from core.runtime import backends
from core.runtime.bootstrap import assemble, build
from core.runtime.services import Services
from core.services import sample
from core.settings import Settings
from tests.support.browser import ROOT
from tests.support.desk import REFERENCE_KEY
from tests.support.duplicates import ChosenSearch
from tests.support.portraits import as_jpeg, astronaut
from tests.support.servers import free_port

ENGINE_SECONDS = 0.1
REGISTRATIONS = 2000
#: Kinds of requests, and how many of a hundred are such.
READS = {"history": 30, "stats": 10, "check-recent": 10, "record": 20, "event": 10}
ALL = {**READS, "by key": 10, "upload": 10}
#: How often the dashboard's first page is fetched meanwhile, seconds.
PAGE_EVERY = 2.0


class StubEngine:
    """Sees one good face that matches, after ``ENGINE_SECONDS``."""

    def __init__(self) -> None:
        from tests.support.engine import ChosenEngine

        self._chosen = ChosenEngine()
        self.provenance = self._chosen.provenance

    def detect(self, photo: bytes) -> Mapping[str, Any]:
        time.sleep(ENGINE_SECONDS)
        return self._chosen.detect(photo)

    def compare(self, submitted: bytes, reference: bytes) -> Mapping[str, Any]:
        time.sleep(ENGINE_SECONDS)
        return self._chosen.compare(submitted, reference)

    def ping(self) -> None:
        pass

    def close(self) -> None:
        pass


def with_stub_engine(settings: Settings) -> Services:
    """Services as the settings say, but for the engine, which makes no templates."""
    adapters, stub = backends.embedded(settings, utc_now), StubEngine()
    adapters.engine.close()
    without = replace(adapters, engine=stub, batch_engine=stub, templating=None, face_search=ChosenSearch())
    return assemble(settings, without)


def launcher() -> Any:
    """The dashboard's own application, on the stub: what the server process runs."""
    from dashboard import services

    services.__dict__["build"] = with_stub_engine
    import streamlit_app

    return streamlit_app.app


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[tuple[str, int]]:
    port = free_port()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "uvicorn", "--factory", "benchmarks.api:launcher"),
            *("--port", str(port), "--no-access-log"),
        ],
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
        env={**os.environ, "FACEDESK_DATA_DIR": str(folder), "PYTHONPATH": str(ROOT)},
    )
    try:
        address = f"http://localhost:{port}"
        async with httpx.AsyncClient() as http:
            while True:
                assert process.poll() is None, "the server ended"
                try:
                    await http.get(f"{address}/api/ready", timeout=30)
                    break
                except httpx.TransportError:
                    await asyncio.sleep(0.1)
        yield address, process.pid
    finally:
        process.terminate()
        process.wait(30)


def resident_megabytes(process: int) -> float:
    (line,) = [line for line in Path(f"/proc/{process}/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


class Load:
    def __init__(self, address: str, photo: bytes, kinds: Mapping[str, int]) -> None:
        self.statuses: dict[str, Counter[str]] = defaultdict(Counter)
        self.times: dict[str, list[float]] = defaultdict(list)
        #: (registration, attempt) of each validation whose storing was acknowledged.
        self.acknowledged: list[tuple[int, str]] = []
        self._address = address
        self._photo = photo
        self._kinds = kinds

    async def client(self, until: float, seed: int) -> None:
        pick = random.Random(seed)
        async with httpx.AsyncClient(base_url=self._address, timeout=60) as http:
            while time.monotonic() < until:
                number = pick.randrange(1, REGISTRATIONS + 1)
                of_user = f"/api/registrations/sample-user-{number:04}/face-validation"
                (kind,) = pick.choices(list(self._kinds), list(self._kinds.values()))
                match kind:
                    case "record":
                        await self.ask(http, kind, "GET", f"{of_user}/sample-{number:04}")
                    case "event":
                        await self.ask(
                            http, kind, "GET", f"/api/registrations/event/{sample.EVENT_ID}/face-validations"
                        )
                    case "by key" | "upload":
                        await self.validate(http, kind, number)
                    case _:
                        await self.ask(http, kind, "GET", f"{of_user}/{kind}")

    async def validate(self, http: httpx.AsyncClient, kind: str, number: int) -> None:
        attempt = uuid4().hex
        sent: dict[str, Any] = (
            {"json": {"faceImageKey": REFERENCE_KEY}} if kind == "by key" else {"files": {"photo": self._photo}}
        )
        answer = await self.ask(
            http,
            kind,
            "POST",
            f"/api/registrations/sample-{number:04}/validate-face-image",
            headers={"Idempotency-Key": attempt},
            **sent,
        )
        if answer is not None and answer.status_code == 200:
            assert answer.json()["dynamodbStored"]
            self.acknowledged.append((number, attempt))

    async def pages(self, until: float) -> None:
        async with httpx.AsyncClient(base_url=self._address, timeout=60) as http:
            while time.monotonic() < until:
                await self.ask(http, "page", "GET", "/event_overview")
                await asyncio.sleep(PAGE_EVERY)

    async def ask(
        self, http: httpx.AsyncClient, kind: str, method: str, path: str, **more: Any
    ) -> httpx.Response | None:
        began = time.monotonic()
        try:
            answer = await http.request(method, path, **more)
        except httpx.HTTPError as error:
            self.statuses[kind][type(error).__name__] += 1
            return None
        self.times[kind].append((time.monotonic() - began) * 1000)
        self.statuses[kind][str(answer.status_code)] += 1
        if answer.status_code == 503:
            await asyncio.sleep(float(answer.headers["Retry-After"]))
        return answer


async def watch(process: int, until: float, megabytes: list[float]) -> None:
    while time.monotonic() < until:
        megabytes.append(resident_megabytes(process))
        await asyncio.sleep(1)


def prepared(folder: Path, photo: bytes) -> None:
    services = build(Settings(data_dir=folder, _env_file=None))
    assert services.importer is not None
    sample.load(
        services.records,
        services.importer,
        services.photos,
        services.sanitiser,
        services.clock(),
        count=REGISTRATIONS,
        policy=services.settings.policy,
        ttl=services.settings.record_ttl,
    )
    services.photos.put(REFERENCE_KEY, photo)
    services.close()


def lost(folder: Path, acknowledged: list[tuple[int, str]]) -> int:
    services = build(Settings(data_dir=folder, _env_file=None))
    missing = 0
    for number, attempt in acknowledged:
        record = services.records.get(f"sample-user-{number:04}", f"sample-{number:04}")
        missing += record is None or record.attempt(attempt) is None
    services.close()
    return missing


async def run(
    folder: Path, clients: int, seconds: float, kinds: Mapping[str, int] = MappingProxyType(ALL)
) -> tuple[Load, int]:
    """Prints what was measured; returns it, and how many acknowledged validations are not in the store."""
    photo = as_jpeg(astronaut())
    prepared(folder, photo)
    async with serving(folder) as (address, process):
        load, megabytes = Load(address, photo, kinds), list[float]()
        until = time.monotonic() + seconds
        await asyncio.gather(
            *(load.client(until, seed) for seed in range(clients)),
            load.pages(until),
            watch(process, until, megabytes),
        )
    asked = sum(counts.total() for kind, counts in load.statuses.items() if kind != "page")
    print(f"{clients} clients, {seconds:g} s: {asked:,} requests, {asked / seconds:,.0f} a second")
    print(f"{'request':<14}{'count':>8}{'p50':>9}{'p99':>9}  statuses")
    for kind, times in load.times.items():
        p99 = statistics.quantiles(times, n=100)[98] if len(times) > 1 else times[0]
        print(f"{kind:<14}{len(times):>8,}{statistics.median(times):>9.1f}{p99:>9.1f}  {dict(load.statuses[kind])}")
    if third := len(megabytes) // 3:
        parts = [statistics.mean(megabytes[at : at + third]) for at in (0, third, 2 * third)]
        print("server's memory, MB, by thirds of the time: " + ", ".join(f"{part:.0f}" for part in parts))
    missing = lost(folder, load.acknowledged)
    print(f"acknowledged validations {len(load.acknowledged):,}, of them lost {missing}")
    return load, missing


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--reads", action="store_true", help="validate nothing, only read")
    given = parser.parse_args()
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start")
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder), given.clients, given.seconds, READS if given.reads else ALL))


if __name__ == "__main__":
    main()
