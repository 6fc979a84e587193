"""HubEE: what the State sends is fetched whole and let go of once it is kept; what the city says is said once."""

import asyncio
import hashlib
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import orjson
import pytest
from pydantic import ValidationError

import connectors.hubee
from connectors.hubee.demande import read_demande
from connectors.hubee.sandbox import BASE, MENU, SAID, SAMPLE_CASE, Sandbox
from connectors.hubee.wire import Deposit, StatusChange, sort_of
from hub.connector import Deadline, DifferentError, File, Outbound, Source
from hub.errors import RefusedError, TransientError, UncertainError
from hub.manifest import ErrorTable
from hub.model import DeliveryKey, Verdict

FOLDER = Path(connectors.hubee.__file__).parent
ERRORS = ErrorTable.read(FOLDER)
KEY = DeliveryKey("167046020-1")
MOVE, DEPOSIT = "changer_etat", "deposer_piece"


def soon() -> Deadline:
    return Deadline(timedelta(seconds=10))


def message(operation=MOVE, files=(), key=KEY, **changes) -> Outbound:
    fields = {**Sandbox().sample(operation), **changes}
    return Outbound(key, operation, orjson.dumps({k: v for k, v in fields.items() if v is not None}), soon(), files)


def file_of(content: bytes, name="copie.pdf") -> File:
    async def read():
        yield content[:3]
        yield content[3:]

    return File(name, "application/pdf", len(content), hashlib.sha256(content).hexdigest(), read)


@asynccontextmanager
async def facing(**settings):
    sandbox = Sandbox()
    await sandbox.start()
    hubee = connectors.hubee.connect({**sandbox.settings(), **settings}, ERRORS)
    try:
        yield hubee, sandbox
    finally:
        await hubee.close()
        await sandbox.stop()


def events_of(sandbox, case_id=SAMPLE_CASE):
    return sandbox.cases[case_id]["events"]


# The source.


def test_it_is_a_source():
    assert issubclass(connectors.hubee.Hubee, Source)


async def test_a_certificate_asked_for_at_the_state_comes_whole():
    async with facing() as (hubee, sandbox):
        case_id = sandbox.put_example("EtatCivil")
        (incoming,) = await hubee.fetch(soon())
        assert (incoming.key, incoming.sort) == (case_id, "etat_civil")
        act = incoming.fields["demande"]["EnveloppeMetierType"]["DemandeActe"]
        assert act["DateActe"] == "1984-05-17"
        assert act["Titulaire"]["NomNaissance"] == "KERBRAT"
        assert "Commentaire" not in act["MotifDemande"]
        assert incoming.fields["case"]["externalId"] == sandbox.cases[case_id]["externalId"]
        assert [(file.name, file.content[:5]) for file in incoming.files] == [("demande.pdf", b"%PDF-")]
        assert orjson.dumps(incoming.fields)


async def test_a_census_keeps_its_own_dates_and_what_is_repeated_is_a_list():
    async with facing() as (hubee, sandbox):
        sandbox.put_example("recensementCitoyen")
        (incoming,) = await hubee.fetch(soon())
        person = incoming.fields["demande"]["RecensementCitoyen"]["Personne"]
        assert incoming.sort == "recensement_citoyen"
        assert person["DateNaissance"] == "02/09/2010"
        assert [one["CanalCode"] for one in person["MethodeContact"]] == ["EMAIL", "TEL"]
        assert "AdresseResidence" not in person
        assert {one["type"] for one in incoming.fields["case"]["attachments"]} == {"10870-XML", "10870-PDF", "jf", "ji"}
        assert len(incoming.files) == 3


async def test_a_death_certificate_in_latin_1_is_read_with_its_attributes_and_without_its_signature():
    async with facing() as (hubee, sandbox):
        sandbox.put_example("CERTDC")
        (incoming,) = await hubee.fetch(soon())
        certificate = incoming.fields["demande"]["InsermCertificatAdministrative"]
        assert certificate["Defunt"]["Prenoms"] == "Honoré"
        assert certificate["InformationsFuneraires"]["MiseEnBiereImmediate"]["@miseenbiere"] == "false"
        assert "Signature" not in str(certificate)


