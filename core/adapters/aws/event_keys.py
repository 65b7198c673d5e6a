"""The keys of an event in the event index: its id and, if it is sharded, those of its shards, ``<id>#<number>``.

Nobody outside of this folder sees the key of a shard: a record's event is the event.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # what follows the table's stream needs the keys, and has no pyarrow
    import pyarrow as pa


def shard_key(event_id: str, number: int) -> str:
    return f"{event_id}#{number}"


def is_shard_of(key: str, event_id: str) -> bool:
    """Whether ``key`` is that of a shard of the event. It is that of an event of this name as well: which one a
    record is of, only its metadata tells.
    """
    return key.startswith(f"{event_id}#") and _is_number(key[len(event_id) + 1 :])


def may_be_of_two_events(key: str) -> bool:
    """Whether the index may have records of more than one event under this key."""
    return _is_number(key.rpartition("#")[2]) and "#" in key


def event_of_key(key: str, named: str | None) -> str:
    """The event of a record whose ``eventId`` is ``key`` and whose metadata names this event, if any."""
    return named if named and is_shard_of(key, named) else key


def events_of_keys(keys: pa.Array, named: pa.Array) -> pa.Array:
    """``event_of_key`` for the columns of texts; the event that is named where there is no key."""
    import pyarrow.compute as pc

    own = pc.if_else(pc.equal(keys, ""), None, keys)
    if pc.any(pc.not_equal(own, named)).as_py():
        begin = pc.replace_substring_regex(own, r"#[0-9]+\z", "")
        is_shard = pc.and_(pc.not_equal(begin, own), pc.equal(begin, named))
        own = pc.if_else(pc.fill_null(is_shard, False), named, own)
    return pc.coalesce(own, named)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()
