"""API Entreprise: what is not found and what may not be told are answers; each call says for whom and why it asks."""

from __future__ import annotations

import csv
import json
import re
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest
from jsonschema_rs import validator_for
from pydantic import ValidationError

import connectors.api_entreprise
from connectors._transport.etat import BAN, SILENCES
from connectors._transport.http import Answer
from connectors.api_entreprise.sandbox import KNOWS, MALFORMED, Sandbox
from connectors.api_entreprise.wire import SERVICES
from hub.connector import Deadline, Exchange, Outbound
from hub.errors import DeliveryError, RefusedError, TransientError, UncertainError
from hub.manifest import ErrorTable, Manifest
from hub.model import DeliveryKey, Effect, Verdict

FOLDER = Path(connectors.api_entreprise.__file__).parent
ERRORS = ErrorTable.read(FOLDER)
CODES = list(csv.DictReader((FOLDER / "contract" / "codes.tsv").open(encoding="utf-8"), delimiter="\t"))
CASES = orjson.loads((FOLDER / "contract" / "cases.json").read_bytes())
COMPANY = {"siren": "999000027"}


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


def message(fields=COMPANY, operation="unite_legale", within: float = 5) -> Outbound:
    return Outbound(DeliveryKey("167046020-1"), operation, orjson.dumps(fields), Deadline(timedelta(seconds=within)))


@asynccontextmanager
async def facing(**settings):
    sandbox = Sandbox()
    await sandbox.start()
    connector = connectors.api_entreprise.connect({**sandbox.settings(), **settings}, ERRORS)
    connector.api.hold._clock = sandbox.clock = Clock()
    try:
        yield connector, sandbox
    finally:
        await connector.close()
        await sandbox.stop()


def parameters(asked: Outbound) -> dict[str, list[str]]:
    return parse_qs(urlsplit(asked.exchange.sent.decode()).query)


@pytest.mark.parametrize(
    ("operation", "case"),
    [pytest.param(name, case, id=f"{name}: {case['title']}") for name, cases in CASES.items() for case in cases],
)
async def test_each_case_is_told_whole(operation, case):
    async with facing() as (api, _):
        details = (await api.deliver(message(case["params"], operation))).details
        assert (details["trouve"], details["absents"]) == (True, [])
        assert (details["data"], details["meta"]) == (case["data"], case["meta"])


@pytest.mark.parametrize("operation", SERVICES)
async def test_a_number_that_nobody_has_is_an_answer_that_a_route_can_branch_on(operation):
    nobody = {"siren": "999999999", "siret": "99999999999999"}
    async with facing() as (api, _):
        kind = KNOWS[operation][0]
        assert (await api.deliver(message({kind: nobody[kind]}, operation))).details == {"trouve": False}


@pytest.mark.parametrize(
    ("operation", "number"), [("unite_legale", {"siren": "999000068"}), ("etablissement", {"siret": "99900006800017"})]
)
async def test_what_may_not_be_told_is_an_answer_too(operation, number):
    async with facing() as (api, _):
        assert (await api.deliver(message(number, operation))).details == {"trouve": True, "diffusible": False}


@pytest.mark.parametrize(
    ("status", "diffusible"),
    [("diffusible", True), ("partiellement_diffusible", True), ("non_diffusible", False), (None, None)],
)
async def test_what_insee_gives_says_whether_it_may_be_told(status, diffusible):
    async with facing() as (api, sandbox):
        case = orjson.loads(orjson.dumps(CASES["unite_legale"][1]))
        case["data"]["status_diffusion"] = status
        sandbox._cases = {"unite_legale": [case]}
        assert (await api.deliver(message())).details.get("diffusible") is diffusible


async def test_each_call_says_for_whom_and_why():
    async with facing() as (api, sandbox):
        asked = message()
        await api.deliver(asked)
        usual = {name: [sandbox.settings()[name]] for name in ("recipient", "context", "object")}
        assert parameters(asked) == usual


async def test_a_mapping_may_say_better_why_it_asks():
    async with facing() as (api, _):
        asked = message({**COMPANY, "context": "Marchés publics", "object": "marché 26-127"})
        await api.deliver(asked)
        assert (parameters(asked)["context"], parameters(asked)["object"]) == (["Marchés publics"], ["marché 26-127"])


@pytest.mark.parametrize("name", ["context", "object"])
async def test_a_call_that_nothing_justifies_is_not_made(name):
    async with facing(**{name: None}) as (api, sandbox):
        asked = message()
        with pytest.raises(RefusedError, match=r"^message_invalid$"):
            await api.deliver(asked)
        assert asked.exchange.fault == name
        assert sandbox.calls == 0


async def test_the_token_can_be_probed_before_anyone_says_why_the_city_asks():
    async with facing(context=None, object=None) as (api, sandbox):
        await api.probe(Deadline(timedelta(seconds=5)))
        assert sandbox.calls == 1


def test_why_the_city_asks_takes_less_than_fifty_characters():
    with pytest.raises(ValidationError, match="object"):
        connectors.api_entreprise.connect({**Sandbox().settings(), "object": "o" * 50}, ERRORS)


def test_every_code_of_the_api_has_a_meaning():
    assert len(CODES) == 186
    silent = [row for row in CODES if not (found := ERRORS.find(row["code"])) or not found.hint]
    assert silent == []
    assert all(row.hint for row in ERRORS.error)


MEANS = {
    "401": Verdict.TRANSIENT,
    "403": Verdict.REFUSED,
    "404": Verdict.ACCEPTED,
    "409": Verdict.TRANSIENT,
    "422": Verdict.REFUSED,
    "429": Verdict.TRANSIENT,
    "502": Verdict.TRANSIENT,
    "504": Verdict.TRANSIENT,
}
OTHERWISE = {"38422": Verdict.REFUSED, "04503": Verdict.REFUSED, "03501": Verdict.UNCERTAIN}


