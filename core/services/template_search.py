"""The search for pairs of similar faces with templates of reference photos, for engines that make these."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import TYPE_CHECKING

from core.domain.duplicates import MAX_PAIRS, Expected, Found, Pair, Reference
from core.domain.errors import PhotoNotFound, PhotoRefused, ServiceError
from core.domain.face_pairs import ONE_FALSE_PAIR, pairs_above
from core.flow.crew import PATIENCE_SECONDS, Crew, End, Progress
from core.ports import ReadPhoto, TemplateEngine
from core.services.reference_photos import ReferenceTemplates

if TYPE_CHECKING:  # a tenth of a second to load, and only searches need it
    import numpy as np
    from numpy.typing import NDArray

#: Steps between two cosines of which the similarity is compared with a threshold.
_STEPS = 200_000


class _Without(Enum):
    PHOTO = auto()
    FACE = auto()


class TemplateSearch:
    """``FaceSearch`` that compares all faces in memory. It keeps nothing: templates belong to their photos."""

    def __init__(
        self,
        references: ReferenceTemplates,
        engine: TemplateEngine,
        *,
        workers: int,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        """``references`` examines photos by ``engine``. The rest are arguments of ``Crew``."""
        import numpy as np

        self._references = references
        self._engine = engine
        self._workers = workers
        self._patience = patience
        self._matches = engine.false_matches
        first = np.array([self._matches.cosine_at(ONE_FALSE_PAIR)], np.float32)
        self.default_threshold = float(engine.similarity_of(first)[0])

    def false_match_rate(self, threshold: float) -> Expected:
        return self._matches.rate(self._cosine_of(threshold))

    def search(
        self,
        event_id: str,
        references: Sequence[Reference],
        read: ReadPhoto,
        threshold: float,
        stop: threading.Event,
        report: Callable[[Progress], None],
    ) -> Found:
        """See ``FaceSearch``. Photos are read where their templates are made, and so not by ``read``."""
        faces: dict[Reference, NDArray[np.float32]] = {}
        without: Counter[_Without] = Counter()
        last_error: ServiceError | None = None

        def examine(reference: Reference) -> NDArray[np.float32] | _Without:
            nonlocal last_error
            try:
                vector = self._engine.vector(self._references.template(reference.key))
            except (PhotoNotFound, PhotoRefused):
                return _Without.PHOTO
            except ServiceError as error:
                last_error = error
                raise
            return _Without.FACE if vector is None else vector

        def keep(reference: Reference, face: NDArray[np.float32] | _Without) -> None:
            if isinstance(face, _Without):
                without[face] += 1
            else:
                faces[reference] = face

        crew = Crew(self._workers, examine, keep, patience=self._patience)
        progress = crew.run(iter(references), len(references), stop, report)
        if not faces and last_error and progress.end is not End.STOPPED:
            raise last_error
        pairs, capped = self._pairs(faces, threshold)
        return Found(
            pairs,
            compared=len(faces),
            without_face=without[_Without.FACE],
            without_photo=without[_Without.PHOTO],
            failed=sum(progress.errors.values()),
            capped=capped,
            finished=progress.end in (End.DONE, End.LEFT),
        )

    def forget(self, user_id: str) -> int:
        """Templates go with their photos."""
        return 0

    def drop(self, event_id: str) -> None:
        """Templates stay: a validation compares with them, too."""

    def close(self) -> None: ...

    def _pairs(self, faces: dict[Reference, NDArray[np.float32]], threshold: float) -> tuple[list[Pair], bool]:
        """The pairs, and whether there are more."""
        import numpy as np

        if len(faces) < 2:
            return [], False
        order = sorted(faces)  # by registration id
        found = pairs_above(np.stack([faces[each] for each in order]), self._cosine_of(threshold), MAX_PAIRS)
        similarities = self._engine.similarity_of(found.cosines)
        columns = (found.first.tolist(), found.second.tolist(), similarities.tolist())
        ids = [each.registration_id for each in order]
        return [Pair(ids[i], ids[j], similarity) for i, j, similarity in zip(*columns, strict=True)], found.capped

    def _cosine_of(self, threshold: float) -> float:
        """The lowest cosine of faces that are as similar as that."""
        import numpy as np

        cosines = np.linspace(-1, 1, _STEPS + 1, dtype=np.float32)
        place = int(np.searchsorted(self._engine.similarity_of(cosines), threshold))
        return float(cosines[min(place, _STEPS)])
