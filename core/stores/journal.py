"""An entry of the erasures' journal as text, the same in every store."""

from __future__ import annotations

import orjson

from core.erasure import Erasure, Receipt


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
