"""A registration store of each kind, filled by the test: for the suites that hold them to one contract."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core.adapters.aws.registrations import MongoRegistrations
from core.adapters.embedded.registrations import SqliteRegistrations
from core.domain.records import Registration

Store = SqliteRegistrations | MongoRegistrations
Fill = Callable[..., Store]


def registration(registration_id: str, **values: Any) -> Registration:
    return Registration(registration_id=registration_id, **{"user_id": "user-1", "event_id": "event-1"} | values)


def document(given: Registration) -> dict[str, Any]:
    return {
        "_id": given.registration_id,
        "userId": given.user_id,
        "eventId": given.event_id,
        "name": given.name,
        "email": given.email,
        "storedFaceKey": given.reference_photo_key,
        "faceImageKey": given.submitted_photo_key,
    }


@pytest.fixture(params=["sqlite", "mongodb", "secantusdb"])
def filled(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Fill]:
    """Puts registrations where the adapter reads them, and gives the adapter."""
    if request.param == "sqlite":
        store: Store = SqliteRegistrations(tmp_path / "facedesk.sqlite3")
    else:
        collection = request.getfixturevalue(f"{request.param}_collection")
        store = MongoRegistrations(collection, {})

    def fill(*registrations: Registration) -> Store:
        if isinstance(store, SqliteRegistrations):
            store.import_many(registrations)
        elif registrations:
            collection.insert_many([document(each) for each in registrations])
        return store

    yield fill
    if isinstance(store, SqliteRegistrations):
        store.close()
