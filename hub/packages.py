"""Where connectors are: folders of a home, and packages of integrators, found by entry point and read before import.

A package that is installed beside the hub says in its own `pyproject.toml` what it brings:

    [project.entry-points."hub.connectors"]      # the connector's name → the package that holds its connector.toml
    parking = "ville_parking.parking"
    [project.entry-points."hub.homes"]           # any name → a package that holds mappings/ and routes/
    ville_parking = "ville_parking"
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Final

from hub.errors import ConfigurationError

CONNECTORS: Final = "hub.connectors"
HOMES: Final = "hub.homes"

OURS: Final = "connectors"
"""The package that holds the connectors of every home."""

NAME: Final = re.compile(r"[a-z][a-z0-9_]*")
"""How a connector is called: mappings and settings write it so."""


@dataclass(frozen=True, slots=True)
class Package:
    """A connector's package: the name it is known by, where it is imported from, and its folder."""

    name: str
    module: str
    folder: Path

    def load(self, part: str = "") -> ModuleType:
        """Import it, or one of its modules; raises ImportError when that cannot be."""
        if self.module == f"{OURS}.{self.name}":
            places = import_module(OURS).__path__
            if str(self.folder.parent) not in places:
                places.append(str(self.folder.parent))
        return import_module(f"{self.module}.{part}" if part else self.module)

    @property
    def has_sandbox(self) -> bool:
        """Whether it brings a sandbox."""
        return (self.folder / "sandbox.py").exists()


def find_packages(*homes: Path) -> dict[str, Package]:
    """Find every connector, by its name: those of the homes, then those of installed packages.

    Raises ConfigurationError when two bear one name.
    """
    found: dict[str, Package] = {}
    for package in (*_of_homes(homes), *_installed()):
        known = found.setdefault(package.name, package)
        if known.folder.resolve() != package.folder.resolve():
            wanted = f"another name: the connector {package.name!r} is in {known.folder} already"
            raise ConfigurationError(package.folder / "connector.toml", wanted)
    return found


def installed_homes() -> tuple[Path, ...]:
    """Find the homes that installed packages bring, by the names of their entry points."""
    return tuple(_folder(entry) for entry in _entries(HOMES))


def _of_homes(homes: tuple[Path, ...]) -> Iterator[Package]:
    for home in homes:
        for file in sorted(home.glob(f"{OURS}/*/connector.toml")):
            yield Package(file.parent.name, f"{OURS}.{file.parent.name}", file.parent)


def _installed() -> Iterator[Package]:
    for entry in _entries(CONNECTORS):
        if not NAME.fullmatch(entry.name):
            raise ConfigurationError(_place(entry), "the name of a connector: lower case, digits and underscores")
        folder = _folder(entry)
        if not (folder / "connector.toml").exists():
            raise ConfigurationError(folder / "connector.toml", f"the manifest that {_place(entry)} promises")
        yield Package(entry.name, entry.module, folder)


def _entries(group: str) -> list[EntryPoint]:
    return sorted(entry_points(group=group), key=lambda entry: entry.name)


def _folder(entry: EntryPoint) -> Path:
    """Find the folder of the package that an entry point names, importing at most what is above it."""
    try:
        spec = find_spec(entry.module)
    except ImportError:
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise ConfigurationError(_place(entry), f"a package that can be imported: {entry.module} is none")
    return Path(next(iter(spec.submodule_search_locations)))


def _place(entry: EntryPoint) -> str:
    """Say where an entry point is written."""
    return f"{entry.dist.name if entry.dist else 'a package'}: {entry.group}: {entry.name}"
