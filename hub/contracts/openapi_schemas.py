"""The schemas of an OpenAPI document → JSON Schema 2020-12, with the definitions that they refer to."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from hub.errors import ConfigurationError

COMPONENTS: Final = "#/components/schemas/"
ONE: Final = ("items", "not", "additionalProperties", "contains", "propertyNames", "if", "then", "else")
MANY: Final = ("allOf", "anyOf", "oneOf", "prefixItems")
NAMED: Final = ("properties", "patternProperties")
SAID_ELSEWHERE: Final = frozenset(
    {"nullable", "example", "xml", "externalDocs", "discriminator", "readOnly", "writeOnly", "deprecated"}
)
FORMATS: Final = frozenset(
    {"date", "date-time", "time", "duration", "email", "hostname", "ipv4", "ipv6", "uri", "uri-reference", "uuid"}
)
"""Formats that JSON Schema knows too; the others of OpenAPI bind nobody."""


class Schemas:
    """The schemas of one document."""

    def __init__(self, file: Path, said: dict[str, Any]) -> None:
        self._file, self._said = file, said

    def at(self, reference: str) -> Any:
        """Follow a reference within the document; raises ConfigurationError for any other."""
        if not reference.startswith("#/"):
            raise ConfigurationError(
                self._file, f"$ref {reference}: only references within the file: bundle it into one"
            )
        node: Any = self._said
        for part in reference[2:].split("/"):
            name = part.replace("~1", "/").replace("~0", "~")
            node = node.get(name) if isinstance(node, dict) else None
        if node is None:
            raise ConfigurationError(self._file, f"$ref {reference} leads nowhere")
        return node

    def opened(self, schema: Any) -> dict[str, Any]:
        """Give a schema, or the one that it refers to."""
        seen = 0
        while isinstance(schema, dict) and "$ref" in schema and seen < 20:
            schema, seen = self.at(schema["$ref"]), seen + 1
        return schema if isinstance(schema, dict) else {}

    def sort_of(self, schema: Any) -> str:
        """Tell what sort of value a schema describes; "" when it does not say."""
        opened = self.opened(schema)
        sort = opened.get("type")
        sorts = [one for one in (sort if isinstance(sort, list) else [sort]) if one != "null"]
        if not sort and (enum := opened.get("enum")):
            return "string" if all(isinstance(one, str) for one in enum) else ""
        return str(sorts[0]) if len(sorts) == 1 and sorts[0] else ""

    def is_object(self, schema: Any) -> bool:
        """Tell a schema of objects."""
        opened = self.opened(schema)
        sort = opened.get("type")
        within = opened.get("allOf") or ()
        return sort == "object" or (sort is None and ("properties" in opened or any(map(self.is_object, within))))

    def whole(self, schema: dict[str, Any], *, asked: bool) -> dict[str, Any]:
        """Write a schema with all that it refers to, as it binds what is asked or what is answered."""
        translation = _Translation(self, asked=asked)
        if set(schema) == {"$ref"}:
            schema = self.opened(schema)
        written: dict[str, Any] = translation.write(schema)
        return written | ({"$defs": translation.definitions} if translation.definitions else {})


class _Translation:
    def __init__(self, schemas: Schemas, *, asked: bool) -> None:
        self._schemas, self._banned = schemas, "readOnly" if asked else "writeOnly"
        self.definitions: dict[str, Any] = {}

    def write(self, schema: Any) -> Any:
        if not isinstance(schema, dict):
            return schema
        if "$ref" in schema:
            return self._refer(schema)
        said = {name: self._part(name, value) for name, value in schema.items() if name not in SAID_ELSEWHERE}
        if "properties" in said:
            hidden = {name for name, one in schema["properties"].items() if self._is_hidden(one)}
            said["properties"] = {name: one for name, one in said["properties"].items() if name not in hidden}
            said["required"] = [name for name in said.get("required", ()) if name not in hidden]
        self._translate_words(said, schema)
        return said

    def _part(self, name: str, value: Any) -> Any:
        if name in ONE:
            return self.write(value)
        if name in MANY:
            return [self.write(one) for one in value]
        return {key: self.write(one) for key, one in value.items()} if name in NAMED else value

    def _refer(self, schema: dict[str, Any]) -> dict[str, Any]:
        reference = schema["$ref"]
        name = reference.removeprefix(COMPONENTS).replace("/", "_").lstrip("#_")
        if name not in self.definitions:
            self.definitions[name] = {}
            self.definitions[name] = self.write(self._schemas.at(reference))
        referred = {"$ref": f"#/$defs/{name}"}
        return {"anyOf": [referred, {"type": "null"}]} if schema.get("nullable") else referred

    def _is_hidden(self, schema: Any) -> bool:
        return bool(self._schemas.opened(schema).get(self._banned)) or bool(
            isinstance(schema, dict) and schema.get(self._banned)
        )

    def _translate_words(self, said: dict[str, Any], schema: dict[str, Any]) -> None:
        """Say what only OpenAPI says in words of JSON Schema."""
        if "example" in schema:
            said["examples"] = [schema["example"]]
        if schema.get("format") in {"byte", "binary"}:
            said["contentEncoding"] = "base64"
        if schema.get("format") not in FORMATS:
            said.pop("format", None)
        for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
            if isinstance(schema.get(exclusive), bool):
                del said[exclusive]
                if schema[exclusive] and bound in said:
                    said[exclusive] = said.pop(bound)
        if schema.get("nullable"):
            _let_be_null(said)


def _let_be_null(said: dict[str, Any]) -> None:
    if isinstance(said.get("type"), str):
        said["type"] = [said["type"], "null"]
    if "enum" in said and None not in said["enum"]:
        said["enum"] = [*said["enum"], None]
    for name in ("allOf", "anyOf", "oneOf"):
        if name in said and "type" not in said:
            said["anyOf"] = [{name: said.pop(name)}, {"type": "null"}]
            break
