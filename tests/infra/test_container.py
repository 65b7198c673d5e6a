"""The image and its composition: what is in them, who may do what, and that the image's own steps give a server."""

from __future__ import annotations

import fnmatch
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from dashboard.__main__ import main as command_line
from dashboard.api.endpoints import ENDPOINTS
from tests.infra.dockerfile import Instruction, instructions, stages
from tests.infra.settings import setting_names
from tests.support.servers import free_port

ROOT = Path(__file__).parents[2]
IMAGE = ROOT / "Dockerfile"
DOCKERFILES = [IMAGE, *sorted((ROOT / "infra/local").glob("*Dockerfile"))]
COMPOSE: Mapping[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: Mapping[str, Mapping[str, Any]] = COMPOSE["services"]
DESKS = ["desk", "desk-1", "desk-2", "desk-3"]
_PINNED = re.compile(r"\S+:\S+@sha256:[0-9a-f]{64}")
_BY_OTHERS = re.compile(r"AWS_|STREAMLIT_|FORWARDED_ALLOW_IPS$|FACEDESK_(BIND|ONE|TWO|THREE)$")


def last(name: str, path: Path = IMAGE) -> Instruction:
    """The instruction of this name that counts in the image."""
    return [each for each in stages(path)[-1] if each.name == name][-1]


def copied(path: Path) -> list[str]:
    """What is copied from the folder of the build."""
    of_folder = [each for each in instructions(path) if each.name == "COPY" and "--from" not in each.text]
    return [source for each in of_folder for source in each.words[:-1]]


def let_through(source: str, ignored: Path) -> bool:
    """Whether the file of ignored paths, all of which begin by "*", lets ``source`` into the build."""
    return f"!{source}" in ignored.read_text().splitlines()


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_a_linter_has_nothing_to_say_about_a_dockerfile(path: Path) -> None:
    hadolint = shutil.which("hadolint", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert hadolint, "hadolint is missing: make setup-dev"
    linted = subprocess.run([hadolint, "--no-color", str(path)], capture_output=True, text=True, check=False)
    assert (linted.stdout, linted.returncode) == ("", 0)


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_a_base_is_pinned_by_its_digest(path: Path) -> None:
    bases = {each.words[0] for each in instructions(path) if each.name == "FROM"}
    named = {each.words[2] for each in instructions(path) if each.name == "FROM" and "AS" in each.words}
    assert bases - named
    assert [base for base in bases - named if not _PINNED.fullmatch(base)] == []


def test_all_images_of_ours_have_the_same_base() -> None:
    assert len({_PINNED.search(path.read_text())[0] for path in DOCKERFILES}) == 1  # type: ignore[index]


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_packages_are_installed_by_their_hashes_alone(path: Path) -> None:
    runs = [each.text for each in instructions(path) if each.name == "RUN"]
    installs = [step for run in runs for step in run.split("&&") if "pip install" in step]
    assert installs
    assert [step for step in installs if "--require-hashes --only-binary :all:" not in step] == []


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_nobody_in_an_image_is_root(path: Path) -> None:
    user, group = last("USER", path).text.split(":")
    assert int(user) > 0
    assert int(group) > 0


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_what_is_copied_exists_and_is_let_into_the_build(path: Path) -> None:
    of_its_own = path.with_name(f"{path.name}.dockerignore")
    ignored = of_its_own if of_its_own.exists() else ROOT / ".dockerignore"
    assert ignored.read_text().splitlines()[0 if ignored is of_its_own else 1] == "*"
    assert [each for each in copied(path) if not (ROOT / each).exists() or not let_through(each, ignored)] == []


def test_the_image_has_all_code_and_nothing_else() -> None:
    assert {*copied(IMAGE)} == {
        "requirements.txt",
        "requirements-models.txt",
        "LICENSE",
        "streamlit_app.py",
        ".streamlit/config.toml",
        "core",
        "dashboard",
        "pages",
    }


def test_the_health_check_asks_the_route_of_health() -> None:
    *_, module = last("HEALTHCHECK").text.partition("CMD ")[2].strip("[]").replace('"', "").split(", ")
    script = (ROOT / module.replace(".", "/")).with_suffix(".py").read_text()
    (health,) = [each.path for each in ENDPOINTS if each.path.endswith("/health")]
    assert health.lstrip("/") in script


def test_signals_reach_the_server_and_no_shell() -> None:
    assert last("CMD").text.startswith("[")
    assert last("CMD").words == ["python", "-m", "dashboard"]


def test_the_port_is_the_one_where_the_server_listens() -> None:
    assert last("EXPOSE").text == "8501"


def environment(service: Mapping[str, Any]) -> Mapping[str, str]:
    return service.get("environment", {})


def test_every_setting_of_a_container_exists() -> None:
    given = {name for service in SERVICES.values() for name in environment(service)}
    given |= {name for each in instructions(IMAGE) if each.name == "ENV" for name in re.findall(r"(\w+)=", each.text)}
    ours = {name for name in given if not _BY_OTHERS.match(name)}
    others = {"PATH", "HOME", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}
    assert ours - others <= set(setting_names())


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_of_others_is_pinned_by_its_digest(name: str) -> None:
    service = SERVICES[name]
    assert "build" in service or _PINNED.fullmatch(service["image"])


@pytest.mark.parametrize("name", SERVICES)
def test_only_this_machine_reaches_a_port(name: str) -> None:
    assert [port for port in SERVICES[name].get("ports", ()) if not port.startswith("127.0.0.1:")] == []


@pytest.mark.parametrize("name", [*DESKS, "desk-proxy", "proxy", "prepare", "s3", "rekognition", "oidc"])
def test_a_container_writes_to_its_volumes_and_tmp_alone(name: str) -> None:
    service = SERVICES[name]
    assert (service["read_only"], service["tmpfs"], service["cap_drop"]) == (True, ["/tmp"], ["ALL"])


@pytest.mark.parametrize("name", DESKS)
def test_a_desk_has_a_volume_where_its_data_folder_is(name: str) -> None:
    folder = re.search(r"FACEDESK_DATA_DIR=(\S+)", last("ENV").text)
    assert folder
    assert [each.rpartition(":")[2] for each in SERVICES[name]["volumes"]] == [folder[1]]


def test_what_starts_without_a_profile_is_one_desk_and_its_proxy() -> None:
    assert {name for name, service in SERVICES.items() if "profiles" not in service} == {"desk", "desk-proxy"}


def test_a_desk_without_sign_in_listens_where_its_proxy_alone_reaches_it() -> None:
    assert not environment(SERVICES["desk"])
    assert SERVICES["desk"]["network_mode"] == "service:desk-proxy"


def test_the_desks_of_the_other_profile_are_alike_and_the_proxy_knows_all_of_them() -> None:
    several = [SERVICES[name] for name in DESKS if name != "desk"]
    named = re.findall(r"\$\{(\w+)\}", (ROOT / COMPOSE["configs"]["proxy"]["file"]).read_text())
    places = environment(SERVICES["proxy"])
    assert [places[name] for name in named if name != "FACEDESK_BIND"] == [
        f"{name}:8501" for name in DESKS if name != "desk"
    ]
    assert all(each == several[0] for each in several)


@pytest.mark.parametrize("config", ["proxy", "proxy-desk"])
def test_a_proxy_understands_its_configuration(config: str) -> None:
    program = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
    if program is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("haproxy is not installed")
    places = {name: place.replace("desk-", "127.0.0.") for name, place in environment(SERVICES["proxy"]).items()}
    command = [program, "-c", "-f", str(ROOT / COMPOSE["configs"][config]["file"])]
    assert subprocess.run(command, env={**os.environ, **places}, capture_output=True, text=True).returncode == 0


def test_the_desks_answer_to_the_name_that_browsers_call_them_by(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "STREAMLIT_SERVER_ALLOWED_HOSTS"
    monkeypatch.setenv(name, environment(SERVICES["desk-1"])[name])
    read = command_line.make_context("dashboard", []).params["server_allowedHosts"]
    assert read == (urlsplit(environment(SERVICES["desk-1"])["OIDC_REDIRECT_URI"]).hostname,)


def test_every_file_that_a_container_is_given_exists() -> None:
    files = {name: ROOT / each["file"] for name, each in COMPOSE["configs"].items()}
    used = {each["source"] for service in SERVICES.values() for each in service.get("configs", ())}
    assert used == files.keys()
    assert [path for path in files.values() if not path.is_file()] == []


def _pip_cache() -> str:
    asked = [sys.executable, "-m", "pip", "cache", "dir"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()


class Built:
    """What the image's steps make, in a folder instead of at the root; paths of the image are written as in it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._places: list[str] = []

    def path(self, place: str) -> Path:
        return self._folder / place.lstrip("/")

    def here(self, text: str) -> str:
        """``text`` with the image's paths, its user and its lack of a cache replaced by those of this machine."""
        text = re.sub(r"(?<![\w.:/$])/(opt|app|data|build|tmp)\b", lambda found: str(self.path(found[0])), text)
        text = text.replace("--no-cache-dir", f"--cache-dir {_pip_cache()}")
        return text if os.getuid() == 0 else text.replace("10001", str(os.getuid()))

    @property
    def variables(self) -> dict[str, str]:
        given = dict(each.split("=", 1) for each in self.here(last("ENV").text).split())
        return {**given, "PATH": given["PATH"].replace("$PATH", f"{Path(sys.executable).parent}:/usr/bin:/bin")}

    def run(self) -> None:
        for stage in stages(IMAGE):
            variables = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(self._folder)}
            for step in stage:
                match step.name:
                    case "ENV":
                        variables |= self.variables
                    case "COPY" if "--from" not in step.text:
                        self._copy(*step.words)
                    case "RUN":
                        subprocess.run(
                            ["/bin/sh", "-ec", self.here(step.text)],
                            cwd=self._folder,
                            env=variables,
                            check=True,
                        )

    def _copy(self, *words: str) -> None:
        *sources, place = words
        for source in map(ROOT.joinpath, sources):
            if source.is_dir():
                ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
                shutil.copytree(source, self.path(place), ignore=ignored)
            else:
                self.path(place).mkdir(parents=True, exist_ok=True)
                shutil.copy(source, self.path(place))

    def close(self) -> None:
        """Takes the right to write away from all but the folders of the image that are written to."""
        for top in ("/app", "/opt"):
            for each in (self.path(top), *self.path(top).rglob("*")):
                if not each.is_symlink():
                    each.chmod(each.stat().st_mode & ~0o222)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    folder = tmp_path_factory.mktemp("image")
    for name in ("tmp", "build", "app", "opt"):
        (folder / name).mkdir()
    made = Built(folder)
    made.run()
    made.close()
    yield made
    subprocess.run(["chmod", "-R", "u+w", str(folder)], check=True)
    shutil.rmtree(folder)


def without_rights() -> list[str]:
    """Root may write where nobody may, unless these rights are taken from it."""
    return ["setpriv", "--inh-caps=-all", "--bounding-set=-all"] if os.getuid() == 0 else []


@pytest.mark.faults  # installs all packages
@pytest.mark.timeout(1800)  # which may have to be downloaded
def test_the_steps_of_the_image_give_a_server_that_answers_its_probe_writes_nothing_and_ends_when_told(
    built: Built,
) -> None:
    port = str(free_port())
    # The image's user owns the data folder; here it is whoever runs the tests.
    os.chown(built.path("/data"), os.getuid(), os.getgid())
    variables = {**built.variables, "STREAMLIT_SERVER_PORT": port}
    log = built.path("/tmp") / "log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [*without_rights(), *last("CMD").words],
            cwd=built.path("/app"),
            env=variables,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        probe = re.search(r"CMD (\[.*\])", last("HEALTHCHECK").text)
        assert probe
        asked = Instruction("CMD", probe[1]).words
        while subprocess.run(asked, cwd=built.path("/app"), env=variables, capture_output=True).returncode:
            assert server.poll() is None, log.read_text()
            time.sleep(0.5)
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30).close()
    finally:
        server.send_signal(signal.SIGTERM)
        ended = server.wait(30)
    said = [line for line in log.read_text().splitlines() if not fnmatch.fnmatch(line, "Facedesk: http://localhost*")]
    assert (ended in (0, -signal.SIGTERM, 128 + signal.SIGTERM), said) == (True, [])
    assert [path.name for path in built.path("/data").iterdir()] != []
