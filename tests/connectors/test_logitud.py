"""Logitud: requests handed over once, refusals in the agents' words, nothing said that is not known."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import orjson
import pytest

import connectors.logitud
from connectors._transport.soap import InvalidMessageError
from connectors.logitud.sandbox import CATALOGUE, CODES, SOAP_FAULTS, Sandbox
from connectors.logitud.wire import (
    DEMANDES,
    QUESTIONS,
    UNKNOWN,
    read_found,
    read_polling_station,
    read_receipt,
    read_registration,
)
from hub.connector import Deadline, DifferentError, File, Outbound, Receipt
from hub.errors import DeliveryError, RefusedError, TransientError, UncertainError
from hub.manifest import ErrorTable
from hub.model import DeliveryKey

FOLDER = Path(connectors.logitud.__file__).parent
ERRORS = ErrorTable.read(FOLDER)
KEY = DeliveryKey("167046020-1")
BIRTH = "demander_acte_naissance"
SAMPLE = Sandbox().sample(BIRTH)


def soon() -> Deadline:
    return Deadline(timedelta(seconds=10))


def message(fields=SAMPLE, operation=BIRTH, files=()) -> Outbound:
    return Outbound(KEY, operation, orjson.dumps(fields), soon(), files)


def changed(path: str, value, operation: str = BIRTH) -> dict:
    """The operation's sample with one field changed, or removed when `value` is None."""
    fields = Sandbox().sample(operation)
    *above, last = path.split(".")
    place = fields
    for step in above:
        place = place[step]
    place[last] = value
    if value is None:
        del place[last]
    return fields


def file_of(content: bytes, announced: bytes | None = None, name: str = "pièce.pdf") -> File:
    async def read() -> AsyncIterator[bytes]:
        yield content[:3]
        yield content[3:]

    announced = content if announced is None else announced
    return File(name, "application/pdf", len(content), hashlib.sha256(announced).hexdigest(), read)


@asynccontextmanager
async def facing(sandbox: Sandbox | None = None, **settings):
    sandbox = sandbox or Sandbox()
    await sandbox.start()
    logitud = connectors.logitud.connect({**sandbox.settings(), **settings}, ERRORS)
    try:
        yield logitud, sandbox
    finally:
        await logitud.close()
        await sandbox.stop()


@pytest.mark.parametrize("operation", DEMANDES)
async def test_what_is_handed_over_is_found_again(operation):
    async with facing() as (logitud, sandbox):
        asked = message(sandbox.sample(operation), operation)
        receipt = await logitud.deliver(asked)
        found = await logitud.look_up(asked)
        assert found == Receipt(receipt.reference, {"etat": "RECUE"})
        assert await logitud.ask_state(receipt.reference, soon()) == "RECUE"
        sandbox.states[receipt.reference] = "DELIVREE"
        assert await logitud.ask_state(receipt.reference, soon()) == "DELIVREE"


async def test_an_unknown_number_has_no_state():
    async with facing() as (logitud, _):
        with pytest.raises(RefusedError, match=f"^{UNKNOWN}$"):
            await logitud.ask_state("EC99999999", soon())


async def test_a_reference_already_known_with_the_same_content_is_accepted():
    async with facing() as (logitud, sandbox):
        first = await logitud.deliver(message())
        assert (await logitud.deliver(message())).reference == first.reference
        assert sandbox.taken()[KEY] == 1


@pytest.mark.parametrize(
    ("path", "value"), [("Titulaire.Nom", "MARTIN"), ("Titulaire.Prenoms", "ZOÉ"), ("NombreExemplaires", 5)]
)
async def test_a_reference_already_known_with_another_content_is_for_a_person(path, value):
    async with facing() as (logitud, _):
        await logitud.deliver(message())
        other = message(changed(path, value))
        with pytest.raises(DifferentError):
            await logitud.look_up(other)
        with pytest.raises(DifferentError):
            await logitud.deliver(other)


async def test_another_act_under_our_reference_is_for_a_person():
    async with facing() as (logitud, sandbox):
        await logitud.deliver(message())
        with pytest.raises(DifferentError):
            await logitud.look_up(message(sandbox.sample("demander_acte_deces"), "demander_acte_deces"))


