"""Technocarte: what is written inside `var`, what an answer without codes means, what it may do at the hub."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
import requests
import zeep
import zeep.exceptions
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from jsonschema_rs import validator_for
from lxml import etree
from pydantic import TypeAdapter, ValidationError
from zeep.transports import Transport

import connectors.technocarte
from connectors._transport.soap import ENVELOPE
from connectors._transport.xml import parse
from connectors.technocarte import lecture, reponse
from connectors.technocarte.client import PAID, QUESTIONS, Technocarte, connect
from connectors.technocarte.demande import DEMANDES
from connectors.technocarte.question import QuestionActivites, write_activities, write_payment
from connectors.technocarte.sandbox import SENTENCES, Sandbox
from connectors.technocarte.services import WSDL
from connectors.technocarte.town import ACTIVITIES, DETAIL, FAMILY, SCHOOLS
from connectors.technocarte.wire import (
    SERVICE,
    XSI,
    read_receipt,
    read_return,
    read_schools,
    write_call,
    write_request,
)
from hub.connector import Call, Called, Deadline, Outbound, Reply
from hub.errors import RefusedError, TransientError, UncertainError
from hub.manifest import ErrorTable
from hub.model import DeliveryKey, Verdict

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


PAYMENT = SAMPLES["payer_factures"]
ANSWERS = {
    "famille": reponse.DossierFamille,
    "factures": reponse.Factures,
    "detail_facture": reponse.DetailFacture,
    "ecoles": reponse.Ecoles,
    "activites": reponse.Activites,
    "payer_factures": reponse.Payees,
}


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        *((operation, question.takes.json_schema()) for operation, question in QUESTIONS.items()),
        ("payer_factures", PAID.json_schema()),
        *((f"reponse_{name}", TypeAdapter(one).json_schema(mode="serialization")) for name, one in ANSWERS.items()),
    ],
)
def test_what_is_published_of_questions_is_what_is_read_and_given(name, schema):
    published = contract_of(name)
    published.pop("$schema")
    assert published == schema


def test_a_registration_at_the_canteen_is_the_same_by_either_operation():
    given = SAMPLES["inscrire_restauration"]
    by_itself = written("inscrire_restauration", given)
    by_activity = written("inscrire", {**given, "activite": "RESTAURATION"})
    assert etree.tostring(by_itself) == etree.tostring(by_activity)


def bill(number: str, cents: int) -> str:
    return f"<facture><numfct>{number}</numfct><montant>{cents}</montant></facture>"


def test_a_payment_is_written_in_cents_with_its_sum_under_our_key():
    payment = PAID.validate_python(PAYMENT)
    assert list(write_payment(payment, KEY, "GRU").items()) == [
        (
            "listnumfct",
            f"<listefacture>{bill('F1042-01', 4250)}{bill('F1042-02', 1890)}</listefacture>",
        ),
        ("montant", "6140"),
        ("cvqReference", KEY),
        ("bankReference", "idop-5f0c2a"),
        ("homeFolderId", "F1042"),
        ("code_appli", "GRU"),
    ]


def test_activities_are_asked_for_by_a_french_day():
    question = TypeAdapter(QuestionActivites).validate_python(SAMPLES["activites"])
    assert list(write_activities(question, "GRU").values()) == [
        "", "LOI", "GRU", "14/03/2018", "Perischool Activity Registration", "2026-2027", "0", "0",
    ]  # fmt: skip


async def test_a_payment_counts_once_the_invoices_say_so(sandbox, technocarte):
    message = outbound(PAYMENT, "payer_factures")
    assert await technocarte.look_up(message) is None
    receipt = await technocarte.deliver(message)
    assert receipt.reference == KEY
    assert [one["numero"] for one in receipt.details["factures"]] == ["F1042-01", "F1042-02"]
    assert b"PaiementFactureCap" in message.exchange.sent
    assert b"CallListFactureCapResponse" in message.exchange.answered
    assert await technocarte.look_up(message) == receipt


@pytest.mark.parametrize(
    ("fault", "is_taken"),
    [("paid_nonsense", True), ("paid_fault", True), ("unpaid_silence", False), ("unpaid_fault", False)],
)
async def test_what_is_answered_to_a_payment_proves_nothing(sandbox, technocarte, fault, is_taken):
    sandbox.break_with(fault)
    if is_taken:
        assert (await technocarte.deliver(outbound(PAYMENT, "payer_factures"))).reference == KEY
    else:
        with pytest.raises(UncertainError, match=r"^unconfirmed$"):
            await technocarte.deliver(outbound(PAYMENT, "payer_factures"))
        assert await technocarte.look_up(outbound(PAYMENT, "payer_factures")) is None
    assert sandbox.taken().total() == int(is_taken)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"factures": [{"numero": "F1042-09", "montant": 100}]}, "unknown_invoice"),
        ({"factures": [{"numero": "F1042-03", "montant": 3810}]}, "already_paid"),
        ({"factures": [{"numero": "F1042-01", "montant": 4249}]}, "amount_differs"),
        ({"famille": {"identifiant": "F0000"}}, "unknown_family"),
    ],
)
async def test_a_payment_that_is_refused_names_why(sandbox, technocarte, change, code):
    with pytest.raises(RefusedError, match=f"^{code}$"):
        await technocarte.deliver(outbound({**PAYMENT, **change}, "payer_factures"))
    assert not sandbox.taken()


async def test_a_payment_whose_invoices_cannot_be_read_again_is_a_doubt(sandbox, technocarte):
    sandbox.town.bills_of("F1042").pop("F1042-02")
    sandbox.break_with("unpaid_silence")
    with pytest.raises(UncertainError, match=r"^invoice_not_listed$"):
        await technocarte.deliver(outbound(PAYMENT, "payer_factures"))


async def test_a_payment_that_is_half_there_is_for_a_person(sandbox, technocarte):
    sandbox.town.pay("F1042", [("F1042-01", 4250)])
    with pytest.raises(UncertainError, match=r"^partly_paid$"):
        await technocarte.look_up(outbound(PAYMENT, "payer_factures"))


@pytest.mark.parametrize(
    "change",
    [
        {"factures": []},
        {"factures": [{"numero": "A", "montant": 1}, {"numero": "A", "montant": 1}]},
        {"factures": [{"numero": "A", "montant": 12.5}]},
        {"reference_bancaire": ""},
    ],
)
async def test_a_payment_that_breaks_the_contract_never_leaves(sandbox, technocarte, change):
    message = outbound({**PAYMENT, **change}, "payer_factures")
    with pytest.raises(RefusedError, match=r"^message_invalid$"):
        await technocarte.deliver(message)
    assert not message.exchange.sent


async def test_a_family_learns_what_it_owes(technocarte):
    details = (await technocarte.deliver(outbound(SAMPLES["factures"], "factures"))).details
    assert details["a_payer"] == 4250 + 1890
    assert [one["payee"] for one in details["factures"]] == [False, False, True]
    assert details["factures"][2]["payee_le"] == "2026-07-02"
    assert details["factures"][0]["calculee_le"] is None


async def test_a_family_s_file_says_who_may_collect_the_children(technocarte):
    details = (await technocarte.deliver(outbound(SAMPLES["famille"], "famille"))).details
    assert details["enfants"][0]["date_naissance"] == "2018-03-14"
    assert details["personnes_autorisees"][0]["lien"] == "grand-père"


@pytest.mark.parametrize(
    ("read", "document"),
    [
        (lecture.read_detail, DETAIL),
        (lecture.read_activities, ACTIVITIES),
        (lecture.read_schools, SCHOOLS),
        (lecture.read_family, FAMILY),
    ],
)
def test_an_answer_is_read_whole_or_not_at_all(read, document):
    assert read(document, ERRORS)
    for missing in ("value", "IdActivite", "IdEcoleSecteur", "BirthDate"):
        document = re.sub(f"<{missing}>.*?</{missing}>", "", document)
    for said in (document, " ", "<html><body>Erreur</body></html>", "Erreur 57", "<", f"<!DOCTYPE a>{document}"):
        with pytest.raises(UncertainError):
            read(said, ERRORS)


@pytest.mark.parametrize(("written_so", "amount"), [("4250", 4250), ("4250.0", 4250), ("-120", -120)])
def test_cents_are_whole(written_so, amount):
    assert lecture.cents(written_so) == amount


@pytest.mark.parametrize("written_so", ["42,50", "42.5", "", "?", "1e3", "٤"])
def test_what_is_no_amount_is_not_guessed(written_so):
    with pytest.raises(ValueError, match="cents"):
        lecture.cents(written_so)


def test_no_invoices_is_an_answer_and_a_page_is_not():
    for said in ("", "<listefacture/>"):
        assert lecture.read_invoices(said, ERRORS) == reponse.Factures(factures=(), a_payer=0)
    for said in ("<html>Erreur</html>", "<facture/>"):
        with pytest.raises(UncertainError):
            lecture.read_invoices(said, ERRORS)


@pytest.mark.parametrize(
    ("rule", "operation", "code"),
    [
        ({"strangers": {"F1042"}}, "reserver_restauration", "unknown_family"),
        ({"debtors": {"F1042"}}, "inscrire_restauration", "unpaid_invoices"),
        ({"closed_seasons": {"2026-2027"}}, "renouveler", "closed_season"),
        ({"full": {"12"}}, "inscrire_restauration", "full"),
        ({"wanted": {"CAF_OU_IMPOT"}}, "inscrire_restauration", "income_proof_missing"),
        ({"now": datetime(2026, 9, 2, tzinfo=UTC)}, "reserver_restauration", "cutoff_passed"),
    ],
)
async def test_the_town_s_rules_refuse(sandbox, technocarte, rule, operation, code):
    for name, value in rule.items():
        setattr(sandbox.town, name, value)
    with pytest.raises(RefusedError, match=f"^{code}$"):
        await technocarte.deliver(outbound(SAMPLES[operation], operation))
    assert not sandbox.taken()


async def test_until_tuesday_night_the_next_week_can_be_reserved(sandbox, technocarte):
    sandbox.town.now = datetime(2026, 9, 1, 23, 59, tzinfo=UTC)
    await technocarte.deliver(outbound(RESERVATION))
    assert sandbox.taken() == {KEY: 1}


@dataclass
class Counter:
    """A desk that has these messages, and keeps what it was told."""

    messages: list[Outbound] = field(default_factory=list)
    asked: list[tuple[str, datetime, datetime]] = field(default_factory=list)
    told: list[tuple[str, Verdict, str]] = field(default_factory=list)

    async def nudge(self, reference: str) -> bool:
        raise AssertionError(reference)

    async def conclude(self, key: DeliveryKey, verdict: Verdict, code: str = "") -> bool:
        self.told.append((key, verdict, code))
        return any(key == message.key for message in self.messages)

    async def sent(self, operation: str, since: datetime, until: datetime) -> list[Outbound]:
        self.asked.append((operation, since, until))
        return [message for message in self.messages if message.operation == operation]


SECRET = "mot-de-passe-d-essai"
PROOF = f"Basic {base64.b64encode(f'technocarte:{SECRET}'.encode()).decode()}"


@pytest.fixture
def desk() -> Counter:
    return Counter([outbound(SAMPLES[operation], operation) for operation in ("renouveler", "inscrire")])


@pytest.fixture
async def polled() -> AsyncIterator[Technocarte]:
    connector = connect({**Sandbox().settings(), "caller_password": SECRET}, ERRORS)
    yield connector
    await connector.close()


def posted(content: str, proof: str = PROOF, method: str = "POST") -> Call:
    body = f'<s:Envelope xmlns:s="{ENVELOPE}"><s:Body>{content}</s:Body></s:Envelope>'
    return Call(method, headers={"authorization": proof}, body=body.encode())


def ld(tag: str, content: str, namespace: str = "http://www.libredemat.org") -> str:
    return f'<{tag} xmlns="{namespace}">{content}</{tag}>'


def acknowledgement(key: str = KEY, erroneous: str = "false") -> str:
    content = f"<AckElements><RequestId>{key}</RequestId><Erroneous>{erroneous}</Erroneous></AckElements>"
    return ld("AckRequestsRequest", content)


def resulting(state: str, key: str = KEY) -> str:
    data = "<BusinessData><Data>School</Data><Value>13</Value></BusinessData>"
    content = f"<RequestId>{key}</RequestId><ResultingState>{state}</ResultingState>{data}"
    return ld("NotifiyResultingStateRequest", content, "http://www.libredemat.org/rin")


def read(reply: Reply) -> etree._Element:
    assert reply.status == 200
    body = parse(reply.body).find(f"{{{ENVELOPE}}}Body/*")
    assert body is not None
    return body


def test_it_is_called_by_its_vendor(polled):
    assert isinstance(polled, Called)


async def test_without_a_secret_nobody_is_let_in(desk):
    connector = connect(Sandbox().settings(), ERRORS)
    for proof in ("", PROOF, f"Basic {base64.b64encode(b'technocarte:').decode()}"):
        assert (await connector.serve(posted(acknowledgement(), proof), desk)).status == 403
    assert not desk.told
    await connector.close()


@pytest.mark.parametrize("proof", ["", "Basic", "Basic ???", PROOF[:-2], PROOF.replace("Basic", "Bearer"), "Basic é"])
async def test_a_wrong_account_is_not_let_in(polled, desk, proof):
    assert (await polled.serve(posted(acknowledgement(), proof), desk)).status == 401
    assert not desk.told


async def test_a_secret_may_stand_in_a_file(desk, tmp_path):
    (tmp_path / "secret").write_text(SECRET + "\n")
    connector = connect({**Sandbox().settings(), "caller_password_file": str(tmp_path / "secret")}, ERRORS)
    assert (await connector.serve(posted(acknowledgement()), desk)).status == 200
    await connector.close()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (acknowledgement(), (KEY, Verdict.ACCEPTED, "")),
        (acknowledgement(erroneous="1"), (KEY, Verdict.REFUSED, "declared_erroneous")),
        (resulting("Validated"), (KEY, Verdict.ACCEPTED, "")),
        (resulting("Rejected"), (KEY, Verdict.REFUSED, "resulting_rejected")),
        (resulting("Cancelled"), (KEY, Verdict.REFUSED, "resulting_cancelled")),
    ],
)
async def test_what_technocarte_says_of_a_request_concludes_it(polled, desk, content, told):
    answer = read(await polled.serve(posted(content), desk))
    assert answer.findtext("{*}Accomplished") == "true"
    assert desk.told == [told]
    assert not told[2] or ERRORS.find(told[2]).verdict is Verdict.REFUSED


async def test_a_state_on_the_way_is_heard_and_changes_nothing(polled, desk):
    assert read(await polled.serve(posted(resulting("Pending")), desk)).findtext("{*}Accomplished") == "true"
    assert not desk.told


@pytest.mark.parametrize("content", [acknowledgement("000000001-1"), resulting("Validated", "000000001-1")])
async def test_a_request_that_is_not_ours_is_not_accomplished(polled, desk, content):
    assert read(await polled.serve(posted(content), desk)).findtext("{*}Accomplished") == "false"


BOMB = '<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;">]>'


@pytest.mark.parametrize(
    "call",
    [
        posted(""),
        posted("<GetRequestsRequest/>"),
        posted(acknowledgement("12")),
        posted(resulting("Inconnu")),
        Call("POST", headers={"authorization": PROOF}, body=b"bruit"),
        Call("POST", headers={"authorization": PROOF}, body=BOMB.encode() + posted(acknowledgement()).body),
        Call("POST", headers={"authorization": PROOF}, body=b"<" * 200_000),
    ],
)
async def test_what_is_not_the_service_s_is_a_fault_that_repeats_nothing(polled, desk, call):
    reply = await polled.serve(call, desk)
    assert reply.status == 500
    assert parse(reply.body).findtext(".//faultcode") == "soap:Client"
    assert not desk.told


async def test_requests_are_given_as_they_were_sent(polled, desk):
    answer = read(await polled.serve(posted(ld("GetRequestsRequest", "")), desk))
    documents = [one[0] for one in answer]
    assert {one.tag for one in documents} == {"RenewalPerischoolActivitiesRequest", "SchoolCanteenRegistrationRequest"}
    for document in documents:
        SCHEMA.assertValid(parse(etree.tostring(document)))


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("<RequestTypeLabel>School Canteen Registration</RequestTypeLabel>", 1),
        ("<RequestTypeLabel>School Canteen Reservation</RequestTypeLabel>", 0),
        (f"<Id>{KEY}</Id><State>Validated</State>", 2),
        ("<Id>000000001-1</Id>", 0),
        ("<State>Pending</State>", 0),
    ],
)
async def test_requests_are_chosen_by_label_key_and_state(polled, desk, content, found):
    assert len(read(await polled.serve(posted(ld("GetRequestsRequest", content)), desk))) == found


@pytest.mark.parametrize("label", ["Autre", "%"])
async def test_an_unknown_label_is_an_error_in_the_service_s_own_words(polled, desk, label):
    content = ld("GetRequestsRequest", f"<RequestTypeLabel>{label}</RequestTypeLabel>")
    assert read(await polled.serve(posted(content), desk)).findtext("{*}Error") == "unknown RequestTypeLabel"


async def test_days_without_a_zone_are_those_of_paris(polled, desk):
    dates = "<DateFrom>2026-09-01T00:00:00</DateFrom><DateTo>2026-09-02T00:00:00Z</DateTo>"
    await polled.serve(posted(ld("GetRequestsRequest", dates)), desk)
    assert {asked[1:] for asked in desk.asked} == {
        (datetime(2026, 8, 31, 22, tzinfo=UTC), datetime(2026, 9, 2, tzinfo=UTC))
    }
    assert {asked[0] for asked in desk.asked} == set(DEMANDES)


async def test_the_wsdl_and_its_schemas_are_given_and_nothing_else(polled, desk):
    for path, file in (("", "services.wsdl"), ("services.xsd", "services.xsd"), ("../connector.toml", "services.wsdl")):
        reply = await polled.serve(Call("GET", path, headers={"authorization": PROOF}), desk)
        assert reply.body == (WSDL.parent / file).read_bytes()
    assert (await polled.serve(posted("", method="DELETE"), desk)).status == 405


async def test_a_client_made_from_the_wsdl_polls_and_acknowledges(polled, desk):
    async def door(request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        reply = await polled.serve(Call(request.method, "", request.query, headers, await request.read()), desk)
        return web.Response(status=reply.status, body=reply.body, headers={"Content-Type": reply.media_type})

    def poll(url: str) -> tuple[list[str], bool, bool]:
        session = requests.Session()
        session.auth = ("technocarte", SECRET)
        client = zeep.Client(str(WSDL), transport=Transport(session=session))
        service = client.create_service("{urn:city-hub:technocarte:services}ServicesSoap", url)
        got = service.GetRequests(RequestTypeLabel="Renewal Perischool Activities", State="Validated")
        keys = [one._value_1.findtext("Id") for one in got.Request]
        known = service.AckRequests(AckElements=[{"RequestId": key, "Erroneous": False} for key in keys])
        state = service.NotifiyResultingState(RequestId=keys[0], ResultingState="Rejected")
        with pytest.raises(zeep.exceptions.Fault):
            service.AckRequests(AckElements=[{"RequestId": "douze", "Erroneous": False}])
        return keys, known, state

    application = web.Application()
    application.router.add_route("*", "/technocarte", door)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/technocarte"
        assert await asyncio.to_thread(poll, url) == ([KEY], True, True)
    finally:
        await runner.cleanup()
    assert [verdict for _, verdict, _ in desk.told] == [Verdict.ACCEPTED, Verdict.REFUSED]
