"""A mapping to begin with: every element of a contract with its type, and a source where one is proved to fit."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import yaml

from hub.contracts import Contract
from hub.errors import ConfigurationError
from hub.mapping import CompiledMapping
from hub.proof.occasions import document_schema
from hub.proof.proving import prove
from hub.scaffold.examples import NoExampleError, Schema, bare, example_of
from hub.scaffold.sheets import sheet

ROUNDS: Final = 30
KEY: Final = "167046020-1"

MEANS: Final[Mapping[str, tuple[str, ...]]] = {
    "applicant.identity.family_name": ("nom", "nomfamille", "nomdefamille", "nomnaissance", "familyname", "lastname"),
    "applicant.identity.given_name": ("prenom", "prenoms", "firstname", "givenname"),
    "applicant.identity.preferred_username": ("nomusage", "nomdusage"),
    "applicant.identity.birthdate": ("datenaissance", "datedenaissance", "birthdate"),
    "applicant.contact.email": ("courriel", "email", "mail", "adressecourriel"),
    "applicant.contact.phone": ("telephone", "tel", "phone", "mobile"),
    "applicant.address.street": ("voie", "rue", "adresse", "street"),
    "applicant.address.postcode": ("codepostal", "postcode", "zip"),
    "applicant.address.city": ("ville", "commune", "city"),
    "received_at": ("datedepot", "datedemande", "receivedat"),
    "$key": ("referenceexterne", "refexterne", "externalreference", "externalid", "cleidempotence", "reference"),
}
"""What every request says → how contracts call it."""


@dataclass(frozen=True)
class Wanted:
    """What a mapping is to be made of: `data` is the schema of its kind's data, None when it is from no one kind."""

    name: str
    to: str
    kind: str
    contract: Schema
    data: Schema | None = None
    sample: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Element:
    """One element of the contract that is written: the ways that are left to feed it, the last its sample.

    `near`: the source that it resembles, if there is one.
    """

    path: tuple[str, ...]
    ways: tuple[str, ...]
    required: bool
    near: str = ""


def write_skeleton(wanted: Wanted) -> str:
    """Write a mapping's file; raises ConfigurationError where the contract has no example."""
    try:
        least = example_of(wanted.contract, whole=False)
    except NoExampleError as places:
        raise ConfigurationError(wanted.to, f"its contract allows no example: {places}") from None
    elements = list(_elements(wanted, wanted.contract, least, ()))
    if (least and not elements) or any("." in name for element in elements for name in element.path):
        return _written(wanted, [], json.dumps(least, ensure_ascii=False))
    for _ in range(ROUNDS):
        text = _written(wanted, elements)
        wrong = _wrong(wanted, text)
        if not wrong or all(one.required and len(one.ways) == 1 for one in elements):
            break
        elements = _advanced(wanted, elements, wrong)
    return text


def _advanced(wanted: Wanted, elements: list[Element], wrong: set[str]) -> list[Element]:
    """Give the elements that are at fault their next ways; those of a rule between elements one at a time."""
    if wrong != {""}:
        return [tried for one in elements if (tried := _next(one) if _is_wrong(one, wrong) else one) is not None]
    others = [
        [tried for at, other in enumerate(elements) if (tried := _next(other) if at == place else other) is not None]
        for place, one in reversed(list(enumerate(elements)))
        if len(one.ways) > 1 or not one.required
    ]
    return next((other for other in others if "" not in _wrong(wanted, _written(wanted, other))), others[0])


def _is_wrong(element: Element, wrong: set[str]) -> bool:
    name = ".".join(element.path)
    return any((one and f"{name}.".startswith(f"{one}.")) or one.startswith(f"{name}.") for one in wrong)


def _next(element: Element) -> Element | None:
    """Give an element its next way; None when it has no other, and may be left out."""
    if len(element.ways) > 1:
        return replace(element, ways=element.ways[1:])
    return element if element.required else None


