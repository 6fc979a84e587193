"""What a mapping may be given: the documents of a kind or a query, and for each what its route binds beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hub.catalogue import CALLBACK_MAPPING, Catalogue, Definition
from hub.contracts import read_schema
from hub.manifest import Operation
from hub.mapping import CompiledMapping, Expression
from hub.model import DeliveryKey, Status, Submission
from hub.proof.reading import joined, reads_of
from hub.proof.witnesses import Witness, Witnesses, opened
from hub.query import Query
from hub.routing import Branch, Carried, Route, Step, named_steps

KEY: Final = DeliveryKey("167046020-1")
DECISION: Final = {"accepted": False, "reason": "Pièce manquante"}
ANY: Final = "*"
STAGE: Final = "$stage"

TEXT: Final = {"type": "string", "minLength": 1, "maxLength": 400}
MOMENT: Final = {"type": "string", "format": "date-time"}
STAGE_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["stage", "status", "final", "message", "sequence", "at"],
    "properties": {
        "stage": {**TEXT, "maxLength": 120},
        "status": {"type": "string", "enum": [str(status) for status in Status]},
        "final": {"type": "boolean"},
        "message": TEXT,
        "sequence": {"type": "integer", "minimum": 1, "maximum": 99},
        "at": MOMENT,
    },
}
"""What a call-back tells."""
DECISION_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {"accepted": {"type": "boolean"}, "reason": TEXT},
}
"""What a person decides."""

Bindings = Mapping[str, Any]
Occasions = Callable[[Mapping[str, Any]], Iterable[Bindings]]


@dataclass(frozen=True)
class Source:
    """What a mapping is made from, and what is bound when it writes for one document.

    A property of a witness or of `known` whose name begins with `$` is a binding. `known`: the schema of what there is
    to read; `listed`: what of the document decides which items there are.
    """

    name: str
    known: Mapping[str, Any]
    witnesses: Iterable[Witness]
    occasions: Occasions
    listed: Any = None


class Sources:
    """The sources of a catalogue's mappings; the witnesses of a kind are made once."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._made: dict[str, list[Witness]] = {}

    def of(self, mapping: CompiledMapping) -> dict[str, Source]:
        """Give what a mapping is made from, by name: its kinds, its queries, or what a call-back tells.

        One that is made from any kind is made from those on whose routes it stands.

        What a target gives has no schema: nothing is known of it.
        """
        found: dict[str, Source] = {}
        for name in mapping.kinds:
            if name == ANY and mapping.name.endswith(f"/{CALLBACK_MAPPING}"):
                found[name] = source_of_stages(mapping)
            elif name == ANY:
                kinds = self._catalogue.kinds
                found |= {kind: self._of_kind(kinds[kind], mapping) for kind in users(self._catalogue, mapping.name)}
            elif name in self._catalogue.kinds:
                found[name] = self._of_kind(self._catalogue.kinds[name], mapping)
            elif name in self._catalogue.queries:
                found[name] = source_of_query(self._catalogue.queries[name])
        return found

    def _of_kind(self, definition: Definition, mapping: CompiledMapping) -> Source:
        """Give the requests of a kind on whose route a mapping writes, and with what each time."""
        route, answers = definition.route, shown_answers(definition)
        lists = [step.for_each for step in route.carried if step.using == mapping.name and step.for_each]
        usual = {"key": KEY, "decision": DECISION, "answers": answers}

        def occasions(document: Mapping[str, Any]) -> Iterator[Bindings]:
            for step in named_steps(list(open_to(route, route.steps, document))):
                if isinstance(step, Carried) and step.using == mapping.name:
                    items = route.items(step, document, answers)
                    yield from (usual if item is None else usual | {"item": item} for item in items)

        bound = {"key": {}, "decision": DECISION_SCHEMA, "answers": _answers(definition, self._catalogue)}
        schema = document_schema(definition.schema, definition.kind)
        known = _with(schema, bound | ({"item": {}} if lists else {}))
        if definition.kind not in self._made:
            self._made[definition.kind] = list(Witnesses(schema))
        listed = joined([reads_of(Expression(one)) for one in lists]) if lists else None
        return Source(definition.kind, known, self._made[definition.kind], occasions, listed)


def users(catalogue: Catalogue, mapping: str) -> list[str]:
    """List the kinds on whose routes a mapping writes."""
    return [
        kind
        for kind, definition in sorted(catalogue.kinds.items())
        if any(step.using == mapping for step in definition.route.carried)
    ]


def source_of_schema(name: str, data: Mapping[str, Any], mapping: CompiledMapping) -> Source:
    """Give the requests whose data a schema describes, with the bindings that the mapping's examples show."""
    shown = [example.bindings for example in mapping.examples]
    given = [one for place, one in enumerate(shown) if one not in shown[:place]]
    schema = document_schema(data, name)
    known = _with(schema, {binding: {} for one in given for binding in one})
    return Source(name, known, Witnesses(schema), lambda _: given)


