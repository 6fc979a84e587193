"""Makes the schemas of files from the models that read them, with what the reference says of each member."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from hub.catalogue import StagesFile, TextsFile
from hub.editor import file_of
from hub.manifest import ErrorTable, Manifest
from hub.mapping import MappingFile
from hub.policy import Policy
from hub.query import QueryFile
from hub.routing import RouteFile
from hub.settings import HOME, Settings

REFERENCE: Final = HOME / "docs/reference.md"
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

MODELS: Final[Mapping[str, type[BaseModel]]] = {
    "mapping": MappingFile,
    "route": RouteFile,
    "query": QueryFile,
    "texts": TextsFile,
    "stages": StagesFile,
    "connector": Manifest,
    "errors": ErrorTable,
    "hub": Settings,
}
"""A schema's name → what reads the files that it describes."""

TABLES: Final[Mapping[str, str]] = {
    "Settings": "setting",
    "Bucket": "of a bucket",
    "IdentitySettings": "of an identity provider",
    "Retention": "of retention",
    "Privacy": "of a kind's privacy",
    "TargetSettings": "of a target",
    "FrontEnd": "of a front end",
    "Policy": "policy",
    "Hours": "of hours",
    "RouteFile": "route",
    "Clock": "of a clock",
    "Position": "of a place",
    "QueryFile": "query",
    "Manifest": "manifest",
    "Operation": "of an operation",
    "ErrorRow": "error",
    **dict.fromkeys(
        ("Deliver", "Enrich", "Document", "Notify", "Await", "AwaitEvent", "AwaitDate", "Branch", "Refuse"), "of a step"
    ),
}
"""A model → the reference's table of its members."""

DURATION: Final = {"type": ["string", "number"], "pattern": r"^(\d+(\.\d+)?(ms|s|m|h|d))+$|^P"}
HOUR: Final = {"type": "string", "pattern": r"^\d\d:\d\d(:\d\d)?$"}
EXPRESSIONS: Final = {
    "type": "object",
    "description": "One JSONata expression a field.",
    "additionalProperties": {"anyOf": [{"type": ["string", "number", "boolean"]}, {"$ref": "#/$defs/Expressions"}]},
}

LOOSE: Final[Mapping[str, Mapping[str, Any]]] = {
    "MappingFile": {
        "from": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
        "fields": {"$ref": "#/$defs/Expressions"},
    },
    "TargetSettings": {"policy": {"$ref": "#/$defs/Policy"}},
}
"""Members whose type says less than what is read: what is read."""

OF_A_MAPPING: Final[Mapping[str, str]] = {
    "mapping": "its name: its folder's and its own, courriel/accuse_reception",
    "from": 'the kinds, or the queries, that it is made from; "*" for any',
    "to": "the connector and its operation, logitud.deposer_rapo; or hub.request",
    "fields": "one JSONata expression a field",
    "expression": "one JSONata expression for the whole message, instead of `fields`",
    "files": "an expression that gives the ids of the files that go along; all of the request's without one",
    "allow_unproved": "why it may run although it cannot be proved",
    "examples": "what it promises: each is run by `hub check`",
}


class Schema(GenerateJsonSchema):
    """The hub's own way of writing durations and hours; no titles that only repeat names."""

    def timedelta_schema(self, schema: core_schema.TimedeltaSchema) -> JsonSchemaValue:
        """Describe a duration."""
        del schema
        return dict(DURATION)

    def time_schema(self, schema: core_schema.TimeSchema) -> JsonSchemaValue:
        """Describe an hour of the day."""
        del schema
        return dict(HOUR)

    def encode_default(self, dft: Any) -> Any:
        """Write a default as a file would."""
        return written(dft) if isinstance(dft, timedelta) else super().encode_default(dft)

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Leave names as they are."""
        del schema
        return False


def generate(name: str) -> dict[str, Any]:
    """Make the schema of a sort of file."""
    model = MODELS[name]
    schema = model.model_json_schema(schema_generator=Schema)
    known = schema.setdefault("$defs", {})
    if name == "hub":
        known["Policy"] = Policy.model_json_schema(schema_generator=Schema, ref_template="#/$defs/{model}")
        known |= known["Policy"].pop("$defs", {})
    if name == "mapping":
        known["Expressions"] = EXPRESSIONS
        schema["oneOf"] = [{"required": ["fields"]}, {"required": ["expression"]}]
    tables = read_tables(REFERENCE)
    for title, part in {model.__name__: schema, **known}.items():
        said = OF_A_MAPPING if title == "MappingFile" else tables.get(TABLES.get(title, ""), {})
        _complete(part, LOOSE.get(title, {}), said)
    return {"$schema": DIALECT, **schema}


def write_all() -> list[Path]:
    """Write every schema to its file, and give those that have changed."""
    changed = []
    for name in MODELS:
        text = json.dumps(generate(name), ensure_ascii=False, indent=1) + "\n"
        file = file_of(name)
        if not file.exists() or file.read_text("utf-8") != text:
            file.write_text(text, "utf-8")
            changed.append(file)
    return changed


def read_tables(file: Path) -> dict[str, dict[str, str]]:
    """Read a document's tables: the heading of the first column → a row's name → its last column."""
    tables: dict[str, dict[str, str]] = {}
    rows: dict[str, str] = {}
    for cells, is_first in _rows(file.read_text("utf-8")):
        if is_first:
            rows = tables.setdefault(cells[0], {})
        else:
            rows[cells[0].strip("`")] = cells[-1]
    return tables


def written(duration: timedelta) -> str:
    """Write a duration as files do: `1h30m`."""
    left = round(duration.total_seconds() * 1000)
    parts = []
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def _rows(text: str) -> Iterator[tuple[list[str], bool]]:
    """Give the rows of all tables, those of dashes left out, and whether each is the first of its table."""
    inside = False
    for line in text.splitlines():
        if not line.startswith("|"):
            inside = False
        elif not re.fullmatch(r"[|\-: ]+", line):
            yield [cell.strip() for cell in line.strip("|").split(" | ")], not inside
            inside = True


def _complete(part: dict[str, Any], loose: Mapping[str, Any], said: Mapping[str, str]) -> None:
    """Widen the members of a model that are read in more ways than their type says, and describe all."""
    members = part.get("properties", {})
    for member, wide in loose.items():
        members[member] = dict(wide)
    for member, text in said.items():
        if member in members:
            members[member]["description"] = text
