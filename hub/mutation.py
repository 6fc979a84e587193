"""Does the proof notice? Contracts, forms and mappings are changed one at a time, in memory, and each is proved again.

A change that no request can tell from the file as it is, is *equivalent*, and counted apart: a second, independent
sample of requests decides that, not the one that the proof uses.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Final

import jsonschema_rs
import orjson
from hypothesis.errors import HypothesisException

from hub.catalogue import CALLBACK_MAPPING, Catalogue, Definition
from hub.contracts import Contract
from hub.errors import ConfigurationError, MappingError
from hub.exercise import Contracts, Traffic, Writing, drawn, questions_of, requests_of
from hub.mapping import CompiledMapping
from hub.mutants import (
    EVERYWHERE,
    NEW,
    Mutant,
    harmless_to_contract,
    harmless_to_form,
    mutants_of_contract,
    mutants_of_form,
    mutants_of_mapping,
    nodes,
)
from hub.occasions import Sources
from hub.proof import prove
from hub.query import Query
from hub.totality import Form, check_totality, name_of

SHARE: Final = 25
"""One mutant of so many is tried, unless all are."""

FEWER: Final = 100
"""Requests generated for each kind and query, fewer than `hub check` does."""
PROOF_SEED: Final = 0
OTHER_SEED: Final = 1
FEW: Final = 10
DIRECTED: Final = 30
"""Requests made to reach one change of a form."""

ORDER: Final = "the order of elements: a mapping writes none, the connector's writer follows the contract"
UNREAD: Final = "nothing reads the field"
UNWRITTEN: Final = "no message holds what the contract would refuse"
SAME: Final = "the mapping writes the same for every request"
TAKEN: Final = "what the form lets through besides, the target takes, and no element is lost"


@dataclass(frozen=True)
class Missed:
    """A change that would have gone live unnoticed."""

    file: str
    change: str
    why: str


@dataclass
class Report:
    """What came of all mutants; `by` says what noticed them, `raised` holds what should not have been noticed."""

    noticed: int = 0
    by: Counter[str] = field(default_factory=Counter)
    missed: list[Missed] = field(default_factory=list)
    equivalent: Counter[str] = field(default_factory=Counter)
    harmless: int = 0
    raised: list[Missed] = field(default_factory=list)

    @property
    def mutants(self) -> int:
        """How many were tried that matter."""
        return self.noticed + len(self.missed)

    @property
    def score(self) -> float:
        """The share of them that was noticed; 1 when there was none."""
        return round(self.noticed / self.mutants, 4) if self.mutants else 1.0

    def as_json(self) -> dict[str, Any]:
        """Give the report as JSON."""
        return {
            "mutants": self.mutants,
            "noticed": self.noticed,
            "score": self.score,
            "by": dict(self.by),
            "missed": [asdict(one) for one in self.missed],
            "equivalent": dict(self.equivalent),
            "harmless": {"tried": self.harmless, "raised": [asdict(one) for one in self.raised]},
        }


@dataclass(frozen=True)
class Trial:
    """A mutant, what tells whether the proof notices it, and what tells whether it matters."""

    file: Path
    mutant: Mutant
    noticed: Callable[[], str]
    """By what: `proof`, `examples`, `generated`; "" when by nothing."""
    equivalent: Callable[[], str]
    """Why it does not matter; "" when it does."""


def mutate(homes: Sequence[Path], share: int = SHARE, samples: int = FEWER, only: str = "") -> dict[str, Any]:
    """Try one of `share` mutants of everything under `homes`, the same ones each time; `only`: a mapping, or a kind."""
    campaign = _Campaign(Catalogue.read(*homes), homes, samples)
    report = Report()
    for trial in _some(campaign.trials(only), share):
        by = trial.noticed()
        why = "" if by else trial.equivalent()
        if by:
            report.noticed += 1
            report.by[by] += 1
        elif why:
            report.equivalent[why] += 1
        else:
            report.missed.append(_said(trial))
    for name in campaign.named(only):
        if (contract := campaign.contract(name)) is not None:
            report.equivalent[ORDER] += sum(
                1 for _, node in nodes(contract.schema) if len(node.get("properties", ())) > 1
            )
    for trial in _some(campaign.harmless(only), max(1, share // 5)):
        report.harmless += 1
        if trial.noticed():
            report.raised.append(_said(trial))
    return report.as_json()


def _some(trials: Iterator[Trial], share: int) -> Iterator[Trial]:
    """Take one of so many, by a seeded draw: which ones does not change from one time to the next."""
    dice = random.Random(share)  # noqa: S311  # a sample, no secret
    return (trial for trial in trials if share <= 1 or dice.randrange(share) == 0)


def _said(trial: Trial) -> Missed:
    return Missed(str(trial.file), f"{trial.mutant.place}: {trial.mutant.change}", trial.mutant.why)


class _Campaign:
    """Everything of an installation that mutants are made of, and what is remembered between them."""

    def __init__(self, catalogue: Catalogue, homes: Sequence[Path], samples: int) -> None:
        self.catalogue, self._homes, self._samples = catalogue, homes, samples
        self._contracts, self._sources = Contracts(catalogue), Sources(catalogue)
        self._known: dict[str, set[tuple[str, str]]] = {}
        self._written: dict[tuple[str, int], list[Writing]] = {}
        self._sent: dict[tuple[str, int], list[Any]] = {}

    @cached_property
    def mappings(self) -> dict[str, CompiledMapping]:
        """Every mapping that a route or a query uses."""
        kinds, queries = self.catalogue.kinds.values(), self.catalogue.queries.values()
        used = {step.using: one.mappings[step.using] for one in kinds for step in one.route.carried}
        told = {name: of for one in kinds for name, of in one.mappings.items() if name.endswith(f"/{CALLBACK_MAPPING}")}
        return used | told | {one.said.using: one.mapping for one in queries}

    def named(self, only: str) -> list[str]:
        """List the mappings to change."""
        return [name for name in self.mappings if only in {"", name}]

    def contract(self, name: str) -> Contract | None:
        """Give the contract that a mapping writes for."""
        return self._contracts.of(self.mappings[name])

    def file(self, name: str) -> Path:
        """Give a mapping's file."""
        files = [home / "mappings" / f"{name}.yaml" for home in self._homes]
        return next(file for file in reversed(files) if file.exists())

    def trials(self, only: str) -> Iterator[Trial]:
        """Give every mutant of every file."""
        for name in self.named(only):
            if contract := self.contract(name):
                yield from (self._of_contract(name, one, contract) for one in mutants_of_contract(contract.schema))
            for mutant in mutants_of_mapping(self.file(name).read_text("utf-8")):
                yield self._of_mapping(name, mutant)
        for name, of in self._forms(only):
            for mutant in mutants_of_form(of.schema):
                yield self._of_form(name, of, mutant)

    def harmless(self, only: str) -> Iterator[Trial]:
        """Give every change that nothing may be said about."""
        for name in self.named(only):
            if contract := self.contract(name):
                yield from (self._of_contract(name, one, contract) for one in harmless_to_contract(contract.schema))
        for name, of in self._forms(only):
            for mutant in harmless_to_form(of.schema):
                yield self._of_form(name, of, mutant)

    def _forms(self, only: str) -> Iterator[tuple[str, Form]]:
        yield from ((name, of) for name, of in self.catalogue.kinds.items() if only in {"", name})
        yield from ((name, of) for name, of in self.catalogue.queries.items() if only in {"", name})

    # -- contracts

    def _of_contract(self, name: str, mutant: Mutant, contract: Contract) -> Trial:
        def refuses(seed: int) -> bool:
            validator = replace(contract, schema=mutant.make()).validator
            return any(not validator.is_valid(one) for one in self._messages(name, seed))

        def noticed() -> str:
            if self._finds(self.mappings[name], name, replace(contract, schema=mutant.make())):
                return "proof"
            return "generated" if refuses(PROOF_SEED) else ""

        def equivalent() -> str:
            return "" if refuses(OTHER_SEED) else UNWRITTEN

        return Trial(contract.file, replace(mutant, place=f"for {name}: {mutant.place}"), noticed, equivalent)

    def _finds(self, mapping: CompiledMapping, name: str, contract: Contract | None, sources: Any = None) -> bool:
        """Whether the proof says what it does not say of the files as they are."""
        given = sources or self._sources.of(mapping)
        if name not in self._known:
            usual = prove(self.mappings[name], self.file(name), self._sources.of(mapping), self.contract(name))
            self._known[name] = {(one.code, one.field) for one in usual}
        found = prove(mapping, self.file(name), given, contract)
        return any((one.code, one.field) not in self._known[name] for one in found)

    # -- mappings

    def _of_mapping(self, name: str, mutant: Mutant) -> Trial:
        @cache
        def compiled() -> CompiledMapping | None:
            try:
                return CompiledMapping.read(self.file(name), mutant.make())
            except ConfigurationError:
                return None

        def noticed() -> str:
            changed = compiled()
            if changed is None or not _keeps_its_examples(changed):
                return "examples"
            if self._finds(changed, name, self.contract(name)):
                return "proof"
            return "generated" if self._is_refused(changed, name) else ""

        def equivalent() -> str:
            other = compiled() or self.mappings[name]
            same = all(
                _written(one) == _written(replace(one, mapping=other)) for one in self._writings(name, OTHER_SEED)
            )
            return SAME if same else ""

        return Trial(self.file(name), mutant, noticed, equivalent)

    def _is_refused(self, changed: CompiledMapping, name: str) -> bool:
        contract = self.contract(name)
        for one in self._writings(name, PROOF_SEED):
            said = _written(replace(one, mapping=changed))
            if said is None or (contract and not contract.validator.is_valid(orjson.loads(said))):
                return True
        return False

    # -- forms

    def _of_form(self, name: str, of: Form, mutant: Mutant) -> Trial:
        folder = self.catalogue.folders[name]

        def noticed() -> str:
            other = _with_schema(of, mutant.make())
            if any(self._finds(*one) for one in self._made_from(other, mutant)) or self._is_partial(other, folder):
                return "proof"
            if mutant.direct is None or not self._readers(of, mutant):
                return ""
            if not self._fails(_with_schema(of, mutant.direct()), folder, DIRECTED):
                return ""
            return "generated" if self._fails(other, folder, self._samples) else ""

        def equivalent() -> str:
            if not self._readers(of, mutant):
                return UNREAD
            if mutant.direct is None:
                return ""
            only = _with_schema(of, mutant.direct())
            return "" if self._fails(only, folder, DIRECTED) or self._loses(only, folder, mutant.known) else TAKEN

        return Trial(folder / "schema.json", mutant, noticed, equivalent)

    def _is_partial(self, of: Form, folder: Path) -> bool:
        forms: list[Form] = [*self.catalogue.kinds.values(), *self.catalogue.queries.values()]
        others = [one for one in forms if name_of(one) != name_of(of)]
        return next(check_totality([*others, of], folder.parents[1] / "mappings"), None) is not None

    def _made_from(self, other: Form, mutant: Mutant) -> Iterator[tuple[CompiledMapping, str, Contract | None, Any]]:
        """Give what has to be proved again when a form changes: the mappings that read the field."""
        alone = Sources(_catalogue_with(self.catalogue, other))
        for name in self._readers(other, mutant):
            mapping = self.mappings[name]
            yield mapping, name, self.contract(name), self._sources.of(mapping) | alone.of(mapping)

    def _readers(self, of: Form, mutant: Mutant) -> list[str]:
        """List the mappings that a change may concern: those that say the field's name, all if the route does."""
        if isinstance(of, Query):
            used, route = [of.mapping.name], ""
        else:
            used, route = list({step.using: None for step in of.route.carried}), orjson.loads(of.source)["route"]
        word = re.compile(rf"\b{re.escape(mutant.place.rpartition('.')[2])}\b")
        said = {name: self.file(name).read_text("utf-8").partition("\nexamples:")[0] for name in used}
        return [name for name in used if mutant.place == EVERYWHERE or word.search(said[name]) or word.search(route)]

    def _fails(self, of: Form, folder: Path, samples: int) -> bool:
        """Whether something that a form lets through cannot be written, or is refused."""
        traffic = _traffic(of, folder)
        for request in _lets_through(traffic, samples):
            for one in _sent(traffic, request):
                contract, said = self._contracts.of(one.mapping), _written(one)
                if said is None or (contract and not contract.validator.is_valid(orjson.loads(said))):
                    return True
        return False

    def _loses(self, of: Form, folder: Path, known: tuple[Any, ...]) -> bool:
        """Whether an element is written for every value that a form had, and not for the new one."""
        traffic = _traffic(of, folder)
        for request in _lets_through(traffic, FEW) if known else ():
            new = _shape(traffic, request)
            others = [_shape(traffic, _exchanged(request, one)) for one in known]
            if set.intersection(*others) - new:
                return True
        return False

    # -- what is generated

    @cached_property
    def _traffic(self) -> dict[str, list[Traffic]]:
        """Mapping → whose requests and questions it writes for."""
        found: dict[str, list[Traffic]] = {}
        for kind in self.catalogue.kinds.values():
            for name in {step.using for step in kind.route.carried}:
                found.setdefault(name, []).append(_traffic(kind, Path()))
        for query in self.catalogue.queries.values():
            found.setdefault(query.said.using, []).append(_traffic(query, Path()))
        return found

    def _messages(self, name: str, seed: int) -> list[Any]:
        if (name, seed) not in self._sent:
            said = [_written(one) for one in self._writings(name, seed)]
            self._sent[name, seed] = [orjson.loads(one) for one in dict.fromkeys(said) if one is not None]
        return self._sent[name, seed]

    def _writings(self, name: str, seed: int) -> list[Writing]:
        """Give all that one mapping writes for the generated requests; for call-backs what their examples tell."""
        mapping = self.mappings[name]
        found = [
            sent for one in self._traffic.get(name, ()) for sent in self._all(one, seed) if sent.mapping.name == name
        ]
        if name.endswith(f"/{CALLBACK_MAPPING}"):
            found += [Writing(mapping, one.given, one.bindings) for one in mapping.examples]
        return found

    def _all(self, traffic: Traffic, seed: int) -> list[Writing]:
        if (traffic.name, seed) not in self._written:
            requests = drawn(traffic.strategy, self._samples, seed)
            self._written[traffic.name, seed] = [sent for one in requests for sent in _sent(traffic, one)]
        return self._written[traffic.name, seed]