async def test_what_is_notified_comes_again_until_it_is_acknowledged():
    async with facing() as (hubee, sandbox):
        case_id = sandbox.put_example("EtatCivil")
        first, second = await hubee.fetch(soon()), await hubee.fetch(soon())
        assert first == second
        await hubee.acknowledge(first[0], soon())
        assert await hubee.fetch(soon()) == []
        assert sandbox.cases[case_id]["status"] == "SI_RECEIVED"
        await hubee.acknowledge(second[0], soon())
        assert [event["caseNewStatus"] for event in events_of(sandbox, case_id)] == ["SI_RECEIVED"]


async def test_a_death_certificate_is_received_by_being_in_progress():
    async with facing() as (hubee, sandbox):
        case_id = sandbox.put_example("CERTDC")
        await hubee.acknowledge((await hubee.fetch(soon()))[0], soon())
        assert sandbox.cases[case_id]["status"] == "IN_PROGRESS"


async def test_a_case_that_the_city_cannot_use_is_declined_with_the_reason():
    async with facing() as (hubee, sandbox):
        case_id = sandbox.put_example("EtatCivil")
        (incoming,) = await hubee.fetch(soon())
        await hubee.decline(incoming, "Acte hors de la commune", soon())
        await hubee.decline(incoming, "Acte hors de la commune", soon())
        (event,) = events_of(sandbox, case_id)
        assert (event["caseNewStatus"], event["comment"]) == ("SI_INTG_ERROR", "Acte hors de la commune")
        assert not sandbox.notifications


async def test_a_case_already_received_can_still_be_declined():
    async with facing() as (hubee, sandbox):
        case_id = sandbox.put_example("EtatCivil")
        (incoming,) = await hubee.fetch(soon())
        await hubee.acknowledge(incoming, soon())
        await hubee.decline(incoming, "Illisible", soon())
        assert sandbox.cases[case_id]["status"] == "SI_INTG_ERROR"


async def test_a_reason_is_cut_to_what_hubee_holds():
    async with facing() as (hubee, sandbox):
        case_id = sandbox.put_example("EtatCivil")
        await hubee.decline((await hubee.fetch(soon()))[0], "x" * 2000, soon())
        assert len(events_of(sandbox, case_id)[0]["comment"]) == 1000


async def test_a_case_waits_until_its_files_are_scanned():
    async with facing() as (hubee, sandbox):
        waiting = sandbox.put_example("EtatCivil", status="PENDING")
        ready = sandbox.put_example("EtatCivil")
        assert [one.key for one in await hubee.fetch(soon())] == [ready]
        sandbox.scan(waiting)
        assert [one.key for one in await hubee.fetch(soon())] == [waiting, ready]


@pytest.mark.parametrize("status", ["CORRUPTED", "REJECTED"])
async def test_a_case_whose_file_will_never_be_given_is_declined(status):
    async with facing() as (hubee, sandbox):
        case_id = sandbox.put_example("EtatCivil", status=status)
        assert await hubee.fetch(soon()) == []
        assert sandbox.cases[case_id]["status"] == "SI_INTG_ERROR"
        assert not sandbox.notifications


async def test_one_batch_at_a_time():
    async with facing() as (hubee, sandbox):
        for _ in range(30):
            sandbox.put_case("EtatCivil")
        first = await hubee.fetch(soon())
        assert len(first) == 25
        for incoming in first:
            await hubee.acknowledge(incoming, soon())
        assert len(await hubee.fetch(soon())) == 5


async def test_an_operator_s_message_is_an_event_and_is_marked_as_received():
    async with facing() as (hubee, sandbox):
        event_id = sandbox.put_event(SAMPLE_CASE, "SENDING_MESSAGE", "L'usager a précisé le motif.")
        (incoming,) = await hubee.fetch(soon())
        assert (incoming.key, incoming.sort) == (event_id, "evenement")
        assert incoming.fields["event"]["message"] == "L'usager a précisé le motif."
        assert incoming.fields["case"]["id"] == SAMPLE_CASE
        await hubee.acknowledge(incoming, soon())
        assert events_of(sandbox)[0]["status"] == "RECEIVED"
        assert await hubee.fetch(soon()) == []


async def test_the_files_of_an_event_come_with_it():
    files = {"justificatif.pdf": ("ji", "application/pdf", b"%PDF-1.7 justificatif")}
    async with facing() as (hubee, sandbox):
        sandbox.put_event(SAMPLE_CASE, "ATTACH_DEPOSIT", files=files)
        (incoming,) = await hubee.fetch(soon())
        assert [(one.name, one.content) for one in incoming.files] == [("justificatif.pdf", b"%PDF-1.7 justificatif")]


