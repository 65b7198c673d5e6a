"""Changes a stored value without touching what somebody else wrote into it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class Form(Protocol):
    """How a store represents values: JSON's own types, or DynamoDB's."""

    @staticmethod
    def parts(stored: Any) -> Mapping[str, Any] | list[Any] | None:
        """The parts of a stored map or list; None for any other value."""
        ...

    @staticmethod
    def whole(parts: dict[str, Any] | list[Any]) -> Any:
        """The map or list of stored parts."""
        ...

    @staticmethod
    def new(value: Any) -> Any:
        """The JSON ``value`` as it is stored."""
        ...


class Json:
    """``Form`` of JSON itself."""

    @staticmethod
    def parts(stored: Any) -> Mapping[str, Any] | list[Any] | None:
        return stored if isinstance(stored, dict | list) else None

    @staticmethod
    def whole(parts: dict[str, Any] | list[Any]) -> Any:
        return parts

    @staticmethod
    def new(value: Any) -> Any:
        return value


def rewritten(stored: Any, before: Any, after: Any, form: type[Form]) -> Any:
    """``after`` as it is to be stored, if ``before`` is what was read of ``stored``.

    Parts that did not change, and those that could not be read, stay as they are stored.
    """
    if stored is not None and before == after:
        return stored
    parts = form.parts(stored)
    if isinstance(parts, Mapping) and isinstance(before, Mapping) and isinstance(after, Mapping):
        kept = {name: part for name, part in parts.items() if name not in before or name in after}
        changed = {
            name: rewritten(parts.get(name), before.get(name), value, form)
            for name, value in after.items()
            if name not in before or before[name] != value
        }
        return form.whole({**kept, **changed})
    if isinstance(parts, list) and isinstance(before, list) and isinstance(after, list):
        return form.whole(_list_rewritten(parts, before, after, form))
    return form.new(after)


def _list_rewritten(parts: Sequence[Any], before: Sequence[Any], after: Sequence[Any], form: type[Form]) -> list[Any]:
    """Entries are added at the end, and left out at the beginning or in between; those that stay keep their order."""
    if len(parts) != len(before):
        return [form.new(value) for value in after]
    if len(before) == len(after):
        return [rewritten(*entry, form) for entry in zip(parts, before, after, strict=True)]
    entries, place = list[Any](), 0
    for value in after:
        found = next((at for at in range(place, len(before)) if before[at] == value), None)
        if found is None:
            entries.append(form.new(value))
        else:
            entries.append(parts[found])
            place = found + 1
    return entries
