"""Downloads of Excel workbooks: the rows of the CSV files, and nothing that is left behind."""

from __future__ import annotations

import csv
import io
import tempfile
import threading
import time
from collections.abc import Iterator

import httpx
import openpyxl
import pandas as pd
import pytest

from core.domain.errors import Unavailable
from core.runtime.services import Services
from dashboard.api.endpoints import XLSX
from tests.api.conftest import Client, PutBatches, is_error, rows
from tests.api.test_exports import EVENT, HANG_SECONDS, RECORDS, Endless, batch
from tests.pages.test_validate import down
from tests.support.desk import Desk


def cells(answer: httpx.Response) -> list[dict[str, object]]:
    header, *lines = openpyxl.load_workbook(io.BytesIO(answer.content)).active.values
    return [dict(zip(header, line, strict=True)) for line in lines]


@pytest.mark.usefixtures("recorded")
@pytest.mark.parametrize("query", ["", "?status=failed", "?until=2020-01-01"])
def test_a_workbook_has_the_records_of_the_csv(client: Client, query: str) -> None:
    answer = client.get(f"{EVENT}/records.xlsx{query}")
    assert answer.headers["content-type"] == XLSX
    assert "content-encoding" not in answer.headers
    found = [{name: row[name] for name in ("registrationId", "status", "source")} for row in cells(answer)]
    expected = rows(client.get(f"{RECORDS}{query}"))
    assert found == [{name: row[name] for name in ("registrationId", "status", "source")} for row in expected]


@pytest.mark.usefixtures("recorded")
@pytest.mark.parametrize(
    "path",
    [
        *(
            f"{EVENT}/{name}"
            for name in ("records", "people", "never-tried", "expiring", "what-if", "unreadable-records")
        ),
        f"{EVENT}/unreadable-registrations",
        f"{EVENT}/reference-problems",
        "/api/exports/users/user-1/history",
        "/api/exports/audit",
    ],
)
def test_a_workbook_has_the_columns_and_as_many_rows_as_the_csv(
    client: Client, services: Services, path: str
) -> None:
    services.references.run("event-1", threading.Event())
    query = "?threshold=99&until=2020-01-01" if path.endswith("audit") else "?threshold=99"
    table = list(csv.reader(io.StringIO(client.get(f"{path}.csv{query}").content.decode("utf-8-sig"))))
    answer = client.get(f"{path}.xlsx{query}")
    header, *lines = openpyxl.load_workbook(io.BytesIO(answer.content)).active.values
    assert [str(name).removesuffix(" (UTC)") for name in header] == table[0]
    assert len(lines) == len(table) - 1


def test_a_store_that_is_down_is_an_error_not_a_workbook(
    client: Client, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk.records, "event_batches", down("validation records"))
    assert is_error(client.get(f"{EVENT}/records.xlsx"), 503)


def test_a_failure_midway_breaks_the_connection_of_a_workbook(served: str, batches: PutBatches) -> None:
    def failing() -> Iterator[pd.DataFrame]:
        yield batch()
        raise Unavailable("validation records", "ConnectTimeout")

    batches(failing)
    with (
        httpx.stream("GET", f"{served}{EVENT}/records.xlsx") as answer,
        pytest.raises(httpx.RemoteProtocolError),
    ):
        answer.read()


def test_a_client_that_goes_away_leaves_no_workbook_behind(
    served: str, batches: PutBatches, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path_factory.mktemp("workbooks")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    endless = Endless()
    batches(lambda: endless)
    with httpx.stream("GET", f"{served}{EVENT}/records.xlsx"):
        assert list(folder.iterdir())
    assert endless.closed.wait(HANG_SECONDS)
    until = time.monotonic() + HANG_SECONDS
    while list(folder.iterdir()) and time.monotonic() < until:
        time.sleep(0.01)
    assert not list(folder.iterdir())
