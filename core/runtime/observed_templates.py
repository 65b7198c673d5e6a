"""Engines that make templates, and the store of templates, with every call recorded as an operation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.ports import Answer, TemplateEngine, Templates
from core.runtime.observed import ObservedEngine
from core.runtime.observer import Observed, Observer

if TYPE_CHECKING:  # only engines that make templates need it
    import numpy as np
    from numpy.typing import NDArray


class ObservedTemplateEngine(ObservedEngine):
    """``TemplateEngine`` with every call recorded that examines a photo. A comparison is the same operation, whether
    with a photo or with a template.
    """

    def __init__(self, port: TemplateEngine, observer: Observer, name: str = "engine") -> None:
        super().__init__(port, observer, name)
        self._maker = port
        self.false_matches = port.false_matches

    def template(self, photo: bytes) -> bytes:
        with self._call("template"):
            return self._maker.template(photo)

    def compare_template(self, submitted: bytes, template: bytes) -> Answer:
        with self._call("compare"):
            return self._maker.compare_template(submitted, template)

    def vector(self, template: bytes) -> NDArray[np.float32] | None:
        return self._maker.vector(template)

    def similarity_of(self, cosine: NDArray[np.float32]) -> NDArray[np.float64]:
        return self._maker.similarity_of(cosine)


class ObservedTemplates(Observed):
    """``Templates`` with every call recorded. No key is logged: another service's key may contain a name."""

    def __init__(self, port: Templates, observer: Observer) -> None:
        super().__init__(observer, "templates")
        self._port = port

    def mark(self, key: str) -> str | None:
        with self._call("mark"):
            return self._port.mark(key)

    def get(self, key: str, model: str) -> bytes | None:
        with self._call("get"):
            return self._port.get(key, model)

    def put(self, key: str, model: str, mark: str, template: bytes) -> None:
        with self._call("put"):
            self._port.put(key, model, mark, template)
