"""Addresses of photos in S3, which other services write where a key belongs."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
#: The host of S3 itself, in every region: also the older form with a dash, dual stack, FIPS, acceleration and China.
_S3 = re.compile(
    r"s3(-fips|-accelerate|-website)?(\.dualstack)?([.-][a-z]{2,}(-[a-z]+)+-[0-9]+)?\.amazonaws\.com(\.cn)?"
)


def key_at(text: str, bucket: str) -> str | None:
    """The key of the photo in ``bucket`` that ``text`` names; None if the photo is in another place.

    ``text`` is ``s3://bucket/key``, an address with the bucket in its host or in its path, or the key itself. What a
    presigned address has behind its question mark is left out.
    """
    address = _ADDRESS.match(text)
    if not address:
        return text
    place: str | None
    match address[1].lower():
        case "s3":
            place, _, key = text[address.end() :].partition("/")
        case "http" | "https":
            place, key = _place(text, bucket)
        case _:
            return None
    return (key or None) if place == bucket else None


def _place(address: str, bucket: str) -> tuple[str | None, str]:
    """The bucket and the key; no bucket if the host is neither S3's nor that of ``bucket``."""
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:  # for example brackets that are no IPv6 address
        return None, ""
    path = parts.path.removeprefix("/")
    if _S3.fullmatch(host):
        place, _, key = path.partition("/")
        return place, unquote(key)
    return (bucket if _S3.fullmatch(host.removeprefix(f"{bucket}.")) else None), unquote(path)
