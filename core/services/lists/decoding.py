"""The text of a CSV file, whatever program wrote it."""

from __future__ import annotations

import codecs
import re

from core.domain.errors import InvalidInput

_WESTERN = (
    "The file is not UTF-8. It was read as Windows-1252 (Western Europe): look whether letters with accents are "
    "right. If they are not, save it as “CSV UTF-8” and try again."
)
#: What no text has, so that the bytes are something else.
_NO_TEXT = re.compile("[\x00-\x08\x0e-\x19\x1c-\x1f]")
#: Of so many bytes at the start one in so many may be zero in a text of one byte a letter; half are in UTF-16.
_LOOKED_AT, _SHARE_OF_ZEROS = 1024, 4
#: How DOS ended a file.
_END = "\x1a"


def decoded(data: bytes) -> tuple[str, tuple[str, ...]]:
    """The text, and notices for the person. Raises ``InvalidInput`` where the bytes are no text that is taken.

    UTF-8, UTF-16 if the byte order mark says so, else Windows-1252.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        try:
            return _trimmed(data.decode("utf-16")), ()
        except UnicodeDecodeError as error:
            raise InvalidInput("The file is damaged UTF-16. Save it as “CSV UTF-8” and try again.") from error
    start = data[:_LOOKED_AT]
    if start.count(0) * _SHARE_OF_ZEROS > len(start):
        raise InvalidInput(
            "The file is UTF-16 without a byte order mark, or no text. Save it as “CSV UTF-8” or .xlsx and try again."
        )
    try:
        return _trimmed(data.decode()), ()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
    refusal = InvalidInput(
        f"The file is neither UTF-8 nor Windows-1252 (line {line}). Save it as “CSV UTF-8” or .xlsx and try again."
    )
    try:
        text = _trimmed(data.decode("cp1252"))
    except UnicodeDecodeError as error:
        raise refusal from error
    if _NO_TEXT.search(text):
        raise refusal
    return text, (_WESTERN,)


def _trimmed(text: str) -> str:
    """Without byte order marks at its start, of which two programs make two, and Ctrl-Z at its end."""
    text = text.lstrip("\ufeff")
    end = text.rstrip()
    return end.rstrip(_END) if end.endswith(_END) else text
