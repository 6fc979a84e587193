"""What is wrong with a form, said in French, field by field, in the words of the form and never with its values."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, Final, TypeAlias

from jsonschema_rs import ValidationError, ValidationErrorKind

MOST_ERRORS: Final = 50
MOST_CHOICES: Final = 20
LONGEST_NAME: Final = 40

Place: TypeAlias = tuple[str | int, ...]
Findings: TypeAlias = Iterator[tuple[Place, str]]

REQUIRED: Final = "ce champ est obligatoire"
UNKNOWN: Final = "champ inconnu"
UNREADABLE: Final = "valeur non valide"

TYPES: Final[Mapping[str, str]] = {
    "string": "un texte",
    "integer": "un nombre entier",
    "number": "un nombre",
    "boolean": "vrai ou faux",
    "array": "une liste",
    "object": "un groupe de champs",
    "null": "une valeur vide",
}

FORMATS: Final[Mapping[str, str]] = {
    "date": "une date existante, au format AAAA-MM-JJ",
    "time": "une heure avec son fuseau, au format HH:MM:SS+HH:MM",
    "date-time": "une date et une heure avec leur fuseau, au format AAAA-MM-JJTHH:MM:SS+HH:MM",
    "email": "une adresse électronique",
    "idn-email": "une adresse électronique",
    "uri": "une adresse internet complète",
    "uuid": "un identifiant UUID",
    "iban": "un IBAN dont la clé est juste, sans espaces",
    "siret": "un SIRET de quatorze chiffres dont la clé est juste",
}


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing to correct: where (JSON pointer), the field as the form calls it, and what is expected."""

    pointer: str
    field: str
    message: str


def printable(step: str | int) -> str:
    """Give a property's name fit to be said back: it comes from the caller and may hold anything."""
    name = str(step)
    return name[:LONGEST_NAME] if re.fullmatch(r"[A-Za-z0-9_.-]+", name) else "…"


def pointer(path: Iterable[str | int]) -> str:
    """Write a path as a JSON pointer (RFC 6901) made of printable names."""
    return "".join(f"/{printable(step)}" for step in path)