def _elements(wanted: Wanted, schema: Schema, least: Any, above: tuple[str, ...]) -> Iterator[Element]:
    """Give what is to be written: all that the least example has, and what a source may feed beside it."""
    for name, within in _opened(schema, wanted.contract).get("properties", {}).items():
        path, one = (*above, name), _opened(within, wanted.contract)
        required = isinstance(least, dict) and name in least
        if required and isinstance(least[name], dict) and one.get("properties") and least[name]:
            yield from _elements(wanted, one, least[name], path)
            continue
        ways = tuple(_ways(wanted, name, one))
        if required:
            sample = json.dumps(least[name], ensure_ascii=False)
            yield Element(path, (*ways, sample), required=True, near=ways[0] if ways else "")
        elif ways and _sort(one) not in {"object", ""}:
            yield Element(path, ways, required=False)


def _ways(wanted: Wanted, name: str, schema: Schema) -> Iterator[str]:
    """Give the expressions that may feed an element, the plainest first."""
    if wanted.data is None:
        return
    plain, sort = bare(name), _sort(schema)
    known = {"$key": {"type": "string"}, **dict(_leaves(document_schema(wanted.data, wanted.kind)))}
    for path, source in sorted(known.items(), key=lambda one: not one[0].startswith("data.")):
        called = bare(path.rpartition(".")[2]) == plain if path.startswith("data.") else plain in MEANS.get(path, ())
        if not called:
            continue
        if sort == "array":
            yield f"{path}[]"
            if most := _opened(schema.get("items", {}), wanted.contract).get("maxLength"):
                yield f"[{path}.$cut($, {most})]"
        elif _sort(source) == sort:
            yield path
            if most := schema.get("maxLength"):
                yield f"$cut({path}, {most})"
                yield f"$cut($latin1({path}), {most})"
                yield f"$cut($upper($ascii({path})), {most})"
            if schema.get("format") == "date":
                yield f"$substring({path}, 0, 10)"


def _leaves(
    schema: Schema, above: str = "", root: Schema | None = None, depth: int = 0
) -> Iterator[tuple[str, Schema]]:
    root = schema if root is None else root
    for name, within in schema.get("properties", {}).items():
        one = _opened(within, root)
        if one.get("properties") and depth < 8:
            yield from _leaves(one, f"{above}{name}.", root, depth + 1)
        elif re.fullmatch(r"[A-Za-z_]\w*", name):
            yield f"{above}{name}", one


def _written(wanted: Wanted, elements: list[Element], whole: str = "") -> str:
    """Write the file; its example is what it gives for the kind's first sample."""
    fields: dict[str, Any] = {}
    for one in elements:
        place = fields
        for part in one.path[:-1]:
            place = place.setdefault(part, {})
        place[one.path[-1]] = one
    given = {"number": 167046020, "received_at": "2026-09-07T09:12:45+02:00", **(wanted.sample or {})}
    lines = [] if whole else list(_lines(wanted.contract, wanted.contract, fields))
    bindings = {"key": KEY} if any("$key" in one.ways[0] for one in elements) else {}
    said = {"wanted": wanted, "lines": lines, "whole": whole and _scalar(whole), "empty": not fields}
    text = sheet("mapping.yaml", **said, examples=_shown(given, bindings, {}))
    expected = CompiledMapping.read(f"mappings/{wanted.name}.yaml", text).apply(given, bindings)
    return sheet("mapping.yaml", **said, examples=_shown(given, bindings, expected))


def _shown(given: Mapping[str, Any], bindings: Mapping[str, Any], expected: Any) -> str:
    example = {"name": "a request of the samples" if "data" in given else "the contract's own sample", "given": given}
    example |= {"bindings": bindings} if bindings else {}
    return yaml.safe_dump(
        {"examples": [example | {"expect": expected}]}, allow_unicode=True, sort_keys=False, width=110
    )


