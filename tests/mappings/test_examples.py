"""Each mapping keeps its own examples; what it writes for any valid request, its target's contract takes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.hubee.holdings import Holdings
from connectors.hubee.inbox import incoming_case
from hub.catalogue import CALLBACK_MAPPING, REQUEST, Catalogue, Definition
from hub.connector import Deadline, Incoming, IncomingFile, Outbound
from hub.contracts import Contract, read_contract
from hub.gate import validate_envelope
from hub.mapping import CompiledMapping, Example
from hub.model import Submission
from hub.proof.exercise import STAGE, messages, stored
from hub.proof.generation import questions, requests
from hub.proof.occasions import KEY
from hub.routing import TIMER_MAPPING

ROOT: Final = Path(__file__).parents[2]
CATALOGUE: Final = Catalogue.read(ROOT)
MAPPINGS: Final = {
    f"{file.parent.name}/{file.stem}": CompiledMapping.read(file, file.read_text("utf-8"))
    for file in sorted((ROOT / "mappings").glob("*/*.yaml"))
}
EXAMPLES: Final = [
    pytest.param(mapping, example, id=f"{mapping.name}: {example.name}")
    for mapping in MAPPINGS.values()
    for example in mapping.examples
]
SAMPLES: Final = [
    pytest.param(kind, file, id=f"{kind}: {file.stem}")
    for kind in CATALOGUE.kinds
    for file in sorted(CATALOGUE.folders[kind].glob("samples/*.json"))
]
QUESTIONS: Final = [
    pytest.param(name, file, id=f"{name}: {file.stem}")
    for name in CATALOGUE.queries
    for file in sorted(CATALOGUE.folders[name].glob("samples/*.json"))
]


def tells_of_a_stage(name: str) -> bool:
    return name.endswith(f"/{CALLBACK_MAPPING}")


def makes_a_request(mapping: CompiledMapping) -> bool:
    return f"{mapping.connector}.{mapping.operation}" == REQUEST


def written(mapping: CompiledMapping, document: Mapping[str, Any], bindings: Mapping[str, Any]) -> tuple[str, Outbound]:
    body = mapping.write(document, bindings)
    return mapping.connector, Outbound(KEY, mapping.operation, body, Deadline(timedelta(seconds=5)))


def check_all(definition: Definition, document: dict[str, Any]) -> int:
    sent = list(messages(definition, document))
    for connector, message in sent:
        check_one(connector, message)
    return len(sent)


def check_one(connector: str, message: Outbound) -> None:
    contract = contract_of(connector, message.operation)
    assert contract, f"{connector}.{message.operation} declares no contract"
    assert contract.refusals(message) == []


@cache
def contract_of(connector: str, operation: str) -> Contract | None:
    return read_contract(ROOT / "connectors" / connector, CATALOGUE.manifests[connector], operation)


@pytest.mark.parametrize(("mapping", "example"), EXAMPLES)
def test_a_mapping_keeps_its_own_promises(mapping: CompiledMapping, example: Example) -> None:
    assert mapping.apply(example.given, example.bindings) == example.expect


def test_each_school_has_the_sheet_of_its_own_child_even_when_another_s_was_never_made() -> None:
    sheets = [{"nom": f"fiche-liaison-167046020-{rank}.pdf", "files": [f"sheet {rank}"]} for rank in (1, 3)]
    sent = {
        rank: MAPPINGS["courriel/recap_ecole"].attachments(
            {"number": 167_046_020}, {"item": {"rang": rank}, "answers": {"fiche": sheets}}
        )
        for rank in (1, 2, 3)
    }
    assert sent == {1: ["sheet 1"], 2: [], 3: ["sheet 3"]}


@pytest.mark.parametrize(
    ("name", "answers", "files"),
    [
        ("courriel/famille_inscriptions", {"recap": {"files": ["r"]}}, ["r"]),
        ("courriel/recap_responsables", {"recap": {"files": ["r"]}}, ["r"]),
        ("courriel/paiement_recu", {"recu": {"files": ["r"]}}, ["r"]),
        ("courriel/association_recu", {"recu": {"files": ["r"]}, "facture": {"files": ["f"]}}, ["r", "f"]),
    ],
)
def test_a_message_takes_along_the_documents_that_were_made(
    name: str, answers: Mapping[str, Any], files: list[str]
) -> None:
    assert MAPPINGS[name].attachments({"attachments": ["what came"]}, {"answers": answers}) == files
    assert MAPPINGS[name].attachments({"attachments": ["what came"]}) == []


@pytest.mark.parametrize("name", MAPPINGS)
def test_a_mapping_bears_its_file_s_name_and_shows_two_examples(name: str) -> None:
    assert MAPPINGS[name].name == name
    assert len({example.name for example in MAPPINGS[name].examples}) >= 2 or name == TIMER_MAPPING


@pytest.mark.parametrize("name", MAPPINGS)
def test_a_mapping_writes_for_an_operation_that_exists_and_kinds_that_exist(name: str) -> None:
    mapping = MAPPINGS[name]
    if makes_a_request(mapping):
        assert {source.partition(".")[0] for source in mapping.kinds} <= CATALOGUE.manifests.keys()
        return
    assert mapping.operation in CATALOGUE.manifests[mapping.connector].operations
    assert set(mapping.kinds) <= {"*"} | CATALOGUE.kinds.keys() | CATALOGUE.queries.keys()


@pytest.mark.parametrize("name", MAPPINGS)
def test_no_mapping_is_left_that_no_route_uses(name: str) -> None:
    uses = {
        step.using: {"*", kind} for kind, definition in CATALOGUE.kinds.items() for step in definition.route.carried
    } | {query.said.using: {name} for name, query in CATALOGUE.queries.items()}
    starts_by_itself = name == TIMER_MAPPING or tells_of_a_stage(name) or makes_a_request(MAPPINGS[name])
    assert starts_by_itself or uses[name] & set(MAPPINGS[name].kinds)


@pytest.mark.parametrize(("mapping", "example"), [one for one in EXAMPLES if tells_of_a_stage(one.values[0].name)])
def test_what_a_call_back_says_is_taken_by_its_portal(mapping: CompiledMapping, example: Example) -> None:
    check_one(*written(mapping, example.given, example.bindings))


@pytest.mark.parametrize(("mapping", "example"), [one for one in EXAMPLES if makes_a_request(one.values[0])])
def test_what_a_target_gives_becomes_a_request_that_the_door_takes(mapping: CompiledMapping, example: Example) -> None:
    check_request(mapping.apply(example.given))


@pytest.mark.parametrize("procedure", ["EtatCivil", "recensementCitoyen"])
def test_a_case_of_hubee_becomes_a_request_whose_stages_are_told_to_that_case(procedure: str) -> None:
    incoming = case_of_hubee(procedure)
    made = CATALOGUE.inbound[f"hubee.{incoming.sort}"].apply({"fields": incoming.fields, "attachments": []})
    posted = check_request(made)
    _, message = written(MAPPINGS["hubee/etape"], stored(posted), {"key": KEY, "stage": STAGE})
    check_one("hubee", message)
    assert (message.fields["processCode"], message.fields["caseId"]) == (procedure, incoming.key)


def case_of_hubee(procedure: str) -> Incoming:
    """Give a case as the connector fetches it from HubEE's stand-in."""
    held = Holdings()
    case = held.cases[held.put_example(procedure)]
    files = [IncomingFile(one["fileName"], one["mimeType"], held.contents[one["id"]]) for one in case["attachments"]]
    return incoming_case(procedure, {"case": case}, files)


