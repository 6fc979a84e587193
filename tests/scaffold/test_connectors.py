"""What a contract becomes: operations, effects, calls, answers, refusals; and what it takes to do better."""

import asyncio
import tomllib
from contextlib import asynccontextmanager
from datetime import timedelta

import orjson
import pytest
from aiohttp import web

from hub.connector import Deadline, Outbound, Receipt
from hub.errors import RefusedError, UncertainError
from hub.exam.candidate import Subject
from hub.exam.papers import papers
from hub.packages import find_packages

from .conftest import CONTRACTS


def subject_of(home, name):
    return Subject.of(find_packages(home.folder)[name])


def operations(home, name):
    said = tomllib.loads(home.read(f"connectors/{name}/connector.toml"))["operations"]
    return {operation: one["effect"] for operation, one in said.items()}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("guichet", {"deposer": "once", "version": "once"}),
        ("demandes", {"annulation": "once", "demande": "once"}),
        ("depot", {"lister_dossiers": "safe", "creer_dossier": "once", "remplacer": "once", "supprimer": "once"}),
        ("arbres", {"arbre": "safe", "arbres": "safe", "version": "safe", "signaler": "once", "supprimer": "once"}),
    ],
)
def test_only_what_the_contract_says_is_read_is_safe(scaffolded, name, expected):
    assert operations(scaffolded, name) == expected


@asynccontextmanager
async def facing(scaffolded, name):
    async with subject_of(scaffolded, name).facing() as candidate:
        yield candidate


async def test_an_answer_in_xml_is_values_of_their_types(scaffolded):
    async with facing(scaffolded, "guichet") as candidate:
        receipt = await candidate.deliver("deposer")
    assert receipt == Receipt("A-0001", {"Numero": "A-0001", "Recu": "2026-09-07T09:12:45+02:00", "Montant": 1.0})


async def test_an_answer_that_is_a_list_is_a_value(scaffolded):
    async with facing(scaffolded, "depot") as candidate:
        receipt = await candidate.deliver("lister_dossiers")
    assert [dossier["objet"] for dossier in receipt.details["value"]] == ["VOIRIE"]


async def test_a_graphql_document_asks_for_what_needs_no_argument_and_never_for_itself(scaffolded):
    async with facing(scaffolded, "arbres") as candidate:
        receipt = await candidate.deliver("signaler")
    assert receipt.reference == "A-0001" or receipt.reference == receipt.details["id"]
    assert receipt.details["lieu"] == {"__typename": "Rue", "nom": "Martin"}
    assert not {"voisins", "parent"} & receipt.details.keys()


async def test_a_refusal_of_the_contract_is_known_by_its_name(scaffolded):
    async with facing(scaffolded, "guichet") as candidate:
        candidate.sandbox.break_with("refused_objetinconnu")
        outcome = await candidate.deliver("deposer")
    assert isinstance(outcome, RefusedError)
    assert outcome.code == "ObjetInconnu"


@asynccontextmanager
async def listening(answer):
    """Be a target that answers one and the same thing; give its address and what it hears."""
    heard = []

    async def hear(request):
        heard.append((request.method, request.path_qs, dict(request.headers), await request.read()))
        return web.json_response(answer)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", hear)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/v2", heard
    await runner.cleanup()


async def deliver(scaffolded, name, operation, fields, settings):
    subject = subject_of(scaffolded, name)
    connector = subject.connect(settings, subject.errors)
    message = Outbound("167046020-1", operation, orjson.dumps(fields), Deadline(timedelta(seconds=10)))
    try:
        return await connector.deliver(message)
    finally:
        await connector.close()


async def test_each_part_of_a_message_goes_where_the_contract_says_with_our_key(scaffolded):
    async with listening([]) as (url, heard):
        fields = {"page": 2, "etat": ["OUVERT", "CLOS"]}
        await deliver(scaffolded, "depot", "lister_dossiers", fields, {"url": url, "api_key": "secret"})
        fields = {"numero": 7, "X-Motif": "erreur", "body": {"objet": "VOIRIE", "demandeur": {"nom": "Martin"}}}
        with pytest.raises(UncertainError):  # it says 204 in its contract, and 200 here
            await deliver(scaffolded, "depot", "remplacer", fields, {"url": url})
    (method, path, headers, _), (other, there, said, body) = heard
    assert (method, path) == ("GET", "/v2/dossiers?page=2&etat=OUVERT&etat=CLOS")
    assert (headers["Idempotency-Key"], headers["X-Api-Key"]) == ("167046020-1", "secret")
    assert (other, there, said["X-Motif"], orjson.loads(body)) == ("PUT", "/v2/dossiers/7", "erreur", fields["body"])


async def test_an_answer_that_the_contract_does_not_know_leaves_a_doubt(scaffolded):
    async with listening([{"objet": "INCONNU"}]) as (url, _):
        with pytest.raises(UncertainError, match="unreadable"):
            await deliver(scaffolded, "depot", "lister_dossiers", {}, {"url": url})


def test_a_better_effect_is_one_word_and_the_exam_then_asks_for_it(home):
    home.new("connector", "guichet_sur", "--from", str(CONTRACTS / "guichet.wsdl"))
    file = home.folder / "connectors/guichet_sur/connector.toml"
    file.write_text(file.read_text().replace('effect = "once"', 'effect = "idempotent"', 1))
    subject = subject_of(home, "guichet_sur")
    [check] = [check for check in papers(subject) if check.title == "a key that the target recognises is taken once"]
    asyncio.run(check.ask(subject))


def test_what_cannot_be_expressed_is_left_out_and_says_why(home):
    told = home.new("connector", "depot", "--from", str(CONTRACTS / "depot.yaml"))
    assert told["left_out"] == [{"operation": "joindre", "reason": "it takes multipart/form-data, not JSON"}]
    assert "| `joindre` | it takes multipart/form-data, not JSON |" in home.read("connectors/depot/README.md")
    assert "joindre" not in told["operations"]


def test_what_the_contract_declares_as_refusals_is_in_the_errors_table(scaffolded):
    rows = tomllib.loads(scaffolded.read("connectors/depot/errors.toml"))["error"]
    assert {row["code"]: (row["verdict"], row["hint"]) for row in rows}["http_409"] == (
        "refused",
        "Le dossier existe déjà.",
    )