async def test_an_event_that_cannot_be_used_is_answered():
    async with facing() as (hubee, sandbox):
        sandbox.put_event(SAMPLE_CASE, "SENDING_MESSAGE", "…")
        await hubee.decline((await hubee.fetch(soon()))[0], "Dossier déjà clos", soon())
        assert [one["actionType"] for one in events_of(sandbox)] == ["SENDING_MESSAGE"] * 2
        assert events_of(sandbox)[1]["message"] == "Dossier déjà clos"
        assert not sandbox.notifications


@pytest.mark.parametrize("content", [b"%PDF-1.7\n% inventeE\n%%EOF\n", b"%PDF-1.7\n% autre taille\n%%EOF\n"])
async def test_a_file_that_is_not_what_was_announced_is_not_given(content):
    async with facing() as (hubee, sandbox):
        case_id = sandbox.put_example("EtatCivil")
        sandbox.contents[sandbox.cases[case_id]["attachments"][1]["id"]] = content
        with pytest.raises(UncertainError, match=r"^altered$"):
            await hubee.fetch(soon())
        assert len(sandbox.notifications) == 1


async def test_a_business_document_that_cannot_be_read_stays_a_file():
    files = {"demande.xml": ("ActeEtatCivil-XML", "application/xml", b"<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>")}
    async with facing() as (hubee, sandbox):
        sandbox.put_case("EtatCivil", files)
        (incoming,) = await hubee.fetch(soon())
        assert incoming.fields["demande"] == {}
        assert [file.name for file in incoming.files] == ["demande.xml"]


async def test_a_broken_case_does_not_hold_up_the_others():
    async with facing() as (hubee, sandbox):
        broken, whole = sandbox.put_example("EtatCivil"), sandbox.put_example("recensementCitoyen")
        del sandbox.cases[broken]
        (incoming,) = await hubee.fetch(soon())
        assert incoming.key == whole
        await hubee.acknowledge(incoming, soon())
        with pytest.raises(RefusedError, match=r"^http_404$"):
            await hubee.fetch(soon())


async def test_one_account_that_is_refused_does_not_hold_up_the_others():
    async with facing() as (_, sandbox):
        settings = sandbox.settings()
        settings["procedures"]["EtatCivil"]["client_secret"] = "faux"
        hubee = connectors.hubee.connect(settings, ERRORS)
        sandbox.put_example("recensementCitoyen")
        assert len(await hubee.fetch(soon())) == 1
        with pytest.raises(TransientError, match=r"^client_refused$"):
            await hubee.probe(soon())
        await hubee.close()


@pytest.mark.parametrize(
    ("code", "sort"),
    [
        ("EtatCivil", "etat_civil"),
        ("recensementCitoyen", "recensement_citoyen"),
        ("CERTDC", "certdc"),
        ("depotDossierPACS", "depot_dossier_pacs"),
        ("CAF-contact", "caf_contact"),
    ],
)
def test_a_procedure_s_code_names_a_sort(code, sort):
    assert sort_of(code) == sort


def test_a_single_contact_is_no_list_and_an_attribute_stays_beside_its_text():
    assert read_demande(b'<a><b c="1">x</b><d/></a>') == {"a": {"b": {"@c": "1", "#text": "x"}}}


# Tokens.


async def test_a_token_is_kept_and_shared():
    async with facing() as (hubee, sandbox):
        await asyncio.gather(*(hubee.deliver(message(key=DeliveryKey(f"167046020-{n}"))) for n in range(4)))
        assert sandbox.tokens_given == 1


async def test_a_token_near_its_end_is_not_used():
    async with facing() as (hubee, sandbox):
        sandbox.token_ttl = 20
        await hubee.deliver(message())
        await hubee.look_up(message())
        assert sandbox.tokens_given == 2


async def test_a_token_that_expired_is_renewed_and_the_event_taken_once():
    async with facing() as (hubee, sandbox):
        await hubee.probe(soon())
        sandbox.expire_tokens()
        await hubee.deliver(message())
        assert sandbox.taken()[KEY] == 1


