"""Erasures are announced to whoever keeps something of people in memory."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from core.domain.erasures import ErasureCounts, Receipt
from core.domain.errors import Unavailable
from core.services.forgetting import Forgetting, IsErased
from core.services.hashing import IdHash

HASHED = IdHash(b"a key of these tests")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def a_receipt(user_id: str) -> Receipt:
    return Receipt(
        erasure_id=f"of {user_id}",
        user=HASHED(user_id),
        who="ada",
        began_at=NOON,
        ended_at=NOON,
        counts=ErasureCounts(),
    )


class Listener:
    def __init__(self) -> None:
        self.told: list[set[str]] = []

    def __call__(self, is_erased: IsErased) -> None:
        self.told.append({user_id for user_id in ("ada", "bob", "eve") if is_erased(user_id)})


def test_an_erasure_of_this_process_is_announced_at_once() -> None:
    listener, forgetting = Listener(), Forgetting(list, HASHED)
    forgetting.on_erased(listener)
    forgetting.announce("ada")
    assert listener.told == [{"ada"}]


def test_what_the_journal_has_is_announced_twice_and_no_more() -> None:
    journal: list[Receipt] = []
    listener, forgetting = Listener(), Forgetting(lambda: journal, HASHED)
    forgetting.on_erased(listener)
    forgetting.look()
    journal.append(a_receipt("ada"))
    forgetting.look()
    journal.append(a_receipt("bob"))
    for _ in range(3):
        forgetting.look()
    assert listener.told == [{"ada"}, {"ada", "bob"}, {"bob"}]


def test_a_journal_out_of_reach_loses_no_announcement() -> None:
    reachable = False

    def journal() -> list[Receipt]:
        if not reachable:
            raise Unavailable("validation records", "Timeout")
        return [a_receipt("ada")]

    listener, forgetting = Listener(), Forgetting(journal, HASHED)
    forgetting.on_erased(listener)
    with pytest.raises(Unavailable):
        forgetting.look()
    reachable = True
    forgetting.look()
    assert listener.told == [{"ada"}]
