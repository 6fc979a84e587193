"""Under which licences what the hub installs may be used: a closed list, each with its reason.

`python -m tests.supply.licences` says what is not admitted, and fails; with `--write` it writes docs/licences.md.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageMetadata, metadata
from pathlib import Path

from tests.supply.locked import ROOT, RUNNING, read

LIST = ROOT / "docs/licences.md"

ADMITTED = {
    "0BSD": "asks for nothing",
    "Apache-2.0": "the hub's own",
    "BSD-2-Clause": "asks to be named",
    "BSD-3-Clause": "asks to be named",
    "ISC": "asks to be named",
    "LGPL-3.0-only": "used as an unchanged library, which whoever installs the hub may replace",
    "MIT": "asks to be named",
    "MIT-0": "asks for nothing",
    "MPL-2.0": "covers its own files only, which are unchanged",
    "PSF-2.0": "Python's own",
    "Unlicense": "asks for nothing",
}
"""SPDX name → why it may be installed beside code under Apache-2.0."""

SPELLINGS = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD": "BSD-3-Clause",
    "BSD License": "BSD-3-Clause",
    "ISC License": "ISC",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "New BSD": "BSD-3-Clause",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
}
"""What packages wrote before there were SPDX names → the name."""

VAGUE = re.compile(r"OSI Approved|Dual License|Copyright .*|", re.DOTALL)
"""What names no licence: the next place is looked at."""

LONGEST = 40
"""A longer text is a licence's own words."""

INTRODUCTION = """# Licences

What `requirements.txt` installs, under which licence. This list is generated from what the packages say of themselves
(`make licences`); a package under a licence that is not named here stops `make check`.

| licence | may be installed because it |
|---|---|
"""


@dataclass(frozen=True)
class Said:
    """A package, and the SPDX expression it stands under ("" when it says nothing that can be read)."""

    name: str
    expression: str

    @property
    def names(self) -> set[str]:
        """The licences of the expression, of which all are wanted, even where one would do."""
        return set(re.split(r" AND | OR |[()]", self.expression)) - {""}

    @property
    def admitted(self) -> bool:
        """Whether the package may be installed."""
        return bool(self.names) and self.names <= ADMITTED.keys()


def told(lock: Path = RUNNING) -> list[Said]:
    """Ask every package of a lock that is installed here."""
    return [Said(one.name, expression_of(metadata(one.name))) for one in read(lock)]


def expression_of(package: PackageMetadata) -> str:
    """Read a package's licence from the three places where it may stand, the surest first."""
    classifiers = [line.rpartition(" :: ")[2] for line in package.get_all("Classifier") or () if line[:7] == "License"]
    places = (package.get_all("License-Expression") or (), package.get_all("License") or (), classifiers)
    for place in places:
        if said := sorted({spelled(text) for text in place if is_name(text)}):
            return " OR ".join(said)
    return ""


def is_name(text: str) -> bool:
    """Say whether a text names a licence."""
    return len(text) <= LONGEST and not VAGUE.fullmatch(text)


def spelled(text: str) -> str:
    """Give the SPDX name of what a package wrote."""
    return SPELLINGS.get(text, text)


def refused(packages: Iterable[Said]) -> Iterator[str]:
    """Say which packages may not be installed."""
    for one in packages:
        if not one.admitted:
            yield f"{one.name}: {one.expression or 'no licence that can be read'}"


def written(packages: list[Said]) -> str:
    """Write the list."""
    used = set().union(*(one.names for one in packages))
    reasons = [f"| {name} | {reason} |" for name, reason in ADMITTED.items() if name in used]
    rows = [f"| {one.name} | {one.expression} |" for one in packages]
    packed = "| package | licence |\n|---|---|\n" + "\n".join(rows)
    return INTRODUCTION + "\n".join(reasons) + "\n\n" + packed + "\n"


def main() -> int:
    """Write the list, or hold what is installed to it."""
    packages = told()
    if "--write" in sys.argv[1:]:
        LIST.write_text(written(packages), "utf-8")
    found = list(refused(packages))
    for line in found:
        sys.stderr.write(f"not admitted: {line}\n")
    if not found:
        sys.stdout.write(f"{len(packages)} packages, all under admitted licences\n")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
