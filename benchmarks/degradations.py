"""What goes wrong with photos, made from good ones: each with the reasons that are right for it.

All measures are relative to the face, not to the photo. Whatever is random is the same each time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from core.domain.reasons import Reason

Image = NDArray[np.uint8]
#: Left, top, width, height of the face in pixels.
Box = tuple[float, float, float, float]

_NOISE = 1.5
_QUALITY = 92


class Expected(StrEnum):
    """What a desk should say of such a photo. ``EITHER`` is not counted: people would differ."""

    REFUSED = "refused"
    PASSED = "passed"
    EITHER = "either"


@dataclass(frozen=True)
class Good:
    """A good photo (BGR, upright) and where its face is."""

    picture: Image
    box: Box


@dataclass(frozen=True)
class Degradation:
    """``make`` gets a good photo, one of somebody else, and a source of chance."""

    kind: str
    strength: str
    make: Callable[[Good, Good, np.random.Generator], Image]
    expected: Expected
    #: The photo is refused for the right reason if one of these is among its reasons.
    right: frozenset[str]

    def is_right(self, reasons: str) -> bool:
        """Whether ``reasons``, joined by "+", are right for the photo; without any it passes."""
        if not reasons:
            return self.expected is not Expected.REFUSED
        return self.expected is not Expected.PASSED and bool(self.right.intersection(reasons.split("+")))

    def jpeg(self, good: Good, neighbour: Good, seed: int) -> bytes:
        """The degraded photo as a JPEG file."""
        picture = self.make(good, neighbour, np.random.default_rng(seed))
        return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()


def unchanged(good: Good, _neighbour: Good, _random: np.random.Generator) -> Image:
    return good.picture


def darker(share: float, good: Good, _neighbour: Good, random: np.random.Generator) -> Image:
    """Every value times ``share``, with the noise of a camera in the dark."""
    noise = random.normal(0, _NOISE, good.picture.shape)
    return _image(good.picture * share + noise)


def burnt(share: float, good: Good, _neighbour: Good, _random: np.random.Generator) -> Image:
    """So much light that ``share`` of the face's pixels are white."""
    left, top, right, bottom = _edges(good)
    grey = cv2.cvtColor(good.picture[top:bottom, left:right], cv2.COLOR_BGR2GRAY)
    return _image(good.picture * (255 / max(float(np.quantile(grey, 1 - share)), 1.0)))


def defocused(percent: float, good: Good, _neighbour: Good, _random: np.random.Generator) -> Image:
    """A Gaussian blur whose standard deviation is ``percent`` of the face's width."""
    return _image(cv2.GaussianBlur(good.picture, (0, 0), good.box[2] * percent / 100))


