"""The journal of erasures: an entry for each erasure that is under way or has ended, and its text in a store."""

from __future__ import annotations

import orjson

from core.domain.records import Model, Timestamp


class ErasureCounts(Model):
    """What an erasure found when it began, and takes away."""

    records: int = 0
    attempts: int = 0
    photos: int = 0
    registrations: int = 0
    #: Photos that another person's record or registration names too: those stay.
    shared_photos: int = 0
    #: Notes that colleagues wrote on the person's cases.
    case_notes: int = 0
    #: Pairs with the person that people answered (``core.domain.duplicates``).
    pairs: int = 0

    @property
    def nothing(self) -> bool:
        return not (self.records or self.photos or self.registrations or self.case_notes or self.pairs)


class Erasure(Model):
    """An entry of the journal, of an erasure that has yet to take away. It names the person, and goes with the rest.

    ``photos`` are keys, ``folders`` the beginnings of further ones, of which the ``kept`` stay.
    """

    erasure_id: str
    user_id: str
    user: str
    who: str
    ip_address: str | None = None
    began_at: Timestamp
    counts: ErasureCounts
    photos: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


class Receipt(Model):
    """What was erased, when and by whom; of the person it has the hash alone (``HASH_KEY``).

    In the journal it stands in the erasure's place once all is taken away; ``finished`` once nothing is left to do.
    """

    erasure_id: str
    user: str
    who: str
    ip_address: str | None = None
    began_at: Timestamp
    ended_at: Timestamp
    counts: ErasureCounts
    notes: tuple[str, ...] = ()
    finished: bool = False


def is_finished(entry: Erasure | Receipt) -> bool:
    return isinstance(entry, Receipt) and entry.finished


def as_finished(receipt: Receipt) -> Receipt:
    return receipt.model_copy(update={"finished": True})


def text_of(entry: Erasure | Receipt) -> str:
    return orjson.dumps(entry.to_dict()).decode()


def entry_of(text: str) -> Erasure | Receipt:
    item = orjson.loads(text)
    # Only an erasure that has yet to take away knows whom it is about.
    kind = Erasure if "userId" in item else Receipt
    return kind.model_validate(item, by_alias=True, by_name=False)
