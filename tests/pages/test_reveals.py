"""Photos are blurred until they are revealed, and nobody sees a face that the audit trail was not told of."""

from __future__ import annotations

import base64
import io
import re
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.domain.audit import AuditEntry
from core.domain.clock import utc_now
from core.domain.errors import Unavailable
from core.domain.roles import Action
from core.runtime.services import Services
from core.services.hashing import id_hash
from tests.support.app import RunPage, failure
from tests.support.desk import REFERENCE_KEY, Desk
from tests.support.records import an_outcome

#: Between the detail of the test's photo and that of its blur, far from both.
SHARP = 8.0
_URI = re.compile(r"data:image/jpeg;base64,([A-Za-z0-9+/=]+)")


@pytest.fixture(autouse=True)
def recorded(desk: Desk) -> None:
    photos = {"face_image_key": REFERENCE_KEY, "stored_face_key": REFERENCE_KEY}
    outcome = an_outcome(timestamp=utc_now(), status="pending", **photos)
    desk.records.record_attempt(outcome, timedelta(days=30))


def told(desk: Desk) -> list[AuditEntry]:
    now = utc_now()
    return list(desk.audit.entries(now - timedelta(days=1), now + timedelta(days=1)))


def sent(app: Any) -> list[Image.Image]:
    """All photos that the browser gets, in images and in tables."""
    protos = "".join(str(element.proto) for element in app.main)
    cells = [str(cell) for table in app.dataframe for cell in table.value.to_numpy().ravel()]
    found = _URI.findall(protos + " ".join(cells))
    return [Image.open(io.BytesIO(base64.b64decode(uri))) for uri in found]


def detail(image: Image.Image) -> float:
    """How much there is in it that a few pixels cannot hold, 0-255; next to nothing of a blur."""
    grey = image.convert("L")
    coarse = grey.resize((8, 8), Image.Resampling.BOX).resize(grey.size, Image.Resampling.BICUBIC)
    return float(np.abs(np.asarray(grey, dtype=float) - np.asarray(coarse, dtype=float)).mean())


def reveal(app: Any) -> Any:
    next(button for button in app.button if button.label == "Reveal photos").click().run()
    return app


def test_nothing_sharp_is_sent_before_it_is_revealed(run_page: RunPage, desk: Desk) -> None:
    app = run_page("user_lookup", user_id="user-1")
    blurred = [detail(image) for image in sent(app)]
    sharp = [detail(image) for image in sent(reveal(app))]
    assert len(blurred) == len(sharp) >= 2
    assert max(blurred) < SHARP < min(sharp)


def test_looking_a_person_up_reveals_nothing(run_page: RunPage, desk: Desk) -> None:
    run_page("user_lookup", user_id="user-1")
    assert told(desk) == []


def test_a_reveal_is_told_with_whose_photos(run_page: RunPage, desk: Desk, services: Services) -> None:
    reveal(run_page("user_lookup", user_id="user-1"))
    (entry,) = told(desk)
    assert (entry.action, entry.user) == (Action.REVEAL, id_hash(services.settings)("user-1"))


def test_another_persons_photos_stay_blurred(run_page: RunPage, desk: Desk) -> None:
    outcome = an_outcome(user_id="user-2", timestamp=utc_now(), face_image_key=REFERENCE_KEY)
    desk.records.record_attempt(outcome, timedelta(days=30))
    app = reveal(run_page("user_lookup", user_id="user-1"))
    app.query_params["user_id"] = "user-2"
    app.query_params["registration_id"] = "reg-1"
    app.run()
    assert [button.label for button in app.button if button.label == "Reveal photos"]


@pytest.mark.parametrize("page", ["validate", "review"])
def test_the_case_at_hand_is_shown_and_told_once_a_session(
    run_page: RunPage, desk: Desk, services: Services, page: str
) -> None:
    app = run_page(page, **({"registration_id": "reg-1"} if page == "validate" else {}))
    app.run()
    (entry,) = told(desk)
    assert (entry.action, entry.registration) == (Action.SEE_FACES, id_hash(services.settings)("reg-1"))
    assert not [image for image in sent(app) if detail(image) < SHARP]


@pytest.mark.parametrize("page", ["validate", "review", "user_lookup"])
def test_no_face_is_shown_that_the_trail_cannot_be_told_of(
    run_page: RunPage, desk: Desk, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    def away(entry: AuditEntry) -> None:
        raise Unavailable("audit trail", "gone")

    monkeypatch.setattr(desk.audit, "append", away)
    query = {"validate": {"registration_id": "reg-1"}, "user_lookup": {"user_id": "user-1"}}.get(page, {})
    app = run_page(page, **query)
    if page == "user_lookup":
        reveal(app)
    assert app.error
    assert "audit trail" in failure(app)
    assert not [image for image in sent(app) if detail(image) > SHARP]
