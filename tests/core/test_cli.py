"""``python -m core``: commands, help, and errors in one line."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import apsw
import pytest
from click.testing import Result
from typer.testing import CliRunner

from core.adapters.aws import sharding
from core.adapters.embedded.duplicates import SqliteDuplicates
from core.adapters.embedded.photos import FolderPhotos
from core.adapters.embedded.registrations import SqliteRegistrations
from core.cli import progress
from core.cli.main import app
from core.domain.clock import utc_now
from core.domain.duplicates import Switch
from core.domain.hints import Hint
from core.domain.records import Registration
from core.runtime import maintenance
from core.services.photo_sources import FolderSource
from tests.core.test_backfill import interrupting
from tests.core.test_provision import table_with_keys_alone
from tests.support.dynamodb import Proxy, put_item, require_index_over, stored_item
from tests.support.records import a_foreign_item
from tests.support.servers import CREDENTIALS, REGION, fresh_name

HEADER = "registrationId,userId,eventId,name,email,photo\n"
AWS = {
    "FACEDESK_BACKEND": "aws",
    "DYNAMODB_FACE_VALIDATION_TABLE": "face-verifications",
    "AWS_REGION": "us-east-1",
    "FACE_IMAGES_BUCKET": "faces",
    "MONGODB_URI": "mongodb://127.0.0.1:1",
    "MONGODB_DATABASE": "events",
    "HASH_KEY": "a key of these tests",
}

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command in an empty folder, whose ``data`` is the embedded backend's."""
    monkeypatch.chdir(tmp_path)
    for name in AWS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FACEDESK_DATA_DIR", str(tmp_path / "data"))

    def run(*arguments: object, typed: str | None = None, **environment: str) -> Result:
        return CliRunner(env=environment).invoke(app, [str(each) for each in arguments], input=typed)

    return run


def registrations(tmp_path: Path) -> SqliteRegistrations:
    return SqliteRegistrations(tmp_path / "data" / "facedesk.sqlite3")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        *(
            [name, "--help"]
            for name in (
                "sample",
                "import-registrations",
                "validate-event",
                "audit-references",
                "find-duplicates",
                "provision",
                "backfill-index",
                "shard-event",
                "erase",
                "erase-again",
                "sweep",
                "token",
                "tokens",
                "revoke-token",
                "backup",
                "restore",
            )
        ),
    ],
)
def test_help_is_everywhere(run: Run, arguments: list[str]) -> None:
    result = run(*arguments)
    assert (result.exit_code, "Usage" in result.output) == (0, True)


def test_the_module_runs_and_its_help_loads_no_adapter() -> None:
    code = "import sys, core.cli.main; sys.exit(bool({'boto3', 'cv2', 'pymongo', 'apsw'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_sample_loads_the_sample_event(run: Run, tmp_path: Path) -> None:
    result = run("sample", "--registrations", 5)
    assert (result.exit_code, len(registrations(tmp_path).search("sample", limit=9).registrations)) == (0, 5)


def test_import_registers_with_photos_from_a_folder(run: Run, tmp_path: Path, astronaut_jpeg: bytes) -> None:
    (tmp_path / "table.csv").write_text(f"{HEADER}r1,u1,e1,Ana,,eileen.jpg\n")
    (tmp_path / "faces").mkdir()
    (tmp_path / "faces" / "eileen.jpg").write_bytes(astronaut_jpeg)
    result = run("import-registrations", "table.csv", "--photos", "faces")
    found = registrations(tmp_path).get("r1")
    assert (result.exit_code, bool(found and found.reference_photo_key)) == (0, True)


def test_import_names_the_photos_that_are_called_otherwise(run: Run, tmp_path: Path, astronaut_jpeg: bytes) -> None:
    (tmp_path / "table.csv").write_text(f"{HEADER}r1,u1,e1,Ana,,[bold]eileen.jpg\n")
    (tmp_path / "faces" / "2026").mkdir(parents=True)
    (tmp_path / "faces" / "2026" / "[bold]EILEEN.JPEG").write_bytes(astronaut_jpeg)
    result = run("import-registrations", "table.csv", "--photos", "faces")
    assert (result.exit_code, result.stderr, result.stdout) == (
        0,
        "Line 2: photo '[bold]eileen.jpg' is the file '2026/[bold]EILEEN.JPEG' in the folder.\n",
        "1 registrations imported, 0 lines skipped.\n",
    )


