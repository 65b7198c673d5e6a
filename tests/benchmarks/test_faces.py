"""The measurement of the face engine: what it counts, which photos it takes, and how it spoils them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.degradations import DEGRADATIONS, Degradation, Expected, Good
from benchmarks.face_photos import HALVES, Pair, Photo, groups_of, half_of, listed, matching, pairs_of, photos_of
from benchmarks.face_rates import Rate, all_pairs, fmr_by_people, of_pairs, within_groups
from tests.support.portraits import as_jpeg, astronaut, hopper

#: Kinds of spoilt photos that have the size of the good one.
_SAME_SIZE = ("as it is", "low light", "burnt light", "defocus", "motion", "small")


def unit(*degrees: float) -> NDArray[np.float32]:
    """Vectors in a plane, whose cosines are those of the differences of their angles."""
    angles = np.radians(degrees)
    return np.column_stack([np.cos(angles), np.sin(angles)]).astype(np.float32)


class TestRates:
    #: Two photos of person 0, two of person 1, one of person 2.
    VECTORS = unit(0, 20, 90, 150, 100)
    PEOPLE = np.array([0, 0, 1, 1, 2])

    def test_every_pair_of_photos_is_compared_once(self) -> None:
        compared, _ = all_pairs(self.VECTORS, self.PEOPLE, 0.5)
        assert (compared.mated.sum(), compared.others.sum()) == (2, 8)

    def test_a_mated_pair_below_the_threshold_is_a_false_non_match(self) -> None:
        compared, _ = all_pairs(self.VECTORS, self.PEOPLE, 0.5)
        assert compared.fnmr(0.7) == Rate(1, 2)  # 20 degrees apart, and 60

    def test_another_pair_that_reaches_the_threshold_is_a_false_match(self) -> None:
        compared, _ = all_pairs(self.VECTORS, self.PEOPLE, 0.5)
        assert compared.fmr(0.7) == Rate(1, 8)  # 90 and 100 degrees

    def test_wrong_matches_name_their_photos(self) -> None:
        _, wrong = all_pairs(self.VECTORS, self.PEOPLE, 0.7)
        assert list(zip(wrong.first, wrong.second, strict=True)) == [(2, 4)]

    def test_many_photos_are_counted_as_few_are(self) -> None:
        random = np.random.default_rng(3)
        vectors = random.normal(size=(1100, 8)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        people = np.arange(1100) // 2
        compared, wrong = all_pairs(vectors, people, 0.5)
        first, second = np.triu_indices(1100, 1)
        cosines = (vectors[first] * vectors[second]).sum(axis=1)
        straight = of_pairs(cosines, people[first] == people[second])
        assert (compared.fmr(0.5), compared.fnmr(0.5)) == (straight.fmr(0.5), straight.fnmr(0.5))
        assert len(wrong.first) == straight.fmr(0.5).count

    def test_the_cosine_for_a_rate_is_the_least_that_keeps_it(self) -> None:
        compared = of_pairs(np.array([0.1, 0.2, 0.3, 0.4], np.float32), np.zeros(4, bool))
        assert compared.cosine_for(0.25) == pytest.approx(0.3, abs=3e-4)
        assert compared.fmr(compared.cosine_for(0.25)).share == 0.25

    def test_mated_pairs_between_two_thresholds(self) -> None:
        compared = of_pairs(np.array([0.35, 0.45, 0.55], np.float32), np.ones(3, bool))
        assert compared.mated_between(0.4, 0.5) == Rate(1, 3)

    def test_within_a_group_only_its_members_are_compared(self) -> None:
        _, wrong = all_pairs(self.VECTORS, self.PEOPLE, 0.5)
        found = within_groups(wrong, self.PEOPLE, ["a", "b", "b"], 0.7)
        assert found == {"a": (1, Rate(0, 0)), "b": (2, Rate(1, 2))}

    def test_the_interval_by_people_is_wider_than_that_by_pairs(self) -> None:
        people = np.arange(200) // 4
        vectors = unit(*(person * 7.2 for person in people))
        compared, wrong = all_pairs(vectors, people, 0.99)
        low, high = fmr_by_people(wrong, people, 0.99)
        assert low < compared.fmr(0.99).interval[0] < compared.fmr(0.99).interval[1] < high

    def test_no_comparison_is_no_rate(self) -> None:
        assert np.isnan(Rate(0, 0).share)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twenty people with three photos each, and twenty with one."""
    for number in range(40):
        person = tmp_path / f"Person_{number}"
        person.mkdir()
        for photo in range(1, 4 if number < 20 else 2):
            (person / f"Person_{number}_{photo:04d}.jpg").touch()
        (person / "notes.txt").touch()
    return tmp_path