def check_request(made: dict[str, Any]) -> Submission:
    """Check what a mapping makes against the envelope and against its kind."""
    posted = validate_envelope(made)
    assert [error.message for error in CATALOGUE.kinds[posted.kind].validator.iter_errors(posted.data)] == []
    return posted


@pytest.mark.parametrize(("kind", "file"), SAMPLES)
def test_all_that_a_sample_sends_is_taken_by_its_targets(kind: str, file: Path) -> None:
    posted = Submission.model_validate_json(file.read_bytes())
    assert check_all(CATALOGUE.kinds[kind], stored(posted)) >= 2


@pytest.mark.parametrize("kind", CATALOGUE.kinds)
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(drawn=st.data())
def test_all_that_any_valid_request_sends_is_taken_by_its_targets(kind: str, drawn: st.DataObject) -> None:
    posted = validate_envelope(drawn.draw(requests(CATALOGUE.kinds[kind])))
    assert check_all(CATALOGUE.kinds[kind], stored(posted)) >= 1


@pytest.mark.parametrize(("name", "file"), QUESTIONS)
def test_a_question_of_the_samples_is_taken_by_its_target(name: str, file: Path) -> None:
    asked = orjson.loads(file.read_bytes())
    assert not list(CATALOGUE.queries[name].validator.iter_errors(asked["data"]))
    check_one(*written(CATALOGUE.queries[name].mapping, asked, {}))


@pytest.mark.parametrize("name", CATALOGUE.queries)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(drawn=st.data())
def test_any_valid_question_is_taken_by_its_target(name: str, drawn: st.DataObject) -> None:
    query = CATALOGUE.queries[name]
    check_one(*written(query.mapping, drawn.draw(questions(query)), {}))
