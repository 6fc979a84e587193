"""Each mapping keeps its own examples; what it writes for any valid request, its target's contract takes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from lxml import etree

import connectors.logitud
import connectors.technocarte.wire
from connectors.courriel.client import TEMPLATES, read_shelf
from connectors.courriel.wire import Body, Stationery, template_of, write_message
from connectors.logitud.wire import write_request
from hub.catalogue import CALLBACK_MAPPING, Catalogue, Definition
from hub.connector import Deadline, Outbound
from hub.manifest import ErrorTable
from hub.mapping import CompiledMapping, Example
from hub.model import DeliveryKey, Submission
from hub.routing import Deliver, Notify

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
    for kind, folder in CATALOGUE.folders.items()
    for file in sorted(folder.glob("samples/*.json"))
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
LOGITUD: Final = connectors.logitud.connect(
    {"url": "http://127.0.0.1:9/etatcivil", "username": "hub", "password": "bac-a-sable"},
    ErrorTable.read(ROOT / "connectors/logitud"),
)
TECHNOCARTE: Final = etree.XMLSchema(file=str(ROOT / "connectors/technocarte/contract/demandes.xsd"))


def check_logitud(message: Outbound) -> None:
    LOGITUD._port.write("DemanderActe", **write_request(message, []))


def check_technocarte(message: Outbound) -> None:
    said = connectors.technocarte.wire.write_request(message.key, message.operation, message.body)
    TECHNOCARTE.assertValid(etree.fromstring(said))


def check_courriel(message: Outbound) -> None:
    body = Body.model_validate(message.fields)
    written = write_message(message.key, body, template_of(body, SHELF), PAPER)
    assert written.as_bytes()


def check_gru(message: Outbound) -> None:
    assert {"type", "numero", "kind", "etape", "statut", "final", "date", "message"} <= message.fields.keys()


CONTRACTS: Final[Mapping[str, Callable[[Outbound], None]]] = {
    "logitud": check_logitud,
    "technocarte": check_technocarte,
    "courriel": check_courriel,
    "gru": check_gru,
}
"""Each connector → its own writer, which raises for what the target's contract refuses."""


DECISION: Final = {"accepted": False, "reason": "Assurance invalide"}


def as_stored(posted: Submission) -> dict[str, Any]:
    """Give the document that mappings read."""
    said = posted.model_dump(mode="json", exclude_none=True)
    return {**said, "number": 167_046_020, "received_at": "2026-09-07T09:12:45+02:00"}


def messages(definition: Definition, document: dict[str, Any]) -> Iterator[Outbound]:
    """Write all that a request may ever send, whatever becomes of it."""
    for step in definition.route.named.values():
        if isinstance(step, Deliver | Notify):
            for item in definition.route.items(step, document):
                bindings = {"key": KEY, "decision": DECISION} | ({} if item is None else {"item": item})
                yield written(MAPPINGS[step.using], document, bindings)
    yield written(MAPPINGS[CALLBACK_MAPPING], document, {"key": KEY, "stage": STAGE})


def written(mapping: CompiledMapping, document: Mapping[str, Any], bindings: Mapping[str, Any]) -> Outbound:
    return Outbound(KEY, mapping.operation, mapping.write(document, bindings), Deadline(timedelta(seconds=5)))


def check_all(definition: Definition, document: dict[str, Any]) -> int:
    sent = list(messages(definition, document))
    for message in sent:
        CONTRACTS[CONNECTOR_OF[message.operation]](message)
    return len(sent)


CONNECTOR_OF: Final = {mapping.operation: mapping.connector for mapping in MAPPINGS.values()}


@pytest.mark.parametrize(("mapping", "example"), EXAMPLES)
def test_a_mapping_keeps_its_own_promises(mapping: CompiledMapping, example: Example) -> None:
    assert mapping.apply(example.given, example.bindings) == example.expect


@pytest.mark.parametrize("name", MAPPINGS)
def test_a_mapping_bears_its_file_s_name_and_shows_two_examples(name: str) -> None:
    assert MAPPINGS[name].name == name
    assert len({example.name for example in MAPPINGS[name].examples}) >= 2


@pytest.mark.parametrize("name", MAPPINGS)
def test_a_mapping_writes_for_an_operation_that_exists_and_kinds_that_exist(name: str) -> None:
    mapping = MAPPINGS[name]
    assert mapping.operation in CATALOGUE.manifests[mapping.connector].operations
    assert set(mapping.kinds) <= {"*"} | CATALOGUE.kinds.keys()


@pytest.mark.parametrize("name", MAPPINGS)
def test_no_mapping_is_left_that_no_route_uses(name: str) -> None:
    uses = {
        step.using: {"*", kind}
        for kind, definition in CATALOGUE.kinds.items()
        for step in definition.route.named.values()
        if isinstance(step, Deliver | Notify)
    }
    assert name == CALLBACK_MAPPING or uses[name] & set(MAPPINGS[name].kinds)


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
        case {"type": "integer", "minimum": least, "maximum": most}:
            return st.integers(least, most)
        case {"type": "string"}:
            return strings(schema)
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
