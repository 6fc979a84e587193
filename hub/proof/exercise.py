"""Proof by example: every message that any generated request may send is put to its target's contract.

What is refused comes with the smallest request that shows it. Only generated values are ever shown, never stored ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import astuple, dataclass
from datetime import timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Final

import orjson
from hypothesis.strategies import SearchStrategy

from hub.catalogue import CALLBACK_MAPPING, Catalogue, Definition
from hub.connector import Deadline, Outbound
from hub.contracts import Contract, read_contract
from hub.errors import MappingError
from hub.mapping import CompiledMapping
from hub.model import Submission
from hub.proof.drawing import drawn, shrunk
from hub.proof.finding import Finding
from hub.proof.generation import questions, requests
from hub.proof.occasions import DECISION, KEY, open_to, shown_answers
from hub.proof.totality import Form, check_totality, name_of
from hub.query import Query
from hub.routing import Carried, named_steps
from hub.yamlfile import line_of

SAMPLES: Final = 200
"""Requests generated for each kind, and questions for each query."""

COUNTER_EXAMPLE: Final = "counter-example"
"""The code of the findings."""

NUMBER: Final = 167_046_020
RECEIVED_AT: Final = "2026-09-07T09:12:45+02:00"
STAGE: Final[Mapping[str, Any]] = {
    "stage": "Accepté",
    "status": "done",
    "final": True,
    "sequence": 3,
    "at": "2026-09-07T09:13:02+02:00",
    "message": "Votre demande N° 167 046 020 vient d'être validée.",
}
ANY_PORTAL: Final = f"gru/{CALLBACK_MAPPING}"
"""The call-backs that any request may have; others read what their own front end submits, as their examples do."""

Document = Mapping[str, Any]
ContractOf = Callable[[CompiledMapping], Contract | None]


@dataclass(frozen=True)
class Writing:
    """One message that a request may send: what writes it, and of what."""

    mapping: CompiledMapping
    document: Document
    bindings: Mapping[str, Any]

    def message(self) -> Outbound:
        """Write it; raises MappingError."""
        body = self.mapping.write(self.document, self.bindings)
        return Outbound(KEY, self.mapping.operation, body, Deadline(timedelta(seconds=5)))


@dataclass(frozen=True)
class Flaw:
    """One way in which a mapping fails, whatever the request: which element, and how."""

    mapping: str
    field: str
    reason: str


@dataclass(frozen=True)
class Traffic:
    """What mappings read, and how such things are made: the requests of a kind, or the questions of a query."""

    name: str
    folder: Path
    strategy: SearchStrategy[dict[str, Any]]
    writings: Callable[[dict[str, Any]], Iterator[Writing]]
    """A request, as submitted → all that it may ever send. Raises MappingError for what the door refuses."""


def counter_examples(
    catalogue: Catalogue, name: str, samples: int = SAMPLES, seed: int | None = 0
) -> Iterator[Finding]:
    """Find what the requests of a kind, or of the kinds that a mapping reads, send that targets refuse.

    The same findings each time for the same `seed`; None is chance. `name` is a kind, a query or a mapping.
    """
    contracts = Contracts(catalogue)
    yield from totality_flaws(catalogue, name)
    for traffic in traffic_of(catalogue, name):
        yield from traffic_flaws(traffic, contracts.of, samples, seed, only=name if "/" in name else None)


def totality_flaws(catalogue: Catalogue, name: str) -> Iterator[Finding]:
    """Find what the mappings of a kind or a query, or one mapping, make of lists and choices."""
    forms: list[Form] = [*catalogue.kinds.values(), *catalogue.queries.values()]
    concerned = [form for form in forms if name in {name_of(form), *_used(form)}]
    used = {one for form in concerned for one in _used(form)} if "/" not in name else {name}
    folders = dict.fromkeys(catalogue.folders[name_of(form)].parents[1] / "mappings" for form in concerned)
    for folder in folders:
        yield from (one for one in check_totality(forms, folder) if _mapping_of(one) in used)


def _mapping_of(finding: Finding) -> str:
    file = Path(finding.file)
    return f"{file.parent.name}/{file.stem}"


def traffic_flaws(
    traffic: Traffic, contract_of: ContractOf, samples: int, seed: int | None, *, only: str | None = None
) -> Iterator[Finding]:
    """Find what requests send that contracts refuse, each flaw with the smallest request that shows it."""

    def flaws(request: dict[str, Any]) -> set[Flaw]:
        return {flaw for flaw in flaws_of(traffic, request, contract_of) if only in {None, flaw.mapping}}

    def shows(flaw: Flaw, request: dict[str, Any]) -> bool:
        return flaw in flaws(request)

    found: dict[Flaw, dict[str, Any]] = {}
    for request in drawn(traffic.strategy, samples, seed):
        for flaw in flaws(request):
            found.setdefault(flaw, request)
    for flaw, first in sorted(found.items(), key=lambda item: astuple(item[0])):
        smallest = shrunk(traffic.strategy, partial(shows, flaw), samples, seed)
        yield _finding(traffic, flaw, smallest or first)


def traffic_of(catalogue: Catalogue, name: str) -> list[Traffic]:
    """Give the kind or the query of a name, or all of those that use the mapping of that name."""
    kinds = {kind: one for kind, one in catalogue.kinds.items() if name == kind or name in _used(one)}
    queries = {query: one for query, one in catalogue.queries.items() if name in {query, one.said.using}}
    return [
        *(requests_of(one, catalogue.folders[kind]) for kind, one in kinds.items()),
        *(questions_of(one, catalogue.folders[query]) for query, one in queries.items()),
    ]


def requests_of(definition: Definition, folder: Path) -> Traffic:
    """Say how a kind's requests are made, and what they send."""
    return Traffic(
        definition.kind,
        folder,
        requests(definition),
        lambda request: writings(definition, stored(Submission.model_validate(request))),
    )


