"""What a lock names: one requirement a block, its version, and the hashes that any file of it must have."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
RUNNING = ROOT / "requirements.txt"
WORKING = ROOT / "requirements-dev.txt"
REQUIREMENT = re.compile(r"^([a-z0-9][a-z0-9._-]*)(\[[a-z0-9,_-]+\])?==([^\s;\\]+)([^\\\n]*)", re.IGNORECASE)
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})\b")


@dataclass(frozen=True)
class Locked:
    """A requirement as a lock has it."""

    name: str
    version: str
    hashes: tuple[str, ...]


def read(lock: Path) -> list[Locked]:
    """Read a lock; a requirement without a version is not one, and stops the reading."""
    found = []
    for block in re.split(r"\n(?=[^\s#])", lock.read_text("utf-8")):
        lines = "\n".join(line for line in block.splitlines() if not line.lstrip().startswith("#"))
        if not lines.strip():
            continue
        requirement = REQUIREMENT.match(lines)
        if requirement is None:
            raise ValueError(f"{lock.name}: {lines.splitlines()[0]!r} names no version")
        found.append(Locked(requirement[1].lower(), requirement[3], tuple(HASH.findall(lines))))
    return found
