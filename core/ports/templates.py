"""Biometric templates of photos (ISO/IEC 2382-37): what a face engine made of the faces in a photo."""

from __future__ import annotations

from typing import Protocol


class Templates(Protocol):
    """Templates of photos, kept beside the photos by the same keys. They are personal data as the photos are.

    A template is gone once its photo is replaced or erased. What is in it only the engine that made it knows; every
    template can be made again, so a store may lose it.
    """

    def mark(self, key: str) -> str | None:
        """What identifies the photo that is now under ``key``: it changes whenever another photo is put there.

        None if there is no photo, and for a key that cannot be one.
        """
        ...

    def get(self, key: str, model: str) -> bytes | None:
        """The template that ``model`` made of the photo that is now under ``key``; None if none is kept.

        Also None if what is kept is damaged, or was made of an earlier photo or by another model.
        """
        ...

    def put(self, key: str, model: str, mark: str, template: bytes) -> None:
        """Keep the template that ``model`` made of the photo with this ``mark``, instead of an earlier template.

        Keeps nothing if another photo, or none, is under ``key`` by the time that it returns.
        """
        ...