def questions_of(query: Query, folder: Path) -> Traffic:
    """Say how a query's questions are made, and what they ask."""
    return Traffic(query.name, folder, questions(query), lambda asked: iter([Writing(query.mapping, asked, {})]))


def stored(posted: Submission) -> dict[str, Any]:
    """Give the document that mappings read."""
    said = posted.model_dump(mode="json", exclude_none=True)
    return {"received_at": RECEIVED_AT, **said, "number": NUMBER}


def messages(definition: Definition, document: Document) -> Iterator[tuple[str, Outbound]]:
    """Write all that a request may ever send, whatever becomes of it, each with its connector; raises MappingError."""
    for writing in writings(definition, document):
        yield writing.mapping.connector, writing.message()


def writings(definition: Definition, document: Document) -> Iterator[Writing]:
    """List all that a request may ever send, whatever becomes of it; raises MappingError for what the route refuses."""
    answers = shown_answers(definition)
    bindings = {"key": KEY, "decision": DECISION, "answers": answers}
    for step in named_steps(list(open_to(definition.route, definition.route.steps, document))):
        if isinstance(step, Carried):
            for item in definition.route.items(step, document, answers):
                given = bindings if item is None else {**bindings, "item": item}
                yield Writing(definition.mappings[step.using], document, given)
    if ANY_PORTAL in definition.mappings:
        yield Writing(definition.mappings[ANY_PORTAL], document, {"key": KEY, "stage": STAGE})


@dataclass(frozen=True)
class Contracts:
    """What each operation's target takes, read once."""

    catalogue: Catalogue

    def of(self, mapping: CompiledMapping) -> Contract | None:
        """Give the contract that a mapping writes for; None where nothing says what the target takes."""
        place = (mapping.connector, mapping.operation)
        if place not in self._read:
            self._read[place] = self._contract(*place)
        return self._read[place]

    @cached_property
    def _read(self) -> dict[tuple[str, str], Contract | None]:
        return {}

    def _contract(self, connector: str, operation: str) -> Contract | None:
        if connector not in self.catalogue.packages:
            return None
        package = self.catalogue.packages[connector]
        return read_contract(package.folder, self.catalogue.manifests[connector], operation, package.load)


def flaws_of(traffic: Traffic, request: dict[str, Any], contract_of: ContractOf) -> Iterator[Flaw]:
    """Say what is wrong with all that a request sends; nothing for a request that the door would refuse."""
    try:
        sent = list(traffic.writings(request))
    except MappingError:
        return
    for writing in sent:
        yield from flaws_in(writing, contract_of(writing.mapping))


def flaws_in(writing: Writing, contract: Contract | None) -> Iterator[Flaw]:
    """Say what is wrong with one message."""
    name = writing.mapping.name
    try:
        message = writing.message()
    except MappingError as error:
        yield from (Flaw(name, field, "the expression fails") for field in error.fields)
        return
    for refusal in contract.refusals(message) if contract else ():
        place, _, reason = refusal.partition(": ")
        if place.startswith("/"):
            yield Flaw(name, re.sub(r"/\d+", "[]", place).strip("/").replace("/", "."), reason)
        else:  # the writer's own words may hold the value: its kind of error tells flaws apart
            yield Flaw(name, "", f"{place} refuses it ({reason.partition(':')[0]})")


def _used(form: Form) -> set[str]:
    if isinstance(form, Query):
        return {form.said.using}
    return {step.using for step in form.route.carried} | {ANY_PORTAL} & form.mappings.keys()


def _finding(traffic: Traffic, flaw: Flaw, request: dict[str, Any]) -> Finding:
    file = traffic.folder.parents[1] / "mappings" / f"{flaw.mapping}.yaml"
    line = line_of(file.read_text("utf-8"), ("fields", *flaw.field.split("."))) if file.exists() else None
    return Finding(
        file=str(file),
        line=line,
        field=flaw.field,
        message=f"{traffic.name}: a valid request gives what the target refuses: {flaw.reason}",
        advice="write for this one too, or let the form refuse it",
        code=COUNTER_EXAMPLE,
        example=orjson.dumps(request).decode(),
    )
