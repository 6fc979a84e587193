"""Everything declared in files: connectors' manifests, kinds with their routes, mappings, and stages.

What a request needs of all this is one *definition*: schema, route and mappings under one version, pinned to
the request when it is accepted and kept in the ledger for as long as the request.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import jsonschema_rs
import orjson
from pydantic import Field

from hub.errors import ConfigurationError
from hub.formats import validator
from hub.manifest import ErrorTable, Manifest, read_toml
from hub.mapping import CompiledMapping
from hub.model import Frozen
from hub.packages import Package, find_packages
from hub.query import Query
from hub.routing import INTEGRATION_ERROR, Route, RouteFile
from hub.schema import read_schema
from hub.settings import Settings
from hub.yamlfile import read_yaml

REQUEST: Final = "hub.request"
"""What a mapping writes `to` that makes a request of what a target gives."""

CALLBACK_MAPPING: Final = "etape"
"""What the mappings are called, one a connector, that write call-backs to front ends."""


class StageText(Frozen):
    """What a citizen reads at a stage; `[numdemande]` and the like are filled in."""

    message: str


class StagesFile(Frozen):
    """`routes/stages.yaml`: every stage that is not one connector's own, by its label."""

    stages: dict[str, StageText]


class TextsFile(Frozen):
    """A kind's `texts.yaml`: its own words to citizens, by stage."""

    messages: dict[str, str] = Field(default_factory=dict)


@dataclass(frozen=True)
class Definition:
    """One version of a kind: what is accepted, which way it goes, how it is written."""

    version: str
    kind: str
    schema: dict[str, Any]
    validator: jsonschema_rs.Draft202012Validator
    route: Route
    mappings: Mapping[str, CompiledMapping]
    messages: Mapping[str, str]
    reads_answers: bool
    """Whether a mapping reads what earlier steps were answered."""
    source: str
    """The definition's own text (JSON), from which `Definition.compile` makes it again."""

    @classmethod
    @lru_cache(maxsize=256)
    def compile(cls, source: str, place: str = "the ledger") -> Definition:
        """Compile a definition from its text, once; raises ConfigurationError naming the file it came from.

        Of a catalogue that is read again nearly all kinds are as they were: half of what opening a hub again costs.
        """
        said = orjson.loads(source)
        mappings = {
            name: CompiledMapping.read(f"mappings/{name}.yaml", text) for name, text in said["mappings"].items()
        }
        route = Route(read_yaml(f"{place}/route.yaml", said["route"], RouteFile))
        schema = read_schema(f"{place}/schema.json", said["schema"])
        return cls(
            version=version_of(source),
            kind=route.name,
            schema=schema,
            validator=validator(schema),
            route=route,
            mappings=mappings,
            messages=read_yaml(f"{place}/texts.yaml", said["texts"], TextsFile).messages,
            reads_answers="$answers" in "".join(said["mappings"].values()) + said["route"],
            source=source,
        )