class TestPhotos:
    def test_a_person_is_in_one_half_with_all_photos(self, folder: Path) -> None:
        tune, measure = (photos_of(folder, half, None, 10) for half in HALVES)
        assert len(tune) + len(measure) == 80
        assert not {photo.person for photo in tune} & {photo.person for photo in measure}

    def test_both_halves_have_people(self, folder: Path) -> None:
        assert {half_of(person.name) for person in folder.iterdir()} == set(HALVES)

    def test_people_with_several_photos_come_first(self, folder: Path) -> None:
        chosen = photos_of(folder, "both", 20, 10)
        assert {photo.person for photo in chosen} == {f"Person_{number}" for number in range(20)}

    def test_the_same_people_are_chosen_each_time(self, folder: Path) -> None:
        assert photos_of(folder, "both", 5, 2) == photos_of(folder, "both", 5, 2)

    def test_one_person_has_no_more_photos_than_asked_for(self, folder: Path) -> None:
        assert len(photos_of(folder, "both", None, 2)) == 60

    def test_photos_are_chosen_by_their_names(self, folder: Path) -> None:
        assert len(matching(photos_of(folder, "both", None, 10), "*_0002.jpg")) == 20

    def test_photos_are_chosen_by_a_list(self, folder: Path) -> None:
        names = folder / "clean.txt"
        names.write_text("Person_1/Person_1_0001.jpg\nPerson_1/absent.jpg\n")
        (found,) = listed(photos_of(folder, "both", None, 10), names)
        assert found.name == "Person_1/Person_1_0001.jpg"

    def test_groups_come_from_a_table(self, tmp_path: Path) -> None:
        (tmp_path / "groups.csv").write_text("Ann,women\nBob,men\n")
        assert groups_of(tmp_path / "groups.csv") == {"Ann": "women", "Bob": "men"}


class TestPairs:
    def read(self, folder: Path, text: str, half: str = "both") -> list[Pair]:
        (folder / "pairs.txt").write_text(text)
        return pairs_of(folder / "pairs.txt", folder, half)

    def test_two_paths_and_whether_they_show_one_person(self, tmp_path: Path) -> None:
        one, other = Photo(tmp_path / "Ann/1.jpg"), Photo(tmp_path / "Bob/2.jpg")
        read = self.read(tmp_path, "Ann/1.jpg Bob/2.jpg 0\nAnn/1.jpg\tAnn/1.jpg\t1\n")
        assert read == [Pair(one, other, False), Pair(one, one, True)]

    def test_a_file_name_with_blanks_between_tabs(self, tmp_path: Path) -> None:
        (pair,) = self.read(tmp_path, "Ann/a b.jpg\tBob/c.jpg\t0\n")
        assert pair.reference.name == "Ann/a b.jpg"

    def test_pairs_of_labeled_faces_in_the_wild(self, tmp_path: Path) -> None:
        same, different = self.read(tmp_path, "10\t300\nAnn_Lee\t1\t4\nAnn_Lee\t2\tBob\t13\n")
        assert (same.submitted.name, same.same) == ("Ann_Lee/Ann_Lee_0004.jpg", True)
        assert (different.submitted.name, different.same) == ("Bob/Bob_0013.jpg", False)

    def test_only_pairs_of_which_both_are_in_the_half(self, tmp_path: Path) -> None:
        tune = [f"P{number}" for number in range(30) if half_of(f"P{number}") == "tune"]
        measure = [f"P{number}" for number in range(30) if half_of(f"P{number}") == "measure"]
        text = f"{tune[0]}/1.jpg {tune[1]}/1.jpg 0\n{tune[0]}/1.jpg {measure[0]}/1.jpg 0\n"
        assert len(self.read(tmp_path, text, "tune")) == 1

    def test_another_line_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="not a pair: Ann Bob"):
            self.read(tmp_path, "Ann Bob\n")


