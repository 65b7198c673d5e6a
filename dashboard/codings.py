"""What a client says of content codings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_NEVER = re.compile(r"\s*q\s*=\s*0(\.0*)?\s*")


def named_codings(fields: Iterable[str]) -> Mapping[str, bool]:
    """The codings that the Accept-Encoding ``fields`` name, in lower case, and whether the client takes each."""
    named = {}
    for part in ",".join(fields).lower().split(","):
        name, _, weight = part.partition(";")
        named[name.strip()] = not _NEVER.fullmatch(weight)
    return named
