"""A database that is damaged, before the pages open or while they are used, is said in a banner of ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core.domain.roles import PAGES
from core.files.disk import DATABASE
from core.runtime.bootstrap import build
from core.runtime.services import Services
from core.services import sample
from core.settings import Settings
from dashboard import services as dashboard_services
from tests.support.app import ROOT, failure

QUERY = {"user_id": "sample-user-0003", "registration_id": "sample-0003", "event_id": sample.EVENT_ID}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A sample event, and pages that are served from it by the services of production."""
    folder = tmp_path / "data"
    services = build(Settings(data_dir=folder))
    assert services.importer
    sample.load(services.records, services.importer, services.photos, services.sanitiser, services.clock(), count=60)
    services.close()
    monkeypatch.setenv("FACEDESK_DATA_DIR", str(folder))
    monkeypatch.setattr(type(st.context), "ip_address", None)
    _forget()
    yield folder
    _forget()


def _forget() -> None:
    dashboard_services.shared.clear()
    st.cache_resource.clear()
    st.cache_data.clear()


def open_page(page: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / "dashboard" / "app.py"), default_timeout=60)
    app.run()
    for name, value in QUERY.items():
        app.query_params[name] = value
    if not app.error:
        app.switch_page(str(ROOT / "pages" / f"{page}.py")).run()
    return app


@pytest.mark.parametrize("page", PAGES)
def test_a_damaged_database_is_said_on_every_page_with_what_to_do(folder: Path, page: str) -> None:
    (folder / DATABASE).write_bytes(b"no database" * 1000)
    app = open_page(page)
    assert not app.exception
    assert "Restore a backup" in failure(app)


@pytest.mark.parametrize("page", [page for page in PAGES if page != "start"])
def test_damage_that_comes_while_a_page_is_used_is_said_on_it(folder: Path, page: str) -> None:
    services: Services = dashboard_services.shared().services
    services.records.ping()
    connection = apsw.Connection(str(folder / DATABASE))
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    connection.close()
    path = folder / DATABASE
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xaa" * (path.stat().st_size - 4096))
    for suffix in ("-wal", "-shm"):
        path.with_name(f"{DATABASE}{suffix}").unlink(missing_ok=True)
    app = open_page(page)
    assert not app.exception
