"""``python -m core`` as a process: every failure is one line and an exit code, never a traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.cli import main
from core.cli.failures import report
from core.domain.errors import (
    InvalidInput,
    NotConfigured,
    Refused,
    ServiceError,
    SettingsError,
    Throttled,
    Unavailable,
)
from core.domain.hints import Hint
from tests.support.browser import ROOT

#: What a developer's shell may have and a test must not see.
BARE = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MONGODB_", "FACEDESK_"))}
NOT_UTF_8 = os.fsdecode(b"\xff")
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs a command in an empty folder."""

    def run(*arguments: str, before: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        """``before`` is Python that runs first in the same process."""
        program = f"import sys; sys.argv[0] = 'core'; {before}\nimport core.__main__"
        return subprocess.run(
            [sys.executable, "-c", program, *arguments],
            cwd=tmp_path,
            env={**BARE, "PYTHONPATH": str(ROOT), **environment},
            capture_output=True,
            text=True,
            errors="surrogateescape",
            check=False,
            timeout=120,
        )

    return run


def is_one_line(done: subprocess.CompletedProcess[str], code: int) -> bool:
    return done.returncode == code and "Traceback" not in done.stderr and len(done.stderr.splitlines()) == 1


def test_an_env_file_that_is_no_text(run: Run, tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"FACEDESK_DATA_DIR=\xff\xfe")
    done = run("sweep")
    assert is_one_line(done, 2)
    assert ".env" in done.stderr


def test_a_data_folder_that_is_a_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert is_one_line(run("sweep", FACEDESK_DATA_DIR="file"), 1)


def test_a_data_folder_that_cannot_be_made(run: Run) -> None:
    assert is_one_line(run("sweep", FACEDESK_DATA_DIR="/proc/none"), 1)


@pytest.mark.parametrize("arguments", [("erase", NOT_UTF_8), ("token", NOT_UTF_8, "--role", "support")])
def test_an_argument_that_is_no_text(run: Run, arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert is_one_line(done, 1)
    assert "Argument 2" in done.stderr


def test_a_file_may_have_any_name(run: Run, tmp_path: Path) -> None:
    (tmp_path / NOT_UTF_8).write_text("registrationId,userId,eventId,name,email,photo\n")
    assert run("import-registrations", NOT_UTF_8).returncode == 0


def test_a_user_whose_name_is_no_text(run: Run) -> None:
    assert run("erase", "nobody", "--confirm", "nobody", LOGNAME=NOT_UTF_8).returncode == 0


def test_a_token_without_a_name_is_not_made(run: Run) -> None:
    done = run("token", "", "--role", "support")
    assert is_one_line(done, 1)
    assert done.stdout == ""


def test_a_terminal_that_lacks_a_letter(run: Run) -> None:
    done = run("token", "Zoë", "--role", "support", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert done.returncode == 0
    assert r"Zo\xeb" in done.stdout


def test_output_that_nobody_reads(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "core", "token", "a", "--role", "support"],
        cwd=tmp_path,
        env={**BARE, "PYTHONPATH": str(ROOT)},
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
        timeout=120,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


def test_a_full_disk(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "core", "token", "a", "--role", "support"],
            cwd=tmp_path,
            env={**BARE, "PYTHONPATH": str(ROOT)},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=120,
        )
    assert is_one_line(done, 1)
    assert "No space left" in done.stderr


@pytest.mark.parametrize(
    ("raising", "code", "said"),
    [
        ("KeyError('user-1')", 1, "KeyError"),
        ("PermissionError(13, 'Permission denied', 'data')", 1, "Permission denied (data)"),
        ("OSError('user-1')", 1, "OSError"),
        ("MemoryError()", 1, "MemoryError"),
        ("UnicodeEncodeError('ascii', 'user-1', 0, 1, 'no')", 1, "UnicodeEncodeError"),
    ],
)
def test_whatever_is_raised(run: Run, raising: str, code: int, said: str) -> None:
    before = f"import core.cli.context\ndef fail(): raise {raising}\ncore.cli.context.load_settings = fail"
    done = run("sweep", before=before)
    assert is_one_line(done, code)
    assert said in done.stderr
    assert "user-1" not in done.stderr


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Refused("photos", "SignatureDoesNotMatch"), Hint.SIGNATURE),
        (Unavailable("registrations", "ServerSelectionTimeoutError"), Hint.MONGODB_ADDRESS),
        (Throttled("validation records", "ThrottlingException"), Hint.QUOTA),
        (NotConfigured("validation records", "ResourceNotFoundException", "The table is missing"), Hint.TABLE),
    ],
)
def test_a_service_that_fails_with_a_known_code_says_what_to_do(
    capsys: pytest.CaptureFixture[str], error: ServiceError, said: Hint
) -> None:
    assert report(error) == 1
    assert capsys.readouterr().err == f"{str(error).removesuffix('.')}. {said}\n"


@pytest.mark.parametrize(
    "error",
    [
        Refused("photos", "SomethingNew"),
        Refused("validation records", "CorruptError", "The database is damaged. Restore a backup."),
    ],
)
def test_a_service_that_says_all_itself_is_not_added_to(
    capsys: pytest.CaptureFixture[str], error: ServiceError
) -> None:
    report(error)
    assert capsys.readouterr().err == f"{error}\n"


def test_whatever_is_raised_in_a_thread(run: Run) -> None:
    before = (
        "import core.cli.context, threading\n"
        "def fail(): raise KeyError('user-1')\n"
        "def start():\n"
        "    thread = threading.Thread(target=fail); thread.start(); thread.join()\n"
        "    raise SystemExit(0)\n"
        "core.cli.context.load_settings = start"
    )
    assert is_one_line(run("sweep", before=before), 0)


@pytest.mark.parametrize(
    "where", ["core.cli.context.load_settings", "sys.modules"], ids=["in a command", "before it"]
)
def test_an_interruption(run: Run, where: str) -> None:
    interrupt = f"import os, signal\ndef stop(*_): os.kill(os.getpid(), {int(signal.SIGINT)})\n"
    if where == "sys.modules":
        before = (
            interrupt
            + "import sys; sys.addaudithook(lambda name, args: name == 'import' and args[0] == 'typer' and stop())"
        )
    else:
        before = interrupt + "import core.cli.context; core.cli.context.load_settings = stop"
    done = run("sweep", before=before)
    assert (done.returncode, done.stderr) == (130, "")


@pytest.mark.parametrize(("error", "code"), [(InvalidInput("no"), 1), (SettingsError("no"), 2)])
def test_an_error_of_ours_outside_of_the_services(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, code: int
) -> None:
    def fail(**_: Any) -> None:
        raise error

    monkeypatch.setattr(main, "app", fail)
    monkeypatch.setattr(sys, "argv", ["core"])
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == code
    assert capsys.readouterr().err == "no\n"