@pytest.fixture(scope="module")
def good() -> Good:
    return Good(_opened(as_jpeg(astronaut())), (177, 59, 95, 130))


@pytest.fixture(scope="module")
def neighbour() -> Good:
    return Good(_opened(as_jpeg(hopper())), (171, 138, 163, 216))


def _opened(photo: bytes) -> NDArray[np.uint8]:
    return np.asarray(cv2.imdecode(np.frombuffer(photo, np.uint8), cv2.IMREAD_COLOR), np.uint8)


def _detail(picture: NDArray[np.uint8], axis: int) -> float:
    return float(np.abs(np.diff(picture.astype(float), axis=axis)).mean())


def the(kind: str, strength: str) -> Degradation:
    (found,) = [way for way in DEGRADATIONS if (way.kind, way.strength) == (kind, strength)]
    return found


every_way = pytest.mark.parametrize("way", DEGRADATIONS, ids=lambda way: f"{way.kind}, {way.strength}")


class TestDegradations:
    @every_way
    def test_the_same_seed_makes_the_same_file(self, way: Degradation, good: Good, neighbour: Good) -> None:
        assert way.jpeg(good, neighbour, 7) == way.jpeg(good, neighbour, 7)

    @every_way
    def test_the_picture_keeps_its_size_where_it_can(self, way: Degradation, good: Good, neighbour: Good) -> None:
        size = _opened(way.jpeg(good, neighbour, 7)).shape
        assert (size == good.picture.shape) == (way.kind in _SAME_SIZE or way.strength in ("90°", "180°", "270°"))

    @every_way
    def test_what_should_be_refused_has_a_right_reason(self, way: Degradation, good: Good, neighbour: Good) -> None:
        assert bool(way.right) or way.expected is Expected.PASSED

    def test_low_light_is_that_share_of_the_values(self, good: Good, neighbour: Good) -> None:
        dark = the("low light", "7%").make(good, neighbour, np.random.default_rng(1))
        assert dark.mean() / good.picture.mean() == pytest.approx(0.07, abs=0.01)

    def test_burnt_light_makes_that_share_of_the_face_white(self, good: Good, neighbour: Good) -> None:
        burnt = the("burnt light", "30% of the face white").make(good, neighbour, np.random.default_rng(1))
        face = cv2.cvtColor(burnt[59:189, 177:272], cv2.COLOR_BGR2GRAY)
        assert (face >= 250).mean() > 0.2

    def test_motion_blurs_in_its_own_direction(self, good: Good, neighbour: Good) -> None:
        moved = the("motion", "30 % of the face, 0°").make(good, neighbour, np.random.default_rng(1))
        assert _detail(moved, axis=1) / _detail(good.picture, axis=1) < 0.3
        assert _detail(moved, axis=0) / _detail(good.picture, axis=0) > 0.3

    def test_one_reason_of_several_can_be_right(self) -> None:
        assert the("low light", "7%").is_right("LOW_CONFIDENCE+TOO_DARK")

    def test_another_reason_is_not_right(self) -> None:
        assert not the("low light", "7%").is_right("NO_FACE")

    def test_passing_is_right_only_where_it_is_expected(self) -> None:
        ways = (the("low light", "7%"), the("low light", "30%"), the("roll", "90°"))
        assert [way.is_right("") for way in ways] == [False, True, True]
