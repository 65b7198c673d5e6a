"""``python -m core``: commands, help, and errors in one line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from core.cli import app
from core.registrations.sqlite import SqliteRegistrations

HEADER = "registrationId,userId,eventId,name,email,photo\n"
AWS = {
    "FACEDESK_BACKEND": "aws",
    "DYNAMODB_FACE_VALIDATION_TABLE": "face-verifications",
    "AWS_REGION": "us-east-1",
    "FACE_IMAGES_BUCKET": "faces",
    "MONGODB_URI": "mongodb://127.0.0.1:1",
    "MONGODB_DATABASE": "events",
}

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command in an empty folder, whose ``data`` is the embedded backend's."""
    monkeypatch.chdir(tmp_path)
    for name in AWS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FACEDESK_DATA_DIR", str(tmp_path / "data"))
    return lambda *arguments, **environment: CliRunner(env=environment).invoke(app, [str(each) for each in arguments])


def registrations(tmp_path: Path) -> SqliteRegistrations:
    return SqliteRegistrations(tmp_path / "data" / "facedesk.sqlite3")


@pytest.mark.parametrize("arguments", [["--help"], ["sample", "--help"], ["import-registrations", "--help"]])
def test_help_is_everywhere(run: Run, arguments: list[str]) -> None:
    result = run(*arguments)
    assert (result.exit_code, "Usage" in result.output) == (0, True)


def test_the_module_runs_and_its_help_loads_no_adapter() -> None:
    code = "import sys, core.cli; sys.exit(bool({'boto3', 'cv2', 'pymongo', 'apsw'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_sample_loads_the_sample_event(run: Run, tmp_path: Path) -> None:
    result = run("sample", "--registrations", 5)
    assert (result.exit_code, len(registrations(tmp_path).search("sample", limit=9))) == (0, 5)


def test_import_registers_with_photos_from_a_folder(run: Run, tmp_path: Path, astronaut_jpeg: bytes) -> None:
    (tmp_path / "table.csv").write_text(f"{HEADER}r1,u1,e1,Ana,,eileen.jpg\n")
    (tmp_path / "faces").mkdir()
    (tmp_path / "faces" / "eileen.jpg").write_bytes(astronaut_jpeg)
    result = run("import-registrations", "table.csv", "--photos", "faces")
    found = registrations(tmp_path).get("r1")
    assert (result.exit_code, bool(found and found.reference_photo_key)) == (0, True)


def test_a_bad_line_is_named_the_rest_goes_in_and_the_exit_code_tells(run: Run, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text(f"{HEADER},u1,e1,,,\nr2,u1,e1,,,\n")
    result = run("import-registrations", "table.csv")
    assert (result.exit_code, result.stderr, result.stdout) == (
        1,
        "Line 2: registrationId is empty.\n",
        "1 registrations imported, 1 lines left out.\n",
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["missing.csv"], "Cannot read missing.csv: No such file or directory.\n"),
        (["table.csv", "--photos", "missing"], "Cannot read missing: No such file or directory.\n"),
        (["table.csv", "--photos", "table.csv"], "The photos are not a readable zip archive.\n"),
    ],
)
def test_an_error_is_one_line_without_a_trace(run: Run, tmp_path: Path, arguments: list[str], sentence: str) -> None:
    (tmp_path / "table.csv").write_text(HEADER)
    result = run("import-registrations", *arguments)
    assert (result.exit_code, result.stderr, result.stdout) == (1, sentence, "")


def test_a_bad_setting_is_one_line_and_exit_code_2(run: Run) -> None:
    result = run("sample", MAX_UPLOAD_MB="0")
    assert (result.exit_code, result.stderr.count("\n"), "MAX_UPLOAD_MB" in result.stderr) == (2, 1, True)


@pytest.mark.parametrize("arguments", [["sample"], ["import-registrations", "table.csv"]])
def test_where_registrations_are_only_read_the_commands_refuse(run: Run, arguments: list[str]) -> None:
    result = run(*arguments, **AWS)
    assert (result.exit_code, "only read" in result.stderr, result.stderr.count("\n")) == (1, True, 1)
