"""Mappings: from the normalized request to an operation's input, in JSONata, compiled once.

The only module that knows which JSONata engine runs (docs/decisions/0003).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import jlens
import orjson
from pydantic import Field, model_validator

from hub.errors import ConfigurationError, MappingError
from hub.functions import CLOSED_LIST
from hub.model import Frozen
from hub.yamlfile import line_of, read_yaml

LIMITS: Final[Mapping[str, Any]] = {
    "timeout": 2.0,
    "max_depth": 200,
    "max_array_length": 10_000,
    "max_result_size": 4_000_000,
}

Fields = Mapping[str, "str | Fields | list[str | Fields]"]


class Example(Frozen):
    """A request, or the part of it that matters, and what the mapping must write for it."""

    name: str
    given: dict[str, Any]
    bindings: dict[str, Any] = Field(default_factory=dict)
    expect: Any


class MappingFile(Frozen):
    """What a mapping's YAML says."""

    mapping: str
    kinds: tuple[str, ...] = Field(alias="from")
    to: str = Field(pattern=r"^[a-z0-9_]+\.[a-z0-9_]+$")
    fields: dict[str, Any] | None = None
    expression: str | None = None
    files: str | None = None
    allow_unproved: str | None = None
    examples: tuple[Example, ...] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def one_kind_may_stand_alone(cls, content: Any) -> Any:
        """Read `from: kind` as `from: [kind]`."""
        if isinstance(content, dict) and isinstance(content.get("from"), str):
            return {**content, "from": [content["from"]]}
        return content

    @model_validator(mode="after")
    def one_way_of_writing(self) -> Self:
        """Require either `fields` or `expression`."""
        if (self.fields is None) == (self.expression is None):
            raise ValueError("give either `fields`, one expression a field, or one `expression` for the whole")
        return self


class Expression:
    """One compiled JSONata expression with the closed list of functions."""

    def __init__(self, source: str) -> None:
        self.source = source
        self._compiled = jlens.Expression(source)
        for name, (signature, body) in CLOSED_LIST.items():
            self._compiled.register_function(name, body, signature)

    def value(self, document: Any, bindings: Mapping[str, Any] | None = None) -> Any:
        """Evaluate against a document; None when nothing is there. Raises jlens.JlensError, ValueError or KeyError."""
        return self._compiled.evaluate(document, dict(bindings or {}), **LIMITS)

    def reads(self) -> Any:
        """Tell which fields of the document the expression reads."""
        return self._compiled.reads()

    def text(self, document: str, bindings: Mapping[str, Any], now: int, seed: int) -> str | None:
        """Evaluate JSON text to JSON text, None when nothing is there: the same for the same `now` and `seed`, always.

        Raises what `value` raises.
        """
        return self._compiled.evaluate_json(document, dict(bindings), now=now, seed=seed, **LIMITS)

    def sources(self) -> list[str]:
        """List the paths read, `data.avis.date` of the document and `$item.nom` of the bindings; functions are none."""
        read = self._compiled.reads()
        given = {f"${name}": of for name, of in read["bindings"].items() if name not in CLOSED_LIST}
        return [*_paths(read.get("input", {})), *_paths(given)]

    def trace(self, document: Any, bindings: Mapping[str, Any]) -> Trace:
        """Evaluate, and say which way was taken; an error is part of what is said."""
        said = self._compiled.evaluate_with_audit(document, dict(bindings), level="full", **LIMITS)
        root = said["audit"]["root"]
        choices = tuple(dict.fromkeys(_choices(root)))
        if said["error"] is not None:
            return Trace(failed=True, choices=choices)
        return Trace(said["result"], written=root.get("outcome") != "undefined", choices=choices)


@dataclass(frozen=True, slots=True)
class Trace:
    """What an expression came to, and how: `choices` in the mapping's own words, without any value."""

    value: Any = None
    written: bool = False
    failed: bool = False
    choices: tuple[str, ...] = ()


def _paths(read: Any, above: str = "") -> Iterator[str]:
    """Write out what is read as paths, one for each value that is read whole."""
    if read is True or not read:
        yield from [above] if above else []
        return
    for name, of in read.items():
        yield from _paths(of, f"{above}.{name}" if above else name)


def _choices(node: Mapping[str, Any]) -> Iterator[str]:
    """Find the conditions of an audit and how each turned out, and the filters and what they let through."""
    if "branch" in node:
        yield f"{node['source']} → {node['branch']}"
    for one in node.get("filters", ()):
        yield f"[{one['source']}] {one['passed']} of {one['tested']}"
    for child in node.get("children", ()):
        yield from _choices(child)


