"""Data files inside installed packages: model weights and portraits.

The packages are installed without their dependencies and never imported; only their files are read.
"""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path

from core.domain.errors import NotConfigured


def path(package: str, name: str) -> Path:
    """The path of the file ``name`` inside ``package``. Raises ``NotConfigured`` if either is missing."""
    spec = find_spec(package)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        found = Path(folder) / name
        if found.is_file():
            return found
    raise NotConfigured("model files", f"{package}/{name} missing: run `make setup`")


def read(package: str, name: str, sha256: str | None = None) -> bytes:
    """The contents of the file. Raises ``NotConfigured`` if its hash is not ``sha256``."""
    data = path(package, name).read_bytes()
    if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
        raise NotConfigured("model files", f"{package}/{name} is not the pinned file")
    return data