@pytest.mark.parametrize("row", CODES, ids=lambda row: row["code"])
def test_each_code_means_what_its_status_does_but_for_three(row):
    assert ERRORS.find(row["code"]).verdict is OTHERWISE.get(row["code"], MEANS[row["http"]])


@pytest.mark.parametrize("row", [row for row in CODES if row["http"] == "422"], ids=lambda row: row["code"])
def test_a_refusal_names_the_parameter_at_fault(row):
    named = row["sens"].removesuffix("manque").partition(" mal")[0].strip()
    assert ERRORS.find(row["code"]).hint.startswith(named)


async def test_two_days_are_waited_for_when_an_agent_must_read_the_file():
    async with facing() as (api, sandbox):
        sandbox.break_with("read_by_an_agent")
        with pytest.raises(TransientError, match=r"^04501$") as caught:
            await api.deliver(message())
        assert caught.value.retry_after == timedelta(days=2)


async def test_what_may_be_a_breakdown_or_an_absence_is_told_as_neither():
    async with facing() as (api, sandbox):
        sandbox.break_with("perhaps_unknown")
        with pytest.raises(UncertainError, match=r"^03501$"):
            await api.deliver(message())


@pytest.mark.parametrize("operation", SERVICES)
async def test_the_sandbox_itself_refuses_a_malformed_number(operation):
    async with facing() as (api, _):
        usual = [("recipient", "1"), ("context", "c"), ("object", "o")]
        path = SERVICES[operation].path.format("123")
        exchange = Exchange()
        answer = await api.api.ask(path, usual, exchange, Deadline(timedelta(seconds=5)))
        failure = api.api.failure(answer, exchange)
        expected = MALFORMED[KNOWS[operation]]
        assert isinstance(failure, RefusedError)
        assert exchange.fault == f"{expected.code} {expected.parameter}"


@pytest.mark.parametrize(
    ("operation", "fields", "fault"),
    [
        ("unite_legale", {"siren": "99900002"}, "siren"),
        ("unite_legale", {"siren": 999000027}, "siren"),
        ("unite_legale", {"siren": "999000027", "surprise": 1}, "surprise"),
        ("unite_legale", {}, "siren"),
        ("etablissement", {"siret": "999000027/../privileges"}, "siret"),
        ("association", {}, "Value error, rna or siren"),
        ("association", {"siren": "999000019", "rna": "W990000017"}, "Value error, rna or siren"),
        ("association_rna", {"rna": "990000017"}, "rna"),
        ("unite_legale", {**COMPANY, "object": "o" * 50}, "object"),
    ],
)
async def test_what_the_contract_does_not_allow_is_never_asked(operation, fields, fault):
    async with facing() as (api, sandbox):
        wrong = message(fields, operation)
        with pytest.raises(RefusedError, match=r"^message_invalid$"):
            await api.deliver(wrong)
        assert wrong.exchange.fault.startswith(fault)
        assert sandbox.calls == 0


async def test_when_nothing_remains_of_the_quota_nothing_leaves_before_its_end():
    async with facing() as (api, sandbox):
        sandbox.limit = 1
        await api.deliver(message())
        with pytest.raises(TransientError, match=r"^quota$"):
            await api.deliver(message())
        assert sandbox.calls == 1


async def test_silence_after_a_429_is_a_ban():
    async with facing(silence="0s") as (api, sandbox):
        sandbox.break_with("too_many")
        with pytest.raises(TransientError, match=r"^http_429$"):
            await api.deliver(message())
        sandbox.clock.at += 1
        sandbox.banned = True
        for _ in range(SILENCES):
            with pytest.raises(DeliveryError):
                await api.deliver(message(within=0.3))
        seen = sandbox.calls
        with pytest.raises(TransientError, match=r"^banni$") as caught:
            await api.deliver(message())
        assert (caught.value.retry_after, sandbox.calls) == (BAN, seen)


def test_a_code_that_nobody_knows_refuses_when_it_blames_us_and_is_a_doubt_when_it_does_not():
    connector = connectors.api_entreprise.connect({**Sandbox().settings(), "url": "http://127.0.0.1:9"}, ERRORS)
    body = b'{"errors": [{"code": "00777", "title": "?"}]}'
    assert isinstance(connector.api.failure(Answer(422, {}, body), Exchange()), RefusedError)
    assert isinstance(connector.api.failure(Answer(502, {}, body), Exchange()), UncertainError)


@pytest.mark.parametrize("operation", SERVICES)
def test_the_published_contract_is_the_one_we_read(operation):
    published = json.loads((FOLDER / "contract" / f"{operation}.json").read_text("utf-8"))
    assert published.pop("$schema")
    assert published == SERVICES[operation].asks.model_json_schema()
    for case in CASES[operation]:
        validator_for(published).validate(case["params"])


def test_every_operation_only_asks_and_may_be_answered_again_for_a_day():
    operations = Manifest.read(FOLDER).operations
    assert operations.keys() == SERVICES.keys() == CASES.keys() == KNOWS.keys()
    assert {(operation.effect, operation.cache) for operation in operations.values()} == {
        (Effect.SAFE, timedelta(hours=24))
    }


def test_the_example_of_the_readme_is_a_question():
    [block] = re.findall(r"```json\n(.*?)```", (FOLDER / "README.md").read_text("utf-8"), re.DOTALL)
    SERVICES["association"].asks.model_validate_json(block, strict=True)