async def test_a_request_shows_only_after_the_registry_s_lag():
    async with facing() as (logitud, sandbox):
        sandbox.visible_after = 3600
        await logitud.deliver(message())
        assert await logitud.look_up(message()) is None
        sandbox.visible_after = 0
        assert await logitud.look_up(message()) is not None


async def test_known_but_not_shown_yet_is_a_doubt():
    async with facing() as (logitud, sandbox):
        sandbox.visible_after = 3600
        sandbox.break_with("deja_connue")
        with pytest.raises(UncertainError, match=r"^known_but_absent$"):
            await logitud.deliver(message())


async def test_a_reserve_is_kept_in_the_receipt():
    async with facing() as (logitud, sandbox):
        sandbox.break_with("reserve")
        assert (await logitud.deliver(message())).details == {"reserve": "RESERVE"}


@pytest.mark.parametrize(
    ("fault", "stage"),
    [
        ("domicile_invalide", "Justificatif de domicile invalide"),
        ("identite_invalide", "Carte nationale d'identité invalide"),
        ("acte_introuvable", ""),
    ],
)
async def test_a_refusal_names_the_stage_agents_know(fault, stage):
    async with facing() as (logitud, sandbox):
        sandbox.break_with(fault)
        with pytest.raises(RefusedError, match=f"^{CODES[fault]}$") as caught:
            await logitud.deliver(message())
        assert caught.value.stage == stage


async def test_nightly_maintenance_is_waited_for():
    async with facing() as (logitud, sandbox):
        sandbox.break_with("maintenance_nocturne")
        with pytest.raises(TransientError) as caught:
            await logitud.deliver(message())
        assert caught.value.retry_after == timedelta(minutes=30)


def test_the_errors_table_is_total_over_what_the_registry_says():
    rows = {row.code: row for row in ERRORS.error}
    assert rows.keys() == {*CATALOGUE, *SOAP_FAULTS, UNKNOWN, "message_invalid", "reference_invalid"}
    assert {code: rows[code].verdict for code in CATALOGUE} == {
        code: verdict for code, (_, verdict, _) in CATALOGUE.items()
    }
    assert all(row.hint for row in ERRORS.error)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("Titulaire.Nom", "Lefèvre"),
        ("Titulaire.Nom", "A" * 39),
        ("Titulaire.Nom", "ŁUKASZ"),
        ("Titulaire.Nom", ""),
        ("Titulaire.Nom", None),
        ("Demandeur.Adresse.Ville", "A" * 33),
        ("Demandeur.Telephone", "+33612345678"),
        ("Demandeur.Adresse.Voie", "3 rue du Œillet"),
        ("NatureActe", "PHOTOCOPIE"),
        ("NombreExemplaires", 6),
        ("DateActe", "14/03/1987"),
        ("LieuActe.CodeInsee", "2C001"),
    ],
)
async def test_what_the_contract_does_not_allow_never_leaves(path, value):
    async with facing() as (logitud, sandbox):
        wrong = message(changed(path, value))
        with pytest.raises(InvalidMessageError):
            await logitud.deliver(wrong)
        assert wrong.exchange.fault.endswith(path)
        assert wrong.exchange.sent == b""
        assert not sandbox.taken()


async def test_the_sandbox_itself_refuses_what_breaks_the_schema():
    async with facing() as (logitud, sandbox):
        logitud._port._schema = None
        with pytest.raises(RefusedError, match=r"^XML-INVALIDE$"):
            await logitud.deliver(message(changed("Titulaire.Nom", "Lefèvre")))
        assert not sandbox.taken()


async def test_files_travel_whole_in_the_message():
    async with facing() as (logitud, sandbox):
        await logitud.deliver(message(files=(file_of(b"%PDF-" + b"x" * 8_000_000), file_of(b"%PDF-2"))))
        assert sandbox.taken()[KEY] == 1


async def test_a_file_that_differs_from_its_digest_is_refused():
    async with facing() as (logitud, _):
        with pytest.raises(RefusedError, match=r"^PIECE-ALTEREE$"):
            await logitud.deliver(message(files=(file_of(b"%PDF-1", announced=b"%PDF-2"),)))