def _sent(traffic: Traffic, request: dict[str, Any]) -> list[Writing]:
    """Give all that a request sends; nothing when the door would refuse it."""
    try:
        return list(traffic.writings(request))
    except MappingError:
        return []


def _keeps_its_examples(mapping: CompiledMapping) -> bool:
    try:
        return all(mapping.apply(one.given, one.bindings) == one.expect for one in mapping.examples)
    except MappingError:
        return False


def _written(one: Writing) -> bytes | None:
    try:
        return one.mapping.write(one.document, one.bindings)
    except MappingError:
        return None


def _lets_through(traffic: Traffic, samples: int) -> list[dict[str, Any]]:
    try:
        return drawn(traffic.strategy, samples)
    except HypothesisException:  # no request is like that
        return []


def _shape(traffic: Traffic, request: dict[str, Any]) -> set[str]:
    """Give the elements that a request makes its mappings write."""
    said = [(one.mapping.name, _written(one)) for one in _sent(traffic, request)]
    return {f"{name} {path}" for name, body in said if body for path in _elements(orjson.loads(body))}


def _elements(value: Any, above: str = "") -> Iterator[str]:
    yield above
    for name, of in value.items() if isinstance(value, dict) else ():
        yield from _elements(of, f"{above}.{name}")
    for of in value if isinstance(value, list) else ():
        yield from _elements(of, f"{above}[]")


def _exchanged(value: Any, known: Any) -> Any:
    """Put a value that the form had in the place of the new one."""
    if isinstance(value, dict):
        return {name: _exchanged(of, known) for name, of in value.items()}
    if isinstance(value, list):
        return [_exchanged(of, known) for of in value]
    return known if value == NEW else value


def _traffic(of: Form, folder: Path) -> Traffic:
    return requests_of(of, folder) if isinstance(of, Definition) else questions_of(of, folder)


def _with_schema(of: Form, schema: dict[str, Any]) -> Form:
    validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
    return replace(of, schema=schema, validator=validator)


def _catalogue_with(catalogue: Catalogue, of: Form) -> Catalogue:
    """Give a catalogue that knows of one form alone, changed."""
    if isinstance(of, Definition):
        return replace(catalogue, kinds={of.kind: of}, queries={})
    return replace(catalogue, kinds={}, queries={of.name: of})
