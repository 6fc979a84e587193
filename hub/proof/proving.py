"""The proof of a mapping: what it reads exists, and what it writes its target's contract takes, at every extreme.

A mapping is held against the schemas of both sides. What it reads and which elements it writes is known without
running it; the rest is decided by running it on the extreme documents of its kind's schema, field by field.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import jsonschema_rs

from hub.contracts import MASK, Contract
from hub.errors import MappingError
from hub.functions import CLOSED_LIST
from hub.mapping import FAILURES, CompiledMapping, Expression
from hub.proof.finding import Finding
from hub.proof.occasions import Source, source_of_schema
from hub.proof.reading import Tree, fields_of, reads_of, touches, unknown
from hub.proof.witnesses import Schema, Witness, opened
from hub.yamlfile import line_of

WHOLE: Final = " with every field"

CODES: Final[Mapping[str, str]] = {
    "required": "element-missing",
    "additionalProperties": "element-unknown",
    "falseSchema": "choice",
    "oneOf": "choice",
    "anyOf": "choice",
    "not": "choice",
    "enum": "value-unmapped",
    "const": "value-unmapped",
    "maxLength": "length",
    "minLength": "length",
    "pattern": "pattern",
    "format": "format",
    "type": "type",
    "minItems": "cardinality",
    "maxItems": "cardinality",
    "uniqueItems": "cardinality",
    "minimum": "bounds",
    "maximum": "bounds",
    "exclusiveMinimum": "bounds",
    "exclusiveMaximum": "bounds",
    "multipleOf": "bounds",
}
"""A keyword of the contract's schema → the rule that a mapping breaks."""

ADVICE: Final[Mapping[str, str]] = {
    "path-unknown": "read a field that the schema has, or add it to the schema",
    "function-unknown": "call one of the closed list (docs/reference.md), or bind it",
    "element-unknown": "take it out, or write it under the contract's own name",
    "element-missing": "add it to `fields`",
    "element-absent": "give a default (`?? …`), or require the field in the form",
    "choice": "write one of the elements that exclude each other, by a condition",
    "value-unmapped": "give each value of the form its own in the `$lookup`, or a default",
    "length": "cut it (`$cut(…, n)`) after what lengthens it, and give a default for nothing",
    "pattern": "write only what the pattern allows, and give a default for the rest",
    "charset": "write it with `$latin1(…)`, `$ascii(…)` or `$lettres(…)`",
    "format": "convert it (`$date_iso`, `$date_fr`, `$substring(…, 0, 10)`)",
    "type": "convert it (`$number`, `$string`), or write a list as `[…]`",
    "null": "leave the element out where there is nothing: no `null`",
    "cardinality": "write a list (`[…]`) with no more and no fewer items than the contract allows",
    "bounds": "hold it between the contract's bounds",
    "fails": "write for this value too, or let the form refuse it",
    "route-fails": "a condition or list of the route cannot be evaluated for such a request",
}
"""A rule → what to do."""


def prove(
    mapping: CompiledMapping, file: Path, sources: Mapping[str, Schema | Source], contract: Contract | None
) -> Iterator[Finding]:
    """Find where a mapping breaks the schema of what it reads, or the contract of what it writes.

    `sources`: kind → the schema of its data, or all that is known of it. What a mapping reads must exist in one of
    them; what it writes must fit for each. Without a contract only the reading is proved.
    """
    made_from = [of if isinstance(of, Source) else source_of_schema(name, of, mapping) for name, of in sources.items()]
    case = _Case(mapping, file, contract)
    seen: set[tuple[str, str]] = set()
    for finding in (*case.unread(made_from), *case.unwritten(), *case.tried(made_from)):
        if (finding.code, finding.field) not in seen:
            seen.add((finding.code, finding.field))
            yield finding


@dataclass(frozen=True)
class _Part:
    """One expression of a mapping: what it reads, the element it writes, and that element's schema."""

    name: str
    expression: Expression
    reads: Tree
    validator: jsonschema_rs.Draft202012Validator | None
    required: bool