async def test_a_wrong_account_parks_nothing():
    async with facing(password="faux") as (logitud, _):
        for spoken in (logitud.probe(soon()), logitud.deliver(message())):
            with pytest.raises(TransientError, match=r"^AUTHENTIFICATION$"):
                await spoken


@pytest.mark.parametrize(
    ("answer", "failure", "code"),
    [
        ({"Message": {"severity": "ERROR", "code": "NEUF"}, "NumeroDemande": None}, RefusedError, "unmapped"),
        ({"Message": {"severity": "WARN", "code": "NEUF"}, "NumeroDemande": None}, RefusedError, "unmapped"),
        ({"Message": {"severity": "FATAL", "code": "NEUF"}, "NumeroDemande": None}, UncertainError, "unmapped"),
        ({"Message": {"severity": "INFO", "code": "OK"}, "NumeroDemande": None}, UncertainError, "unmapped"),
        ({"Message": {"severity": "WARN", "code": "RESERVE"}, "NumeroDemande": None}, UncertainError, "unreadable"),
        ({"Message": {"severity": "ERROR", "code": "NEUF"}, "NumeroDemande": "EC1"}, UncertainError, "unreadable"),
        ({}, UncertainError, "unreadable"),
        (None, UncertainError, "unreadable"),
    ],
)
def test_each_answer_means_one_thing(answer, failure, code):
    with pytest.raises(failure) as caught:
        read_receipt(answer, ERRORS)
    assert (type(caught.value), caught.value.code) == (failure, code)


@pytest.mark.parametrize(
    "answer",
    [
        {"Message": {"severity": "INFO", "code": "OK"}, "Demande": None},
        {"Message": {"severity": "WARN", "code": UNKNOWN}, "Demande": None},
        {"Message": {"severity": "FATAL", "code": "FATAL"}, "Demande": None},
        {},
    ],
)
def test_only_a_clear_absence_is_an_absence(answer):
    with pytest.raises(DeliveryError):
        read_found(answer, message(), ERRORS)


VOTE = "preinscrire_electeur"
CENSUS = "recenser_citoyen"
APPEAL = "deposer_rapo"


@pytest.mark.parametrize(
    ("operation", "path", "value"),
    [
        (VOTE, "DateNaissance", "1988-03-14"),
        (VOTE, "NomNaissance", "MARTIN"),
        (CENSUS, "Personne.Prenoms", "ZOÉ"),
        (CENSUS, "Personne.DateNaissance", "2010-05-22"),
        (APPEAL, "Avis.Numero", "21130001200019260029999999"),
        (APPEAL, "Requerant.Nom", "MARTIN"),
    ],
)
async def test_the_same_reference_for_somebody_or_something_else_is_for_a_person(operation, path, value):
    async with facing() as (logitud, sandbox):
        await logitud.deliver(message(sandbox.sample(operation), operation))
        with pytest.raises(DifferentError):
            await logitud.deliver(message(changed(path, value, operation), operation))


@pytest.mark.parametrize(
    ("operation", "path", "value"),
    [
        (VOTE, "Nationalite", "Suisse"),
        (VOTE, "Situation", "Retour"),
        (VOTE, "NomNaissance", "Lefèvre"),
        (VOTE, "Sexe", None),
        (VOTE, "DateNaissance", "14/03/1987"),
        (CENSUS, "Personne.LieuNaissance", "A" * 33),
        (CENSUS, "FiliationPere.Nom", "nguyen"),
        (CENSUS, "Contact.Telephone", "+33639985678"),
        (APPEAL, "Avis.Numero", "12"),
        (APPEAL, "Immatriculation", "ab-123-cd"),
        (APPEAL, "Motif", "COLERE"),
        (APPEAL, "Expose", "Un œil sur l'horodateur"),
        (APPEAL, "Expose", ""),
        ("est_inscrit", "NomNaissance", "ŁUKASZ"),
        ("bureau_de_vote", "Adresse.CodePostal", "1310"),
    ],
)
async def test_the_contract_is_checked_before_anything_leaves(operation, path, value):
    async with facing() as (logitud, sandbox):
        wrong = message(changed(path, value, operation), operation)
        with pytest.raises(InvalidMessageError):
            await logitud.deliver(wrong)
        assert wrong.exchange.fault.endswith(path)
        assert wrong.exchange.sent == b""
        assert not sandbox.taken()