async def test_a_gateway_that_takes_no_token_at_all_is_not_asked_for_ever():
    async with facing() as (hubee, sandbox):
        sandbox.token_ttl = 60
        sandbox._procedure_of = lambda _: None
        with pytest.raises(TransientError, match=r"^token_refused$"):
            await hubee.deliver(message())
        assert sandbox.tokens_given == 2


async def test_no_token_and_no_secret_is_kept_as_evidence():
    async with facing() as (hubee, sandbox):
        told = message()
        await hubee.deliver(told)
        kept = told.exchange.sent + told.exchange.answered
        assert not any(token.encode() in kept for token in sandbox._tokens)
        assert b"secret-" not in kept


def test_an_account_needs_one_secret():
    settings = {"url": "http://h/", "token_url": "http://h/", "procedures": {"EtatCivil": {"client_id": "x"}}}
    with pytest.raises(ValidationError, match="client_secret"):
        connectors.hubee.connect(settings, ERRORS)


async def test_a_secret_may_live_in_a_file(tmp_path):
    (tmp_path / "secret").write_text("secret-EtatCivil\n")
    account = {"client_id": "EtatCivil", "client_secret_file": tmp_path / "secret"}
    async with facing(procedures={"EtatCivil": account}) as (hubee, _):
        await hubee.probe(soon())


# Deliveries.


async def test_a_case_is_moved_and_the_move_found_again():
    async with facing() as (hubee, sandbox):
        receipt = await hubee.deliver(message(comment="par le guichet"))
        (event,) = events_of(sandbox)
        assert receipt.reference == event["id"]
        assert event["comment"] == f"{KEY} par le guichet"
        assert sandbox.cases[SAMPLE_CASE]["status"] == "DONE"
        assert await hubee.look_up(message()) == receipt


async def test_another_move_under_our_key_is_for_a_person():
    async with facing() as (hubee, _):
        await hubee.deliver(message())
        with pytest.raises(DifferentError):
            await hubee.look_up(message(caseNewStatus="REFUSED"))


async def test_a_key_is_not_found_in_a_longer_one():
    async with facing() as (hubee, _):
        await hubee.deliver(message(key=DeliveryKey("167046020-12")))
        assert await hubee.look_up(message()) is None


async def test_a_death_certificate_knows_no_refusal():
    async with facing() as (hubee, sandbox):
        case_id = sandbox.put_example("CERTDC")
        with pytest.raises(RefusedError, match=r"^etat_interdit$"):
            await hubee.deliver(message(processCode="CERTDC", caseId=case_id, caseNewStatus="REFUSED"))


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"caseNewStatus": "CLOSED"}, "caseNewStatus"),
        ({"message": "x" * 1001}, "message"),
        ({"comment": "x" * 981}, "comment"),
        ({"author": "x" * 256}, "author"),
        ({"partnerAttributes": "x" * 1025}, "partnerAttributes"),
        ({"caseId": "../notifications"}, "caseId"),
    ],
)
async def test_what_hubee_does_not_hold_never_leaves(change, place):
    async with facing() as (hubee, sandbox):
        wrong = message(**change)
        with pytest.raises(RefusedError, match=r"^message_invalid$"):
            await hubee.deliver(wrong)
        assert (wrong.exchange.fault, wrong.exchange.sent) == (place, b"")
        assert sandbox.tokens_given == 0


async def test_a_procedure_without_an_account_is_refused():
    async with facing() as (hubee, _):
        with pytest.raises(RefusedError, match=r"^demarche_inconnue$"):
            await hubee.deliver(message(processCode="OTV"))


async def test_the_account_of_another_procedure_is_refused():
    async with facing() as (hubee, _):
        with pytest.raises(RefusedError, match=r"^http_403$"):
            await hubee.deliver(message(processCode="recensementCitoyen"))


async def test_files_and_document_are_deposited_whole_then_seen():
    files = (file_of(b"%PDF-1.7 " + b"x" * 3_000_000, "acte.pdf"), file_of(b"%PDF-2"))
    async with facing() as (hubee, sandbox):
        receipt = await hubee.deliver(message(DEPOSIT, files))
        (event,) = events_of(sandbox)
        assert (receipt.reference, event["status"]) == (event["id"], "SENT")
        assert [(one["fileName"], one["status"]) for one in event["attachments"]] == [
            ("acte.pdf", "RECEIVED"),
            ("copie.pdf", "RECEIVED"),
            ("copie_integrale.pdf", "RECEIVED"),
        ]
        assert await hubee.look_up(message(DEPOSIT, files)) == receipt


