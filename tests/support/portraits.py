"""Real photos to test with, public domain, read from the wheels that carry them (never copied into the project)."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from core.files import bundled


def astronaut() -> bytes:
    """Eileen Collins, NASA; a 512x512 PNG."""
    return bundled.read("skimage", "data/astronaut.png")


def hopper() -> bytes:
    """Grace Hopper, US Navy; a 512x600 JPEG."""
    return bundled.read("matplotlib", "mpl-data/sample_data/grace_hopper.jpg")


def landscape() -> bytes:
    """A rocket on its pad: sky, smoke, nobody. A 640x427 JPEG."""
    return bundled.read("skimage", "data/rocket.jpg")


def as_jpeg(photo: bytes, size: tuple[int, int] | None = None, orientation: int | None = None) -> bytes:
    """``photo`` as JPEG; resized if asked, and stored lying, with the EXIF ``orientation`` that turns it upright."""
    undo = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
    image = Image.open(io.BytesIO(photo)).convert("RGB")
    if size:
        image = image.resize(size)
    exif = Image.Exif()
    if orientation:
        image = image.transpose(undo[orientation])
        exif[0x0112] = orientation
    out = io.BytesIO()
    image.save(out, "JPEG", quality=92, exif=exif)
    return out.getvalue()


@pytest.fixture(scope="session")
def astronaut_jpeg() -> bytes:
    return as_jpeg(astronaut())


@pytest.fixture(scope="session")
def hopper_jpeg() -> bytes:
    return as_jpeg(hopper())


@pytest.fixture(scope="session")
def landscape_jpeg() -> bytes:
    return as_jpeg(landscape())