def source_of_query(query: Query) -> Source:
    """Give the questions of a query."""
    schema = _joined({"site": {"type": "string", "const": "ville"}}, query.schema, ("site", "data"))
    return Source(query.name, schema, Witnesses(schema), lambda _: ({},))


def source_of_stages(mapping: CompiledMapping) -> Source:
    """Give what a call-back tells, of the requests that the mapping's examples show: any kind may be theirs."""
    known = _with(document_schema({}, None), {"key": {}, "stage": STAGE_SCHEMA})
    varied = {"type": "object", "properties": {STAGE: STAGE_SCHEMA}, "required": [STAGE]}
    shown = [example.given | {STAGE: example.bindings.get("stage", {})} for example in mapping.examples]
    return Source(ANY, known, Witnesses(varied, shown, STAGE), lambda _: ({"key": KEY},))


def open_to(route: Route, steps: Sequence[Step], document: Mapping[str, Any]) -> Iterator[Step]:
    """Give the steps that a request may come to: a branch that reads the request alone has one way for it."""
    for step in steps:
        if not isinstance(step, Branch):
            yield step
            continue
        ways = (True, False) if "$answers" in step.branch else (route.evaluate(step.branch, document),)
        for way in ways:
            yield from open_to(route, step.then if way is True else step.otherwise, document)


def shown_answers(definition: Definition) -> dict[str, Any]:
    """Give what each step of a kind may be answered, as the first example that shows it does."""
    shown = [example.bindings for mapping in definition.mappings.values() for example in mapping.examples]
    return {step: said for one in reversed(shown) for step, said in one.get("answers", {}).items()}


def document_schema(data: Mapping[str, Any], kind: str | None) -> dict[str, Any]:
    """Give the schema of a request as mappings read it: the envelope, its number, and the kind's own data."""
    said = {"type": "string", "const": kind} if kind else {"type": "string"}
    shared = {name: schema for name, schema in _ENVELOPE["properties"].items() if name not in {"kind", "data"}}
    number = {"type": "integer", "minimum": 100_000_000, "maximum": 999_999_999}
    fields = {"kind": said, "number": number, **shared, "received_at": MOMENT}
    required = ("kind", "number", "site", "channel", "applicant", "attachments", "received_at", "data")
    return _joined(fields, data, required)


def _with(schema: Mapping[str, Any], bindings: Mapping[str, Any]) -> dict[str, Any]:
    """Add bindings to what there is to read."""
    return {**schema, "properties": {**schema["properties"], **{f"${name}": said for name, said in bindings.items()}}}


def _joined(fields: Mapping[str, Any], data: Mapping[str, Any], required: Sequence[str]) -> dict[str, Any]:
    """Put the schema of the data under `data`, its definitions at the top."""
    named = data.get("$defs", {})
    rest = {name: said for name, said in data.items() if name not in {"$defs", "$schema", "$id"}}
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {**fields, "data": rest},
        "required": list(required),
        "$defs": dict(named),
    }


def _plain(schema: Any, root: Mapping[str, Any]) -> Any:
    """Open every reference of the envelope, and leave out nulls: what is not said is not stored."""
    if isinstance(schema, list):
        return [_plain(one, root) for one in schema]
    if not isinstance(schema, Mapping):
        return schema
    said = {name: one for name, one in opened(schema, root).items() if name not in {"$defs", "title", "default"}}
    options = [one for one in said.get("anyOf", ()) if one.get("type") != "null"]
    if len(options) == 1:
        return _plain({**{name: one for name, one in said.items() if name != "anyOf"}, **options[0]}, root)
    if "properties" in said:
        fields = said["properties"]
        stored = {name for name, one in fields.items() if not _may_be_null(one)}
        return {
            **said,
            "properties": {name: _plain(one, root) for name, one in fields.items()},
            "required": sorted(stored),
        }
    return {name: _plain(one, root) for name, one in said.items()}


def _may_be_null(schema: Mapping[str, Any]) -> bool:
    return any(one.get("type") == "null" for one in schema.get("anyOf", ()))


def _answers(definition: Definition, catalogue: Catalogue) -> dict[str, Any]:
    """Give the schema of what the steps of a kind are answered, as far as their connectors say it."""
    fields: dict[str, Any] = {}
    for step in definition.route.carried:
        mapping = definition.mappings[step.using]
        manifest = catalogue.manifests.get(mapping.connector)
        operation = manifest.operations.get(mapping.operation) if manifest else None
        fields[step.name] = _answer(catalogue, mapping.connector, operation)
    return {"type": "object", "additionalProperties": False, "properties": fields}


def _answer(catalogue: Catalogue, connector: str, operation: Operation | None) -> dict[str, Any]:
    if operation is None or not operation.answer:
        return {}
    schema = read_schema(catalogue.packages[connector].folder / operation.answer)
    own = {"reference": {"type": "string"}, "files": {"type": "array", "items": {"type": "string"}}}
    return {**schema, "properties": {**schema.get("properties", {}), **own}} if "properties" in schema else {}


_ENVELOPE: Final = _plain(Submission.model_json_schema(), Submission.model_json_schema())
