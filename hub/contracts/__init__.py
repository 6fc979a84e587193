"""What a target takes, operation by operation, whatever its contract is written in: JSON Schema, XSD, WSDL, OpenAPI.

A manifest says where: `contract = "contract/depot.json"`, or `"contract/population.xsd#Recours"`: the element, or the
type of that name, that a mapping writes. What the connector puts around it is thus no part of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import jsonschema_rs
import orjson

from hub.connector import Outbound
from hub.errors import ConfigurationError
from hub.manifest import Manifest

Rehearse = Callable[[Outbound], None]
Reader = Callable[[Path, str], dict[str, Any]]

MASK: Final = "…"
"""What stands in a refusal for the value that is refused."""


@dataclass(frozen=True)
class Contract:
    """What one operation takes: a schema of its messages, and the connector's own writer where it rehearses.

    `file` is the contract's, for findings.
    """

    schema: dict[str, Any]
    file: Path
    rehearse: Rehearse | None = None

    @cached_property
    def validator(self) -> jsonschema_rs.Draft202012Validator:
        """The schema, compiled; its errors do not show values.

        Formats are the writer's to judge where there is one: `email` knows no other alphabets here.
        """
        return jsonschema_rs.Draft202012Validator(self.schema, validate_formats=self.rehearse is None, mask=MASK)

    def refusals(self, message: Outbound) -> list[str]:
        """Say what is wrong with a message, field by field; nothing when the target's contract takes it.

        The connector's writer is asked about what the schema takes. Its words may show values: they are for whoever
        made the message, not for logs.
        """
        found = [refusal(error) for error in self.validator.iter_errors(message.fields)]
        if found or self.rehearse is None:
            return found
        try:
            self.rehearse(message)
        except Exception as error:  # noqa: BLE001  # a writer may raise anything for what it cannot write
            return [f"the connector's writer: {type(error).__name__}: {error}"]
        return []


def refusal(error: jsonschema_rs.ValidationError) -> str:
    """Say where a message breaks its schema, and how, without the value."""
    return f"/{'/'.join(map(str, error.instance_path))}: {error.message}"


def read_contract(
    folder: Path, manifest: Manifest, operation: str, load: Callable[[], ModuleType] | None = None
) -> Contract | None:
    """Read what an operation of a connector takes; None when neither its folder nor its package says.

    `load` imports the connector's package where it is not one of ours. Raises ConfigurationError for a contract that
    cannot be read.
    """
    said = manifest.operations.get(operation)
    rehearse = rehearsal_of(load or partial(import_module, f"connectors.{manifest.name}"))
    if said is None or not said.contract:
        return Contract({}, folder / "connector.toml", rehearse) if rehearse and said else None
    file = folder / said.contract_file
    return Contract(read_schema(file, said.contract_part), file, rehearse)


def read_schema(file: Path, part: str = "") -> dict[str, Any]:
    """Read the part of a contract that a mapping writes, as JSON Schema; raises ConfigurationError."""
    sort = file.suffix.lower()
    if not part and sort == ".json":
        return _plain(file)
    if sort not in _PARTS:
        raise ConfigurationError(file, f"a contract is one of: {', '.join(_PARTS)}")
    if not part:
        raise ConfigurationError(file, f"say which part of it a mapping writes: {file.name}#Name")
    module, function = _PARTS[sort]
    reader: Reader = getattr(import_module(module), function)
    return reader(file, part)


def rehearsal_of(load: Callable[[], ModuleType]) -> Rehearse | None:
    """Give the function `rehearse` of a connector's package, which raises for what its writer cannot write."""
    try:
        return getattr(load(), "rehearse", None)
    except ImportError:
        return None


def _plain(file: Path) -> dict[str, Any]:
    try:
        schema = orjson.loads(file.read_bytes())
        jsonschema_rs.meta.validate(schema)
    except (OSError, orjson.JSONDecodeError, jsonschema_rs.ValidationError) as error:
        raise ConfigurationError(file, f"a JSON Schema: {str(error).splitlines()[0]}") from None
    return schema  # type: ignore[no-any-return]  # an object, by the metaschema or by its place


_XML: Final = ("hub.contracts.xml_schema", "schema_of_element")
_OPENAPI: Final = ("hub.contracts.openapi", "schema_of_operation")
_PARTS: Final[Mapping[str, tuple[str, str]]] = {
    ".xsd": _XML,
    ".wsdl": _XML,
    ".json": _OPENAPI,
    ".yaml": _OPENAPI,
    ".yml": _OPENAPI,
    ".graphql": ("hub.contracts.graphql", "schema_of_operation"),
}
"""The end of a contract's file → what reads a part of it, loaded when it is needed."""

__all__ = ["Contract", "Rehearse", "read_contract", "read_schema", "refusal", "rehearsal_of"]
