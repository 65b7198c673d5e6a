"""Reference photos as the face engine needs them: comparing submitted photos with them, and examining them."""

from __future__ import annotations

import logging
from collections.abc import Callable

from core.domain.errors import PhotoNotFound, ServiceError
from core.photos.keys import spellings
from core.photos.sanitiser import CleanPhoto, PhotoSanitiser
from core.ports import Answer, FaceEngine, Photos, TemplateEngine, Templates
from core.services import photo_keys

#: Compares a submitted photo with a reference photo (``FaceEngine.compare``).
Compare = Callable[[bytes], Answer]

logger = logging.getLogger(__name__)


class ReferencePhotos:
    """Reads a reference photo anew for every photo: for engines that compare photos alone."""

    def __init__(self, photos: Photos, sanitiser: PhotoSanitiser, engine: FaceEngine) -> None:
        self._photos = photos
        self._sanitiser = sanitiser
        self._engine = engine

    def prepare(self, key: str) -> Compare:
        """Makes the reference photo ready under ``key``, which may be written as other systems do
        (``core.services.photo_keys``), and returns what compares photos with it.

        Raises ``PhotoNotFound``, and ``PhotoRefused`` if the stored file is not an acceptable photo.
        """
        reference = self._read(key).jpeg
        return lambda submitted: self._engine.compare(submitted, reference)

    def examine(self, key: str) -> tuple[CleanPhoto, Answer]:
        """The reference photo, and ``FaceEngine.detect`` of it. Raises the errors of ``prepare``."""
        photo = self._read(key)
        return photo, self._engine.detect(photo.jpeg)

    def _read(self, key: str) -> CleanPhoto:
        return self._sanitiser.clean(photo_keys.read(self._photos, key)[1])


class ReferenceTemplates(ReferencePhotos):
    """Reads a reference photo once, and from then on compares with the template that was made of it.

    A template belongs to the key under which the photo was found, and only to the photo that is there now.
    """

    def __init__(
        self, photos: Photos, sanitiser: PhotoSanitiser, engine: TemplateEngine, templates: Templates
    ) -> None:
        super().__init__(photos, sanitiser, engine)
        self._maker = engine
        self._model = engine.provenance.model or ""
        self._templates = templates

    def prepare(self, key: str) -> Compare:
        template = self.template(key)
        return lambda submitted: self._maker.compare_template(submitted, template)

    def template(self, key: str) -> bytes:
        """The template of the reference photo under ``key``: the kept one, or else one that is made and kept now.

        Raises the errors of ``prepare``.
        """
        found, mark = self._find(key)
        kept = self._templates.get(found, self._model)
        return self._make(found, mark, self._read(found)) if kept is None else kept

    def examine(self, key: str) -> tuple[CleanPhoto, Answer]:
        found, mark = self._find(key)
        photo, detected = super().examine(found)
        if self._templates.get(found, self._model) is None:
            self._make(found, mark, photo)
        return photo, detected

    def _find(self, key: str) -> tuple[str, str]:
        """The key under which there is a photo, as ``photo_keys.read`` finds it, and the photo's mark."""
        for spelling in spellings(key):
            if mark := self._templates.mark(spelling):
                return spelling, mark
        raise PhotoNotFound("There is no reference photo under this key.")

    def _make(self, key: str, mark: str, photo: CleanPhoto) -> bytes:
        template = self._maker.template(photo.jpeg)
        try:
            self._templates.put(key, self._model, mark, template)
        except ServiceError as error:
            # A comparison needs no kept template: the next one makes it again.
            logger.warning("a template was not kept: %s (%s)", type(error).__name__, error.code)
        return template
