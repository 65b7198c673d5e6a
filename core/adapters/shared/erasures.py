"""How both erasure stores decide what a receipt changes in the journal."""

from __future__ import annotations

from core.domain.erasures import Erasure, Receipt, as_finished


def settled(entry: Erasure | Receipt | None, receipt: Receipt) -> Receipt | None:
    """What ``ErasureStore.forget`` returns without a change; None if ``receipt`` is to replace ``entry``."""
    if entry is None or entry.erasure_id != receipt.erasure_id:
        return as_finished(receipt)
    return entry if isinstance(entry, Receipt) else None
