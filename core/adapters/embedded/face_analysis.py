"""The local engine's analysis of the faces in a photo, in the shapes and units of Rekognition's DetectFaces.

It reports box, confidence, five landmarks, pose, quality, smile, open eyes and open mouth. Gender, age, sunglasses
and occlusion cannot be measured with these networks and are absent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from core.adapters.embedded.networks import Floats, Found, Image, Mesh, Networks, upright

#: The detector's score (0-1) from which a face counts as clear. In 221 photos 220 faces were clear; in 22 photos
#: without people nothing was. (At 0.7 a dog was, which the mesh did not take for a face.)
_CLEAR = 0.9
#: The mesh's presence score (0-1) from which its points belong to a face.
_PRESENT = 0.5

#: Left and right are those of the picture, as in Rekognition's answers.
_LANDMARKS = ("eyeLeft", "eyeRight", "nose", "mouthLeft", "mouthRight")
#: Mesh points: outer corners of the eyes (picture's left first), top of the forehead, chin.
_EYE_LINE = (33, 263)
_FACE_LINE = (10, 152)
#: How far the line from forehead to chin leans back in a level head, in degrees: the mean of level portraits.
_LEVEL_PITCH = -3.5
#: The mesh keeps a turned head flatter than it is: heads in full profile measure 54 degrees in the middle, and those
#: that measure 35 are already as far turned as the rules allow. Measured degrees times this are real ones.
_YAW_SCALE = 45 / 35
#: Degrees of yaw for a nose that is off the middle of the eyes by as much as the mouth is below them.
_YAW_OF_NOSE = 250.0
#: Beyond this yaw, in degrees, the mesh only guesses the far eye.
_MAX_YAW_FOR_EYES = 45

#: Indexes in the list of blendshapes, and the score at which each means yes as often as no (measured on 221 photos).
_BLINK, _BLINK_EVEN = [9, 10], 0.5
_JAW_OPEN, _JAW_OPEN_EVEN = [25], 0.2
_SMILE, _SMILE_EVEN = [44, 45], 0.7
#: Confidence grows with the distance from that score: it is 50 at the score, and 90 at a distance of 0.15.
_STEEPNESS = math.log(9) / 0.15

#: The cosine of two faces -> similarity: 0.40 is 70 and 0.48 is 80. How many pairs of the same and of different
#: people lie on either side is in docs/face-engine.md.
_COSINE_EVEN = 0.274
_COSINE_STEEPNESS = 6.74

#: Mean luma of the face (0-255) -> Rekognition's scale, on which a well lit face has 75-95.
_LUMA = ([0, 25, 50, 130, 210, 255], [0, 20, 35, 75, 97, 100])
#: A pixel is burnt if its luma has this value or more (0-255). A face of which this share is burnt has the greatest
#: brightness, however dark the rest of it is.
_BURNT, _BURNT_SHARE = 250, 0.2
#: The detector is less sure of a face that leans by this many degrees or more to either side.
_LEANS = 8
#: A photo of a lower mean luma (0-255) is looked at again as bright as this, at most with this gain.
_DIM, _LIT, _MAX_GAIN = 60, 110, 60.0

#: Strength of edges relative to contrast, in percent, in a face 96 pixels wide -> 0-100. It is measured in four
#: directions, and the weakest counts, as a hand or head that moves blurs in one of them. One sharp photo in a hundred
#: has less than 4.5, half have more than 8. Out of focus by 2 and 3 % of the face's width, two thirds and nearly all
#: have less; moved by 10 and 20 % of it, 87 % and nearly all.
_EDGES = ([2.5, 4.3, 5.8, 10, 14], [0, 15, 40, 80, 100])
_SHARPNESS_SIDE = 96
#: The same of a whole photo whose longer side has 128 pixels: sharp portraits have 4 to 13, those that moved by 20 %
#: of the face's width 1 to 3.5.
_WHOLE_EDGES = ([1.5, 3.5, 5.5, 9, 13], [0, 15, 40, 80, 100])
_WHOLE_SIDE = 128
_DENOISE_SIGMA = 1.0
#: The second derivatives along the row, the column and both diagonals, whose steps are longer.
_SECOND_DERIVATIVES = np.array(
    [
        [[0, 0, 0], [1, -2, 1], [0, 0, 0]],
        [[0, 1, 0], [0, -2, 0], [0, 1, 0]],
        [[0.5, 0, 0], [0, -1, 0], [0, 0, 0.5]],
        [[0, 0, 0.5], [0, -1, 0], [0.5, 0, 0]],
    ],
    np.float32,
)


@dataclass(frozen=True)
class Face:
    """One face. ``detail`` is an entry of FaceDetails; ``vector`` has 128 numbers and length 1."""

    detail: dict[str, Any]
    vector: Floats
    #: Whether it is surely a face (``_CLEAR``), seen in the light in which the photo was taken: so that another face
    #: can be compared with it.
    clear: bool


@dataclass(frozen=True)
class Seen:
    """What was found in a photo: the faces, largest first; if there are none, the quality of the photo as a whole."""

    faces: tuple[Face, ...]
    quality: dict[str, float] | None


def examine(networks: Networks, photo: Image) -> Seen:
    """The faces in ``photo`` (BGR): the clear ones, and smaller scores that the mesh also takes for faces.

    A photo in which none is clear is looked at again: brightened if it is dark; turned so that the largest face that
    was found is upright; turned on its sides and its head. If none becomes clear, the faces are those of the look
    that found the best one. With their low confidence they do not pass, but their other details show what is wrong
    with the photo.
    """
    best = _look(networks, photo)
    if not best.is_clear:
        best = _look_again(networks, photo, best)
    faces = tuple(_face(networks, best.shown, photo, face, mesh) for face, mesh in best.found)
    return Seen(faces, None if faces else _quality(photo, _whole(photo), _WHOLE_EDGES))


@dataclass(frozen=True)
class _Look:
    """What was found in the photo, or in a brighter picture of it; the largest face first."""

    shown: Image
    found: Sequence[tuple[Found, Mesh]]

    @property
    def best_score(self) -> float:
        return max((face.score for face, _ in self.found), default=0.0)

    @property
    def is_clear(self) -> bool:
        return self.best_score >= _CLEAR

    @property
    def to_upright(self) -> tuple[float, ...]:
        """By how many degrees to turn the picture so that the largest face is upright; nothing if it hardly leans."""
        lean = _pose(self.found[0][1])["Roll"] if self.found else 0.0
        return (-lean,) if abs(lean) >= _LEANS else ()


def _look(networks: Networks, shown: Image, degrees: float = 0.0) -> _Look:
    found = [(face, networks.mesh(shown, face)) for face in networks.find(shown, degrees)]
    return _Look(shown, [(face, mesh) for face, mesh in found if face.score >= _CLEAR or mesh.presence >= _PRESENT])


def _look_again(networks: Networks, photo: Image, best: _Look) -> _Look:
    lit = _brightened(photo)
    if lit is not photo:
        best = _better(best, _look(networks, lit))
    for degrees in (*best.to_upright, 90, 180, 270):
        if best.is_clear:
            break
        best = _better(best, _look(networks, lit, degrees))
    return best


def _better(best: _Look, other: _Look) -> _Look:
    return max(best, other, key=lambda look: look.best_score)


def similarity(cosine: Floats) -> NDArray[np.float64]:
    """How alike two faces with this cosine of their vectors are, 0-100."""
    return np.asarray(100 / (1 + np.exp(-_COSINE_STEEPNESS * (cosine.astype(float) - _COSINE_EVEN))))


def _brightened(photo: Image) -> Image:
    """The photo as bright as a well lit one if it is dark; else the very same."""
    luma = float(_grey(photo).mean())
    if luma >= _DIM:
        return photo
    return np.asarray(cv2.convertScaleAbs(photo, alpha=min(_LIT / max(luma, 0.1), _MAX_GAIN)), np.uint8)


def _face(networks: Networks, shown: Image, photo: Image, found: Found, mesh: Mesh) -> Face:
    """What is seen of a face in ``shown``, which is ``photo`` or a brighter picture of it."""
    present = mesh.presence >= _PRESENT
    five = mesh.five if present else found.five
    left, top, right, bottom = (round(edge) for edge in found.inside(photo))
    detail = {
        "BoundingBox": _box(photo, found),
        # Both networks must agree that this is a face, and it must be inside the picture.
        "Confidence": 100 * min(found.score, mesh.presence, _share_inside(photo, mesh)),
        "Landmarks": _landmarks(photo, five),
        "Quality": _quality(
            photo[top:bottom, left:right],
            upright(photo, mesh.place if present else found.place, _SHARPNESS_SIDE),
            _EDGES,
        ),
    }
    if present:
        pose = _pose(mesh)
        detail |= {"Pose": pose} | _expression(networks.expression(mesh), pose["Yaw"])
    else:
        detail["Pose"] = _rough_pose(five)
    return Face(detail, networks.embed(shown, five), found.score >= _CLEAR and shown is photo)


def _box(photo: Image, face: Found) -> dict[str, float]:
    """The part of the face's box that is inside the photo."""
    left, top, right, bottom = face.inside(photo)
    height, width = photo.shape[:2]
    return {
        "Left": left / width,
        "Top": top / height,
        "Width": (right - left) / width,
        "Height": (bottom - top) / height,
    }


