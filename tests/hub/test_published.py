"""What the hub publishes of itself is valid by the specifications' own schemas, and true."""

import json
import time

import jsonschema_rs
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from typer.testing import CliRunner

from connectors.gru.sandbox import SECRET
from connectors.gru.wire import read_secret, write_headers
from hub.api import build_api
from hub.app import open_hub
from hub.catalogue import Catalogue
from hub.cli_published import published
from hub.mapping import CompiledMapping
from hub.model import Status, delivery_key
from hub.published import HEADERS, asyncapi, openapi
from hub.settings import HOME, Settings

CATALOGUE = Catalogue.read(HOME)
SPECIFICATION = HOME / "tests/data/asyncapi-3.0.0.schema.json"
"""Of the package @asyncapi/specs 6.11.1 (Apache-2.0), without blanks."""


@pytest.fixture(scope="module")
def told():
    return asyncapi(CATALOGUE)


@pytest.fixture(scope="module")
def specification():
    return jsonschema_rs.validator_for(json.loads(SPECIFICATION.read_bytes()))


@pytest.fixture
def payload(told):
    return jsonschema_rs.Draft202012Validator(told["components"]["schemas"]["notifier_etape"], validate_formats=True)


@pytest.fixture
def etape():
    file = HOME / "mappings/gru/etape.yaml"
    return CompiledMapping.read(file, file.read_text("utf-8"))


def test_the_openapi_document_is_valid():
    OpenAPIV31SpecValidator(openapi(CATALOGUE)).validate()


async def test_the_openapi_document_is_the_one_a_running_hub_gives(tmp_path):
    places = {"database": f"sqlite:///{tmp_path}/hub.db", "files": tmp_path, "secret_file": tmp_path / "secret"}
    async with open_hub(Settings(**places), serve=False) as hub:
        running, said = build_api(hub).openapi(), openapi(hub.catalogue)
    assert said == running
    assert "/v1/requests" in said["paths"]


def test_the_openapi_document_shows_every_kind():
    body = openapi(CATALOGUE)["paths"]["/v1/requests"]["post"]["requestBody"]
    assert body["content"]["application/json"]["examples"].keys() == CATALOGUE.kinds.keys()


def test_the_asyncapi_document_is_valid(told, specification):
    assert [error.message for error in specification.iter_errors(told)] == []


@pytest.mark.parametrize("member", ["asyncapi", "info"])
def test_an_asyncapi_document_without_what_it_must_have_is_not(told, specification, member):
    assert not specification.is_valid({name: said for name, said in told.items() if name != member})


def test_every_reference_of_the_asyncapi_document_leads_somewhere(told):
    def references(value):
        if isinstance(value, dict):
            yield from [value["$ref"]] if "$ref" in value else []
        for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            yield from references(part)

    found = list(references(told))
    assert len(found) == 4
    for reference in found:
        place = told
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]


def test_its_examples_are_what_the_mapping_promises(told, payload, etape):
    examples = told["components"]["messages"]["notifier_etape"]["examples"]
    assert [one["payload"] for one in examples] == [example.expect for example in etape.examples]
    assert all(payload.is_valid(one["payload"]) for one in examples)


@pytest.mark.parametrize("status", Status)
def test_a_callback_of_any_status_is_as_published(payload, etape, status):
    stage = {"stage": "Accepté", "status": status, "final": True, "sequence": 1, "at": "2026-09-07T09:13:02Z"}
    written = etape.apply({"number": 167046020, "kind": "rapo"}, {"stage": {**stage, "message": "Fait."}})
    assert list(payload.iter_errors(written)) == []


@pytest.mark.parametrize(("member", "value"), [("statut", "lost"), ("final", "yes"), ("date", "hier"), ("nom", "x")])
def test_a_callback_that_is_not_as_published_would_be_found(payload, etape, member, value):
    assert not payload.is_valid({**etape.examples[0].expect, member: value})


def test_its_headers_are_those_that_the_connector_writes():
    keys = (read_secret(SECRET), read_secret(SECRET))
    headers = write_headers(keys, delivery_key(167046020, 3), int(time.time()), b"{}")
    assert jsonschema_rs.Draft202012Validator(dict(HEADERS)).is_valid(headers)
    assert headers.keys() - {"Content-Type"} == set(HEADERS["required"]) == HEADERS["properties"].keys()


@pytest.mark.parametrize(("verb", "specified"), [("openapi", "3.1."), ("asyncapi", "3.0.")])
def test_the_command_line_prints_them(verb, specified):
    said = json.loads(CliRunner().invoke(published, [verb]).stdout)
    assert said[verb].startswith(specified)
