"""The Lambda that follows the stream of the table of records, and repairs what other services write.

``make lambda`` packs it, and infra/modules/stream runs it.
"""

from __future__ import annotations

from typing import Any

from core.runtime.maintenance import following

_repairs = following()


def handle(batch: Any, _context: Any) -> Any:
    """Lambda's entry point. The answer names the record from which the batch is to be given again, if any."""
    return _repairs.follow(batch)
