"""A Dockerfile as its instructions."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Instruction:
    name: str
    #: What stands behind the name, on one line.
    text: str

    @property
    def words(self) -> Sequence[str]:
        """The parts of a text in exec form, or else its words."""
        if self.text.startswith("["):
            words: list[str] = json.loads(self.text)
            return words
        return self.text.split()


def instructions(path: Path) -> list[Instruction]:
    """The file's instructions in their order, without comments."""
    whole = re.sub(r"\\\n\s*", " ", re.sub(r"(?m)^\s*#.*\n", "", path.read_text()))
    lines = [line.strip() for line in whole.splitlines() if line.strip()]
    return [Instruction(*line.split(maxsplit=1)) for line in lines]


def stages(path: Path) -> list[list[Instruction]]:
    """The instructions of each stage, which begins with its FROM."""
    found: list[list[Instruction]] = []
    for each in instructions(path):
        if each.name == "FROM":
            found.append([])
        found[-1].append(each)
    return found
