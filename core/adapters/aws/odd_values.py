"""Reads the attributes of stored items as ``core.domain.reading`` takes them, and keeps those that are replaced."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from core.adapters.aws import items
from core.adapters.aws.items import Item
from core.domain.reading import Unreadable, is_absent, kind_of, moment


def plain(item: Item, name: str) -> Any:
    """The attribute's value in JSON's types; None if there is none."""
    typed = item.get(name)
    if typed is None:
        return None
    return items.plain(typed)


def kind_at(item: Item, name: str) -> str:
    """What is at the attribute: ``absent``, ``null``, ``empty``, or its kind as ``kind_of`` names it."""
    if name not in item:
        return "absent"
    value = plain(item, name)
    if value is None:
        return "null"
    return "empty" if is_absent(value) else kind_of(value)


def moment_at(item: Item, name: str) -> datetime | None:
    """The time that the attribute says; None if it is absent or cannot be read."""
    value = plain(item, name)
    try:
        return None if is_absent(value) else moment(value)
    except Unreadable:
        return None


def originals(item: Item, *replaced: str) -> dict[str, Any]:
    """The values that are about to be replaced, by the names of the attributes that keep them.

    ``timestamp`` is kept in ``originalTimestamp``. What is absent, null or empty has nothing to keep.
    """
    return {
        f"original{name[0].upper()}{name[1:]}": item[name] for name in replaced if not is_absent(plain(item, name))
    }