def _share_inside(photo: Image, mesh: Mesh) -> float:
    height, width = photo.shape[:2]
    points = mesh.points[:, :2]
    return float(((points >= 0) & (points < (width, height))).all(axis=1).mean())


def _landmarks(photo: Image, five: Floats) -> list[dict[str, Any]]:
    height, width = photo.shape[:2]
    return [
        {"Type": name, "X": float(x) / width, "Y": float(y) / height}
        for name, (x, y) in zip(_LANDMARKS, five, strict=True)
    ]


def _pose(mesh: Mesh) -> dict[str, float]:
    """Angles in degrees, with Rekognition's signs.

    Roll is positive if the head leans clockwise in the picture, yaw if the nose points to the picture's right, and
    pitch if it points up.
    """
    points = mesh.points
    across = points[_EYE_LINE[1]] - points[_EYE_LINE[0]]
    down = points[_FACE_LINE[1]] - points[_FACE_LINE[0]]
    return {
        "Roll": _degrees(across[1], across[0]),
        "Yaw": _YAW_SCALE * _degrees(across[2], np.hypot(across[0], across[1])),
        "Pitch": _degrees(-down[2], np.hypot(down[0], down[1])) - _LEVEL_PITCH,
    }


def _rough_pose(five: Floats) -> dict[str, float]:
    """Roll and yaw by the detector's five points, as of a head in profile, on which the mesh finds no face.

    The nose of a head in profile is off the middle of the eyes by 0.2 to 0.5 of the distance from the eyes to the
    mouth; from the front by less than 0.14.
    """
    across = five[1] - five[0]
    eyes, mouth = five[:2].mean(axis=0), five[3:].mean(axis=0)
    along = across / max(float(np.hypot(*across)), 1e-6)
    off = float((five[2] - eyes) @ along) / max(float(np.hypot(*(mouth - eyes))), 1e-6)
    return {"Roll": _degrees(across[1], across[0]), "Yaw": min(max(_YAW_OF_NOSE * off, -90.0), 90.0)}