@pytest.mark.parametrize(
    ("operation", "path", "value", "code"),
    [
        (VOTE, "Nationalite", "RessortissantUE", "NATIONALITE-INCOMPLETE"),
        (VOTE, "PrecedentLieuInscription", None, "PRECEDENT-LIEU-MANQUANT"),
        (VOTE, "Situation", "PremiereInscription", "DEJA-INSCRIT"),
        (VOTE, "Piece", [{"Nature": "PIECE-IDENTITE", "Fichier": "absente.pdf"}], "PIECE-MANQUANTE"),
        (APPEAL, "Piece", [{"Nature": "AVIS-PAIEMENT"}], "PIECE-MANQUANTE"),
        (APPEAL, "Piece", [{"Nature": "CESSION"}], "PIECE-MANQUANTE"),
        (APPEAL, "Requerant.Qualite", "MANDATAIRE", "PIECE-MANQUANTE"),
        (APPEAL, "DateRecours", "2026-02-18", "DELAI-DEPASSE"),
        (APPEAL, "Avis", {"Numero": "2113000120", "Date": "2026-01-09", "Remise": "SUR-PLACE"}, "DELAI-DEPASSE"),
    ],
)
async def test_the_town_s_rules_refuse_by_their_own_code(operation, path, value, code):
    async with facing() as (logitud, sandbox):
        with pytest.raises(RefusedError, match=f"^{code}$"):
            await logitud.deliver(message(changed(path, value, operation), operation))
        assert not sandbox.taken()


@pytest.mark.parametrize(
    ("notice", "posted", "made"),
    [
        ("2026-01-12", "POSTE", "2026-02-17"),
        ("2026-01-12", "SUR-PLACE", "2026-02-12"),
        ("2026-01-31", "SUR-PLACE", "2026-02-28"),
        ("2025-12-31", "DEMATERIALISEE", "2026-01-31"),
    ],
)
async def test_an_appeal_of_the_last_day_is_in_time(notice, posted, made):
    avis = {"Numero": "2113000120", "Date": notice, "Remise": posted}
    fields = {**Sandbox().sample(APPEAL), "Avis": avis, "DateRecours": made}
    async with facing() as (logitud, sandbox):
        await logitud.deliver(message(fields, APPEAL))
        assert sandbox.taken()[KEY] == 1


async def test_an_appeal_travels_with_its_papers():
    pieces = [
        {"Nature": "AVIS-PAIEMENT", "Fichier": "avis.pdf"},
        {"Nature": "CESSION", "Fichier": "cession.pdf"},
        {"Nature": "MANDAT", "Fichier": "mandat.pdf"},
    ]
    fields = {**changed("Requerant.Qualite", "MANDATAIRE", APPEAL), "Piece": pieces}
    files = tuple(file_of(b"%PDF-1", name=piece["Fichier"]) for piece in pieces)
    async with facing() as (logitud, sandbox):
        with pytest.raises(RefusedError, match=r"^PIECE-MANQUANTE$"):
            await logitud.deliver(message(fields, APPEAL, files[:2]))
        await logitud.deliver(message(fields, APPEAL, files))
        assert sandbox.taken()[KEY] == 1


async def test_an_elector_learns_where_to_vote():
    async with facing() as (logitud, sandbox):
        receipt = await logitud.deliver(message(sandbox.sample("bureau_de_vote"), "bureau_de_vote"))
        assert receipt.details == {
            "trouve": True,
            "bureau": "0012",
            "lieu": "Groupe scolaire Jules Ferry",
            "adresse": {"voie": "2 rue des Écoles", "code_postal": "13100", "ville": "AIX-EN-PROVENCE"},
        }


async def test_an_elector_who_is_not_on_the_roll_has_no_polling_station():
    async with facing() as (logitud, _):
        stranger = message(changed("NomNaissance", "MARTIN", "bureau_de_vote"), "bureau_de_vote")
        assert (await logitud.deliver(stranger)).details == {"trouve": False}


