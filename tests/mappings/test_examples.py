"""Each mapping keeps its own examples; what it writes for any valid request, its target's contract takes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from jsonschema_rs import Draft202012Validator
from lxml import etree

import connectors.api_entreprise.wire
import connectors.api_particulier.wire
import connectors.logitud
import connectors.logitud.wire
import connectors.technocarte.wire
from connectors.courriel.client import TEMPLATES, read_shelf
from connectors.courriel.wire import Body, Stationery, template_of, write_message
from connectors.documents.champs import COMPOSER
from connectors.hubee.holdings import Holdings
from connectors.hubee.inbox import incoming_case
from connectors.logitud.wire import write_request
from connectors.technocarte.demande import DEMANDES
from hub.catalogue import CALLBACK_MAPPING, REQUEST, Catalogue, Definition
from hub.connector import Deadline, Incoming, IncomingFile, Outbound
from hub.gate import validate_envelope
from hub.manifest import ErrorTable
from hub.mapping import CompiledMapping, Example
from hub.model import DeliveryKey, Submission
from hub.routing import TIMER_MAPPING, Branch, Carried, Step, named_steps

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
KEY: Final = DeliveryKey("167046020-1")
STAGE: Final = {
    "stage": "Accepté",
    "status": "done",
    "final": True,
    "sequence": 3,
    "at": "2026-09-07T09:13:02+02:00",
    "message": "Votre demande N° 167 046 020 vient d'être validée.",
}
PAPER: Final = Stationery(
    sender="ville@ville.example",
    sender_name="Ville d'Exemple",
    domain="ville.example",
    date=datetime(2026, 9, 7, tzinfo=UTC),
    automatic=True,
)
SHELF: Final = read_shelf(TEMPLATES)
ANY_PORTAL: Final = f"gru/{CALLBACK_MAPPING}"
"""The call-backs that any request may have; others read what their own front end submits, as their examples do."""
LOGITUD: Final = connectors.logitud.connect(
    {"url": "http://127.0.0.1:9/etatcivil", "username": "hub", "password": "bac-a-sable"},
    ErrorTable.read(ROOT / "connectors/logitud"),
)
TECHNOCARTE: Final = etree.XMLSchema(file=str(ROOT / "connectors/technocarte/contract/demandes.xsd"))


def check_logitud(message: Outbound) -> None:
    if message.operation in connectors.logitud.wire.QUESTIONS:
        LOGITUD._port.write(connectors.logitud.wire.QUESTIONS[message.operation][0], **message.fields)
        return
    call = connectors.logitud.wire.DEMANDES[message.operation].call
    LOGITUD._port.write(call, **write_request(message, []))


def check_technocarte(message: Outbound) -> None:
    if message.operation not in DEMANDES:
        check_schema(message, "technocarte")
        return
    said = connectors.technocarte.wire.write_request(message.key, message.operation, message.body)
    TECHNOCARTE.assertValid(etree.fromstring(said))


def check_courriel(message: Outbound) -> None:
    body = Body.model_validate(message.fields)
    written = write_message(message.key, body, template_of(body, SHELF), PAPER)
    assert written.as_bytes()


def check_gru(message: Outbound) -> None:
    assert {"type", "numero", "kind", "etape", "statut", "final", "date", "message"} <= message.fields.keys()


def check_documents(message: Outbound) -> None:
    COMPOSER.validate_json(message.body)


def check_api_entreprise(message: Outbound) -> None:
    usual = connectors.api_entreprise.wire.Purpose(context="Vie associative")
    assert connectors.api_entreprise.wire.write_question(message, "21130001500014", usual)


def check_api_particulier(message: Outbound) -> None:
    assert connectors.api_particulier.wire.write_question(message, "21130001500014")


def check_schema(message: Outbound, connector: str) -> None:
    """Check a message against the JSON Schema of its operation."""
    assert [error.message for error in schema_of(connector, message.operation).iter_errors(message.fields)] == []


@cache
def schema_of(connector: str, operation: str) -> Draft202012Validator:
    contract = CATALOGUE.manifests[connector].operations[operation].contract
    assert contract, f"{connector}.{operation} declares no contract: give it a writer here"
    schema = orjson.loads((ROOT / "connectors" / connector / contract).read_bytes())
    return Draft202012Validator(schema, validate_formats=True)


CONTRACTS: Final[Mapping[str, Callable[[Outbound], None]]] = {
    "logitud": check_logitud,
    "technocarte": check_technocarte,
    "courriel": check_courriel,
    "gru": check_gru,
    "documents": check_documents,
    "api_entreprise": check_api_entreprise,
    "api_particulier": check_api_particulier,
}
"""Connector → its own writer, which raises for what the target's contract refuses; of the others the schema is read."""