def _degrees(rise: float, run: float) -> float:
    return math.degrees(math.atan2(float(rise), float(run)))


def _expression(scores: Floats, yaw: float) -> dict[str, dict[str, Any]]:
    shown = {
        "Smile": _judged(scores[_SMILE], _SMILE_EVEN),
        "MouthOpen": _judged(scores[_JAW_OPEN], _JAW_OPEN_EVEN),
    }
    if abs(yaw) < _MAX_YAW_FOR_EYES:
        closed = _judged(scores[_BLINK], _BLINK_EVEN)
        shown["EyesOpen"] = {"Value": not closed["Value"], "Confidence": closed["Confidence"]}
    return shown


def _judged(scores: Floats, even: float) -> dict[str, Any]:
    score = float(scores.mean())
    return {
        "Value": score > even,
        "Confidence": 100 / (1 + math.exp(-_STEEPNESS * abs(score - even))),
    }


def _whole(photo: Image) -> Image:
    """The photo with ``_WHOLE_SIDE`` pixels on its longer side."""
    scale = _WHOLE_SIDE / max(photo.shape[:2])
    size = tuple(max(1, round(side * scale)) for side in photo.shape[1::-1])
    small = cv2.resize(photo, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    return np.asarray(small, np.uint8)


def _quality(picture: Image, small: Image, edges: tuple[Sequence[float], Sequence[float]]) -> dict[str, float]:
    """Brightness and sharpness of a picture, 0-100. The sharpness is that of ``small``, on the scale of ``edges``."""
    calm = cv2.GaussianBlur(_grey(small).astype(np.float32), (0, 0), _DENOISE_SIGMA)
    weakest = min(float(cv2.filter2D(calm, cv2.CV_32F, kernel).std()) for kernel in _SECOND_DERIVATIVES)
    return {
        "Brightness": _brightness(_grey(picture)),
        "Sharpness": float(np.interp(100 * weakest / max(float(calm.std()), 1.0), *edges)),
    }


def _brightness(grey: Image) -> float:
    """0-100, on Rekognition's scale for faces."""
    if (grey >= _BURNT).mean() > _BURNT_SHARE:
        return 100.0
    return float(np.interp(grey.mean(), *_LUMA))


def _grey(picture: Image) -> Image:
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8)