@pytest.mark.parametrize("situation", ["INSCRIT", "EN-COURS", "RADIE", "NON-INSCRIT"])
async def test_only_who_is_registered_is_said_to_be(situation):
    async with facing() as (logitud, sandbox):
        sandbox.roll["LEFÈVRE", "LÉA MARIE", "1987-03-14"] = situation
        receipt = await logitud.deliver(message(sandbox.sample("est_inscrit"), "est_inscrit"))
        assert receipt.details == {"inscrit": situation == "INSCRIT", "situation": situation}


async def test_a_pre_registration_shows_on_the_roll_as_pending():
    who = {"NomNaissance": "BENKHALED", "Prenoms": "SAMIRA", "DateNaissance": "1990-01-02"}
    async with facing() as (logitud, sandbox):
        await logitud.deliver(message({**sandbox.sample(VOTE), **who}, VOTE))
        assert (await logitud.deliver(message(who, "est_inscrit"))).details["situation"] == "EN-COURS"


@pytest.mark.parametrize("operation", QUESTIONS)
async def test_a_question_leaves_nothing_to_find_again(operation):
    async with facing() as (logitud, sandbox):
        with pytest.raises(UncertainError, match=r"^not_askable$"):
            await logitud.look_up(message(sandbox.sample(operation), operation))


@pytest.mark.parametrize("read", [read_polling_station, read_registration])
@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        ({"Message": {"severity": "INFO", "code": "OK"}, "Bureau": None, "Inscription": None}, UncertainError),
        ({"Message": {"severity": "ERROR", "code": "PLUSIEURS-ELECTEURS"}}, RefusedError),
        ({"Message": {"severity": "FATAL", "code": "MAINTENANCE-NOCTURNE"}}, TransientError),
        ({}, UncertainError),
        (None, UncertainError),
    ],
)
def test_a_question_without_its_answer_is_not_answered(read, answer, failure):
    with pytest.raises(failure):
        read(answer, ERRORS)


def typed(operation=BIRTH) -> Outbound:
    """What a number that an agent typed is asked by: its body is empty."""
    return Outbound(KEY, operation, b"", soon())


@pytest.mark.parametrize("operation", DEMANDES)
async def test_a_number_is_found_whatever_became_of_its_request_and_one_made_up_is_not(operation):
    async with facing() as (logitud, sandbox):
        receipt = await logitud.deliver(message(sandbox.sample(operation), operation))
        for state in ("RECUE", "REJETEE"):
            sandbox.states[receipt.reference] = state
            assert await logitud.find(typed(operation), receipt.reference) is True
        asked = typed(operation)
        assert await logitud.find(asked, "EC99999999") is False
        assert b"EC99999999" in asked.exchange.sent
        assert UNKNOWN.encode() in asked.exchange.answered
        assert sandbox.taken().total() == 1


@pytest.mark.parametrize(
    "reference", ["", "EC1", "ec00000001", "EC00000001 ", "EC00000001\n", "167046020-1", "EC٠٠٠٠٠٠٠١"]
)
async def test_what_is_no_number_of_logitud_s_is_not_asked(reference):
    async with facing() as (logitud, _):
        asked = typed()
        with pytest.raises(RefusedError, match=r"^reference_invalid$"):
            await logitud.find(asked, reference)
        assert not asked.exchange.sent


@pytest.mark.parametrize(
    ("fault", "meaning", "code"),
    [
        ("fault_client", UncertainError, "XML-INVALIDE"),
        ("acte_introuvable", UncertainError, "ACTE-INTROUVABLE"),
        ("maintenance_nocturne", TransientError, "MAINTENANCE-NOCTURNE"),
        ("unknown_account", TransientError, "AUTHENTIFICATION"),
        ("empty_body", UncertainError, "unreadable"),
    ],
)
async def test_a_question_that_is_refused_says_nothing_of_the_number(fault, meaning, code):
    async with facing() as (logitud, sandbox):
        sandbox.break_finding(fault)
        with pytest.raises(meaning, match=f"^{code}$"):
            await logitud.find(typed(), "EC99999999")
