"""What spreadsheets and copied text do to ids. No id is changed in silence."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

#: A number of many digits as Excel shows it, and as it then is in the CSV: the other digits are lost.
_SCIENTIFIC = re.compile(r"[+-]?\d(?:[.,]\d+)?E[+-]\d{2,3}", re.IGNORECASE)
#: A whole number that went through a column of decimal numbers.
_DECIMAL = re.compile(r"(\d+)[.,]0+")
#: A formula that some programs write so that Excel takes a number for text.
_TEXT_FORMULA = re.compile(r'="([^"]*)"')
#: What stands in the place of a formula that does not work, such as the id ``-abc`` once Excel had it.
_ERRORS = frozenset({"#NAME?", "#REF!", "#VALUE!", "#N/A", "#NUM!", "#DIV/0!", "#NULL!"})


def lost(text: str) -> str | None:
    """Why ``text`` is no longer the id that it was, and what to do; None if it may be one."""
    if _SCIENTIFIC.fullmatch(text):
        return (
            f"{text!r} is a number that Excel shortened, so that digits are lost. Export the list again and do not "
            "save it in Excel, or give the column the format Text before the ids are pasted into it."
        )
    if text in _ERRORS:
        return f"{text!r} is an error that Excel put in the place of the id. Export the list again."
    return None


def repaired(text: str) -> str | None:
    """The id of which a program made ``text`` without losing anything; None if none did."""
    if found := _DECIMAL.fullmatch(text):
        return found[1]
    if found := _TEXT_FORMULA.fullmatch(text):
        return found[1].strip()
    return None


def visible(text: str) -> str:
    """``text`` without invisible characters (Unicode's category Cf), such as a zero width space."""
    return text if text.isascii() else "".join(each for each in text if not _is_invisible(each)).strip()


@lru_cache(4096)
def _is_invisible(character: str) -> bool:
    return unicodedata.category(character) == "Cf"
