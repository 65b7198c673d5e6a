"""How the engine's cosines of two faces were measured."""

from __future__ import annotations

from core.domain.face_pairs import FalseMatches

#: Cosine -> the share of pairs of two different people's photos that reach it. Measured on 4,710 photos of some
#: 2,420 people (LFW): 11 million pairs. At the last point these are one or two pairs, so the rate beyond it is a
#: guess. It was before faces were aligned by the corners of the eyes, which gives a little fewer
#: (docs/face-engine.md). The photos are of public people, mostly men and mostly white: among people who look more
#: alike than these, among relatives, and on photos cut closely around the face there are up to a hundred times as
#: many.
FALSE_MATCHES = FalseMatches(
    [(0.43, 1e-4), (0.48, 1.2e-5), (0.50, 5e-6), (0.55, 1e-7)],
    comparisons=11_000_000,
)
