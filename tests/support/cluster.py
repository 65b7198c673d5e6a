"""Production as three equal processes behind a proxy, all of it on this machine: ``make cluster``.

The instances share tables, a bucket, a collection and a provider of sign-in, but no folder. The proxy is HAProxy
with ``infra/local/haproxy.cfg``. Run as a command, it stays until Ctrl+C, with a few people to work on.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from core.adapters.embedded.engine import LocalEngine
from core.ports import FaceEngine
from tests.support import signin
from tests.support.browser import started_dashboard, wait_until_it_answers
from tests.support.dynamodb import running_server
from tests.support.mongodb import serving_nx
from tests.support.portraits import as_jpeg, astronaut, hopper
from tests.support.production import Servers, Site, production
from tests.support.rekognition import RekognitionServer
from tests.support.s3 import serving_moto
from tests.support.servers import ROOT, free_port, started

#: The names of the instances, as the proxy's configuration has them.
NAMES = ("one", "two", "three")
PROXY = ROOT / "infra" / "local" / "haproxy.cfg"
#: Three start at once, perhaps on a busy machine.
_START_SECONDS, _END_SECONDS = 300, 30


@dataclass
class Instance:
    """One process of Facedesk, which can be started again after its end, at the same address."""

    environment: Mapping[str, str]
    log: Path
    #: The folder with the code that it runs.
    code: Path = ROOT
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"http://localhost:{self.port}"

    def start(self) -> None:
        self.process = started_dashboard(self.environment, self.log, self.port, self.code)

    def wait_until_it_answers(self) -> None:
        assert self.process
        wait_until_it_answers(self.address, self.process, self.log, _START_SECONDS)

    def kill(self) -> None:
        """End it at once, as the loss of its machine would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in an orderly way, as a new release does."""
        self._end(signal.SIGTERM)

    def _end(self, by: signal.Signals) -> None:
        if self.process:
            self.process.send_signal(by)
            self.process.wait(_END_SECONDS)
            self.process = None


@dataclass(frozen=True)
class Cluster:
    """``address`` is the proxy's. ``site`` has services of its own on the same stores, to look in from outside."""

    address: str
    instances: tuple[Instance, ...]
    site: Site


@contextmanager
def cluster(folder: Path, engine: FaceEngine, **variables: str) -> Iterator[Cluster]:
    """A cluster whose files are in ``folder`` and whose Rekognition judges by ``engine``; ``variables`` come last."""
    program = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
    if program is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("haproxy is not installed")
    with ExitStack() as stack:
        port = free_port()
        address = f"http://localhost:{port}"
        site = stack.enter_context(signed_in_production(folder, engine, address, **variables))
        instances = stack.enter_context(running(site.environment, folder, dict.fromkeys(NAMES, ROOT)))
        named = zip(NAMES, instances, strict=True)
        places = {f"FACEDESK_{name.upper()}": f"127.0.0.1:{each.port}" for name, each in named}
        places["FACEDESK_BIND"] = f"127.0.0.1:{port}"
        stack.enter_context(started([program, "-db", "-f", str(PROXY)], port, folder / "proxy.log", **places))
        yield Cluster(address, instances, site)


@contextmanager
def signed_in_production(folder: Path, engine: FaceEngine, address: str, **variables: str) -> Iterator[Site]:
    """Production at ``address``, with servers of all that its instances share; the arguments are those of
    ``cluster``.
    """
    with ExitStack() as stack:
        rekognition = RekognitionServer(engine)
        rekognition.start()
        stack.callback(rekognition.stop)
        servers = Servers(
            stack.enter_context(running_server(folder)),
            stack.enter_context(serving_moto()),
            stack.enter_context(serving_nx(folder)),
            rekognition.url,
        )
        sign_in = signin.settings(address, stack.enter_context(signin.provider()))
        yield stack.enter_context(production(servers, **{**sign_in, **variables}))


@contextmanager
def running(environment: Mapping[str, str], folder: Path, code: Mapping[str, Path]) -> Iterator[tuple[Instance, ...]]:
    """Instances that answer: for each name of ``code`` one that runs the code in that folder."""
    with ExitStack() as stack:
        instances = tuple(_instance(environment, folder / name, place) for name, place in code.items())
        for instance in instances:
            instance.start()
            stack.callback(instance.stop)
        for instance in instances:
            instance.wait_until_it_answers()
        yield instances


def _instance(environment: Mapping[str, str], folder: Path, code: Path) -> Instance:
    folder.mkdir()
    return Instance({**environment, "FACEDESK_DATA_DIR": str(folder)}, folder / "output", code)


def main() -> None:
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # moto's server would report each request
    with tempfile.TemporaryDirectory() as folder, cluster(Path(folder), LocalEngine()) as made:
        for name, photo in {"Grace Hopper": as_jpeg(hopper()), "Eileen Collins": as_jpeg(astronaut())}.items():
            made.site.register(photo, name=name, event_id=signin.EVENT)
        said = f"""Facedesk: {made.address} (Ctrl+C stops it). People sign in as {", ".join(signin.PEOPLE)}.
Its instances: {", ".join(each.address for each in made.instances)}
"""
        sys.stdout.write(said)
        sys.stdout.flush()
        signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    main()
