"""What `hub check` finds in a connector's own files: errors without a verdict, look-ups that nobody uses."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from hub.catalogue import Catalogue
from hub.contracts.xml_schema import Fault, WsdlOperation, operations_of_wsdl
from hub.errors import ConfigurationError
from hub.manifest import ErrorTable, Manifest
from hub.model import Effect
from hub.proof.finding import Finding

CODE: Final = re.compile("code", re.IGNORECASE)
SEARCH: Final = re.compile(
    r"^(re)?(cherche|lire|lis|consulte|trouve|etat|statut|recuperer|get|find|search|read|list|look|query|status)",
    re.IGNORECASE,
)
"""How an operation that only asks is called."""


def check_connectors(catalogue: Catalogue) -> Iterator[Finding]:
    """Hold each connector to the WSDL of its folder."""
    for name, package in catalogue.packages.items():
        for file in sorted(package.folder.glob("contract/*.wsdl")):
            try:
                operations = operations_of_wsdl(file)
            except ConfigurationError as error:
                yield Finding(error.file, error.expected, error.line, code="file")
                continue
            yield from _unjudged(file, operations, catalogue.errors[name], package.folder / "errors.toml")
            yield from _unused(operations, catalogue.manifests[name], package.folder)


def _unjudged(wsdl: Path, operations: tuple[WsdlOperation, ...], table: ErrorTable, file: Path) -> Iterator[Finding]:
    """Find the errors that a contract declares and that the errors table has no verdict for."""
    faults = {fault.name: fault for operation in operations for fault in operation.faults}
    for fault in faults.values():
        for missing in _unknown(fault, table):
            advice = (
                f"add an [[error]] with code = {missing!r} and its verdict: refused, transient, uncertain or accepted"
            )
            said = f"{wsdl.name} declares {missing}, and no line gives its verdict"
            yield Finding(str(file), said, None, missing, advice, "error-unjudged")


def _unknown(fault: Fault, table: ErrorTable) -> list[str]:
    """Give what a fault may be and the table does not know: its codes where it bears some, or else its own name."""
    codes = [schema for name, schema in _texts(fault.schema) if CODE.search(name)]
    if not codes:
        return [] if table.find(fault.name) or table.find(fault.element) else [fault.name]
    listed = [str(value) for schema in codes for value in schema.get("enum", ())]
    return [code for code in listed if not table.find(code)] if listed or table.error else [fault.name]


def _texts(schema: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, field in schema.get("properties", {}).items():
        if field.get("type") == "string" or field.get("type") == ["string", "null"]:
            yield name, field


def _unused(operations: tuple[WsdlOperation, ...], manifest: Manifest, folder: Path) -> Iterator[Finding]:
    """Find operations said to be asked `once` whose contract has another that asks for the same key.

    Known only where the manifest's contract is the WSDL itself: what must be said in both, by one name, is the key.
    """
    by_element = {operation.input_element: operation for operation in operations}
    for name, said in manifest.operations.items():
        own = by_element.get(said.contract_part) if said.contract_file.endswith(".wsdl") else None
        if said.effect is not Effect.ONCE or own is None:
            continue
        keys = set((own.input or {}).get("required", ()))
        for other in operations:
            asked = set((other.input or {}).get("required", ()))
            if other is not own and SEARCH.match(other.name) and asked and asked <= keys:
                by = ", ".join(sorted(asked))
                message = f"operations.{name}: effect once, and the contract has {other.name}, which asks by {by}"
                advice = f'write effect = "lookup" and look it up by {by}, or say why not: allow_once = "…"'
                file, field = str(folder / "connector.toml"), f"operations.{name}"
                yield Finding(file, message, None, field, advice, "look-up", said.allow_once)