class _Case:
    """One mapping before its judge."""

    def __init__(self, mapping: CompiledMapping, file: Path, contract: Contract | None) -> None:
        self._mapping, self._file, self._contract = mapping, file, contract

    @cached_property
    def _text(self) -> str:
        return self._file.read_text("utf-8")

    @cached_property
    def _parts(self) -> list[_Part]:
        return [self._part(name, expression) for name, expression in self._mapping.parts.items()]

    def _part(self, name: str, expression: Expression) -> _Part:
        if self._contract is None:
            return _Part(name, expression, reads_of(expression), None, required=False)
        whole = name == "expression"
        schema, required = _below(self._contract.schema, [] if whole else name.split("."))
        if schema is None:
            return _Part(name, expression, reads_of(expression), None, required=False)
        within = {**schema, "$defs": self._contract.schema.get("$defs", {})}
        checks = self._contract.rehearse is None
        validator = jsonschema_rs.Draft202012Validator(within, validate_formats=checks, mask=MASK)
        return _Part(name, expression, reads_of(expression), validator, required=required)

    def unread(self, sources: Iterable[Source]) -> Iterator[Finding]:
        """Find what is read and exists in none of the kinds."""
        sources = list(sources)
        files = [("files", self._mapping.files)] if self._mapping.files else []
        for name, expression in [*self._mapping.parts.items(), *files] if sources else ():
            tree = reads_of(expression)
            each = [dict(unknown(tree, source.known, source.known)) for source in sources]
            for path in set(each[0]).intersection(*each[1:]):
                near = f": did you mean {each[0][path]}?" if each[0][path] else ""
                kinds = ", ".join(source.name for source in sources)
                yield self._finding("path-unknown", name, f"reads {path}, which {_of(kinds)} has not{near}")
            yield from self._unbound(name, tree, sources)

    def _unbound(self, name: str, tree: Tree, sources: list[Source]) -> Iterator[Finding]:
        """Find the bindings that are read and never given, and the functions that nobody knows."""
        bound = {one for source in sources for one in source.known["properties"] if one.startswith("$")}
        for one in tree if isinstance(tree, dict) else ():
            if one.startswith("$") and one not in bound and one[1:] not in CLOSED_LIST:
                given = ", ".join(sorted(bound)) or "nothing"
                yield self._finding("path-unknown", name, f"reads {one}, which is not given here ({given} is)")

    def unwritten(self) -> Iterator[Finding]:
        """Find elements that the contract does not know."""
        if self._contract is None:
            return
        root = self._contract.schema
        for name in self._mapping.parts:
            schema: Schema = root
            path = [] if name == "expression" else name.split(".")
            for depth, part in enumerate(path):
                fields, closed = fields_of(schema, root)
                if part not in fields:
                    if closed:
                        known = ", ".join(fields) or "no element"
                        yield self._finding(
                            "element-unknown", ".".join(path[: depth + 1]), f"the contract has {known} there"
                        )
                    break
                schema = fields[part]

    def tried(self, sources: Iterable[Source]) -> Iterator[Finding]:
        """Write for every witness of each source, and find what the contract refuses.

        What is wrong with a whole document is no fault of the one value that makes another of it: it is said last, and
        only if no value alone brings it about.
        """
        for source in sources:
            whole: dict[int, dict[tuple[str, str], Finding]] = {}
            for witness in source.witnesses:
                known = whole.setdefault(witness.base, {})
                for finding in self._try(source, witness):
                    if not witness.place:
                        known.setdefault((finding.code, finding.field), finding)
                    elif (finding.code, finding.field) not in known:
                        yield finding
            for finding in (finding for known in whole.values() for finding in known.values()):
                always = all((finding.code, finding.field) in known for known in whole.values())
                yield replace(finding, message=_cut_short(finding.message)) if always else finding

    def _try(self, source: Source, witness: Witness) -> Iterator[Finding]:
        affected = self._parts
        if witness.place:
            item = source.listed is not None and touches(source.listed, witness.place)
            affected = [one for one in affected if touches(one.reads, witness.place) or (item and _lists(one.reads))]
            if not affected and not item:
                return
        document = {name: value for name, value in witness.document.items() if not name.startswith("$")}
        own = {name[1:]: value for name, value in witness.document.items() if name.startswith("$")}
        try:
            for given in source.occasions(document):
                yield from self._write(document, {**given, **own}, witness, affected)
        except MappingError as error:
            yield self._finding("route-fails", "", f"{', '.join(error.fields)} fails{witness.said}")

    def _write(
        self, document: Mapping[str, Any], given: Mapping[str, Any], witness: Witness, affected: list[_Part]
    ) -> Iterator[Finding]:
        if witness.bends or self._contract is None or any(part.validator is None for part in affected):
            yield from self._write_whole(document, given, witness)
            return
        for part in affected:
            try:
                value = part.expression.value(document, given)
            except FAILURES:
                yield self._finding("fails", part.name, f"cannot be evaluated{witness.said}")
                continue
            if value is not None and part.validator is not None:
                at = [] if part.name == "expression" else part.name.split(".")
                for error in part.validator.iter_errors(value):
                    yield from self._refused(error, at, value, witness)
            elif part.required:
                yield self._finding("element-absent", part.name, f"is required, and nothing is written{witness.said}")

    def _write_whole(
        self, document: Mapping[str, Any], given: Mapping[str, Any], witness: Witness
    ) -> Iterator[Finding]:
        try:
            value = self._mapping.whole.value(document, given)
        except FAILURES:
            failing = [part.name for part in self._parts if _fails(part.expression, document, given)]
            for name in failing or [""]:
                yield self._finding("fails", name, f"cannot be evaluated{witness.said}")
            return
        if self._contract is not None:
            for error in self._contract.validator.iter_errors(value):
                yield from self._refused(error, [], value, witness)

    def _refused(
        self, error: jsonschema_rs.ValidationError, above: list[str], value: Any, witness: Witness
    ) -> Iterator[Finding]:
        """Say in the mapping's terms what the contract refuses."""
        for one in _nearest(error):
            path = [*above, *map(str, one.instance_path)]
            kind: Any = one.kind
            code, said = CODES.get(kind.name, kind.name), one.message.replace(f"{MASK} ", "", 1)
            if kind.name == "required":
                path.append(kind.property)
                fed = self._is_fed(path)
                code, said = ("element-absent" if fed else "element-missing"), "is required, and nothing is written"
            elif kind.name == "additionalProperties":
                path, said = [*path, *kind.unexpected[:1]], "is no element of the contract"
            elif kind.name == "type" and _value_at(value, one.instance_path) is None:
                code = "null"
            elif kind.name == "pattern" and _is_foreign(_value_at(value, one.instance_path)):
                code, said = "charset", "holds characters that the contract does not take"
            field = ".".join(part for part in path if not part.isdigit())
            yield self._finding(code, field, f"{said}{witness.said}")

    def _is_fed(self, path: list[str]) -> bool:
        bare = ".".join(part for part in path if not part.isdigit())
        return any(bare == name or bare.startswith(f"{name}.") for name in self._mapping.parts)

    def _finding(self, code: str, field: str, said: str) -> Finding:
        place = ("expression",) if field in {"", "expression"} else ("fields", *field.split("."))
        place = ("files",) if field == "files" else place
        line = line_of(self._text, place)
        message = f"{field}: {said}" if field else said
        return Finding(str(self._file), message, line or 1, field, ADVICE.get(code, ""), code)


