"""A mapping's file, from what a catalogue knows of its kind and of its operation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hub.catalogue import Catalogue
from hub.contracts import read_contract
from hub.errors import ConfigurationError
from hub.packages import NAME
from hub.scaffold.skeleton import Wanted, write_skeleton


def mapping_files(catalogue: Catalogue, operation: str, kind: str, name: str = "") -> dict[str, str]:
    """Give the file of a mapping `to` an operation; raises ConfigurationError for what does not exist."""
    connector, _, called = operation.partition(".")
    name = name or kind.replace(".", "_")
    if not NAME.fullmatch(name):
        raise ConfigurationError(name, "a mapping's name: lower case letters, digits and underscores, a letter first")
    schema, folder = _source(catalogue, kind)
    wanted = Wanted(
        name=f"{connector}/{name}",
        to=operation,
        kind=kind,
        contract=_contract(catalogue, connector, called),
        data=schema,
        sample=_sample(folder),
    )
    return {f"mappings/{connector}/{name}.yaml": write_skeleton(wanted)}


def _source(catalogue: Catalogue, kind: str) -> tuple[Mapping[str, Any], Path]:
    if kind not in catalogue.kinds:
        raise ConfigurationError(kind, f"no kind is called so; there are: {', '.join(catalogue.kinds) or 'none'}")
    return catalogue.kinds[kind].schema, catalogue.folders[kind]


def _contract(catalogue: Catalogue, connector: str, operation: str) -> Mapping[str, Any]:
    manifest = catalogue.manifests.get(connector)
    if manifest is None:
        raise ConfigurationError(connector, f"no connector is called so; there are: {', '.join(catalogue.manifests)}")
    if operation not in manifest.operations:
        known = ", ".join(manifest.operations) or "those of its target's settings, which have no contract"
        raise ConfigurationError(f"{connector}.{operation}", f"no operation is called so; {connector} has: {known}")
    contract = read_contract(catalogue.packages[connector].folder, manifest, operation)
    if contract is None or not contract.schema:
        raise ConfigurationError(f"{connector}.{operation}", "its contract is not written: nothing says what it takes")
    return contract.schema


def _sample(folder: Path) -> dict[str, Any]:
    """Give a kind's first sample as mappings read it."""
    first = min(folder.glob("samples/*.json"), default=None)
    said = json.loads(first.read_text("utf-8")) if first else {"data": {}}
    return {"site": "ville", "channel": "internet", "attachments": [], **said}
