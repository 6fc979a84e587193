"""What `hub check` finds on a route beyond its mappings: steps that no request reaches, paths that nothing has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from hub.catalogue import Definition
from hub.facets import leaf
from hub.mapping import FAILURES, Expression
from hub.proof.finding import Finding
from hub.proof.occasions import document_schema
from hub.proof.reading import reads_of, unknown
from hub.routing import Await, AwaitDate, Branch, Carried, Enrich, Refuse, Step
from hub.yamlfile import line_of

Place = tuple[str | int, ...]
GIVEN: Final[dict[str, Any]] = {"$answers": {}, "$answer": {}, "$decision": {}, "$item": {}}
"""What a route's expressions are given beside the request; what is in it depends upon others."""


def check_steps(definition: Definition, file: Path) -> Iterator[Finding]:
    """Find the steps of a route that no request reaches, and the fields that its expressions read and nothing has."""
    text = file.read_text("utf-8")
    steps = definition.route.steps
    for place, why in _unreachable(steps, ("steps",)):
        advice = "take it out, or put it before what ends the route"
        line = line_of(text, place)
        yield Finding(
            str(file), f"{_said(place)}: no request comes here, since {why}", line, _said(place), advice, "step"
        )
    schema = document_schema(definition.schema, definition.kind)
    known = {**schema, "properties": {**schema["properties"], **GIVEN}}
    yield from _open_facets(definition, schema, file)
    for place, source in [*_expressions(steps, ("steps",)), *_declared(definition)]:
        for path, near in unknown(reads_of(Expression(source)), known, known):
            said = f"{_said(place)}: reads {path}, which {definition.kind} has not"
            said += f": did you mean {near}?" if near else ""
            advice = "read a field that the schema has, or add it to the schema"
            yield Finding(str(file), said, line_of(text, place), _said(place), advice, "path-unknown")


def _unreachable(steps: Sequence[Step], above: Place) -> Iterator[tuple[Place, str]]:
    """Give the first step of each stretch that no request reaches, and why."""
    ended = ""
    for number, step in enumerate(steps):
        place = (*above, number)
        if ended:
            yield place, ended
            return
        if isinstance(step, Branch):
            yield from _one_sided(step, place)
            yield from _unreachable(step.then, (*place, "then"))
            yield from _unreachable(step.otherwise, (*place, "otherwise"))
        if _ends(step):
            ended = "every way before it ends the route"


def _one_sided(step: Branch, place: Place) -> Iterator[tuple[Place, str]]:
    """Find a branch whose condition reads nothing, and so always holds, or never."""
    expression = Expression(step.branch)
    if reads_of(expression):
        return
    try:
        holds = expression.value({}) is True
    except FAILURES:
        return
    side = "otherwise" if holds else "then"
    if not holds or step.otherwise:
        yield (*place, side), f"its condition {'always holds' if holds else 'never holds'}"


def _ends(step: Step) -> bool:
    match step:
        case Refuse():
            return True
        case Branch():
            return any(map(_ends, step.then)) and any(map(_ends, step.otherwise))
        case _:
            return False


def _expressions(steps: Sequence[Step], above: Place) -> Iterator[tuple[Place, str]]:
    """Give every expression of the steps, with its place in the file."""
    for number, step in enumerate(steps):
        place = (*above, number)
        match step:
            case Branch():
                yield (*place, "branch"), step.branch
                yield from _expressions(step.then, (*place, "then"))
                yield from _expressions(step.otherwise, (*place, "otherwise"))
            case Await() | Refuse():
                yield from _expressions(step.on_refusal, (*place, "on_refusal"))
            case AwaitDate():
                yield (*place, "at"), step.at
            case Carried():
                if step.for_each is not None:
                    yield (*place, "for_each"), step.for_each
                if isinstance(step, Enrich) and step.consent is not None:
                    yield (*place, "consent"), step.consent


def _declared(definition: Definition) -> Iterator[tuple[Place, str]]:
    """Give the expressions of what is counted and of the place on the map."""
    for name, source in definition.route.observer.sources.items():
        yield tuple(name.split(".")), source


def _open_facets(definition: Definition, schema: Mapping[str, Any], file: Path) -> Iterator[Finding]:
    """Find facets that read a field as it is, where the schema lists no values: people's texts would be counted."""
    for place, source in _declared(definition):
        field = leaf(schema, source) if place[0] == "facets" else None
        if field is not None and not ({"enum", "const"} & field.keys() or field.get("type") == "boolean"):
            said = f"{_said(place)}: {source} is no closed list"
            advice = "count a field with an enum, or write an expression that gives one of a few words"
            yield Finding(str(file), said, line_of(file.read_text("utf-8"), place), _said(place), advice, "facet-open")


def _said(place: Place) -> str:
    return ".".join(map(str, place))
