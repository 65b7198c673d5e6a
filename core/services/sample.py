"""A sample event: invented people with validations from the last 30 days, judged by the rules.

Two registrations have real portraits and no attempts yet, so that a photo can be validated at once:
``sample-0001`` Eileen Collins (NASA, inside scikit-image) and ``sample-0002`` Grace Hopper (US Navy, inside
matplotlib), both in the public domain. Everything else comes from a seeded random generator. All attempts have the
same drawing instead of a photo. The invented registrations have that drawing as their reference photo, except for a
few without one. A real photo submitted for one of them needs a reviewer, as with any reference photo without a face.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any

from PIL import Image, ImageDraw

from core.domain.policy import Policy, Verdict, judge
from core.domain.reasons import Reason
from core.domain.records import Decision, Outcome, Provenance, Registration, Review, Source, Status
from core.files import bundled
from core.ports import Photos, ValidationRecords
from core.services.importing import Importer, Report, Sanitiser, keep_reference

EVENT_ID = "sample-event"
#: A registration with a real portrait and no attempt.
FIRST_ID = "sample-0001"
COUNT = 300
#: Name -> the package and the file with the portrait, for the first registrations in this order.
PORTRAITS = {
    "Eileen Collins": ("skimage", "data/astronaut.png"),
    "Grace Hopper": ("matplotlib", "mpl-data/sample_data/grace_hopper.jpg"),
}
#: What is named as the face engine: the answers are invented, those about age, gender and smile too.
ENGINE = "sample"
DRAWING_KEY = "face-images/sample-drawing.jpg"

_DAYS = timedelta(days=30)
_MOST_ATTEMPTS = 4
_NEVER_TRIED = 0.13
_NO_REFERENCE = 0.03
_TRIES_AGAIN = 0.8
#: Share of the borderline cases that a reviewer has decided.
_DECIDED = 0.6
_PHOTO_SIZE = (1080, 1440)
#: The place of the head in the drawing, as shares: left, top, width, height.
_HEAD = (0.31, 0.18, 0.38, 0.42)

_GIVEN = re.findall(
    r"\w+",
    "Aarav Ana Amina Björn Chidi Chloé Dalia Diego Elif Emeka Farah Freya Gabriel Hana Hugo Inés Ivan Jamal Jun "
    "Kavya Kofi Lena Luca Maja Mei Nadia Nikhil Oluchi Omar Priya Rafael Rosa Sana Søren Tariq Thandi Uma Viktor Wei "
    "Yara Yusuf Zoë",
)
_FAMILY = re.findall(
    r"\w+",
    "Abebe Adeyemi Almeida Andersen Banerjee Berg Castillo Chaudhry Costa Dimitrov Diallo Eriksson Ferrari Fischer "
    "García Haddad Horvat Ibrahim Ito Jensen Kapoor Kim Kowalska Laurent Li Lindström Mensah Moreau Mwangi Nakamura "
    "Nguyen Novák Okafor Ortega Park Patel Petrov Rahman Rossi Sato Schmidt Silva Tanaka Torres Varga Weber Yılmaz "
    "Zhang",
)


@dataclass(frozen=True)
class _Kind:
    """A kind of submission: its share of first and of later tries, and how its face differs from a good one."""

    first: float
    later: float
    spoil: Callable[[Random, dict[str, Any]], None] = lambda random, face: None


def _set(**values: Any) -> Callable[[Random, dict[str, Any]], None]:
    return lambda random, face: face.update(values)


def _between(group: str, name: str, low: float, high: float) -> Callable[[Random, dict[str, Any]], None]:
    def spoil(random: Random, face: dict[str, Any]) -> None:
        face[group][name] = random.uniform(low, high)

    return spoil


def _seen(value: bool) -> dict[str, Any]:
    return {"Value": value, "Confidence": 98.0}


#: The shares are invented: most photos pass; bad light and blur are the most frequent failures.
_GOOD, _BORDERLINE, _NO_ENGINE = "good", "borderline", Reason.ENGINE_UNAVAILABLE
_KINDS: Mapping[str, _Kind] = {
    _GOOD: _Kind(0.70, 0.80),
    _BORDERLINE: _Kind(0.04, 0.04),
    _NO_ENGINE: _Kind(0.01, 0.005),
    Reason.TOO_DARK: _Kind(0.05, 0.03, _between("Quality", "Brightness", 4, 19)),
    Reason.BLURRED: _Kind(0.045, 0.025, _between("Quality", "Sharpness", 2, 14)),
    Reason.FACE_MISMATCH: _Kind(0.03, 0.03),
    Reason.SUNGLASSES: _Kind(0.025, 0.01, _set(Sunglasses=_seen(True), EyesOpen=_seen(True))),
    Reason.HEAD_TURNED: _Kind(0.02, 0.01, _between("Pose", "Yaw", 48, 80)),
    Reason.EYES_CLOSED: _Kind(0.02, 0.01, _set(EyesOpen=_seen(False))),
    Reason.FACE_TOO_SMALL: _Kind(
        0.02, 0.01, _set(BoundingBox={"Left": 0.48, "Top": 0.4, "Width": 0.04, "Height": 0.05})
    ),
    Reason.MULTIPLE_FACES: _Kind(0.015, 0.01),
    Reason.FACE_OCCLUDED: _Kind(0.01, 0.005, _set(FaceOccluded=_seen(True))),
    Reason.NO_FACE: _Kind(0.01, 0.01),
    Reason.TOO_BRIGHT: _Kind(0.01, 0.01, _between("Quality", "Brightness", 97.5, 100)),
    Reason.LOW_CONFIDENCE: _Kind(0.005, 0.005, lambda random, face: face.update(Confidence=random.uniform(62, 89))),
}


def load(
    records: ValidationRecords,
    registrations: Importer,
    photos: Photos,
    sanitiser: Sanitiser,
    now: datetime,
    *,
    count: int = COUNT,
    policy: Policy | None = None,
    ttl: timedelta = _DAYS,
    progress: Report = lambda done, total: None,
) -> None:
    """Load ``count`` registrations of ``EVENT_ID`` with their validations up to ``now``.

    Registration and attempt ids are fixed, so loading again adds only what is missing or has expired. Raises
    ``NotConfigured`` if a portrait's package is missing, and ``ServiceError`` if a store fails.
    """
    photos.put(DRAWING_KEY, _drawing())
    people = [_registration(number) for number in range(1, count + 1)]
    for at, (package, file) in enumerate(list(PORTRAITS.values())[:count]):
        key = keep_reference(bundled.read(package, file), photos, sanitiser)
        people[at] = people[at].model_copy(update={"reference_photo_key": key})
    registrations.import_many(people)
    for done, person in enumerate(people, 1):
        if done > len(PORTRAITS):
            _load_attempts(person, records, now, policy or Policy(), ttl)
        if done % 25 == 0 or done == count:
            progress(done, count)


def _registration(number: int) -> Registration:
    random = Random(f"sample person {number}")
    portrayed = dict(enumerate(PORTRAITS, 1)).get(number)
    name = portrayed or f"{random.choice(_GIVEN)} {random.choice(_FAMILY)}"
    return Registration(
        registration_id=f"sample-{number:04}",
        user_id=f"sample-user-{number:04}",
        event_id=EVENT_ID,
        name=name,
        email=f"sample-{number:04}@example.com",
        reference_photo_key=None if random.random() < _NO_REFERENCE else DRAWING_KEY,
    )


def _load_attempts(
    person: Registration, records: ValidationRecords, now: datetime, policy: Policy, ttl: timedelta
) -> None:
    # One generator per person, so that each has the same history for any number of people.
    random = Random(f"sample attempts of {person.registration_id}")
    if random.random() < _NEVER_TRIED:
        return
    # The first records expire a day from now at the earliest.
    span = min(_DAYS, ttl) - timedelta(days=1)
    for outcome in _attempts(person, random, now, span, policy):
        record = records.record_attempt(outcome, ttl)
        decided = random.random() < _DECIDED
        borderline = outcome.status is Status.PENDING and not outcome.reasons
        if decided and borderline and record.attempts[-1].attempt_id == outcome.attempt_id and record.review is None:
            records.decide(
                person.user_id, person.registration_id, _review(random, outcome.timestamp, now), record.version
            )


def _attempts(
    person: Registration, random: Random, now: datetime, span: timedelta, policy: Policy
) -> Iterator[Outcome]:
    """Tries until one does not fail or the person gives up; always the same number for a person."""
    verdicts = _verdicts(random, policy)
    moments = [_last_moment(random, now, span)]
    for _ in verdicts[1:]:
        moments.append(moments[-1] - timedelta(minutes=3 + random.expovariate(1 / 400)))
    for number, (verdict, moment) in enumerate(zip(verdicts, reversed(moments), strict=True), 1):
        source = random.choices((Source.API, Source.DASHBOARD, Source.BATCH), (0.66, 0.24, 0.1))[0]
        yield Outcome(
            attempt_id=f"{person.registration_id}-attempt-{number}",
            user_id=person.user_id,
            registration_id=person.registration_id,
            event_id=person.event_id,
            timestamp=max(moment, now - span),
            face_image_key=DRAWING_KEY,
            stored_face_key=DRAWING_KEY,
            source=source,
            operator="sample-support" if source is Source.DASHBOARD else None,
            # Addresses for documentation (RFC 5737), which nobody has.
            ip_address=f"203.0.113.{random.randint(1, 254)}" if source is Source.API else None,
            provenance=Provenance(engine=ENGINE, rules=policy.digest),
            **verdict.as_outcome(),
        )


def _verdicts(random: Random, policy: Policy) -> list[Verdict]:
    looks = _looks(random)
    verdicts: list[Verdict] = []
    while len(verdicts) < _MOST_ATTEMPTS:
        weights = [kind.later if verdicts else kind.first for kind in _KINDS.values()]
        verdicts.append(_verdict(random, random.choices(list(_KINDS), weights)[0], looks, policy))
        if verdicts[-1].status is not Status.FAILED or random.random() > _TRIES_AGAIN:
            break
    return verdicts


def _last_moment(random: Random, now: datetime, span: timedelta) -> datetime:
    """A time in the period, more likely close to the event and during the day."""
    day = now - span * (1 - random.betavariate(2.2, 1.3))
    moment = day.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(hours=random.triangular(7, 24, 19))
    return moment if moment <= now else moment - timedelta(days=1)


def _looks(random: Random) -> dict[str, Any]:
    """The attributes that are the same in all photos of a person."""
    age, male = random.randint(18, 66), random.random() < 0.5
    return {
        "AgeRange": {"Low": age, "High": age + random.randint(6, 10)},
        "Gender": {"Value": "Male" if male else "Female", "Confidence": 99.0},
        "Eyeglasses": _seen(random.random() < 0.3),
        "Beard": _seen(male and random.random() < 0.4),
        "Mustache": _seen(male and random.random() < 0.3),
    }


def _verdict(random: Random, kind: str, looks: Mapping[str, Any], policy: Policy) -> Verdict:
    """The verdict of the rules on the face engine's answers for such a photo."""
    if kind == Reason.ENGINE_UNAVAILABLE:
        return Verdict(status=Status.PENDING, reasons=(Reason.ENGINE_UNAVAILABLE,))
    face = _face(random, looks)
    _KINDS[kind].spoil(random, face)
    faces = [] if kind == Reason.NO_FACE else [face]
    if kind == Reason.MULTIPLE_FACES:
        faces.append(face | {"BoundingBox": {"Left": 0.02, "Top": 0.3, "Width": 0.26, "Height": 0.29}})
    match = {"Similarity": _similarity(random, kind, policy), "Face": {"BoundingBox": _box()}}
    compared = {"FaceMatches": [match]} | ({"SourceImageFace": face} if faces else {})
    return judge(policy, {"FaceDetails": faces}, _PHOTO_SIZE, compared)


