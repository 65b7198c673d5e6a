"""The search of ``core.domain.search`` as regular expressions, for text that is stored as people wrote it.

They find at least what the search finds; what is found is compared by the search itself.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from functools import cache

from core.domain.search import SEPARATORS, SPACELESS, fold

#: Code points that may count as others: those of alphabets, and other widths and forms.
_TRIED = tuple(
    code
    for codes in (
        range(0x250),
        range(0x2B0, 0xE00),
        range(0x1E00, 0x2070),
        range(0x3000, 0x3100),
        range(0xFB00, 0xFFA0),
    )
    for code in codes
)
#: The length of an expression from which on no more letters are added. MongoDB takes 32 KB, other servers less.
_LONG = 800
_SPACELESS = re.compile(f"[{SPACELESS}]")
#: A word begins at the start of the text or after a separator.
_BEGINS = f"(^|[{SEPARATORS}])"


def whole(key: str) -> str:
    """Matches text that equals ``key`` when folded."""
    return _pattern(f"^{_around(key)}", key, f"{_around(key)}$")


def beginning(words: Iterable[str]) -> str:
    """Matches text that begins with these words."""
    name = " ".join(words)
    return _pattern(f"^{_around(name)}", name)


def word(text: str, *, begun: bool) -> str:
    """Matches text with this word or part of a word in it; if ``begun``, where a word begins."""
    return _pattern(_BEGINS + _around(text) if begun else "", text)


def _pattern(before: str, folded: str, after: str = "") -> str:
    """Each letter in its forms, and what may be between it and the next; of a long text only the beginning.

    No text takes long to compare, because each character of it has one place in the expression: letters are never
    ignored, and however much separates two words is one part.
    """
    folded = re.sub("[ -]+", " ", folded)
    pattern, at = before, 0
    while at < len(folded) and len(pattern) < _LONG:
        two = folded[at : at + 2]
        if two[0] == " ":
            pattern += f"[\\s,;{_ignored(0)}]*"
            at += 1
        elif len(two) == 2 and two in _forms():
            pattern += f"(?:{_one(two[0])}{_gap(two[0])}{_one(two[1])}|{_any(_forms()[two])}){_gap(two[1])}"
            at += 2
        else:
            pattern += _one(two[0]) + _gap(two[0])
            at += 1
    return pattern + after if at == len(folded) else pattern


def _one(letter: str) -> str:
    cases = (letter, letter.upper() if len(letter.upper()) == 1 else "")
    here = _any("".join(dict.fromkeys((*cases, *_forms().get(letter, "")))))
    apart = unicodedata.normalize("NFD", letter)
    return here if apart == letter else f"(?:{here}|{re.escape(apart)})"


def _gap(letter: str) -> str:
    """What may follow the letter in a word and counts as nothing, or joins it to the next part of a name."""
    return f"[{chr(92) + 's' if _SPACELESS.match(letter) else ''}{_ignored(ord(letter) >> 8)}]*"


def _around(folded: str) -> str:
    return f"[\\s{_ignored(ord(folded[0]) >> 8)}]*"


@cache
def _forms() -> Mapping[str, str]:
    """Folded text of one or two characters -> the characters that count as it."""
    forms: defaultdict[str, str] = defaultdict(str)
    for character in map(chr, _TRIED):
        if len(folded := fold(character)) in (1, 2) and folded != character and character.isalnum():
            forms[folded] += character
    return dict(forms)


@cache
def _ignored(block: int) -> str:
    """The inside of brackets: what counts as nothing or as a hyphen in general and among letters of this block of 256
    code points.
    """
    here = {*range(0x21, 0x370), *range(0x2000, 0x2070), *range(block << 8, (block + 1) << 8)}
    return _inside([code for code in _TRIED if code in here and fold(f"a{chr(code)}b") in ("ab", "a-b")])


def _any(characters: str) -> str:
    return f"[{_inside(sorted(map(ord, characters)))}]"


def _inside(codes: Collection[int]) -> str:
    """The code points for use inside brackets, as ranges."""
    ranges: list[tuple[int, int]] = []
    for code in codes:
        if ranges and code == ranges[-1][1] + 1:
            ranges[-1] = ranges[-1][0], code
        else:
            ranges.append((code, code))
    return "".join(
        _escaped(first) if first == last else f"{_escaped(first)}-{_escaped(last)}" for first, last in ranges
    )


def _escaped(code: int) -> str:
    return f"\\{chr(code)}" if chr(code) in "\\]^-[&~|" else chr(code)