async def test_a_deposit_of_nothing_is_refused():
    async with facing() as (hubee, _):
        with pytest.raises(RefusedError, match=r"^sans_piece$"):
            await hubee.deliver(message(DEPOSIT, document=None))


async def test_files_of_one_name_are_refused():
    async with facing() as (hubee, _):
        with pytest.raises(RefusedError, match=r"^message_invalid$"):
            await hubee.deliver(message(DEPOSIT, (file_of(b"%PDF-1"), file_of(b"%PDF-2"))))


async def test_a_deposit_begun_and_not_sent_is_removed_and_begun_anew():
    async with facing() as (hubee, sandbox):
        sandbox.break_with("cut_before")
        with pytest.raises(UncertainError):
            await hubee.deliver(message(DEPOSIT))
        begun = events_of(sandbox)[0]["id"]
        assert await hubee.look_up(message(DEPOSIT)) is None
        receipt = await hubee.deliver(message(DEPOSIT))
        assert [event["id"] for event in events_of(sandbox)] == [receipt.reference]
        assert receipt.reference != begun


async def test_a_deposit_already_sent_is_not_sent_again():
    async with facing() as (hubee, sandbox):
        first = await hubee.deliver(message(DEPOSIT))
        assert await hubee.deliver(message(DEPOSIT)) == first
        assert sandbox.taken()[KEY] == 1


async def test_other_files_under_our_key_are_for_a_person():
    async with facing() as (hubee, _):
        await hubee.deliver(message(DEPOSIT))
        with pytest.raises(DifferentError):
            await hubee.look_up(message(DEPOSIT, (file_of(b"%PDF-2"),), document=None))


async def test_where_patch_is_blocked_it_travels_in_a_post():
    async with facing(method_override=True) as (hubee, sandbox):
        sandbox.patch_blocked = True
        await hubee.deliver(message(DEPOSIT))
        assert events_of(sandbox)[0]["status"] == "SENT"


async def test_where_patch_is_blocked_the_hint_says_what_to_set():
    async with facing() as (hubee, sandbox):
        sandbox.patch_blocked = True
        with pytest.raises(RefusedError, match=r"^http_405$"):
            await hubee.deliver(message(DEPOSIT))
        assert "method_override" in ERRORS.find("http_405").hint


@pytest.mark.parametrize("fault", ["error_500", "hang_up"])
async def test_after_a_500_hubee_advises_to_wait_an_hour(fault):
    async with facing() as (hubee, sandbox):
        sandbox.break_with(fault)
        with pytest.raises(UncertainError) as caught:
            await hubee.deliver(message())
        assert caught.value.retry_after == timedelta(hours=1)
        assert await hubee.look_up(message()) is not None


async def test_a_case_that_is_gone_leaves_a_doubt_when_it_is_looked_up():
    async with facing() as (hubee, sandbox):
        del sandbox.cases[SAMPLE_CASE]
        with pytest.raises(UncertainError, match=r"^http_404$"):
            await hubee.look_up(message())


async def test_software_names_itself_as_hubee_asks():
    seen = {}
    async with facing(editor_name="Ville", software_version="1.0") as (hubee, sandbox):
        serve = sandbox.serve

        async def watch(request):
            seen.update(request.headers if request.path.startswith(BASE) else {})
            return await serve(request)

        sandbox.serve = watch
        await hubee.probe(soon())
    assert (seen["editorName"], seen["applicationName"], seen["softwareVersion"]) == ("Ville", "city-hub", "1.0")


@pytest.mark.parametrize(("operation", "model"), [(MOVE, StatusChange), (DEPOSIT, Deposit)])
def test_the_contract_in_the_folder_is_the_one_that_is_checked(operation, model):
    written = orjson.loads((FOLDER / "contract" / f"{operation}.json").read_bytes())
    assert written.pop("$schema")
    assert written == model.model_json_schema(by_alias=True)


def test_every_answer_of_the_menu_is_in_the_table_of_errors():
    for status, words in (SAID[fault] for fault in MENU if fault in SAID):
        assert ERRORS.find(words) or ERRORS.find(f"http_{status}")
    assert {MENU[fault].verdict for fault in SAID} == {Verdict.REFUSED, Verdict.UNCERTAIN}