def _face(random: Random, looks: Mapping[str, Any]) -> dict[str, Any]:
    """A face that passes, as DetectFaces describes it."""
    return {
        "BoundingBox": _box(),
        "Confidence": 100 - min(random.expovariate(2), 6),
        "Quality": {"Brightness": random.triangular(28, 95, 78), "Sharpness": random.triangular(20, 98, 82)},
        "Pose": {"Yaw": random.gauss(0, 8), "Pitch": random.gauss(2, 6), "Roll": random.gauss(0, 4)},
        "Smile": _seen(random.random() < 0.45),
        "EyesOpen": _seen(True),
        "MouthOpen": _seen(random.random() < 0.12),
        "Sunglasses": _seen(False),
        "FaceOccluded": _seen(False),
        **looks,
    }


def _similarity(random: Random, kind: str, policy: Policy) -> float:
    """Mostly well above the threshold for the same person, and well below it for another."""
    threshold, review = policy.similarity_threshold, policy.review_threshold
    if kind == Reason.FACE_MISMATCH:
        return random.betavariate(1.3, 5) * review * 0.99
    if kind == _BORDERLINE:
        return random.uniform(review, threshold)
    least = threshold if kind == _GOOD else review
    return least + (100 - least) * random.betavariate(5, 1.1 if kind == _GOOD else 2)


def _review(random: Random, submitted: datetime, now: datetime) -> Review:
    approved = random.random() < 0.8
    return Review(
        decision=Decision.APPROVED if approved else Decision.REJECTED,
        reason=None if approved else Reason.FACE_MISMATCH,
        note="Same person, older reference photo." if approved else None,
        reviewer="Sample Reviewer",
        decided_at=min(submitted + timedelta(hours=random.uniform(0.5, 20)), now),
    )


def _box() -> dict[str, float]:
    return dict(zip(("Left", "Top", "Width", "Height"), _HEAD, strict=True))


def _drawing() -> bytes:
    """A JPEG of a drawn head and shoulders that nobody can mistake for a photo."""
    width, height = 480, 600
    image = Image.new("RGB", (width, height), "#e8ebf0")
    draw = ImageDraw.Draw(image)
    left, top, wide, high = _HEAD
    draw.ellipse((0.08 * width, 0.68 * height, 0.92 * width, 1.5 * height), fill="#b3bccb")
    draw.ellipse((left * width, top * height, (left + wide) * width, (top + high) * height), fill="#b3bccb")
    draw.text((width / 2, 0.88 * height), "SAMPLE", fill="#5b6577", anchor="mm", font_size=44)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=85)
    return out.getvalue()