def _wrong(wanted: Wanted, text: str) -> set[str]:
    """Name the fields that are not proved."""
    if wanted.data is None:
        return set()
    with TemporaryDirectory() as folder:
        file = Path(folder) / "mapping.yaml"
        file.write_text(text, "utf-8")
        mapping = CompiledMapping.read(file, text)
        contract = Contract(dict(wanted.contract), file)
        return {finding.field for finding in prove(mapping, file, {wanted.kind: wanted.data}, contract)}


def _lines(schema: Schema, root: Schema, fields: Mapping[str, Any], depth: int = 1) -> Iterator[str]:
    """Write every element on a line: what feeds it, or, commented, what might."""
    opened = _opened(schema, root)
    for name, within in opened.get("properties", {}).items():
        key, said = _key(name), described(within, root)
        claim = "required, " if name in opened.get("required", ()) else ""
        match fields.get(name):
            case None:
                yield f"{'  ' * depth}# {key}: {said}"
            case dict() as members:
                yield f"{'  ' * depth}{key}:"
                yield from _lines(within, root, members, depth + 1)
            case element:
                near = f"; like {element.near}" if element.near not in element.ways[0] else ""
                yield f"{'  ' * depth}{key}: {_scalar(element.ways[0])}  # {claim}{said}{near}"


def described(schema: Any, root: Schema) -> str:
    """Say on a line what sort of value a schema takes."""
    one = _opened(schema, root)
    sort = _sort(one) or "anything"
    match sort:
        case "object":
            return f"object of {', '.join(one.get('properties', {})) or 'anything'}"
        case "array":
            return f"list of {described(one.get('items', {}), root)}"
    said = [one.get("format") or ("text" if sort == "string" else sort)]
    said += [f"one of {', '.join(map(str, one['enum'][:12]))}"] if "enum" in one else []
    said += [words.format(one[word]) for word, words in LIMITS.items() if word in one and "enum" not in one]
    return " ".join(", ".join(said).split())


LIMITS: Final[Mapping[str, str]] = {
    "const": "always {}",
    "minLength": "at least {} long",
    "maxLength": "at most {} long",
    "minimum": "from {}",
    "maximum": "to {}",
    "pattern": "as {}",
}


def _opened(schema: Any, root: Schema) -> Schema:
    """Give the schema that a reference, or what may also be null, stands for."""
    if not isinstance(schema, Mapping):
        return {}
    if "$ref" in schema:
        return _opened(root.get("$defs", {}).get(schema["$ref"].rpartition("/")[2], {}), root)
    choices = [one for one in schema.get("anyOf", ()) if isinstance(one, Mapping) and one.get("type") != "null"]
    if len(choices) == 1 and not {"properties", "type"} & schema.keys():
        return _opened(choices[0], root)
    if "allOf" in schema and not {"properties", "type"} & schema.keys():
        return _joined([_opened(one, root) for one in schema["allOf"]])
    return schema


def _joined(parts: list[Schema]) -> Schema:
    """Give the one schema that several make: of objects their members together, else the first."""
    if not all("properties" in one for one in parts):
        return parts[0]
    members = {name: said for one in parts for name, said in one["properties"].items()}
    return {"type": "object", "properties": members, "required": [x for one in parts for x in one.get("required", ())]}


def _sort(schema: Schema) -> str:
    sort = schema.get("type", "object" if "properties" in schema else "")
    return next((one for one in sort if one != "null"), "") if isinstance(sort, list) else str(sort)


def _key(name: str) -> str:
    """Write a member's name as YAML reads it: as a text."""
    return name if re.fullmatch(r"[A-Za-z_]\w*", name) and name.lower() not in WORDS else json.dumps(name)


WORDS: Final = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
"""What YAML reads as no text."""


def _scalar(expression: str) -> str:
    """Write an expression as YAML reads it: bare when it is a path, else in quotes."""
    if re.fullmatch(r"\$?[a-z_][\w.]*(\[\])?", expression) and expression.lower() not in WORDS:
        return expression
    return "'" + expression.replace("'", "''") + "'"
