"""Each kind as it is declared: its samples, its schema, its way to an end, its words to citizens."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.catalogue import Catalogue, Definition
from hub.lifecycle import FINAL, State
from hub.model import FINAL_STATUSES, Status, Submission
from hub.routing import (
    ACCEPTED,
    CANCELLED,
    FINALIZED,
    INTEGRATION_ERROR,
    RECEIVED,
    REFUSED,
    UNDER_WAY,
    Await,
    Decision,
    Deliver,
    Fact,
    Notify,
    Progress,
)

ROOT = Path(__file__).parents[2]
CATALOGUE = Catalogue.read(ROOT)
SAMPLES = [
    pytest.param(kind, file, id=f"{kind}: {file.stem}")
    for kind in CATALOGUE.kinds
    for file in sorted(CATALOGUE.folders[kind].glob("samples/*.json"))
]
TECHNICAL = re.compile(r"logitud|technocarte|smtp|soap|serveur|connect|http|bug|erreur|rejet|null", re.IGNORECASE)
ENDS = (State.DELIVERED, State.FINALIZED, State.CANCELLED, State.PARKED)

every_kind = pytest.mark.parametrize("kind", CATALOGUE.kinds)
every_sample = pytest.mark.parametrize(("kind", "file"), SAMPLES)


def submission(file: Path) -> Submission:
    return Submission.model_validate_json(file.read_bytes())


def document(file: Path) -> dict[str, Any]:
    said = submission(file).model_dump(mode="json", exclude_none=True)
    return {**said, "number": 167_046_020, "received_at": "2026-09-07T09:12:45+02:00"}


def nodes(schema: Any) -> Iterator[Mapping[str, Any]]:
    """Give every sub-schema that describes a field or a definition."""
    if isinstance(schema, dict):
        for key in ("properties", "$defs"):
            for node in schema.get(key, {}).values():
                yield node
                yield from nodes(node)
        yield from nodes(schema.get("items"))


def fields(schema: Mapping[str, Any]) -> list[Any]:
    """List the fields alone, at whatever depth."""
    return [field for node in [schema, *nodes(schema)] for field in node.get("properties", {}).values()]


def connectors_of(definition: Definition) -> set[str]:
    steps = definition.route.named.values()
    return {step.target for step in steps if isinstance(step, Deliver | Notify)}


@every_kind
def test_a_kind_lives_in_the_folder_that_bears_its_name(kind: str) -> None:
    assert CATALOGUE.folders[kind].name == kind.replace(".", "_")


@every_kind
def test_a_kind_shows_at_least_three_samples(kind: str) -> None:
    assert len(list(CATALOGUE.folders[kind].glob("samples/*.json"))) >= 3


@every_sample
def test_a_sample_is_what_a_front_end_could_post(kind: str, file: Path) -> None:
    posted = submission(file)
    assert posted.kind == kind
    assert not list(CATALOGUE.kinds[kind].validator.iter_errors(posted.data))


@every_sample
def test_a_sample_shows_nobody_who_exists(kind: str, file: Path) -> None:
    said = file.read_text("utf-8")
    assert all(domain.endswith(("example.org", "example.fr")) for domain in re.findall(r"@([\w.-]+)", said))
    phones = [re.sub(r"\D", "", phone) for phone in re.findall(r'"(?:phone|telephone\w*)": "([^"]+)"', said)]
    assert all(re.match(r"(00)?(33)?0?(199|63998)|493023125", phone) for phone in phones)


@every_kind
def test_every_field_is_explained_to_who_fills_it_in(kind: str) -> None:
    schema = orjson.loads((CATALOGUE.folders[kind] / "schema.json").read_bytes())
    assert [node for node in nodes(schema) if not node.get("title")] == []
    assert [field for field in fields(schema) if not field.get("description")] == []


@every_kind
def test_no_object_takes_fields_it_does_not_know(kind: str) -> None:
    schema = orjson.loads((CATALOGUE.folders[kind] / "schema.json").read_bytes())
    objects = [schema, *(node for node in nodes(schema) if node.get("type") == "object")]
    assert all(node["additionalProperties"] is False for node in objects)
    assert all(set(node["required"]) <= node["properties"].keys() for node in objects)


@every_sample
def test_conditions_and_lists_of_the_route_hold_on_every_sample(kind: str, file: Path) -> None:
    route = CATALOGUE.kinds[kind].route
    for source in route._expressions:
        route.evaluate(source, document(file))


@pytest.mark.parametrize("kind", CATALOGUE.kinds)
@settings(max_examples=60, deadline=None)
@given(drawn=st.data())
def test_whatever_happens_a_request_can_reach_an_end(kind: str, drawn: st.DataObject) -> None:
    definition = CATALOGUE.kinds[kind]
    samples = sorted(CATALOGUE.folders[kind].glob("samples/*.json"))
    last = play(definition, document(drawn.draw(st.sampled_from(samples))), drawn)
    assert last.status in FINAL_STATUSES
    assert last.stage in {ACCEPTED, FINALIZED} or last.status is Status.REFUSED


def play(definition: Definition, said: dict[str, Any], drawn: st.DataObject) -> Progress:
    """Let targets and people do anything until the request ends; a person closes what is parked."""
    facts: dict[tuple[str, int], Fact] = {}
    decisions: dict[str, Decision] = {}
    for _ in range(30):
        progress = definition.route.progress(said, list(facts.values()), decisions)
        if progress.status in FINAL_STATUSES and not progress.planned:
            return progress
        for planned in progress.planned:
            key = planned.step, planned.item
            facts[key] = Fact(*key, drawn.draw(st.sampled_from(ENDS)))
        if progress.awaiting:
            step = definition.route.named[progress.awaiting]
            assert isinstance(step, Await)
            accepted, reason = drawn.draw(st.booleans()), drawn.draw(st.sampled_from(step.reasons))
            decisions[step.name] = Decision(step.name, accepted, reason)
        elif not progress.planned:
            facts = {key: close(fact) for key, fact in facts.items()}
    raise AssertionError(f"no end in sight: {progress}")


def close(fact: Fact) -> Fact:
    return fact if fact.state in FINAL else Fact(fact.step, fact.item, State.FINALIZED)


def test_a_refused_renewal_sends_nothing_to_the_target() -> None:
    definition = CATALOGUE.kinds["periscolaire.renouvellement"]
    file = CATALOGUE.folders[definition.kind] / "samples/deux_enfants_deux_ecoles.json"
    no = {"instruction": Decision("instruction", accepted=False, reason="Assurance invalide")}
    progress = definition.route.progress(document(file), [], no)
    assert (progress.status, progress.stage) == (Status.REFUSED, "Assurance invalide")
    assert [planned.target for planned in progress.planned] == ["courriel"]


def test_a_renewal_is_one_delivery_a_child() -> None:
    definition = CATALOGUE.kinds["periscolaire.renouvellement"]
    file = CATALOGUE.folders[definition.kind] / "samples/fratrie_au_guichet_sans_courriel.json"
    yes = {"instruction": Decision("instruction", accepted=True)}
    progress = definition.route.progress(document(file), [], yes)
    assert [(planned.step, planned.item) for planned in progress.planned] == [
        ("technocarte", 0),
        ("technocarte", 1),
        ("technocarte", 2),
    ]


def test_nobody_without_an_address_is_written_to() -> None:
    definition = CATALOGUE.kinds["courrier.maire"]
    file = CATALOGUE.folders[definition.kind] / "samples/remerciements_au_guichet.json"
    delivered = [Fact("courriel", 0, State.DELIVERED)]
    assert definition.route.progress(document(file), delivered, {}) == Progress(Status.DONE, ACCEPTED)


@pytest.mark.parametrize("stage", [RECEIVED, UNDER_WAY, INTEGRATION_ERROR, ACCEPTED, REFUSED, CANCELLED, FINALIZED])
def test_every_stage_of_the_core_has_its_sentence(stage: str) -> None:
    assert stage in CATALOGUE.stages


@every_kind
def test_every_stage_of_a_route_has_its_sentence(kind: str) -> None:
    definition = CATALOGUE.kinds[kind]
    steps = [step for step in definition.route.named.values() if isinstance(step, Await)]
    stages = {stage for step in steps for stage in (step.stage, *step.reasons)}
    for name in connectors_of(definition):
        stages |= {CATALOGUE.manifests[name].stage} | {row.stage for row in CATALOGUE.errors[name].error}
    assert stages - {""} <= CATALOGUE.stages.keys()


@every_kind
def test_a_kind_has_words_of_its_own_only_for_stages_that_exist(kind: str) -> None:
    assert CATALOGUE.kinds[kind].messages.keys() <= CATALOGUE.stages.keys()


def test_no_sentence_speaks_of_machines_and_each_names_the_request() -> None:
    sentences = [*CATALOGUE.stages.values()]
    sentences += [text for definition in CATALOGUE.kinds.values() for text in definition.messages.values()]
    assert [text for text in sentences if TECHNICAL.search(text) or "[numdemande]" not in text] == []
