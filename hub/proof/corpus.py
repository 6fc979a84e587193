"""What generated requests make mappings write, remembered: by what a change would be refused, or told apart."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import orjson
from hypothesis.errors import HypothesisException

from hub.catalogue import CALLBACK_MAPPING, Catalogue, Definition
from hub.errors import MappingError
from hub.mapping import CompiledMapping
from hub.proof.drawing import drawn
from hub.proof.exercise import ContractOf, Traffic, Writing, questions_of, requests_of
from hub.proof.mutants import NEW
from hub.proof.totality import Form

FEW: Final = 10


class Corpus:
    """The requests and questions drawn for an installation, and all that they make its mappings write."""

    def __init__(self, catalogue: Catalogue, contract_of: ContractOf, samples: int) -> None:
        self._catalogue, self._contract_of, self._samples = catalogue, contract_of, samples
        self._written: dict[tuple[str, int], list[Writing]] = {}
        self._sent: dict[tuple[str, int], list[Any]] = {}

    @cached_property
    def _traffic(self) -> dict[str, list[Traffic]]:
        """Mapping → whose requests and questions it writes for."""
        found: dict[str, list[Traffic]] = {}
        for kind in self._catalogue.kinds.values():
            for name in {step.using for step in kind.route.carried}:
                found.setdefault(name, []).append(_traffic(kind))
        for query in self._catalogue.queries.values():
            found.setdefault(query.said.using, []).append(_traffic(query))
        return found

    def messages(self, mapping: CompiledMapping, seed: int) -> list[Any]:
        """Give all that one mapping writes, parsed."""
        name = mapping.name
        if (name, seed) not in self._sent:
            said = [written(one) for one in self.writings(mapping, seed)]
            self._sent[name, seed] = [orjson.loads(one) for one in dict.fromkeys(said) if one is not None]
        return self._sent[name, seed]

    def writings(self, mapping: CompiledMapping, seed: int) -> list[Writing]:
        """Give all that one mapping writes for the generated requests; for call-backs what their examples tell."""
        name = mapping.name
        found = [
            sent for one in self._traffic.get(name, ()) for sent in self._all(one, seed) if sent.mapping.name == name
        ]
        shown = mapping.examples if name.endswith(f"/{CALLBACK_MAPPING}") else ()
        return [*found, *(Writing(mapping, one.given, one.bindings) for one in shown)]

    def _all(self, traffic: Traffic, seed: int) -> list[Writing]:
        if (traffic.name, seed) not in self._written:
            requests = drawn(traffic.strategy, self._samples, seed)
            self._written[traffic.name, seed] = [message for one in requests for message in sent(traffic, one)]
        return self._written[traffic.name, seed]

    def fails(self, of: Form, samples: int) -> bool:
        """Whether something that a form lets through cannot be written, or is refused."""
        traffic = _traffic(of)
        for request in _lets_through(traffic, samples):
            for one in sent(traffic, request):
                contract, said = self._contract_of(one.mapping), written(one)
                if said is None or (contract and not contract.validator.is_valid(orjson.loads(said))):
                    return True
        return False

    def loses(self, of: Form, known: tuple[Any, ...]) -> bool:
        """Whether an element is written for every value that a form had, and not for the new one."""
        traffic = _traffic(of)
        for request in _lets_through(traffic, FEW) if known else ():
            new = _shape(traffic, request)
            others = [_shape(traffic, _exchanged(request, one)) for one in known]
            if set.intersection(*others) - new:
                return True
        return False


def written(one: Writing) -> bytes | None:
    """Write a message; None when it cannot be."""
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
    said = [(one.mapping.name, written(one)) for one in sent(traffic, request)]
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


def _traffic(of: Form) -> Traffic:
    return requests_of(of, Path()) if isinstance(of, Definition) else questions_of(of, Path())


def sent(traffic: Traffic, request: dict[str, Any]) -> list[Writing]:
    """Give all that a request sends; nothing when the door would refuse it."""
    try:
        return list(traffic.writings(request))
    except MappingError:
        return []
