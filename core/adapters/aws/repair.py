"""The repair of a single record: what a search finds is set, if the record is still as it was read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from core.adapters.aws.items import Expression, Item
from core.domain.errors import Refused
from core.domain.records import KEY_ATTRIBUTES

#: Registrations that are named as examples of a kind.
EXAMPLES = 3
#: The least that an update consumes whose condition is not met; DynamoDB does not report the amount.
_UNMET_UNITS = 1.0

#: An item's key as the API has it.
Key = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Finding:
    """What is odd about a record, in some words that people know, and the attributes that set it right, if any do."""

    kinds: tuple[str, ...]
    values: Mapping[str, Any] = field(default_factory=dict)
    #: Something is odd that ``values`` do not set right.
    is_left: bool = False


class Search(Protocol):
    """What a pass looks for, and how it repairs what it finds."""

    @property
    def name(self) -> str:
        """Tells the positions of this search from those of others."""
        ...

    @property
    def reads(self) -> Sequence[str]:
        """The attributes that ``finding`` needs; a record is repaired only if all of them are still as they were."""
        ...

    def condition(self, used: Expression) -> str:
        """A filter that lets every record through that may be meant."""
        ...

    def finding(self, item: Item) -> Finding | None:
        """What is odd about the record; None if it is not meant after all."""
        ...


class Keeper(Protocol):
    """Keeps something about records outside of their table, and is told what a pass does."""

    def begin(self) -> str:
        """Called before a run; returns what an interrupted pass must have had in common to be continued."""
        ...

    def prepare(self, item: Item) -> int:
        """Called before a record is repaired; returns the write units that this consumed."""
        ...

    def gone(self, item: Item) -> None:
        """A record for which something was prepared has been deleted meanwhile."""
        ...

    def completed(self, began: datetime) -> None:
        """A pass over all records, which began then, in this run or an earlier one, has ended."""
        ...


@dataclass(frozen=True)
class PassCounts:
    """What a run did. The units are those that DynamoDB bills, including those for the index."""

    scanned: int = 0
    #: Records that were repaired.
    set: int = 0
    #: Records left as they are, because they changed after they were read (or an earlier try, whose answer was lost,
    #: has repaired them).
    changed: int = 0
    #: Records that nothing can be done about.
    left: int = 0
    #: Records whose repair DynamoDB does not take, such as an event that is too long for a key.
    refused: int = 0
    #: How many records were found of each kind, or repaired if the run repairs; a record may be of several.
    kinds: Counter[str] = field(default_factory=Counter)
    #: Some registrations of each kind.
    examples: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    read_units: float = 0
    write_units: float = 0

    def __add__(self, other: PassCounts) -> PassCounts:
        return PassCounts(
            self.scanned + other.scanned,
            self.set + other.set,
            self.changed + other.changed,
            self.left + other.left,
            self.refused + other.refused,
            self.kinds + other.kinds,
            {
                kind: (*self.examples.get(kind, ()), *other.examples.get(kind, ()))[:EXAMPLES]
                for kind in {**self.examples, **other.examples}
            },
            self.read_units + other.read_units,
            self.write_units + other.write_units,
        )


class Repair:
    """Sets what ``search`` finds in a record; an update requires that what the search has read is unchanged.

    ``call`` makes a call of ``client`` for the table of records, with its retries and translated errors. ``keeper``
    is told before a record is repaired, and if it has gone meanwhile.
    """

    def __init__(self, client: Any, search: Search, call: Callable[..., Any], keeper: Keeper | None = None) -> None:
        self._client = client
        self._search = search
        self._ask = call
        self._keeper = keeper

    def __call__(self, item: Item, finding: Finding) -> PassCounts:
        """What was done about ``finding``, which is the search's of ``item``. Raises ``ServiceError``."""
        if not finding.values:
            return found(item, finding) + PassCounts(left=1)
        prepared = PassCounts(write_units=self._keeper.prepare(item) if self._keeper else 0)
        try:
            answer = self._ask(self._client.update_item, **setting(item, finding.values, self._search.reads))
        except Refused as error:
            match error.code:
                case "ConditionalCheckFailedException":
                    if self._keeper and prepared.write_units and not self._exists(_key(item)):
                        self._keeper.gone(item)
                    return prepared + PassCounts(changed=1, write_units=_UNMET_UNITS)
                case "ValidationException":
                    return prepared + PassCounts(refused=1)
                case _:
                    raise
        left = int(finding.is_left)
        return prepared + found(item, finding) + PassCounts(set=1, left=left, write_units=units(answer))

    def _exists(self, key: Key) -> bool:
        return "Item" in self._ask(self._client.get_item, Key=key, ConsistentRead=True)


def setting(item: Item, values: Mapping[str, Any], reads: Sequence[str]) -> dict[str, Any]:
    """The request, but for the table, that sets ``values`` in the record ``item`` if what was read of it (``reads``)
    is unchanged. A record that has gone does not come back.
    """
    used = Expression()
    changes = ", ".join(f"{used.name(name)} = {used.value(value)}" for name, value in values.items())
    return {
        "Key": _key(item),
        "ReturnConsumedCapacity": "TOTAL",
        "UpdateExpression": f"SET {changes}",
        "ConditionExpression": f"attribute_exists({used.name('userId')}) AND {used.unchanged(item, reads)}",
        "ExpressionAttributeNames": used.names,
        "ExpressionAttributeValues": used.values,
    }


def found(item: Item, finding: Finding) -> PassCounts:
    """Counts the kinds of ``finding``, with the record as the example of each."""
    kinds = Counter(finding.kinds)
    return PassCounts(kinds=kinds, examples=dict.fromkeys(kinds, (item["registrationId"]["S"],)))


def units(answer: Any) -> float:
    """The capacity units that an answer says were consumed."""
    return float(answer["ConsumedCapacity"]["CapacityUnits"])


def _key(item: Item) -> Key:
    return {name: item[name] for name in KEY_ATTRIBUTES}