@dataclass(frozen=True)
class Catalogue:
    """What this installation knows: read once at start."""

    manifests: Mapping[str, Manifest]
    errors: Mapping[str, ErrorTable]
    kinds: Mapping[str, Definition]
    stages: Mapping[str, str]
    folders: Mapping[str, Path] = field(default_factory=dict)
    """Kind, or query → its folder."""
    queries: Mapping[str, Query] = field(default_factory=dict)
    inbound: Mapping[str, CompiledMapping] = field(default_factory=dict)
    """What a target gives, `hubee.etat_civil` → the mapping that makes a request of it."""
    packages: Mapping[str, Package] = field(default_factory=dict)
    """Connector → where it is, and where it is imported from."""

    @classmethod
    def read(cls, *homes: Path) -> Catalogue:
        """Read `connectors/`, `mappings/` and `routes/` under each home, the later ones adding to the first.

        The connectors of installed packages are read too; their mappings and routes are in homes of their own.
        """
        packages = find_packages(*homes)
        manifests = {name: read_manifest(package) for name, package in packages.items()}
        errors = {name: ErrorTable.read(package.folder) for name, package in packages.items()}
        texts = dict(_mapping_texts(homes))
        stages: dict[str, str] = {}
        kinds, folders = {}, {}
        for home in homes:
            file = home / "routes/stages.yaml"
            if file.exists():
                listed = read_yaml(file, file.read_text("utf-8"), StagesFile).stages
                stages |= {label: text.message for label, text in listed.items()}
        for folder in _folders(homes, "routes/*/route.yaml"):
            definition = Definition.compile(_gather(folder, texts), str(folder))
            kinds[definition.kind], folders[definition.kind] = definition, folder
        queries = {}
        for folder in _folders(homes, "routes/*/query.yaml"):
            query = Query.read(folder, texts)
            queries[query.name], folders[query.name] = query, folder
        return cls(manifests, errors, kinds, stages, folders, queries, _inbound(texts), packages)

    def message(self, definition: Definition, stage: str) -> str:
        """Give the citizen's sentence for a stage; an unknown stage says no more than that something failed."""
        if stage in definition.messages:
            return definition.messages[stage]
        return self.stages.get(stage) or self.stages.get(INTEGRATION_ERROR, INTEGRATION_ERROR)


def read_catalogue(settings: Settings) -> Catalogue:
    """Read everything that an installation knows: the hub's own files, and those of the homes it names."""
    return Catalogue.read(*settings.places)


def read_manifest(package: Package) -> Manifest:
    """Read a connector's manifest; raises ConfigurationError, also when it bears another name."""
    file = package.folder / "connector.toml"
    manifest = read_toml(file, Manifest)
    if manifest.name != package.name:
        wanted = f"name: must be that of its folder, or of its entry point, {package.name!r}"
        raise ConfigurationError(file, wanted)
    return manifest


def version_of(source: str) -> str:
    """Name a definition by what it says: sixteen hexadecimal digits of its SHA-256."""
    return hashlib.sha256(source.encode()).hexdigest()[:16]


def _folders(homes: tuple[Path, ...], pattern: str) -> list[Path]:
    return [file.parent for home in homes for file in sorted(home.glob(pattern))]


def _mapping_texts(homes: tuple[Path, ...]) -> Iterator[tuple[str, str]]:
    for home in homes:
        for file in sorted((home / "mappings").glob("*/*.yaml")):
            yield f"{file.parent.name}/{file.stem}", file.read_text("utf-8")


def _inbound(texts: Mapping[str, str]) -> dict[str, CompiledMapping]:
    """Compile the mappings that make requests, by what they are made from."""
    mappings = [
        CompiledMapping.read(f"mappings/{name}.yaml", text) for name, text in texts.items() if f"to: {REQUEST}" in text
    ]
    return {made_from: mapping for mapping in mappings for made_from in mapping.kinds}


def _gather(folder: Path, texts: Mapping[str, str]) -> str:
    """Gather what one kind's definition says, in canonical JSON."""
    route_file, schema_file, texts_file = folder / "route.yaml", folder / "schema.json", folder / "texts.yaml"
    route_text = route_file.read_text("utf-8")
    route = Route(read_yaml(route_file, route_text, RouteFile))
    used = {step.using for step in route.carried}
    missing = sorted(used - texts.keys())
    if missing:
        raise ConfigurationError(route_file, f"no mapping is called {missing[0]!r} (mappings/{missing[0]}.yaml)")
    used |= {name for name in texts if name.endswith(f"/{CALLBACK_MAPPING}")}
    if not schema_file.exists():
        raise ConfigurationError(schema_file, "a kind needs a schema beside its route")
    said = {
        "route": route_text,
        "schema": schema_file.read_text("utf-8"),
        "texts": texts_file.read_text("utf-8") if texts_file.exists() else "messages: {}",
        "mappings": {name: texts[name] for name in sorted(used)},
    }
    return orjson.dumps(said, option=orjson.OPT_SORT_KEYS).decode()
