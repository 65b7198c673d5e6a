"""Erasures of people's records in DynamoDB, and the journal of erasures in a partition of the same table."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

from core.adapters.aws.clients import translated
from core.adapters.aws.earlier_attempts import EARLIER, Stored, is_part, joined_by_registration, registration_of
from core.adapters.aws.items import Item, is_record
from core.adapters.aws.pages import Ask, Request, asking, items_of, pages, read_at_once, scan_pages, segments
from core.adapters.aws.photo_owners import NAMING, Owner, PhotoOwners, is_noted, named, submitted
from core.adapters.aws.table import ATTEMPTS_OF, JOURNAL, RECORDS_NOT_CONFIGURED, TTL_ATTRIBUTE
from core.adapters.shared.erasures import settled
from core.domain.erasures import Erasure, Receipt, as_finished, entry_of, is_finished, text_of
from core.domain.errors import Service, Unavailable
from core.domain.records import KEY_ATTRIBUTES
from core.flow.retry import Retry
from core.ports import StoredRecord

SERVICE = Service.RECORDS
#: How long the journal keeps a finished entry. This machine's clock dates it and DynamoDB's deletes it; the two may
#: differ by this much, less the minute that an attempt takes. (AWS refuses calls if the clock is 5 minutes off.)
REMEMBERED = timedelta(days=1)
#: Only a finished entry expires, and only a finished one may be replaced by another erasure.
_MAY_BEGIN = f"attribute_not_exists(userId) OR attribute_exists({TTL_ATTRIBUTE})"
_UNCHANGED = "entry = :was"
#: Rounds of deleting, if records are added meanwhile.
MAX_ROUNDS = 100

_errors = partial(translated, SERVICE, RECORDS_NOT_CONFIGURED)


class DynamoErasures:
    """``ErasureStore`` in DynamoDB. ``client`` makes one attempt per call (``core.adapters.aws.clients.client``).

    Without ``owners``, whoever else names a photo is always found by a scan.

    Copies of deleted items that AWS keeps, such as the 35 days of point-in-time recovery, are not erased.
    """

    def __init__(self, client: Any, table: str, retry: Retry, owners: PhotoOwners | None = None) -> None:
        self._client = client
        self._table = table
        self._retry = retry
        self._owners = owners

    def records_of(self, user_id: str) -> list[StoredRecord]:
        wanted = ("registrationId", "faceImageKey", "attempts", ATTEMPTS_OF, EARLIER)
        return list(map(_stored, joined_by_registration(self._of_user(user_id, *wanted))))

    def users(self) -> Iterator[str]:
        request = {**_projection("userId"), "ConsistentRead": True}
        found = items_of(scan_pages(self._asking(self._client.scan), request))
        return (item["userId"]["S"] for item in found if is_record(item))

    def named_elsewhere(self, keys: Collection[str], user_id: str | None) -> set[str]:
        """As the port says. A key that lies in no upload folder is looked up in ``owners`` if that is complete.

        All else needs a consistent scan of the whole table, which consumes a read unit for each 4 KB.
        """
        wanted = frozenset(keys)
        if self._owners and all(map(is_noted, wanted)) and self._owners.is_complete():
            owners = {key: self._owners.of(key) for key in wanted}
            return {key for key in wanted if any(self._names(owner, key, user_id) for owner in owners[key])}
        request = {**_projection("userId", *NAMING), "ConsistentRead": True}
        parts = [partial(self._named_in, segment, wanted, user_id) for segment in segments(request)]
        return set(read_at_once(parts))

    def erase_records(self, user_id: str) -> int:
        """As the port says: repeated until a consistent read finds none, because others may write meanwhile."""
        gone = 0
        for _ in range(MAX_ROUNDS):
            found = list(self._of_user(user_id, *KEY_ATTRIBUTES, ATTEMPTS_OF))
            if not found:
                if self._owners:
                    self._owners.forget(user_id)
                return gone
            for item in found:
                self._call(self._client.delete_item, Key={name: item[name] for name in KEY_ATTRIBUTES})
            gone += sum(not is_part(item) for item in found)
        raise Unavailable(SERVICE, "StillWritten")

    def scrub(self) -> None:
        """Does nothing: the table's files belong to AWS."""

    def journal_entry(self, user: str) -> Erasure | Receipt | None:
        text = self._text(user)
        return entry_of(text) if text else None

    def unfinished(self) -> list[Erasure | Receipt]:
        return [entry for entry in self._journal() if not is_finished(entry)]

    def ended(self) -> list[Receipt]:
        return [entry for entry in self._journal() if isinstance(entry, Receipt)]

    def begin(self, erasure: Erasure) -> Erasure | Receipt:
        # A put fails only if another erasure began or ended meanwhile.
        while True:
            if self._put(erasure, _MAY_BEGIN):
                return erasure
            there = self.journal_entry(erasure.user)
            if there is not None and not is_finished(there):
                return there

    def forget(self, receipt: Receipt) -> Receipt:
        was = self._text(receipt.user)
        there = entry_of(was) if was else None
        if known := settled(there, receipt):
            return known
        return receipt if self._put(receipt, _UNCHANGED, was) else self.forget(receipt)

    def finish(self, receipt: Receipt) -> None:
        was = self._text(receipt.user)
        if was and entry_of(was).erasure_id == receipt.erasure_id:
            # If the entry has changed, another process has finished it.
            self._put(as_finished(receipt), _UNCHANGED, was)

    def ping(self) -> None:
        self.journal_entry("ping")

    def close(self) -> None:
        self._client.close()

    def _journal(self) -> list[Erasure | Receipt]:
        return [entry_of(item["entry"]["S"]) for item in self._query(JOURNAL, "entry") if "entry" in item]

    def _of_user(self, user_id: str, *attributes: str) -> Iterator[Item]:
        return iter(()) if user_id == JOURNAL else self._query(user_id, *attributes)

    def _query(self, user_id: str, *attributes: str) -> Iterator[Item]:
        request = {
            "KeyConditionExpression": "userId = :user",
            "ExpressionAttributeValues": {":user": {"S": user_id}},
            **_projection(*attributes),
            "ConsistentRead": True,
        }
        return items_of(pages(self._asking(self._client.query), request))

    def _named_in(self, segment: Request, wanted: frozenset[str], user_id: str | None) -> Iterator[str]:
        items = items_of(pages(self._asking(self._client.scan), segment))
        others = (item for item in items if item["userId"]["S"] != user_id)
        return (key for item in others for key in named(item) & wanted)

    def _names(self, owner: Owner, key: str, user_id: str | None) -> bool:
        """Whether that record, of another user, still names the photo."""
        if owner.user_id == user_id:
            return False
        record = {"userId": {"S": owner.user_id}, "registrationId": {"S": owner.registration_id}}
        answer = self._call(self._client.get_item, Key=record, ConsistentRead=True, **_projection(*NAMING))
        return key in named(answer.get("Item", {}))

    def _text(self, user: str) -> str | None:
        """The stored text of the entry of the person with this hash."""
        item = self._call(self._client.get_item, Key=_key(user), ConsistentRead=True).get("Item")
        return str(item["entry"]["S"]) if item else None

    def _put(self, entry: Erasure | Receipt, condition: str, was: str | None = None) -> bool:
        """Whether the entry was put. False if the condition does not hold, which may be because an earlier try, whose
        answer was lost, has put the entry.
        """
        item = {**_key(entry.user), "entry": {"S": text_of(entry)}}
        if isinstance(entry, Receipt) and entry.finished:
            item[TTL_ATTRIBUTE] = {"N": str(int((entry.ended_at + REMEMBERED).timestamp()))}
        values = {"ExpressionAttributeValues": {":was": {"S": was}}} if was else {}

        def put(**request: Any) -> bool:
            try:
                self._client.put_item(**request)
            except self._client.exceptions.ConditionalCheckFailedException:
                return False
            return True

        return bool(self._call(put, Item=item, ConditionExpression=condition, **values))

    def _asking(self, method: Callable[..., Any]) -> Ask:
        return asking(partial(method, TableName=self._table), self._retry, _errors)

    def _call(self, method: Callable[..., Any], **request: Any) -> Any:
        return self._asking(method)(request)


def _key(user: str) -> Item:
    """Of the entry of the person with this hash. Entries have no event, so no listing of an event includes them."""
    return {"userId": {"S": JOURNAL}, "registrationId": {"S": user}}


def _projection(*attributes: str) -> dict[str, Any]:
    names = {f"#{name}": name for name in attributes}
    return {"ProjectionExpression": ", ".join(names), "ExpressionAttributeNames": names}


def _stored(record: Stored) -> StoredRecord:
    """Also photos that only a part names which the record does not name any more are the person's."""
    items = (record.item, *record.parts, *record.others)
    registration = next(registration_of(item) for item in items if item)
    attempts = len(record.whole.get("attempts", {}).get("L", ())) or 1
    return StoredRecord(registration, attempts, frozenset(key for item in items for key in submitted(item)))