class Form:
    """A JSON Schema, read for what it says of each of its fields, through `$ref` and every combination."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = schema

    def explain(self, errors: Iterable[ValidationError], prefix: Place = ()) -> tuple[FieldError, ...]:
        """Say what is wrong, once each and at most fifty times; `prefix` is where the form's data stand."""
        found = chain.from_iterable(map(self._findings, errors))
        said = dict.fromkeys(
            FieldError(pointer((*prefix, *path)), self.title(path), message)
            for path, message in islice(found, MOST_ERRORS * 4)
        )
        return tuple(islice(said, MOST_ERRORS))

    def title(self, path: Place) -> str:
        """Name a field as the form does; an element without a title bears its list's, a property its own name."""
        named = self._says(path, "title")
        if named or not path:
            return named
        return self.title(path[:-1]) if isinstance(path[-1], int) else printable(path[-1])

    def _says(self, path: Place, keyword: str) -> str:
        return next((str(node[keyword]) for node in self._nodes(path) if keyword in node), "")

    def _nodes(self, path: Place) -> list[Mapping[str, Any]]:
        nodes = self._spread([self._schema])
        for step in path:
            nodes = self._spread(child for node in nodes for child in _inside(node, step))
        return nodes

    def _spread(self, schemas: Iterable[Any]) -> list[Mapping[str, Any]]:
        """Follow references and combinations: all that is said of the same place, nearest first."""
        found: list[Mapping[str, Any]] = []
        waiting = deque(schemas)
        while waiting:
            node = waiting.popleft()
            if isinstance(node, Mapping) and not any(node is known for known in found):
                found.append(node)
                waiting.extend(self._alike(node))
        return found

    def _alike(self, node: Mapping[str, Any]) -> Iterator[Any]:
        if "$ref" in node:
            yield self._resolve(node["$ref"])
        for keyword in ("allOf", "oneOf", "anyOf"):
            yield from node.get(keyword, ())
        for keyword in ("then", "else"):
            yield node.get(keyword)
        yield from node.get("dependentSchemas", {}).values()

    def _resolve(self, reference: str) -> Any:
        node: Any = self._schema
        for step in reference.removeprefix("#").split("/")[1:]:
            node = node.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(node, Mapping) else None
        return node

    def _findings(self, error: ValidationError) -> Findings:
        path = tuple(error.instance_path)
        match error.kind:
            case ValidationErrorKind.Required(property=name):
                yield (*path, name), REQUIRED
            case ValidationErrorKind.AdditionalProperties() | ValidationErrorKind.UnevaluatedProperties() as kind:
                yield from (((*path, name), UNKNOWN) for name in kind.unexpected)
            case ValidationErrorKind.AnyOf() | ValidationErrorKind.OneOfNotValid() as kind:
                yield from self._closest(path, kind.context)
            case ValidationErrorKind.Pattern():
                hint = self._says(path, "x-format-hint") or self._says(path, "description")
                yield path, f"format non reconnu ; attendu : {hint}" if hint else "format non reconnu"
            case kind:
                sentence = SENTENCES.get(kind.name)
                yield path, sentence(kind) if sentence else UNREADABLE

    def _closest(self, path: Place, branches: Sequence[Sequence[ValidationError]]) -> Findings:
        """Explain the alternative that the data came nearest to; several as near are named together."""
        distances = [_distance(path, branch) for branch in branches]
        nearest = [branch for branch, distance in zip(branches, distances, strict=True) if distance == min(distances)]
        if len(nearest) == 1:
            yield from chain.from_iterable(map(self._findings, nearest[0]))
        else:
            yield path, self._any_of(path, [error.kind for branch in nearest for error in branch])

    def _any_of(self, path: Place, kinds: Sequence[ValidationErrorKind]) -> str:
        allowed = [
            value
            for kind in kinds
            if isinstance(kind, ValidationErrorKind.Constant | ValidationErrorKind.Enum)
            for value in _allowed(kind)
        ]
        types = [name for k in kinds if isinstance(k, ValidationErrorKind.Type) for name in k.types]
        required = [k.property for k in kinds if isinstance(k, ValidationErrorKind.Required)]
        if allowed:
            return choices(allowed)
        if len(types) >= len(kinds):
            return expected(types)
        if len(required) == len(kinds):
            titles = dict.fromkeys(self.title((*path, name)) for name in required)
            return f"remplir au moins l'un de ces champs : {', '.join(titles)}"
        return "ne correspond à aucune des formes prévues"


def _inside(node: Mapping[str, Any], step: str | int) -> Iterator[Any]:
    if isinstance(step, int):
        first = node.get("prefixItems", ())
        yield first[step] if step < len(first) else node.get("items")
        return
    properties = node.get("properties", {})
    if step in properties:
        yield properties[step]
    else:
        yield from node.get("patternProperties", {}).values()
        yield node.get("additionalProperties")


def _allowed(kind: ValidationErrorKind.Constant | ValidationErrorKind.Enum) -> list[Any]:
    return kind.options if isinstance(kind, ValidationErrorKind.Enum) else [kind.expected_value]


def _distance(path: Place, branch: Sequence[ValidationError]) -> tuple[int, int, int]:
    """Measure how far data are from an alternative: being of another nature, of another choice, incomplete."""
    own = [e.kind.name for e in branch if len(e.instance_path) == len(path)]
    deeper = [e.kind.name for e in branch if len(e.instance_path) > len(path)]
    natures = sum(name in {"type", "const", "enum"} for name in own)
    return natures, sum(name in {"const", "enum"} for name in deeper), len(branch)


def choices(values: Iterable[Any]) -> str:
    """Say which values a closed list allows; they come from the form, not from the caller."""
    said = [str(value) for value in values if value is not None]
    more = ", …" if len(said) > MOST_CHOICES else ""
    return f"valeur non prévue ; valeurs possibles : {', '.join(said[:MOST_CHOICES])}{more}"


def expected(types: Iterable[str]) -> str:
    """Say of which JSON types a value may be; that it may be left out goes without saying."""
    known = dict.fromkeys(TYPES.get(name, name) for name in types)
    if len(known) > 1:
        known.pop(TYPES["null"], None)
    return f"{' ou '.join(known)} est attendu"


def count(number: Any, noun: str) -> str:
    """Count things in French: plural from two on."""
    return f"{number} {noun if number < 2 else noun + 's'}"


