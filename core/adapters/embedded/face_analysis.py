"""The local engine's analysis of the faces in a photo, in the shapes and units of Rekognition's DetectFaces.

It reports box, confidence, five landmarks, pose, quality, smile, open eyes and open mouth. Gender, age, sunglasses
and occlusion cannot be measured with these networks and are absent.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from core.adapters.embedded.networks import FIVE, Floats, Found, Image, Mesh, Networks

#: The detector's score (0-1) from which a face counts as clear. In 221 photos 220 faces were clear; in 22 photos
#: without people nothing was. (At 0.7 a dog was.)
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
#: Beyond this yaw, in degrees, the mesh only guesses the far eye.
_MAX_YAW_FOR_EYES = 45

#: Indexes in the list of blendshapes, and the score at which each means yes as often as no (measured on 221 photos).
_BLINK, _BLINK_EVEN = [9, 10], 0.5
_JAW_OPEN, _JAW_OPEN_EVEN = [25], 0.2
_SMILE, _SMILE_EVEN = [44, 45], 0.7
#: Confidence grows with the distance from that score: it is 50 at the score, and 90 at a distance of 0.15.
_STEEPNESS = math.log(9) / 0.15

#: The cosine of two faces -> similarity: 0.35 is 50, 0.40 is 80. Of 684 pairs of photos of one person none was below
#: 80; of 23,626 pairs of two people 3 reached it. This is optimistic: the numbers were chosen on the same photos.
_COSINE_EVEN = 0.35
_COSINE_STEEPNESS = 28

#: Mean luma of the face (0-255) -> Rekognition's scale, on which a well lit face has 75-95.
_LUMA = ([0, 25, 50, 130, 210, 255], [0, 20, 35, 75, 97, 100])
#: Strength of edges relative to contrast, in percent, in a face 96 pixels wide -> 0-100. Two sharp portraits have 14
#: and 22; blurred by 1, 2, 3 and 4 % of the face's width they have 10-15, 6-8, 5 and 4. Scale, light, noise and JPEG
#: compression hardly change it.
_EDGES = ([3, 5, 8.5, 14, 22], [0, 15, 40, 80, 100])
_SHARPNESS_WIDTH = 96
_DENOISE_SIGMA = 1.0


@dataclass(frozen=True)
class Face:
    """One face. ``detail`` is an entry of FaceDetails; ``vector`` has 128 numbers and length 1."""

    detail: dict[str, Any]
    vector: Floats
    #: Whether it is surely a face (``_CLEAR``).
    clear: bool


def examine(networks: Networks, photo: Image) -> tuple[Face, ...]:
    """The clear faces in ``photo`` (BGR, upright), largest first.

    If none is clear, returns the largest find that the mesh also takes for a face. With its low confidence it does
    not pass, but its other details show what is wrong with the photo.
    """
    found = networks.find(photo)
    clear = [face for face in found if face.score >= _CLEAR]
    if clear:
        return tuple(_face(networks, photo, face, networks.mesh(photo, face)) for face in clear)
    for face in found:
        mesh = networks.mesh(photo, face)
        if mesh.presence >= _PRESENT:
            return (_face(networks, photo, face, mesh),)
    return ()


def similarity(cosine: Floats) -> NDArray[np.float64]:
    """How alike two faces with this cosine of their vectors are, 0-100."""
    return np.asarray(100 / (1 + np.exp(-_COSINE_STEEPNESS * (cosine.astype(float) - _COSINE_EVEN))))


def _face(networks: Networks, photo: Image, found: Found, mesh: Mesh) -> Face:
    present = mesh.presence >= _PRESENT
    five = mesh.points[FIVE, :2] if present else found.five
    detail = {
        "BoundingBox": _box(photo, found),
        # Both networks must agree that this is a face, and it must be inside the picture.
        "Confidence": 100 * min(found.score, mesh.presence, _share_inside(photo, mesh)),
        "Landmarks": _landmarks(photo, five),
        "Quality": _quality(photo, found),
    }
    if present:
        pose = _pose(mesh)
        detail |= {"Pose": pose} | _expression(networks.expression(mesh), pose["Yaw"])
    return Face(detail, networks.embed(photo, five), found.score >= _CLEAR)


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
        "Yaw": _degrees(across[2], np.hypot(across[0], across[1])),
        "Pitch": _degrees(-down[2], np.hypot(down[0], down[1])) - _LEVEL_PITCH,
    }


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


def _quality(photo: Image, face: Found) -> dict[str, float]:
    left, top, right, bottom = (round(edge) for edge in face.inside(photo))
    grey = cv2.cvtColor(photo[top:bottom, left:right], cv2.COLOR_BGR2GRAY)
    scale = _SHARPNESS_WIDTH / grey.shape[1]
    size = (_SHARPNESS_WIDTH, max(1, round(grey.shape[0] * scale)))
    small = cv2.resize(grey, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    calm = cv2.GaussianBlur(small.astype(np.float32), (0, 0), _DENOISE_SIGMA)
    edges = 100 * cv2.Laplacian(calm, cv2.CV_32F).std() / max(float(calm.std()), 1.0)
    return {
        "Brightness": float(np.interp(grey.mean(), *_LUMA)),
        "Sharpness": float(np.interp(edges, *_EDGES)),
    }