DECISION: Final = {"accepted": False, "reason": "Assurance invalide"}


def as_stored(posted: Submission) -> dict[str, Any]:
    """Give the document that mappings read."""
    said = posted.model_dump(mode="json", exclude_none=True)
    return {**said, "number": 167_046_020, "received_at": "2026-09-07T09:12:45+02:00"}


def messages(definition: Definition, document: dict[str, Any]) -> Iterator[tuple[str, Outbound]]:
    """Write all that a request may ever send, whatever becomes of it."""
    answers = answers_to(definition)
    for step in named_steps(list(open_to(definition, definition.route.steps, document))):
        if isinstance(step, Carried):
            for item in definition.route.items(step, document, answers):
                bindings = {"key": KEY, "decision": DECISION, "answers": answers}
                yield written(MAPPINGS[step.using], document, bindings | ({} if item is None else {"item": item}))
    yield written(MAPPINGS[ANY_PORTAL], document, {"key": KEY, "stage": STAGE})


def open_to(definition: Definition, steps: Sequence[Step], document: dict[str, Any]) -> Iterator[Step]:
    """Give the steps that a request may come to: a branch that reads the request alone has one way for it."""
    for step in steps:
        if not isinstance(step, Branch):
            yield step
            continue
        ways = (True, False) if "$answers" in step.branch else (definition.route.evaluate(step.branch, document),)
        for way in ways:
            yield from open_to(definition, step.then if way is True else step.otherwise, document)


def tells_of_a_stage(name: str) -> bool:
    return name.endswith(f"/{CALLBACK_MAPPING}")


def makes_a_request(mapping: CompiledMapping) -> bool:
    return f"{mapping.connector}.{mapping.operation}" == REQUEST


def answers_to(definition: Definition) -> dict[str, Any]:
    """Give what each step of a kind may be answered, as the first example that shows it does."""
    shown = [example.bindings for mapping in definition.mappings.values() for example in mapping.examples]
    return {step: said for one in reversed(shown) for step, said in one.get("answers", {}).items()}


def written(mapping: CompiledMapping, document: Mapping[str, Any], bindings: Mapping[str, Any]) -> tuple[str, Outbound]:
    body = mapping.write(document, bindings)
    return mapping.connector, Outbound(KEY, mapping.operation, body, Deadline(timedelta(seconds=5)))


def check_all(definition: Definition, document: dict[str, Any]) -> int:
    sent = list(messages(definition, document))
    for connector, message in sent:
        check_one(connector, message)
    return len(sent)


def check_one(connector: str, message: Outbound) -> None:
    check = CONTRACTS.get(connector)
    check(message) if check else check_schema(message, connector)


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
    _, message = written(MAPPINGS["hubee/etape"], as_stored(posted), {"key": KEY, "stage": STAGE})
    check_schema(message, "hubee")
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
    assert check_all(CATALOGUE.kinds[kind], as_stored(posted)) >= 2


@pytest.mark.parametrize("kind", CATALOGUE.kinds)
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(drawn=st.data())
def test_all_that_any_valid_request_sends_is_taken_by_its_targets(kind: str, drawn: st.DataObject) -> None:
    definition = CATALOGUE.kinds[kind]
    applicant = drawn.draw(APPLICANTS)
    form = drawn.draw(values(definition.schema, definition.schema))
    assume(definition.validator.is_valid(form))
    posted = Submission.model_validate({"kind": kind, "applicant": applicant, "data": form})
    assert check_all(definition, as_stored(posted)) >= 1


