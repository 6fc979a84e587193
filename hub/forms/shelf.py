"""Where an installation's forms lie: every version as it came, the one in use, and those that are offered no more.

forms/CODE/3.json               version 3, as it came
forms/CODE/3/                   the kind that was made of it: route, schema, texts, samples
forms/CODE/retired.json         what is said to whoever still asks for it
routes/formulaire_CODE          a link to the version in use: changing it is all that an installation is
mappings/courriel/formulaire_CODE_3*.yaml
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

PREFIX: Final = "formulaire"
"""What kinds made of forms, their folders and their mappings are called after."""


def kind_of(code: str) -> str:
    """Name the kind that is made of a form."""
    return f"{PREFIX}.{code}"


@dataclass(frozen=True)
class Shelf:
    """The home in which forms are installed."""

    home: Path

    @property
    def codes(self) -> list[str]:
        """Every form that was ever installed."""
        return sorted(folder.name for folder in self.home.glob("forms/*") if folder.is_dir())

    def folder(self, code: str) -> Path:
        """Give the folder of a form's versions."""
        return self.home / "forms" / code

    def file(self, code: str, version: int) -> Path:
        """Give the file of one version, as it came."""
        return self.folder(code) / f"{version}.json"

    def link(self, code: str) -> Path:
        """Give the link that makes a version the one in use."""
        return self.home / "routes" / f"{PREFIX}_{code}"

    def notice(self, code: str) -> Path:
        """Give the file that says that a form is retired."""
        return self.folder(code) / "retired.json"

    def mappings(self, code: str, version: int | None = None) -> list[Path]:
        """Give the mappings of a version, or of all of them."""
        numbered = "[0-9]+" if version is None else str(version)
        ours = re.compile(rf"{PREFIX}_{code}_{numbered}(_accuse)?\.yaml")
        return [file for file in self.home.glob("mappings/courriel/*.yaml") if ours.fullmatch(file.name)]

    def versions(self, code: str) -> list[int]:
        """List every version of a form, the oldest first."""
        return sorted(int(file.stem) for file in self.folder(code).glob("*.json") if file.stem.isdigit())

    def in_use(self, code: str) -> int | None:
        """Give the version that new requests come under; None when it is retired, or was never there."""
        link = self.link(code)
        return int(link.readlink().name) if link.is_symlink() else None

    def latest(self, code: str) -> int | None:
        """Give the version in use, or else the last there was."""
        return self.in_use(code) or max(self.versions(code), default=None)

    def read(self, code: str, version: int) -> dict[str, Any]:
        """Read a version as it came; raises OSError."""
        said: dict[str, Any] = orjson.loads(self.file(code, version).read_bytes())
        return said

    def retired(self) -> Iterator[tuple[str, str]]:
        """Give each retired kind with what is said of it."""
        for file in sorted(self.home.glob("forms/*/retired.json")):
            code = file.parent.name
            if not self.link(code).exists():
                yield kind_of(code), str(orjson.loads(file.read_bytes())["message"])


def retired_kinds(homes: Sequence[Path]) -> Mapping[str, str]:
    """Give the kinds that are offered no more, each with the sentence for whoever still asks for it."""
    return dict(pair for home in homes for pair in Shelf(home).retired())


def write(file: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_name(f".{file.name}.{os.getpid()}")
    aside.write_bytes(content)
    aside.replace(file)


def point(link: Path, to: Path) -> None:
    """Make a link lead elsewhere, in one step."""
    link.parent.mkdir(parents=True, exist_ok=True)
    aside = link.with_name(f".{link.name}.{os.getpid()}")
    aside.unlink(missing_ok=True)
    aside.symlink_to(os.path.relpath(to, link.parent), target_is_directory=True)
    aside.replace(link)
