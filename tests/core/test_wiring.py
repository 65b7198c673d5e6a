"""The layers between a caller and an adapter answer to the same names, in production's own wiring."""

from __future__ import annotations

from pathlib import Path

from tests.support.wiring import differences, wired


def test_every_layer_has_the_signatures_of_its_port(tmp_path: Path) -> None:
    for services in wired(tmp_path):
        assert list(differences(services)) == []
        services.close()
