"""The version of the local engine's model. It changes with everything that decides what is seen in a photo."""

from __future__ import annotations

import hashlib
from typing import Any

import cv2
import numpy as np

from core.adapters.embedded import face_analysis, networks

#: Raised by one with each change of these modules' code that makes other answers of the same constants, and of the
#: form of templates.
_VERSION = 2


def _constants() -> list[tuple[str, str, Any]]:
    """The constants of both modules: the hashes of the weights, sizes, limits and the calibration."""
    return sorted(
        (module.__name__, name, _plain(value))
        for module in (networks, face_analysis)
        for name, value in vars(module).items()
        if name.isupper()
    )


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value


def _digest() -> str:
    return hashlib.sha256(repr((_VERSION, _constants())).encode()).hexdigest()[:8]


#: OpenCV runs the networks, and its releases compute a little differently.
MODEL = f"opencv-{cv2.__version__}-{_digest()}"