FAILURES: Final = (jlens.JlensError, ValueError, KeyError, TypeError, ArithmeticError)


@dataclass(frozen=True)
class CompiledMapping:
    """A mapping ready to write."""

    name: str
    kinds: tuple[str, ...]
    connector: str
    operation: str
    examples: tuple[Example, ...]
    whole: Expression
    parts: Mapping[str, Expression]
    files: Expression | None

    @classmethod
    def read(cls, file: Path | str, text: str) -> CompiledMapping:
        """Compile a mapping's YAML; raises ConfigurationError naming the line and the field."""
        said = read_yaml(file, text, MappingFile)
        parts = dict(_parts(said.fields)) if said.fields is not None else {"expression": str(said.expression)}
        compiled = {field: _compile(file, text, field, source) for field, source in parts.items()}
        whole = said.expression or _object(said.fields or {})
        connector, operation = said.to.split(".")
        return cls(
            name=said.mapping,
            kinds=said.kinds,
            connector=connector,
            operation=operation,
            examples=said.examples,
            whole=Expression(whole),
            parts=compiled,
            files=_compile(file, text, "files", said.files) if said.files else None,
        )

    def write(self, document: Mapping[str, Any], bindings: Mapping[str, Any] | None = None) -> bytes:
        """Write the message for a request's document, as JSON; raises MappingError naming the fields that failed."""
        try:
            return orjson.dumps(self.whole.value(document, bindings))
        except FAILURES:
            raise MappingError(self.name, self._failing(document, bindings)) from None

    def apply(self, given: Mapping[str, Any], bindings: Mapping[str, Any] | None = None) -> Any:
        """Write the message as values, for examples and trials."""
        return orjson.loads(self.write(given, bindings))

    def rewrite(self, body: str, bindings: Mapping[str, Any], now: int, seed: int) -> str | tuple[str, ...]:
        """Write the message for a stored body (JSON text), as JSON text; or name the fields that fail.

        What a clock or chance gives is what `now` and `seed` say, so that two mappings can be compared.
        """
        try:
            return self.whole.text(body, bindings, now, seed) or "null"
        except FAILURES:
            return self._failing(orjson.loads(body), bindings)

    def traces(
        self, document: Mapping[str, Any], bindings: Mapping[str, Any]
    ) -> Iterator[tuple[str, Expression, Trace]]:
        """Say of each element of the message, by its path, what is written there and how it came to be."""
        for element, part in self.parts.items():
            yield element, part, part.trace(document, bindings)

    def part_of(self, path: str) -> str:
        """Give the expression that writes the element at `path`, or the one above it that does."""
        bare = path.replace("[]", "")
        found = [name for name in self.parts if bare == name or bare.startswith(f"{name}.")]
        return self.parts[max(found, key=len)].source if found else self.whole.source

    def attachments(self, document: Mapping[str, Any], bindings: Mapping[str, Any] | None = None) -> list[str]:
        """List the ids of the files that go with the message: all of the request's unless `files` chooses.

        Raises MappingError.
        """
        if self.files is None:
            return list(document.get("attachments", ()))
        try:
            chosen = self.files.value(document, bindings)
        except FAILURES:
            raise MappingError(self.name, ("files",)) from None
        return [] if chosen is None else [chosen] if isinstance(chosen, str) else list(chosen)

    def _failing(self, document: Mapping[str, Any], bindings: Mapping[str, Any] | None) -> tuple[str, ...]:
        return tuple(field for field, part in self.parts.items() if _fails(part, document, bindings)) or ("?",)


def _fails(part: Expression, document: Mapping[str, Any], bindings: Mapping[str, Any] | None) -> bool:
    try:
        part.value(document, bindings)
    except FAILURES:
        return True
    return False


def _parts(fields: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Name every leaf by its path: `Demandeur.Nom`."""
    for name, value in fields.items():
        path = f"{above}{name}"
        if isinstance(value, Mapping):
            yield from _parts(value, f"{path}.")
        else:
            yield path, str(value)


def _object(fields: Mapping[str, Any]) -> str:
    """Put every expression together into one JSONata object, so that a message costs one evaluation."""
    members = (
        f"{orjson.dumps(name).decode()}: {_object(value) if isinstance(value, Mapping) else f'({value})'}"
        for name, value in fields.items()
    )
    return "{" + ", ".join(members) + "}"


def _compile(file: Path | str, text: str, field: str, source: str) -> Expression:
    try:
        return Expression(source)
    except jlens.JlensError as error:
        path = (field,) if field in {"expression", "files"} else ("fields", *field.split("."))
        raise ConfigurationError(file, f"{field}: {error} ({error.code})", line_of(text, path)) from None
