"""Text from outside: what can be stored and sent as UTF-8."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from core.domain.errors import InvalidInput

_NOT_UNICODE = "Part of a text is no valid Unicode (a lone surrogate). Type it again."


def is_text(value: str) -> bool:
    """Whether it is Unicode text: without lone surrogates, which no UTF-8 and no store can hold."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def require_texts(*given: str | None) -> None:
    """Raises ``InvalidInput`` if one of the texts is not valid Unicode."""
    for each in given:
        if each is not None and not is_text(each):
            raise InvalidInput(_NOT_UNICODE)


def require_text(given: Any) -> None:
    """Raises ``InvalidInput`` if a text in ``given`` is none; looks into lists, mappings and dataclasses."""
    if not all(map(is_text, _texts(given))):
        raise InvalidInput(_NOT_UNICODE)


def _texts(given: Any) -> Iterator[str]:
    if isinstance(given, str):
        yield given
    elif isinstance(given, Mapping):
        for name, value in given.items():
            yield from _texts(name)
            yield from _texts(value)
    elif isinstance(given, list | tuple | set | frozenset):
        for value in given:
            yield from _texts(value)
    elif is_dataclass(given) and not isinstance(given, type):
        for field in fields(given):
            yield from _texts(getattr(given, field.name))
