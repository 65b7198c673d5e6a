"""How many of an analyst's rows can be singled out: the share of rows whose combination of values no other row has,
exact and as analysts get it. ``python -m benchmarks.singled_out`` prints the table that docs/security.md quotes.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

import pandas as pd

from core.domain.attempts import with_attempt
from core.domain.frames import frame_of
from core.domain.policy import Policy
from core.domain.records import ValidationRecord
from core.services import sample
from core.services.hashing import IdHash
from core.services.pseudonyms import Pseudonyms

PEOPLE = 6000
COMBINATIONS = {
    "time": ["timestamp"],
    "age, gender, smile": ["age", "gender", "smile"],
    "time, gender": ["timestamp", "gender"],
    "time, age, gender": ["timestamp", "age", "gender"],
    "similarity": ["similarity"],
    "similarity, confidence": ["similarity", "confidence"],
    "all": ["timestamp", "age", "gender", "smile", "source", "quality", "similarity", "confidence", "attempts"],
}


def people(count: int, now: datetime) -> pd.DataFrame:
    records = []
    for number in range(1, count + 1):
        person = sample._registration(number)
        random = Random(f"sample attempts of {person.registration_id}")
        record: ValidationRecord | None = None
        for outcome in sample._attempts(person, random, now, timedelta(days=29), Policy()):
            record = with_attempt(record, outcome, timedelta(days=30))
        if record:
            records.append(record)
    return frame_of(records)


def unique_share(frame: pd.DataFrame, columns: list[str]) -> float:
    return float((~frame.duplicated(columns, keep=False)).mean())


def main() -> None:
    exact = people(PEOPLE, datetime.now(UTC))
    shown = Pseudonyms(IdHash(b"a key of this measurement")).frame(exact)
    print(f"{len(exact):,} people\n| columns | exact | as analysts get it |\n|---|---|---|")
    for name, columns in COMBINATIONS.items():
        print(f"| {name} | {unique_share(exact, columns):.1%} | {unique_share(shown, columns):.1%} |")


if __name__ == "__main__":
    main()