@pytest.mark.parametrize(("name", "file"), QUESTIONS)
def test_a_question_of_the_samples_is_taken_by_its_target(name: str, file: Path) -> None:
    asked = orjson.loads(file.read_bytes())
    assert not list(CATALOGUE.queries[name].validator.iter_errors(asked["data"]))
    check_one(*written(CATALOGUE.queries[name].mapping, asked, {}))


@pytest.mark.parametrize("name", CATALOGUE.queries)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(drawn=st.data())
def test_any_valid_question_is_taken_by_its_target(name: str, drawn: st.DataObject) -> None:
    query = CATALOGUE.queries[name]
    form = drawn.draw(values(query.schema, query.schema))
    assume(query.validator.is_valid(form))
    check_one(*written(query.mapping, {"data": form, "site": "ville"}, {}))


def values(schema: Mapping[str, Any], root: Mapping[str, Any]) -> SearchStrategy[Any]:
    """Generate what a form's schema allows, from the keywords that forms use."""
    match schema:
        case {"$ref": str(place)}:
            return values(root["$defs"][place.rpartition("/")[2]], root)
        case {"enum": choices} | {"const": choices}:
            return st.sampled_from(choices if "enum" in schema else [choices])
        case {"type": "object", "properties": fields, "required": required}:
            made = {name: values(field, root) for name, field in fields.items()}
            optional = {name: made[name] for name in fields if name not in required}
            return st.fixed_dictionaries({name: made[name] for name in required}, optional=optional)
        case {"type": "array", "items": items}:
            bounds = {"min_size": schema.get("minItems", 0), "max_size": min(schema["maxItems"], 5)}
            return st.lists(values(items, root), unique=schema.get("uniqueItems", False), **bounds)
        case {"type": "string"}:
            return strings(schema)
    return plain(schema)


def plain(schema: Mapping[str, Any]) -> SearchStrategy[Any]:
    """Generate numbers between their bounds, and yes or no."""
    match schema:
        case {"type": "integer", "minimum": least, "maximum": most}:
            return st.integers(least, most)
        case {"type": "number", "minimum": least, "maximum": most}:
            return st.floats(least, most)
        case {"type": "boolean"}:
            return st.booleans()
    raise AssertionError(f"a keyword this test does not know: {schema}")


def strings(schema: Mapping[str, Any]) -> SearchStrategy[str]:
    """Generate dates of the schema's centuries, texts of its pattern, or any text of its length."""
    least, most = schema.get("minLength", 0), schema.get("maxLength", 500)
    match schema:
        case {"format": "date", "pattern": pattern}:
            years = [year for year in range(1800, 2100) if re.search(pattern, f"{year}-")]
            return st.dates(date(years[0], 1, 1), date(years[-1], 12, 31)).map(date.isoformat)
        case {"pattern": pattern}:
            return st.from_regex(pattern, fullmatch=True).filter(lambda text: least <= len(text) <= most)
        case _:
            return st.text(min_size=least, max_size=min(most, 200))


TEXT: Final = st.text(min_size=1, max_size=255)
APPLICANTS: Final = st.fixed_dictionaries(
    {
        "identity": st.fixed_dictionaries(
            {"family_name": TEXT, "given_name": TEXT},
            optional={"preferred_username": TEXT, "gender": st.sampled_from(["female", "male"])},
        ),
        "contact": st.fixed_dictionaries(
            {},
            optional={
                "email": st.sampled_from(
                    ["lea@example.org", f"{'a' * 60}@{'b' * 40}.example.org", "lea@é.example.org"]
                ),
                "phone": st.from_regex(r"^\+?[0-9][0-9 .]{5,18}$", fullmatch=True)
                | st.sampled_from(["06 39 98 12 34", "+33 6 39 98 12 34", "0033639981234"]),
            },
        ),
    },
    optional={
        "address": st.fixed_dictionaries(
            {"country": st.sampled_from(["FR", "BE"])},
            optional={
                "street": st.text(max_size=255),
                "complement": st.text(max_size=255),
                "postcode": st.from_regex(r"^[0-9]{5}$", fullmatch=True),
                "city": st.text(max_size=255),
            },
        )
    },
)
"""Any applicant that the envelope takes: names are free texts there."""