def moved(percent: float, angle: float, good: Good, _neighbour: Good, _random: np.random.Generator) -> Image:
    """A streak in one direction, as long as ``percent`` of the face's width."""
    length = max(3, round(good.box[2] * percent / 100) | 1)
    level = np.zeros((length, length), np.float32)
    level[length // 2] = 1
    middle = (length // 2, length // 2)
    streak = cv2.warpAffine(level, cv2.getRotationMatrix2D(middle, angle, 1), (length, length))
    return _image(cv2.filter2D(good.picture, -1, streak / streak.sum(), borderType=cv2.BORDER_REPLICATE))


def far_away(pixels: float, good: Good, _neighbour: Good, _random: np.random.Generator) -> Image:
    """A face ``pixels`` wide in a photo of the same size."""
    height, width = good.picture.shape[:2]
    scale = pixels / good.box[2]
    small = cv2.resize(good.picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    below, right = height - small.shape[0], width - small.shape[1]
    edges = (below // 2, below - below // 2, right // 2, right - right // 2)
    return _image(cv2.copyMakeBorder(small, *edges, cv2.BORDER_REPLICATE))


def rolled(angle: float, good: Good, _neighbour: Good, _random: np.random.Generator) -> Image:
    """Turned anticlockwise in its plane by ``angle`` degrees, on a canvas that holds all of it."""
    if angle % 90 == 0:
        return np.ascontiguousarray(np.rot90(good.picture, round(angle / 90)))
    height, width = good.picture.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1)
    wide = round(abs(turn[0, 0]) * width + abs(turn[0, 1]) * height)
    high = round(abs(turn[0, 1]) * width + abs(turn[0, 0]) * height)
    turn[:, 2] += (wide - width) / 2, (high - height) / 2
    return _image(cv2.warpAffine(good.picture, turn, (wide, high), borderMode=cv2.BORDER_REPLICATE))


def beside(ratio: float, seen: float, good: Good, neighbour: Good, _random: np.random.Generator) -> Image:
    """Somebody else's face to the right, ``ratio`` times as wide, of which ``seen`` (0-1) is in the photo."""
    left, top, right, bottom = _edges(neighbour, margin=0.3)
    if seen < 1:
        right = round(neighbour.box[0] + seen * neighbour.box[2])
    scale = ratio * good.box[2] / neighbour.box[2]
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    resized = cv2.resize(neighbour.picture[top:bottom, left:right], None, fx=scale, fy=scale, interpolation=way)
    face = resized[: good.picture.shape[0]]
    middle = good.box[1] + good.box[3] / 2 - face.shape[0] / 2
    at = int(np.clip(middle, 0, good.picture.shape[0] - face.shape[0]))
    width = good.picture.shape[1]
    wider = cv2.copyMakeBorder(good.picture, 0, 0, 0, face.shape[1], cv2.BORDER_REPLICATE)
    wider[at : at + face.shape[0], width:] = face
    return _image(wider)


def cut_at_side(seen: float, good: Good, _neighbour: Good, _random: np.random.Generator) -> Image:
    """The picture's left edge leaves ``seen`` (0-1) of the face's width."""
    return good.picture[:, round(good.box[0] + (1 - seen) * good.box[2]) :]


def cut_below(seen: float, good: Good, _neighbour: Good, _random: np.random.Generator) -> Image:
    """The picture's lower edge leaves ``seen`` (0-1) of the face's height."""
    return good.picture[: round(good.box[1] + seen * good.box[3])]


def _image(values: NDArray[np.generic]) -> Image:
    return np.clip(np.asarray(values, np.float32).round(), 0, 255).astype(np.uint8)


def _edges(good: Good, margin: float = 0) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of what is in the photo of its face, and of so much of its size on every side."""
    left, top, width, height = good.box
    high, wide = good.picture.shape[:2]
    return (
        max(0, round(left - margin * width)),
        max(0, round(top - margin * height)),
        min(wide, round(left + (1 + margin) * width)),
        min(high, round(top + (1 + margin) * height)),
    )


def _all() -> tuple[Degradation, ...]:
    refused, passed, either = Expected.REFUSED, Expected.PASSED, Expected.EITHER
    dark, bright, blurred = ({Reason.TOO_DARK}, {Reason.TOO_BRIGHT}, {Reason.BLURRED})
    cut = {Reason.LOW_CONFIDENCE, Reason.NO_FACE}
    several = {Reason.MULTIPLE_FACES}
    directions = (0, 45, 90, 135)
    rows: list[tuple[str, str, Callable[[Good, Good, np.random.Generator], Image], Expected, set[Reason]]] = [
        ("as it is", "encoded again", unchanged, passed, set()),
        *(
            ("low light", f"{share:.0%}", partial(darker, share), expected, dark)
            for share, expected in ((0.3, either), (0.15, refused), (0.07, refused), (0.04, refused))
        ),
        *(
            ("burnt light", f"{share:.0%} of the face white", partial(burnt, share), expected, bright)
            for share, expected in ((0.1, either), (0.3, refused), (0.6, refused))
        ),
        *(
            ("defocus", f"{percent} % of the face", partial(defocused, percent), expected, blurred)
            for percent, expected in ((1, passed), (2, either), (3, refused), (4, refused), (6, refused))
        ),
        *(
            ("motion", f"{percent} % of the face, {angle}°", partial(moved, percent, angle), expected, blurred)
            for percent, expected in ((10, either), (20, refused), (30, refused))
            for angle in directions
        ),
        *(
            ("small", f"{pixels} pixels", partial(far_away, pixels), refused, {Reason.FACE_TOO_SMALL})
            for pixels in (40, 30, 20)
        ),
        *(("roll", f"{angle}°", partial(rolled, angle), passed, set()) for angle in (20, 45, 90, 180, 270)),
        ("two faces", "as large, beside", partial(beside, 1, 1), refused, several),
        ("two faces", "0.7 as wide, beside", partial(beside, 0.7, 1), refused, several),
        ("two faces", "as large, 60 % in the photo", partial(beside, 1, 0.6), refused, several),
        ("two faces", "1.3 as wide, 60 % in the photo", partial(beside, 1.3, 0.6), refused, several),
        ("two faces", "0.3 as wide, beside", partial(beside, 0.3, 1), either, several),
        *(
            ("cut", f"{seen:.0%} of the {side} left", partial(make, seen), expected, cut)
            for make, side in ((cut_at_side, "width"), (cut_below, "height"))
            for seen, expected in ((0.8, either), (0.6, refused), (0.4, refused))
        ),
    ]
    return tuple(Degradation(*row[:4], frozenset(row[4])) for row in rows)


DEGRADATIONS = _all()
