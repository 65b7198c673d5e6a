"""The search for people as they are typed: which texts are equal, what is searched, and which matches come first.

Every registration store searches by this rule (``tests/contracts``).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from core.domain.records import Registration

#: Letters that Unicode does not take apart -> what people type for them.
_LETTERS = {
    **{"ł": "l", "đ": "d", "ø": "o", "ı": "i", "æ": "ae", "œ": "oe", "ð": "d", "þ": "th", "ħ": "h", "ŧ": "t"},
    **{"ŋ": "n", "ə": "e", "ɓ": "b", "ɗ": "d", "ƙ": "k", "ƴ": "y"},
    # Arabic: forms of alef, ya, kaf, heh and waw that keyboards of other countries have, and the stretching stroke.
    **{"ٱ": "ا", "ى": "ي", "ی": "ي", "ک": "ك", "ة": "ه", "ە": "ه", "ہ": "ه", "ھ": "ه", "ـ": ""},
}
#: Apostrophes and accents that are typed for them. They are ignored.
_APOSTROPHES = "'`´‘’‛′‵ʹʻʼʽ׳＇"
#: Marks between the parts of a name, besides what Unicode calls dashes. They equal a hyphen.
_HYPHENS = "−·・･"
#: Combining classes of the marks that are ignored: overlays, nukta, the points of Hebrew and Arabic, and accents.
#: Others are letters of their own: the voicing marks of Japanese, and vowels and stops of Indian scripts and of Thai.
_IGNORED_MARKS = frozenset({1, 7, *range(10, 37), *range(200, 241)})
#: Characters between words: all of ASCII and Latin-1 that are neither letters nor digits, and other punctuation. For
#: use inside brackets in a regular expression.
SEPARATORS = " -/:-@\\[-`{-\xbf\u2000-\u206f\u3000"
#: Scripts in which parts of a name are written with and without a space: Thai, Japanese, Chinese and Korean.
SPACELESS = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
#: What is typed beyond this is not read.
_MAX_TEXT, _MAX_WORDS = 1000, 32

#: Marks in the text that is searched; folded text has no control characters.
_START, _STOP, _KEY, _END, _BEGIN = "\x02", "\x03", "\x1d", "\x1e", "\x1f"
_SEPARATOR = re.compile(f"([{SEPARATORS}])")
_SPACELESS = re.compile(f"[{SPACELESS}]")
_BETWEEN_WORDS = re.compile(r"[\s,;]+")


class _Folded(dict[int, str]):
    """Code points -> what they count as, found when it is asked for."""

    def __missing__(self, code: int) -> str:
        folded = self._folded(chr(code))
        if code < 0x3000:  # the greater part of Unicode is not remembered
            self[code] = folded
        return folded

    def _folded(self, letter: str) -> str:
        if letter in _APOSTROPHES:
            return ""
        if letter in _HYPHENS:
            return "-"
        parts = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", letter).casefold())
        return "".join(map(self._part, parts))

    def _part(self, part: str) -> str:
        if part in _LETTERS:
            return _LETTERS[part]
        if part in _APOSTROPHES or unicodedata.combining(part) in _IGNORED_MARKS:
            return ""
        match unicodedata.category(part):
            case "Cf" | "Cs":
                return ""
            case "Cc":
                return " "
            case "Pd":
                return "-"
            case "Nd":
                return str(unicodedata.decimal(part))
            case _:
                return part


_FOLDED = _Folded()


def fold(text: str) -> str:
    """The text as it is compared: without differences in case, accents, apostrophes, dashes, spaces and signs that
    are not seen.
    """
    return " ".join(unicodedata.normalize("NFC", text.translate(_FOLDED)).split())


@dataclass(frozen=True)
class Found:
    """The first matches of a search, and how many there are; ``more`` if there may be more than ``total``."""

    registrations: list[Registration]
    total: int
    more: bool = False


@dataclass(frozen=True)
class Query:
    """What is searched for: ids and addresses that are ``text`` itself, or equal to it when folded (``key``), and
    names and addresses with all ``words``.
    """

    text: str
    key: str
    words: tuple[str, ...]

    @staticmethod
    def of(text: str) -> Query | None:
        """None if nothing can be found."""
        seen = "".join(char for char in text[:_MAX_TEXT] if unicodedata.category(char) not in ("Cf", "Cs"))
        key = fold(seen)
        words = _words(key)[:_MAX_WORDS]
        return Query(seen.strip(), key, words) if seen.strip() else None

    @property
    def key_in_keys(self) -> str:
        """What ``search_keys`` of a registration contain if its id, user or address is the key."""
        return f"{_KEY}{self.key or _KEY}{_KEY}"

    @property
    def steps(self) -> tuple[tuple[str, ...], ...]:
        """For each rank, the best first, the texts that ``search_text`` of a registration contains: the whole name,
        its beginning, whole words in any order, their beginnings, and parts of them.
        """
        if not self.words:
            return ()
        name = f"{_START}{_BEGIN}{_marked(' '.join(self.words))}"
        words = [_marked(word) for word in dict.fromkeys(self.words)]
        begun = [f"{_BEGIN}{word}" for word in words]
        return (
            (f"{name}{_END}{_STOP}",),
            (name,),
            tuple(f"{word}{_END}" for word in begun),
            tuple(begun),
            tuple(words),
        )

    def rank(self, registration: Registration) -> int | None:
        """The place of the match, 0 the best; None if it is none."""
        if self.text in (registration.registration_id, registration.user_id, registration.email):
            return 0
        if self.key_in_keys in search_keys(registration.registration_id, registration.user_id, registration.email):
            return 1
        text = search_text(registration.name, registration.email)
        return next((2 + n for n, texts in enumerate(self.steps) if all(each in text for each in texts)), None)


def search_keys(registration_id: str, user_id: str, email: str | None) -> str:
    """The ids and the address of a registration, as a search compares them."""
    return f"{_KEY}{_KEY.join(map(fold, (registration_id, user_id, email or '')))}{_KEY}"


def search_text(name: str | None, email: str | None) -> str:
    """The name and the address of a registration, as a search looks into them: folded, with marks at words.

    Words that a hyphen joins are in it apart and together, and so is a name in a script that needs no spaces. No
    match runs from one part of the text into another.
    """
    folded = fold(name or "")
    words, address = _words(folded), _words(fold(email or ""))
    together = [word.replace("-", "") for word in _BETWEEN_WORDS.split(folded) if "-" in word.strip("-")]
    if len(words) > 1 and _SPACELESS.search(folded):
        together.append("".join(words))
    others = (f"{_BEGIN}{_marked(each)}{_END}" for each in (*together, " ".join(address)))
    return f"{_START}{_BEGIN}{_marked(' '.join(words))}{_END}{_STOP}{_STOP.join(others)}"


def in_order(query: Query, registrations: Iterable[Registration]) -> list[Registration]:
    """The matches among the registrations, the best first, equal ones by name and id."""
    ranked = [(rank, each) for each in registrations if (rank := query.rank(each)) is not None]
    ranked.sort(key=lambda pair: (pair[0], pair[1].name or "", pair[1].registration_id))
    return [registration for _, registration in ranked]


def _words(folded: str) -> tuple[str, ...]:
    return tuple(filter(None, _BETWEEN_WORDS.split(folded.replace("-", " "))))


def _marked(folded: str) -> str:
    """With marks at the end and the beginning of words, around each separator."""
    return _SEPARATOR.sub(rf"{_END}\1{_BEGIN}", folded)