def accept(findings: Iterable[Finding], why: str) -> list[Finding]:
    """Let findings stand, for the reason that the mapping's `allow_unproved` gives."""
    return [replace(finding, accepted=why) for finding in findings]


def _below(schema: Schema, path: list[str]) -> tuple[dict[str, Any] | None, bool]:
    """Give the schema of the element at a path, and whether it must be written; None when that is not one schema."""
    root, required = schema, False
    for part in path:
        schema = opened(schema, root)
        fields = schema.get("properties", {})
        if part not in fields or not isinstance(fields[part], Mapping):
            return None, False
        required = part in schema.get("required", ())
        schema = fields[part]
    return dict(schema), required


def _nearest(error: jsonschema_rs.ValidationError) -> list[jsonschema_rs.ValidationError]:
    """Of an element that has several shapes give what is wrong with the one that was meant; else the error itself."""
    if error.kind.name not in {"anyOf", "oneOf"}:
        return [error]
    ways = [list(way) for way in getattr(error.kind, "context", ()) if way]
    here = list(error.instance_path)
    meant = [way for way in ways if not any(_is_another(one, here) for one in way)]
    return [leaf for one in meant[0] for leaf in _nearest(one)] if len(meant) == 1 else [error]


def _is_another(error: jsonschema_rs.ValidationError, here: list[Any]) -> bool:
    """Whether an error says that a value is of another shape altogether."""
    return error.kind.name in {"type", "required", "const"} and len(list(error.instance_path)) <= len(here) + 1


def _value_at(value: Any, path: Iterable[Any]) -> Any:
    for part in path:
        value = value[part]
    return value


def _is_foreign(value: Any) -> bool:
    return isinstance(value, str) and any(ord(letter) > 255 for letter in value)


def _fails(expression: Expression, document: Mapping[str, Any], given: Mapping[str, Any]) -> bool:
    try:
        expression.value(document, given)
    except FAILURES:
        return True
    return False


def _cut_short(message: str) -> str:
    """Leave out for which request it is, of what is wrong with all."""
    return message.partition(WHOLE)[0]


def _lists(tree: Tree) -> bool:
    return tree is True or "$item" in tree


def _of(kinds: str) -> str:
    return kinds if kinds != "*" else "a request of any kind"
