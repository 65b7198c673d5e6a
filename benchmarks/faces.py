"""How often the face engine of this machine errs, on labelled photos, in the terms of ISO/IEC 19795-1.

``python -m benchmarks.faces FOLDER`` takes a folder ``person/photo.jpg`` and prints how many photos cannot be used
(FTA, failure to acquire), the false matches and false non-matches by threshold, what the engine says of photos that
were spoilt in known ways, and its times. ``--against`` measures another checkout of the project on the same photos
and pairs, beside this one, under the name of its folder. People are split in two halves by their names: what is
tuned on one half is measured on the other. No photo is part of the project. ``--help`` tells the rest.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks import face_photos, face_report, results
from benchmarks.degradations import DEGRADATIONS, Degradation, Expected, Good, unchanged
from benchmarks.face_answers import ROOT, Answers, answers
from benchmarks.face_photos import Pair, Photo
from benchmarks.face_rates import Comparisons, all_pairs, of_pairs
from benchmarks.face_report import Measured
from core.domain.policy import Policy
from core.domain.reasons import Reason

#: Photos are spoilt only if their face is this wide, in pixels.
LEAST_WIDTH = 80
#: Photos whose times are measured, by each engine in turn.
TIMED = 60
TURNED = Degradation("yaw", "photos of turned heads", unchanged, Expected.REFUSED, frozenset({Reason.HEAD_TURNED}))
HALVES = {"both": "all people", "tune": "the half for tuning", "measure": "the half for measuring"}


@dataclass(frozen=True)
class Engine:
    """The engine of a checkout of the project."""

    label: str
    checkout: Path
    cache: Path | None
    processes: int

    def answers(self, photos: Sequence[Path]) -> Answers:
        return answers(self.checkout, photos, self.cache, processes=self.processes, threads=1)


def main() -> None:
    given = _arguments()
    checkouts = {path.resolve().name: path.resolve() for path in given.against} | {"now": ROOT}
    engines = [Engine(label, path, given.cache, given.processes) for label, path in checkouts.items()]
    parts = [_report(folder, engines, given) for folder in given.folders]
    if given.publish:
        results.publish(given.publish, "\n\n".join(parts))
    else:
        print("\n\n".join(parts))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="person/photo.jpg")
    parser.add_argument(
        "--against", type=Path, action="append", default=[], help="another checkout of the project; may be repeated"
    )
    parser.add_argument("--cache", type=Path, help="a folder for what the engines saw, by photo and model")
    parser.add_argument("--half", choices=tuple(HALVES), default="both", help="of the people")
    parser.add_argument("--people", type=int, help="at the most")
    parser.add_argument("--each", type=int, default=10, help="photos of one person at the most")
    parser.add_argument("--pairs", type=Path, help="compare only the pairs of this file")
    parser.add_argument("--groups", type=Path, help="CSV: person,group")
    parser.add_argument("--turned", default="", help="names of photos that show turned heads, such as 'profile_*'")
    parser.add_argument("--clean", type=Path, help="a list, person/photo.jpg, of the photos that should not fail")
    parser.add_argument("--spoilt", type=int, default=100, help="photos to spoil in every way; 0: none")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--publish", metavar="TITLE", help="write the results into benchmarks/RESULTS.md")
    return parser.parse_args()


def _report(folder: Path, engines: Sequence[Engine], given: argparse.Namespace) -> str:
    pairs = face_photos.pairs_of(given.pairs, folder, given.half) if given.pairs else []
    if given.pairs:
        photos = sorted({each for pair in pairs for each in (pair.reference, pair.submitted)}, key=lambda p: p.name)
    else:
        photos = face_photos.photos_of(folder, given.half, given.people, given.each)
    turned = face_photos.matching(photos, given.turned)
    photos = [photo for photo in photos if photo not in set(turned)]
    measured = []
    for engine in engines:
        seen = engine.answers([photo.path for photo in photos])
        measured.append(_of_pairs(engine, seen, photos, pairs) if given.pairs else _of_all(engine, seen, photos))
    clean, of_clean = photos, [each.answers for each in measured]
    if given.clean:
        clean = face_photos.listed(face_photos.photos_of(folder, given.half), given.clean)
        of_clean = [engine.answers([photo.path for photo in clean]) for engine in engines]
    labels = [engine.label for engine in engines]
    people = len({photo.person for photo in photos})
    models = ", ".join(f"{each.label} `{each.answers.model}`" for each in measured)
    parts = [
        f"**{folder.name}**, {HALVES[given.half]}: {len(photos):,} photos of {people:,} people; {models}.",
        face_report.acquired(photos, measured),
        face_report.refused("clean photos" if given.clean else "photos", labels, of_clean),
        face_report.at_thresholds(measured),
        face_report.curve(measured),
        face_report.at_false_match_rates(measured),
    ]
    if given.groups and not given.pairs:
        parts.append(face_report.by_group(photos, face_photos.groups_of(given.groups), measured))
    if given.spoilt:
        parts += _of_spoilt(engines, _good(clean, of_clean, given.spoilt), turned)
    parts.append(_times(engines, [photo.path for photo in photos[:: max(1, len(photos) // TIMED)]][:TIMED]))
    return "\n\n".join(parts)


def _of_all(engine: Engine, seen: Answers, photos: Sequence[Photo]) -> Measured:
    _, people = np.unique([photo.person for photo in photos], return_inverse=True)
    limit = seen.cosine_at(Policy().review_threshold)
    (comparisons, wrong), (accepted, _) = (
        all_pairs(seen.vectors[usable], people[usable], limit) for usable in (seen.clear, seen.clear & seen.accepted)
    )
    return Measured(engine.label, seen, comparisons, accepted, people[seen.clear], wrong)


def _of_pairs(engine: Engine, seen: Answers, photos: Sequence[Photo], pairs: Sequence[Pair]) -> Measured:
    number = {photo: index for index, photo in enumerate(photos)}
    chosen = [pair for pair in pairs if pair.reference in number and pair.submitted in number]
    first = np.array([number[pair.reference] for pair in chosen], np.intp)
    second = np.array([number[pair.submitted] for pair in chosen], np.intp)
    same = np.array([pair.same for pair in chosen], np.bool_)
    cosines = (seen.vectors[first] * seen.vectors[second]).sum(axis=1)

    def compared(usable: NDArray[np.bool_]) -> Comparisons:
        both = usable[first] & usable[second]
        return of_pairs(cosines[both], same[both])

    nobody = np.zeros(0, np.intp)
    return Measured(engine.label, seen, compared(seen.clear), compared(seen.clear & seen.accepted), nobody, None)


def _good(clean: Sequence[Photo], of_clean: Sequence[Answers], count: int) -> list[tuple[Photo, Good]]:
    """Photos to spoil: clean ones that every engine accepts, with a face that is wide enough, each of another person.

    Where the face is, the first engine says.
    """
    boxes = of_clean[0].boxes
    fit = boxes[:, 2] >= LEAST_WIDTH
    for each in of_clean:
        fit &= each.accepted
    of_people: dict[str, int] = {}
    for number in np.flatnonzero(fit).tolist():
        of_people.setdefault(clean[number].person, number)
    good = []
    for person in sorted(of_people, key=face_photos.order_of)[:count]:
        photo = clean[of_people[person]]
        left, top, width, height = boxes[of_people[person]].tolist()
        picture = np.asarray(cv2.imread(str(photo.path), cv2.IMREAD_COLOR), np.uint8)
        good.append((photo, Good(picture, (left, top, width, height))))
    return good


def _of_spoilt(engines: Sequence[Engine], good: Sequence[tuple[Photo, Good]], turned: Sequence[Photo]) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        files = [file for number in range(len(DEGRADATIONS)) for file in _spoil(Path(folder), number, good)]
        seen = [list(engine.answers(files).reasons.reshape(len(DEGRADATIONS), -1)) for engine in engines]
    ways = list(DEGRADATIONS)
    if turned:
        ways.append(TURNED)
        for engine, reasons in zip(engines, seen, strict=True):
            reasons.append(engine.answers([photo.path for photo in turned]).reasons)
    by_kind, every = face_report.spoilt([engine.label for engine in engines], ways, seen)
    heads = f"; {len(turned):,} photos of turned heads" if turned else ""
    return [f"{len(good)} good photos of as many people, spoilt{heads}:", by_kind, every]


def _spoil(folder: Path, number: int, good: Sequence[tuple[Photo, Good]]) -> list[Path]:
    """The files of all good photos, spoilt in one way; each one's neighbour is the next of them."""
    files = []
    for index, (photo, each) in enumerate(good):
        seed = int.from_bytes(hashlib.sha256(f"{number} {photo.name}".encode()).digest()[:8])
        file = folder / f"{number}-{index}.jpg"
        file.write_bytes(DEGRADATIONS[number].jpeg(each, good[(index + 1) % len(good)][1], seed))
        files.append(file)
    return files


def _times(engines: Sequence[Engine], paths: Sequence[Path]) -> str:
    rows = []
    for engine in engines:
        seconds = answers(engine.checkout, paths, None, processes=1, threads=0).seconds * 1000
        rows.append([engine.label, f"{np.median(seconds):.0f}", f"{np.quantile(seconds, 0.95):.0f}"])
    return results.table(["one photo, milliseconds", "median", "95th percentile"], rows)


if __name__ == "__main__":
    main()