def amount(number: Any) -> str:
    """Write a number with the French decimal comma."""
    return str(number).replace(".", ",")


SENTENCES: Final[Mapping[str, Callable[[Any], str]]] = {
    "maxLength": lambda kind: f"au plus {count(kind.limit, 'caractère')}",
    "minLength": lambda kind: f"au moins {count(kind.limit, 'caractère')}",
    "maxItems": lambda kind: f"au plus {count(kind.limit, 'élément')}",
    "minItems": lambda kind: f"au moins {count(kind.limit, 'élément')}",
    "maxProperties": lambda kind: f"au plus {count(kind.limit, 'champ')}",
    "minProperties": lambda kind: f"au moins {count(kind.limit, 'champ')}",
    "maximum": lambda kind: f"au plus {amount(kind.limit)}",
    "minimum": lambda kind: f"au moins {amount(kind.limit)}",
    "exclusiveMaximum": lambda kind: f"moins de {amount(kind.limit)}",
    "exclusiveMinimum": lambda kind: f"plus de {amount(kind.limit)}",
    "multipleOf": lambda kind: f"un multiple de {amount(kind.multiple_of)}",
    "enum": lambda kind: choices(kind.options),
    "const": lambda kind: choices([kind.expected_value]),
    "type": lambda kind: expected(kind.types),
    "format": lambda kind: FORMATS.get(kind.format, "format non reconnu"),
    "uniqueItems": lambda _: "le même élément figure deux fois",
    "contains": lambda _: "il manque un élément attendu",
    "additionalItems": lambda _: "élément en trop",
    "unevaluatedItems": lambda _: "élément en trop",
    "propertyNames": lambda _: "un nom de champ n'est pas admis",
    "falseSchema": lambda _: "champ non admis ici",
    "not": lambda _: "valeur non admise",
    "oneOf": lambda _: "correspond à plusieurs formes à la fois",
}
"""What a keyword of JSON Schema 2020-12 asks for, written from the limits it states."""

PARAMETERS: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = {
    "missing": lambda _: REQUIRED,
    "extra_forbidden": lambda _: UNKNOWN,
    "string_too_long": lambda limits: f"au plus {count(limits['max_length'], 'caractère')}",
    "string_too_short": lambda limits: f"au moins {count(limits['min_length'], 'caractère')}",
    "too_long": lambda limits: f"au plus {count(limits['max_length'], 'élément')}",
    "too_short": lambda limits: f"au moins {count(limits['min_length'], 'élément')}",
    "less_than_equal": lambda limits: f"au plus {amount(limits['le'])}",
    "greater_than_equal": lambda limits: f"au moins {amount(limits['ge'])}",
    "less_than": lambda limits: f"moins de {amount(limits['lt'])}",
    "greater_than": lambda limits: f"plus de {amount(limits['gt'])}",
    "enum": lambda limits: f"valeur non prévue ; valeurs possibles : {limits['expected'].replace(' or ', ', ')}",
    "string_pattern_mismatch": lambda _: "format non reconnu",
    "int_parsing": lambda _: expected(["integer"]),
    "int_type": lambda _: expected(["integer"]),
    "bool_parsing": lambda _: expected(["boolean"]),
    "string_type": lambda _: expected(["string"]),
    "date_from_datetime_parsing": lambda _: FORMATS["date"],
    "datetime_from_date_parsing": lambda _: FORMATS["date-time"],
    "timezone_aware": lambda _: FORMATS["date-time"],
    "uuid_parsing": lambda _: FORMATS["uuid"],
}
"""What pydantic's error types ask for, written from `ctx`; its own sentences may hold the value."""


def explain_model(
    errors: Iterable[Mapping[str, Any]], form: Form | None = None, prefix: Place = ()
) -> tuple[FieldError, ...]:
    """Say what pydantic found (the list of `ValidationError.errors()`), in the words of `form` if there is one."""
    named = form or Form({})
    return tuple(
        FieldError(pointer((*prefix, *error["loc"])), named.title(tuple(error["loc"])), _model_message(error))
        for error in islice(errors, MOST_ERRORS)
    )


def _model_message(error: Mapping[str, Any]) -> str:
    sentence = PARAMETERS.get(error["type"])
    return sentence(error.get("ctx", {})) if sentence else UNREADABLE