def test_a_bad_line_is_reported_the_rest_is_imported_and_the_exit_code_is_1(run: Run, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text(f"{HEADER},u1,e1,,,\nr2,u1,e1,,,\n")
    result = run("import-registrations", "table.csv")
    assert (result.exit_code, result.stderr, result.stdout) == (
        1,
        "Line 2: registrationId is empty.\n",
        "1 registrations imported, 1 lines skipped.\n",
    )


def test_a_dry_run_shows_the_plan_and_stores_nothing(run: Run, tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text("registrationId,userId,eventId\nr1,u1,e1\n")
    assert run("import-registrations", "one.csv").exit_code == 0
    (tmp_path / "list.csv").write_text("Ticket ID;Who;E-Mail\nr1;u1;[bold]\nr2;u2;\nr3;;\n")
    result = run("import-registrations", "list.csv", "--dry-run", "--event", "e1", "--column", "userId=Who")
    assert (result.exit_code, result.stderr, result.stdout) == (
        1,
        "Line 4: userId is empty.\n",
        "registrationId: column “Ticket ID”\n"
        "userId: column “Who”\n"
        "email: column “E-Mail”\n"
        "registrationId | userId | eventId | email\n"
        "r1 | u1 | e1 | [bold]\n"
        "r2 | u2 | e1 | \n"
        "1 new, 1 replaced, 1 refused. Nothing was stored.\n",
    )
    found = registrations(tmp_path)
    assert (found.get("r2"), found.get("r1") and found.get("r1").email) == (None, None)  # type: ignore[union-attr]
    found.close()


def test_a_dry_run_of_a_list_that_is_not_understood_says_what_to_do(run: Run, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("Number,Who\n1,Ada\n")
    result = run("import-registrations", "list.csv", "--dry-run")
    assert (result.exit_code, result.stdout.splitlines()[:2]) == (1, ["Number | Who", "1 | Ada"])
    assert "Name it with --column" in result.stdout


def test_a_dry_run_counts_lines_whose_photos_do_not_come_with_the_list(run: Run, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(f"{HEADER}r1,u1,e1,,,a.jpg\n")
    result = run("import-registrations", "list.csv", "--dry-run")
    assert result.stderr == "Line 2: photo 'a.jpg': No photos were given with the list.\n"
    assert "0 new, 0 replaced, 1 refused." in result.stdout


def test_what_is_said_of_a_list_is_imported_so(run: Run, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("Number,Mail\n1001.0,ada@example.com\n")
    given = ["--event", "e1", "--column", "registrationId=Number", "--column", "user_id=Mail", "--repair-ids"]
    result = run("import-registrations", "list.csv", *given)
    found = registrations(tmp_path)
    assert (result.exit_code, [each.registration_id for each in found.of_user("ada@example.com")]) == (0, ["1001"])
    found.close()


def test_the_lines_that_were_skipped_are_written_without_formulas(run: Run, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(f"{HEADER}r1,u1,e1,,,a\nr1,,e1,,,\n=1+1,u1,e1,,,=2.jpg\n")
    run("import-registrations", "list.csv", "--problems", "problems.csv")
    with (tmp_path / "problems.csv").open(encoding="utf-8-sig", newline="") as file:
        assert list(csv.reader(file))[:3] == [
            ["line", "problem"],
            ["2", "photo 'a': No photos were given with the list."],
            ["3", "userId is empty."],
        ]


def test_the_settings_of_events_are_completed_by_a_list(run: Run, tmp_path: Path) -> None:
    table = "registrationId,userId,eventId,Event Name,Event Start\nr1,u1,e1,[bold]Expo,2026-11-26 18:00\n"
    (tmp_path / "list.csv").write_text(table)
    given = ["import-registrations", "list.csv", "--time-zone", "Europe/Berlin"]
    line = "Settings of the event 'e1': eventName [bold]Expo, startsAt 2026-11-26 18:00.\n"
    for options in (["--dry-run"], []):
        result = run(*given, *options)
        assert (result.exit_code, result.stdout.endswith(line)) == (0, True)
    assert run(*given).stdout == "1 registrations imported, 0 lines skipped.\n"


@pytest.mark.parametrize("given", ["userId", "seat=Name", "=Name"])
def test_a_column_option_that_says_nothing_is_one_line(run: Run, tmp_path: Path, given: str) -> None:
    (tmp_path / "list.csv").write_text(HEADER)
    result = run("import-registrations", "list.csv", "--column", given)
    assert (result.exit_code, result.stderr.count("\n"), "NAME=COLUMN" in result.stderr) == (1, 1, True)


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


@pytest.fixture
def table(dynamodb: Any, passing_tables: None) -> str:
    """A table as the previous service's guide creates it, with only its keys, and one record of that service."""
    table = table_with_keys_alone(dynamodb)
    put_item(dynamodb, table, a_foreign_item())
    return table


@pytest.fixture
def maintain(run: Run, dynamodb_url: str, table: str) -> Run:
    """Runs a command with the settings that the table needs, and none of MongoDB's or the bucket's."""
    environment = {
        "FACEDESK_BACKEND": "aws",
        "DYNAMODB_FACE_VALIDATION_TABLE": table,
        "DYNAMODB_AUDIT_TABLE": f"audit-of-{table}",
        "DYNAMODB_STATE_TABLE": f"state-of-{table}",
        "AWS_REGION": REGION,
        "AWS_ENDPOINT_URL_DYNAMODB": dynamodb_url,
        **CREDENTIALS,
    }
    return lambda *arguments, **changes: run(*arguments, **{**environment, **changes})


@pytest.mark.parametrize("command", ["provision", "backfill-index"])
@pytest.mark.parametrize("setting", ["DYNAMODB_FACE_VALIDATION_TABLE", "AWS_REGION"])
def test_a_setting_that_the_table_needs_is_named(maintain: Run, command: str, setting: str) -> None:
    result = maintain(command, **{setting: ""})
    assert (result.exit_code, result.stderr.count("\n"), setting in result.stderr) == (2, 1, True)


def test_provision_says_each_difference_and_exits_with_1_while_one_is_left(maintain: Run, table: str) -> None:
    result = maintain("provision")
    assert (result.exit_code, result.stdout.splitlines()) == (
        1,
        [
            f"Table {table} in {REGION}:",
            "Deletion protection is off: switched on.",
            "TTL is off: switched on.",
            "Point-in-time recovery: not supported by this server.",
            "Index eventId-timestamp-index is missing: event reads scan the whole table; "
            "add it with: python -m core provision --add-index.",
            f"Table audit-of-{table} in {REGION}:",
            "The table is missing: created.",
            "Point-in-time recovery is off: not supported by this server.",
            f"Table state-of-{table} in {REGION}:",
            "The table is missing: created.",
            "TTL is off: switched on.",
            "Point-in-time recovery is off: not supported by this server.",
        ],
    )


def test_a_dry_run_says_what_would_be_done(maintain: Run, table: str) -> None:
    result = maintain("provision", "--dry-run", "--add-index")
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "1 records read: the index takes all of their values.",
        f"Table {table} in {REGION}:",
        "Deletion protection is off: would be switched on.",
        "TTL is off: would be switched on.",
        "Point-in-time recovery: not supported by this server.",
        "Index eventId-timestamp-index is missing: would be added.",
        f"Table audit-of-{table} in {REGION}:",
        "The table is missing: would be created.",
        "Point-in-time recovery is off: would be switched on.",
        f"Table state-of-{table} in {REGION}:",
        "The table is missing: would be created.",
        "TTL is off: would be switched on.",
        "Point-in-time recovery is off: would be switched on.",
    ]


@pytest.fixture
def odd_table(dynamodb: Any, table: str) -> str:
    """The same with records that could not be written as they are if there were an index."""
    odd: list[dict[str, Any]] = [
        {"timestamp": 1_772_274_600},
        {"timestamp": 1_772_274_601},
        {"eventId": 7, "timestamp": ""},
        {"eventId": None},
        {"eventId": ["event-1"]},
    ]
    for number, changes in enumerate(odd):
        put_item(dynamodb, table, a_foreign_item(registrationId=f"odd-{number}", **changes))
    return table


def test_values_that_the_index_does_not_take_are_listed_before_it_is_added(maintain: Run, odd_table: str) -> None:
    result = maintain("provision", "--add-index")
    assert result.exit_code == 1
    first, *kinds, meaning = result.stdout.splitlines()
    assert first.startswith("6 records read.")
    assert sorted(line.replace("'odd-1', 'odd-0'", "'odd-0', 'odd-1'") for line in kinds) == [
        "  eventId list: 1, such as 'odd-4'",
        "  eventId null: 1, such as 'odd-3'",
        "  eventId number: 1, such as 'odd-2'",
        "  timestamp empty: 1, such as 'odd-2'",
        "  timestamp number: 2, such as 'odd-0', 'odd-1'",
    ]
    assert "DynamoDB refuses every write" in meaning


def test_while_there_are_such_values_nothing_is_changed(maintain: Run, dynamodb: Any, odd_table: str) -> None:
    before = dynamodb.describe_table(TableName=odd_table)["Table"]
    result = maintain("provision", "--add-index")
    assert "--yes" in result.stderr
    assert dynamodb.describe_table(TableName=odd_table)["Table"] == before


def test_with_yes_the_index_is_added_all_the_same(maintain: Run, dynamodb: Any, odd_table: str) -> None:
    require_index_over(dynamodb, odd_table)
    assert maintain("provision", "--add-index", "--yes").exit_code == 0
    assert "GlobalSecondaryIndexes" in dynamodb.describe_table(TableName=odd_table)["Table"]


def test_a_dry_run_lists_such_values_and_goes_on(maintain: Run, odd_table: str) -> None:
    result = maintain("provision", "--add-index", "--dry-run")
    assert "  timestamp number: 2" in result.stdout
    assert "Index eventId-timestamp-index is missing: would be added." in result.stdout


@pytest.mark.parametrize("options", [[], ["--add-index"]], ids=["not asked for", "there already"])
def test_the_table_is_read_only_if_the_index_is_to_be_added(
    maintain: Run, dynamodb_proxy: Proxy, options: list[str]
) -> None:
    maintain("provision", "--add-index")
    maintain("provision", *options, AWS_ENDPOINT_URL_DYNAMODB=dynamodb_proxy.url)
    assert "Scan" not in dynamodb_proxy.seen


def test_a_table_with_the_index_is_right(maintain: Run) -> None:
    assert [maintain("provision", "--add-index").exit_code, maintain("provision").exit_code] == [0, 0]


@pytest.fixture
def undying(dynamodb: Any, table: str) -> str:
    """The table with a record whose expiry DynamoDB ignores."""
    put_item(dynamodb, table, a_foreign_item(registrationId="undying", expiresAt="2099-01-01T00:00:00Z"))
    return table


def test_provision_makes_records_expire_that_dynamodb_never_deletes(
    maintain: Run, dynamodb: Any, undying: str
) -> None:
    maintain("provision", "--add-index")
    result = maintain("provision", "--repair-ttl")
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "  expiresAt text: 1")
    assert stored_item(dynamodb, undying, registration_id="undying")["expiresAt"] == {"N": "4070908800"}


def test_a_dry_run_counts_such_records_and_leaves_a_difference(maintain: Run, dynamodb: Any, undying: str) -> None:
    maintain("provision", "--add-index")
    result = maintain("provision", "--repair-ttl", "--dry-run")
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (1, "  expiresAt text: 1")
    assert "S" in stored_item(dynamodb, undying, registration_id="undying")["expiresAt"]


def test_a_missing_table_is_made(maintain: Run, dynamodb: Any) -> None:
    name = fresh_name("face-verifications")
    result = maintain("provision", DYNAMODB_FACE_VALIDATION_TABLE=name)
    # Not by listing the tables: a list ends after a hundred.
    assert (result.exit_code, dynamodb.describe_table(TableName=name)["Table"]["TableStatus"]) == (0, "ACTIVE")


def test_backfill_counts_what_it_did(maintain: Run) -> None:
    result = maintain("backfill-index")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith(
        "1 records read, 1 set, 0 changed meanwhile, 0 without any event, 0 refused by DynamoDB;"
    )


def test_backfill_of_a_missing_table_is_one_line(maintain: Run) -> None:
    result = maintain("backfill-index", DYNAMODB_FACE_VALIDATION_TABLE="gone")
    sentence = f"There is no table gone. {Hint.TABLE}\n"
    assert (result.exit_code, result.stderr, result.stdout) == (1, sentence, "")


def test_backfill_fails_where_dynamodb_refused_a_record(maintain: Run, dynamodb_proxy: Proxy) -> None:
    dynamodb_proxy.fault = lambda operation: ("ValidationException", 400) if operation == "UpdateItem" else None
    result = maintain("backfill-index", AWS_ENDPOINT_URL_DYNAMODB=dynamodb_proxy.url)
    assert (result.exit_code, "1 refused" in result.stdout) == (1, True)


@pytest.mark.parametrize(
    ("options", "code"), [([], 130), (["--watch"], 0)], ids=["a single pass", "the watch, whose end it is"]
)
def test_ctrl_c_ends_backfill_without_a_trace(
    maintain: Run, dynamodb_proxy: Proxy, options: list[str], code: int
) -> None:
    dynamodb_proxy.fault = interrupting("Scan")
    result = maintain("backfill-index", *options, AWS_ENDPOINT_URL_DYNAMODB=dynamodb_proxy.url)
    assert (result.exit_code, result.output.splitlines()) == (code, ["Stopped."])


def test_the_watch_outlasts_an_outage(maintain: Run, dynamodb_proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "PATIENCE_SECONDS", 0)

    interrupted = interrupting("Scan")

    def down_first(operation: str) -> tuple[str, int] | None:
        interrupted(operation)
        return ("InternalServerError", 500) if len(dynamodb_proxy.seen) == 1 else None

    dynamodb_proxy.fault = down_first
    result = maintain("backfill-index", "--watch", "--every", "0.1", AWS_ENDPOINT_URL_DYNAMODB=dynamodb_proxy.url)
    assert (result.exit_code, "out of reach" in result.stderr, result.stdout) == (0, True, "Stopped.\n")


def test_where_the_stream_is_followed_nothing_need_watch(maintain: Run) -> None:
    result = maintain("backfill-index", "--watch", EVENT_INDEX_STREAM="true")
    assert (result.exit_code, result.stdout.splitlines()[0]) == (
        0,
        "EVENT_INDEX_STREAM is set: what is written is repaired at once. This is one pass, without a watch.",
    )


def test_without_a_terminal_backfill_prints_its_progress_in_lines(
    maintain: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "LINE_SECONDS", 0)
    assert maintain("backfill-index").stderr.splitlines()[-1] == "Records: 1 of about 1"


def test_an_event_is_sharded_and_its_records_are_moved(
    maintain: Run, dynamodb: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharding, "LEARNED_AFTER", timedelta(0))
    name = fresh_name("face-verifications")
    settings = {"DYNAMODB_FACE_VALIDATION_TABLE": name, "DYNAMODB_STATE_TABLE": f"state-of-{name}"}
    maintain("provision", **settings)
    put_item(dynamodb, name, a_foreign_item(eventId="event-1"))
    result = maintain("shard-event", "event-1", 4, "--move", **settings)
    assert (result.exit_code, result.stdout.splitlines()[-2:]) == (
        0,
        [
            "Written shards of the event: 0, from now on 4.",
            "1 records moved, 0 changed meanwhile, 0 left whose metadata do not name the event; 3 write units.",
        ],
    )
    assert stored_item(dynamodb, name)["eventId"]["S"].startswith("event-1#")


def test_an_event_without_a_state_table_cannot_be_sharded(maintain: Run) -> None:
    result = maintain("shard-event", "event-1", 4)
    assert (result.exit_code, result.stderr.count("\n"), "provision" in result.stderr) == (1, 1, True)


# Many photos at once


@pytest.fixture
def event(run: Run, tmp_path: Path, astronaut_jpeg: bytes) -> Path:
    """Three people of the event e1 with a folder of photos for two of them, and a fourth whose photo is stored."""
    faces = tmp_path / "faces"
    faces.mkdir()
    for name in ("r1.jpg", "r2.JPG", "sent.jpg"):
        (faces / name).write_bytes(astronaut_jpeg)
    lines = "r1,u1,e1,,,sent.jpg,\nr2,u2,e1,,,,\nr3,u3,e1,,,,\nr4,u4,e1,,,sent.jpg,sent.jpg\n"
    (tmp_path / "table.csv").write_text(f"{HEADER.rstrip()},submittedPhoto\n{lines}")
    assert run("import-registrations", "table.csv", "--photos", "faces").exit_code == 0
    return faces


def test_validate_event_judges_the_photos_of_the_folder_and_those_that_were_sent(run: Run, event: Path) -> None:
    result = run("validate-event", "e1", "--photos", event)
    assert (result.exit_code, result.stdout) == (
        0,
        "3 of 3 photos: 3 passed, 0 waiting, 0 failed, 0 photo missing, 0 photo refused, 0 changed meanwhile.\n",
    )
    assert run("validate-event", "e1", "--photos", event).stdout == "This event has no photos to validate.\n"


def test_validate_event_reports_unusable_photos_and_exits_with_1(run: Run, event: Path) -> None:
    (event / "r1.jpg").write_bytes(b"no photo")
    result = run("validate-event", "e1", "--photos", event)
    assert (result.exit_code, result.stderr.startswith("Registration r1: This file is not a photo")) == (1, True)
    assert "2 passed" in result.stdout


def test_validate_event_takes_only_the_chosen_people(run: Run, event: Path) -> None:
    assert "no photos" in run("validate-event", "e1", "--only", "failed", "--photos", event).stdout


def interrupt_at_the_first_photo(patch: pytest.MonkeyPatch) -> None:
    fault, read = interrupting("read"), FolderSource.read

    def interrupted(source: FolderSource, name: str) -> bytes:
        fault("read")
        return read(source, name)

    patch.setattr(FolderSource, "read", interrupted)


def test_a_stopped_batch_is_resumed_and_one_with_another_choice_is_refused(
    run: Run, event: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        interrupt_at_the_first_photo(patch)
        stopped = run("validate-event", "e1", "--photos", event)
    other = run("validate-event", "e1", "--only", "never-tried", "--photos", event)
    resumed = run("validate-event", "e1", "--photos", event)
    assert (stopped.exit_code, "Run the same command again to continue" in stopped.stderr) == (130, True)
    assert (other.exit_code, "is not finished" in other.stderr, other.stderr.count("\n")) == (1, True, 1)
    assert (resumed.exit_code, "Resuming the batch: " in resumed.stdout, "3 passed" in resumed.stdout) == (
        0,
        True,
        True,
    )


def test_anew_drops_what_is_not_done(run: Run, event: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        interrupt_at_the_first_photo(patch)
        run("validate-event", "e1", "--photos", event)
    result = run("validate-event", "e1", "--start-over")
    assert (result.exit_code, "Resuming" in result.stdout) == (0, False)


def test_without_a_terminal_a_batch_prints_its_progress_in_lines(
    run: Run, event: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "LINE_SECONDS", 0)
    assert "Photos: 3 of 3" in run("validate-event", "e1", "--photos", event).stderr


def test_audit_references_writes_whom_to_ask(run: Run, event: Path, tmp_path: Path) -> None:
    result = run("audit-references", "e1", "--out", "ask.csv")
    with (tmp_path / "ask.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert (result.exit_code, [(row["registrationId"], row["problems"]) for row in rows]) == (
        0,
        [("r2", "NO_REFERENCE"), ("r3", "NO_REFERENCE")],
    )


def test_audit_references_gives_the_csv_on_stdout(run: Run, event: Path) -> None:
    result = run("audit-references", "e1")
    assert (result.stdout.splitlines()[0].lstrip("\ufeff"), result.exit_code) == (
        "registrationId,userId,name,email,problems,message",
        0,
    )
    assert result.stderr == "4 people checked, 2 need another photo.\n"


# Duplicates


@pytest.fixture
def twice(run: Run, tmp_path: Path, astronaut_jpeg: bytes) -> None:
    """An event in which the same photo is there twice."""
    photos = FolderPhotos(tmp_path / "data" / "photos")
    for number in (1, 2):
        photos.put(f"reference-faces/{number}.jpg", astronaut_jpeg)
    store = registrations(tmp_path)
    store.import_many(
        Registration(
            registration_id=f"r{number}",
            user_id=f"u{number}",
            event_id="e1",
            reference_photo_key=f"reference-faces/{number}.jpg" if number < 3 else None,
        )
        for number in (1, 2, 3)
    )


def test_find_duplicates_is_refused_until_it_is_switched_on(run: Run, twice: None) -> None:
    result = run("find-duplicates", "e1")
    assert (result.exit_code, result.stdout, "switched off" in result.stderr) == (1, "", True)


def test_find_duplicates_lists_the_pairs(run: Run, twice: None, tmp_path: Path) -> None:
    store = SqliteDuplicates(tmp_path / "data" / "facedesk.sqlite3", utc_now)
    store.set_switch("e1", Switch(on=True, reason="consent", by="Ada", at=utc_now()))
    store.close()
    result = run("find-duplicates", "e1")
    assert result.exit_code == 0
    (row,) = csv.DictReader(result.stdout.lstrip("\ufeff").splitlines())
    assert (row["firstRegistrationId"], row["secondUserId"], row["answer"]) == ("r1", "u2", "")
    assert "2 faces compared, 1 pairs." in result.stderr


# Erasing


@pytest.fixture
def loaded(run: Run) -> Run:
    assert run("sample", "--registrations", "5").exit_code == 0
    return run


def test_erase_shows_what_there_is_and_gives_a_receipt(loaded: Run, tmp_path: Path) -> None:
    receipt = tmp_path / "receipt.json"
    result = loaded("erase", "sample-user-0001", "--confirm", "sample-user-0001", "--receipt", str(receipt))
    assert (result.exit_code, "1 registrations" in result.stdout) == (0, True)
    assert json.loads(receipt.read_text())["counts"]["registrations"] == 1
    assert "sample-user-0001" not in receipt.read_text()


def test_erase_asks_for_the_id_once_more(loaded: Run) -> None:
    result = loaded("erase", "sample-user-0001", typed="sample-user-0001\n")
    assert (result.exit_code, "Type the user id" in result.stdout) == (0, True)


def test_erase_with_another_id_typed_does_nothing(loaded: Run) -> None:
    refused = loaded("erase", "sample-user-0001", "--confirm", "sample-user-0002")
    assert (refused.exit_code, "nothing was erased" in refused.stderr) == (1, True)
    assert "1 registrations" in loaded("erase", "sample-user-0001", "--confirm", "sample-user-0001").stdout


@pytest.mark.parametrize(
    ("since", "said"),
    [
        ("yesterday", "no moment"),
        ("0001-01-01T00:00:00+14:00", "no moment"),
        ("9000-01-01", "in the future"),
        ("2026-11-26T09:00:00Z", "FACEDESK_BACKEND=embedded"),
    ],
)
def test_erase_again_says_what_it_cannot_do(run: Run, since: str, said: str) -> None:
    result = run("erase-again", "--since", since, "--audit-table", "facedesk-audit")
    assert (result.exit_code, said in result.stderr) == (1, True)


def test_sweep_says_what_it_deleted(loaded: Run) -> None:
    result = loaded("sweep", "--trust-clock")
    assert (result.exit_code, result.stdout.splitlines()) == (
        0,
        ["0 erasures finished.", "0 expired records, 0 photos, 0 notes and the answers to 0 pairs deleted."],
    )


def test_sweep_deletes_nothing_by_a_clock_that_nobody_has_seen_run(loaded: Run, tmp_path: Path) -> None:
    assert "0 expired records" in loaded("sweep").output
    with closing(apsw.Connection(str(tmp_path / "data" / "facedesk.sqlite3"))) as connection:
        connection.execute("UPDATE faceVerifications SET item = json_set(item, '$.expiresAt', 1)")
    result = loaded("sweep")
    assert (result.exit_code, "--trust-clock" in result.stderr) == (1, True)


def test_a_backup_is_made_and_restored_by_command(run: Run, tmp_path: Path) -> None:
    run("sample", "--registrations", 3)
    made = run("backup", "desk.tar")
    assert made.exit_code == 0
    assert "3 photos" in made.output
    assert run("backup", "desk.tar").exit_code == 1
    refused = run("restore", "desk.tar")
    assert (refused.exit_code, "--replace" in refused.output) == (1, True)
    restored = run("restore", "desk.tar", "--replace")
    assert restored.exit_code == 0
    assert "Delete it when you no longer need it" in restored.output
    assert len(registrations(tmp_path).of_user("sample-user-0001")) == 1


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_with_aws_other_backups_are_named(run: Run, command: str) -> None:
    refused = run(command, "desk.tar", **AWS)
    assert refused.exit_code == 1
    assert "point-in-time recovery" in refused.output
