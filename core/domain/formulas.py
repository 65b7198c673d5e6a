"""Text that no spreadsheet runs as a formula, however it splits a CSV file into cells; reversible."""

from __future__ import annotations

import re

#: After any of these signs a spreadsheet may begin a new cell: the separators that it offers, a line break, a quote.
BREAKS = '\t\n\v\f\r ,;|"'
#: What spreadsheets take for the start of a formula, also in full width.
SIGNS = "=+\\-@\t\r\0\uff1d\uff0b\uff0d\uff20"

_BEFORE_SIGN = re.compile(f"(?<![^{BREAKS}])(?='*[{SIGNS}])")
_NEUTRALISED = re.compile(f"(?<![^{BREAKS}])'(?='*[{SIGNS}])")


def neutral(text: str) -> str:
    """``text`` with an apostrophe before each part that begins like a formula.

    A part begins at the start of the text and after each of ``BREAKS``: a spreadsheet that splits the file by
    another separator than the comma, or that takes no notice of the quotes, makes a cell of it. A part that begins
    with apostrophes before such a sign gets one more, so that ``restored`` gives back any text.
    """
    return _BEFORE_SIGN.sub("'", text)


def restored(text: str) -> str:
    """The text of which ``neutral`` made ``text``."""
    return _NEUTRALISED.sub("", text)
