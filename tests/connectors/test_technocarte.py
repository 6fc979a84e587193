"""Technocarte: what is written inside `var`, and what an answer without codes means."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from copy import deepcopy
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema_rs import validator_for
from lxml import etree
from pydantic import ValidationError

import connectors.technocarte
from connectors._transport.soap import ENVELOPE
from connectors._transport.xml import parse
from connectors.technocarte.client import Technocarte, connect
from connectors.technocarte.demande import DEMANDES
from connectors.technocarte.sandbox import SCHOOLS, SENTENCES, Sandbox
from connectors.technocarte.wire import (
    SERVICE,
    XSI,
    read_receipt,
    read_return,
    read_schools,
    write_call,
    write_request,
)
from hub.connector import Deadline, Outbound
from hub.errors import RefusedError, TransientError, UncertainError
from hub.manifest import ErrorTable
from hub.model import DeliveryKey

FOLDER = Path(connectors.technocarte.__file__).parent
ERRORS = ErrorTable.read(FOLDER)
SCHEMA = etree.XMLSchema(file=str(FOLDER / "contract" / "demandes.xsd"))
KEY = DeliveryKey("167046020-1")
SAMPLES = orjson.loads((FOLDER / "contract" / "samples.json").read_bytes())
RESERVATION = SAMPLES["reserver_restauration"]


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    stand_in = Sandbox()
    await stand_in.start()
    yield stand_in
    await stand_in.stop()


@pytest.fixture
async def technocarte(sandbox: Sandbox) -> AsyncIterator[Technocarte]:
    connector = connect(sandbox.settings(), ERRORS)
    yield connector
    await connector.close()


def outbound(body: dict[str, Any], operation: str = "reserver_restauration") -> Outbound:
    return Outbound(KEY, operation, orjson.dumps(body), Deadline(timedelta(seconds=5)))


def written(operation: str, body: dict[str, Any]) -> etree._Element:
    return parse(write_request(KEY, operation, orjson.dumps(body)).encode())


def contract_of(operation: str) -> dict[str, Any]:
    contract: dict[str, Any] = json.loads((FOLDER / "contract" / f"{operation}.json").read_text("utf-8"))
    return contract


CONTRACTS = {operation: validator_for(contract_of(operation)) for operation in DEMANDES}
NAME = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), min_size=1, max_size=80
)
CODE = st.from_regex(r"[A-Za-z0-9_.-]{1,40}", fullmatch=True)
PHONE = st.from_regex(r"[+]?[0-9][0-9 .]{5,18}", fullmatch=True)
DAY = st.dates().map(str)
PERSON = st.fixed_dictionaries({"nom": NAME, "prenom": NAME}, optional={"telephone": PHONE, "lien": NAME})
ADDRESS = st.fixed_dictionaries({"voie": NAME, "code_postal": st.just("13100"), "commune": NAME})
PEOPLE = {
    "famille": st.fixed_dictionaries({"identifiant": CODE}, optional={"quotient": st.integers(0, 10**8)}),
    "demandeur": st.fixed_dictionaries(
        {"nom": NAME, "prenom": NAME}, optional={"courriel": NAME, "telephone": PHONE, "adresse": ADDRESS}
    ),
    "enfant": st.fixed_dictionaries(
        {"nom": NAME, "prenom": NAME, "date_naissance": DAY},
        optional={"identifiant": st.none() | CODE, "sexe": st.sampled_from("FM")},
    ),
    "saison": st.just("2026-2027"),
}
SCHOOL = {
    "ecole": st.fixed_dictionaries({"identifiant": CODE}, optional={"section": st.none() | NAME}),
    "telephone_urgence": PHONE,
}
HEALTH = st.fixed_dictionaries(
    {},
    optional={
        "allergie": st.booleans(),
        "precisions": NAME,
        "medecin": st.fixed_dictionaries({"nom": NAME}, optional={"telephone": PHONE}),
        "hospitalisation": st.booleans(),
    },
)
PAPERS = {
    "pieces": st.lists(st.sampled_from(["DOMICILE", "ASSURANCE", "CAF_OU_IMPOT"])),
    "personnes_autorisees": st.lists(PERSON, max_size=10),
}
DIET = st.sampled_from(["STANDARD", "SANS_PORC", "VEGETARIEN", "PAI"])
YES = st.just(value=True)
BODIES = st.one_of(
    st.tuples(
        st.just("reserver_restauration"),
        st.fixed_dictionaries(PEOPLE | {"regime": DIET, "jours": st.lists(DAY, min_size=1, unique=True)}),
    ),
    st.tuples(
        st.just("inscrire"),
        st.fixed_dictionaries(
            PEOPLE
            | SCHOOL
            | {
                "activite": st.just("RESTAURATION"),
                "regime": DIET,
                "jours_semaine": st.lists(st.sampled_from(["LUNDI", "JEUDI"]), min_size=1, max_size=5),
                "reglement_interieur": YES,
            },
            optional={"sante": HEALTH, "pieces": PAPERS["pieces"]},
        ),
    ),
    st.tuples(
        st.just("inscrire"),
        st.fixed_dictionaries(
            PEOPLE
            | SCHOOL
            | {
                "activite": st.just("PERISCOLAIRE"),
                "activites": st.lists(CODE, min_size=1, max_size=20),
                "reglement_interieur": YES,
            },
            optional=PAPERS | {"sante": HEALTH},
        ),
    ),
    st.tuples(
        st.just("renouveler"),
        st.fixed_dictionaries(
            PEOPLE
            | SCHOOL
            | {
                "est_restauration": YES,
                "est_periscolaire": st.booleans(),
                "acceptation_reglement_interieur": YES,
            },
            optional=PAPERS,
        ),
    ),
)


def test_a_call_is_written_as_the_public_client_writes_it():
    envelope = parse(write_call("ReceptionLibredemat", {"var": "<a>é&</a>", "code_appli": "GRU"}))
    call = envelope.find(f"{{{ENVELOPE}}}Body/{{{SERVICE}}}ReceptionLibredemat")
    assert [(one.tag, one.get(f"{{{XSI}}}type"), one.text) for one in call] == [
        ("var", "xsd:string", "<a>é&</a>"),
        ("code_appli", "xsd:string", "GRU"),
    ]
    assert envelope.get(f"{{{ENVELOPE}}}encodingStyle") == "http://schemas.xmlsoap.org/soap/encoding/"


@pytest.mark.parametrize("operation", DEMANDES)
def test_each_sample_becomes_a_valid_document_under_our_key(operation):
    document = written(operation, SAMPLES[operation])
    SCHEMA.assertValid(document)
    assert document.findtext("Id") == KEY
    assert document.findtext("State") == "Validated"
    assert document.findtext("HomeFolder/FamilyQuotient") == "85000"


def test_days_are_written_in_order_reserved_and_given_up_apart():
    document = written("reserver_restauration", {**RESERVATION, "jours": ["2026-09-10", "2026-09-07"]})
    assert [day.text for day in document.find("ReservedDays")] == ["2026-09-07", "2026-09-10"]
    assert [day.text for day in document.find("CancelledDays")] == ["2026-09-11"]


def test_an_after_school_registration_says_who_may_collect_the_child():
    given = {key: SAMPLES["inscrire"][key] for key in ("famille", "demandeur", "enfant", "saison", "ecole")}
    document = written(
        "inscrire",
        given
        | {
            "activite": "PERISCOLAIRE",
            "activites": ["ACCUEIL_MATIN"],
            "telephone_urgence": "0600000000",
            "personnes_autorisees": [{"nom": "MARTIN", "prenom": "Paul"}],
            "reglement_interieur": True,
        },
    )
    SCHEMA.assertValid(document)
    assert document.tag == "PerischoolActivityRegistrationRequest"
    assert document.findtext("AuthorizedIndividual/FirstName") == "Paul"


@given(BODIES)
def test_whatever_the_contract_admits_is_a_valid_document(case):
    operation, body = case
    CONTRACTS[operation].validate(body)
    SCHEMA.assertValid(written(operation, body))


@pytest.mark.parametrize("operation", DEMANDES)
def test_the_published_contract_is_the_one_we_read(operation):
    published = contract_of(operation)
    published.pop("$schema")
    assert published == DEMANDES[operation].json_schema()


def test_the_examples_of_the_readme_are_valid():
    blocks = re.findall(r"```json\n(.*?)```", (FOLDER / "README.md").read_text("utf-8"), re.DOTALL)
    operations = ["reserver_restauration", "inscrire", "inscrire", "renouveler"]
    for operation, block in zip(operations, blocks, strict=True):
        SCHEMA.assertValid(written(operation, json.loads(block)))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"saison": "2026-2028"}, "saison"),
        ({"jours": ["07/09/2026"]}, "jours.0"),
        ({"jours": [], "annulations": []}, "message"),
        ({"jours": ["2026-09-11"]}, "message"),
        ({"regime": "CARNIVORE"}, "regime"),
        ({"famille": {"identifiant": "F1042", "quotient": "850"}}, "famille.quotient"),
        ({"demandeur": {"nom": "A\x00", "prenom": "B"}}, "demandeur.nom"),
        ({"demandeur": {"nom": "A\uffff", "prenom": "B"}}, "demandeur.nom"),
        ({"surprise": 1}, "surprise"),
    ],
)
async def test_what_breaks_the_contract_never_leaves_and_its_field_is_named(sandbox, technocarte, change, field):
    message = outbound({**RESERVATION, **change})
    with pytest.raises(RefusedError, match="message_invalid"):
        await technocarte.deliver(message)
    assert message.exchange.fault == field
    assert not message.exchange.sent
    assert not sandbox.taken()


@pytest.mark.parametrize("missing", [{"est_restauration": False, "est_periscolaire": False}, {"saison": None}])
def test_a_renewal_renews_something_for_some_season(missing):
    with pytest.raises(ValidationError):
        written("renouveler", {**SAMPLES["renouveler"], **missing})


@pytest.mark.parametrize("operation", ["inscrire", "renouveler"])
def test_nobody_is_registered_who_has_not_accepted_the_rules(operation):
    body = deepcopy(SAMPLES[operation])
    rules = next(name for name in body if "reglement" in name)
    with pytest.raises(ValidationError):
        written(operation, {**body, rules: False})


async def test_silence_is_the_yes_of_this_target(sandbox, technocarte):
    message = outbound(RESERVATION)
    receipt = await technocarte.deliver(message)
    assert receipt.reference == KEY
    assert sandbox.taken() == {KEY: 1}
    assert message.exchange.http_status == 200


async def test_it_takes_the_same_request_twice_so_the_hub_must_not_send_it_twice(sandbox, technocarte):
    await technocarte.deliver(outbound(RESERVATION))
    await technocarte.deliver(outbound(RESERVATION))
    assert sandbox.taken() == {KEY: 2}


async def test_it_cannot_be_asked(technocarte):
    with pytest.raises(UncertainError, match="not_askable"):
        await technocarte.look_up(outbound(RESERVATION))


@pytest.mark.parametrize("code", SENTENCES)
async def test_each_sentence_of_the_menu_has_its_own_row(sandbox, technocarte, code):
    sandbox.break_with(code)
    with pytest.raises((RefusedError, TransientError), match=f"^{code}$"):
        await technocarte.deliver(outbound(RESERVATION))
    assert not sandbox.taken()


@pytest.mark.parametrize(
    ("sentence", "stage"),
    [
        ("Dossier incomplet : assurance scolaire manquante", "Assurance invalide"),
        ("ATTESTATION CAF PERIMEE", "Attestation CAF ou impôt sur le revenu invalide"),
        ("Avis d'impôt illisible", "Attestation CAF ou impôt sur le revenu invalide"),
        ("Justificatif de domicile manquant", "Justificatif de domicile invalide"),
        ("Date limite depassee", ""),
    ],
)
def test_agents_read_the_stage_they_know(sentence, stage):
    error = ERRORS.failure(sentence)
    assert isinstance(error, RefusedError)
    assert error.stage == stage


@pytest.mark.parametrize(
    ("said", "failure", "code"),
    [
        ("Erreur 57", RefusedError, "unmapped"),
        ("Demande 167046020-2 déjà reçue", RefusedError, "already_received"),
        ("SQLSTATE[40001] deadlock", UncertainError, "php_error"),
        (" \n\t", UncertainError, "unreadable"),
        ("Application inconnue", TransientError, "unknown_application"),
    ],
)
def test_a_sentence_means_one_thing(said, failure, code):
    with pytest.raises(failure, match=f"^{code}$"):
        read_receipt(KEY, said, ERRORS)


def test_already_received_under_our_key_is_a_yes():
    assert read_receipt(KEY, f"Demande {KEY} déjà reçue", ERRORS).reference == KEY


@pytest.mark.parametrize(
    "answer",
    [
        f'<r:autreResponse xmlns:r="{SERVICE}"><return/></r:autreResponse>',
        "<ReceptionLibredematResponse><return/></ReceptionLibredematResponse>",
        f'<r:ReceptionLibredematResponse xmlns:r="{SERVICE}"/>',
        f'<r:ReceptionLibredematResponse xmlns:r="{SERVICE}"><a/><b/></r:ReceptionLibredematResponse>',
        f'<r:ReceptionLibredematResponse xmlns:r="{SERVICE}"><a><b/></a></r:ReceptionLibredematResponse>',
        f'<r:ReceptionLibredematResponse xmlns:r="{SERVICE}"><a href="#id0"/></r:ReceptionLibredematResponse>',
    ],
)
def test_only_one_plain_string_is_an_answer(answer):
    with pytest.raises(UncertainError, match="unreadable"):
        read_return("ReceptionLibredemat", parse(answer.encode()))


def test_schools_are_read_and_anything_else_is_not_a_list_of_them():
    assert read_schools(SCHOOLS, ERRORS) == ("Jules Ferry",)
    for said in ("", "Erreur 57", "<autre/>", "<ListeEcole>"):
        with pytest.raises(UncertainError):
            read_schools(said, ERRORS)


async def test_the_probe_finds_a_wrong_label(sandbox):
    connector = connect(sandbox.settings() | {"code_appli": "AUTRE"}, ERRORS)
    with pytest.raises(TransientError, match="unknown_application"):
        await connector.probe(Deadline(timedelta(seconds=5)))
    await connector.close()


async def test_the_probe_finds_a_page_that_is_not_technocarte_s(sandbox):
    sandbox.is_delivery = always_true  # type: ignore[method-assign]  # faults are played on questions too
    sandbox.break_with("erreur_dans_200")
    connector = connect(sandbox.settings(), ERRORS)
    with pytest.raises(UncertainError, match="unreadable"):
        await connector.probe(Deadline(timedelta(seconds=5)))
    await connector.close()


async def always_true(_: object) -> bool:
    return True
