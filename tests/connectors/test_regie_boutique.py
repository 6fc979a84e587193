"""The city's shop: an order is one, its payment is one, its stand is one, and only what it signed is heard."""

from __future__ import annotations

import base64
import re
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import ValidationError

import connectors.regie_boutique
from connectors._transport.http import Answer
from connectors.regie_boutique.invoice import write_pdf
from connectors.regie_boutique.sandbox import CATALOGUE, SECRET, Sandbox, sign
from connectors.regie_boutique.schemas import CONTRACT, document
from connectors.regie_boutique.settings import Settings
from connectors.regie_boutique.wire import SERVICES, read_receipt
from hub.connector import Call, Called, Deadline, Outbound
from hub.errors import ConfigurationError, RefusedError, TransientError, UncertainError
from hub.manifest import ErrorTable, Manifest
from hub.model import DeliveryKey, Verdict

FOLDER = Path(connectors.regie_boutique.__file__).parent
ERRORS = ErrorTable.read(FOLDER)
KEY = DeliveryKey("167046020-1")
OTHER_KEY = DeliveryKey("167046021-1")
ANOTHER_SECRET = "whsec_dW4gYXV0cmUgc2VjcmV0IGRlIHBhcyBtYWwgZGUgc2lnbmVz"
UNPAID, PAID = "RB-000001", "RB-000002"


def message(operation: str, key: DeliveryKey = KEY, **changes) -> Outbound:
    fields = {**Sandbox().sample(operation), **changes}
    kept = {name: value for name, value in fields.items() if value is not None}
    return Outbound(key, operation, orjson.dumps(kept), Deadline(timedelta(seconds=10)))


@asynccontextmanager
async def facing(**settings):
    sandbox = Sandbox()
    await sandbox.start()
    boutique = connectors.regie_boutique.connect({**sandbox.settings(), **settings}, ERRORS)
    try:
        yield boutique, sandbox
    finally:
        await boutique.close()
        await sandbox.stop()


@asynccontextmanager
async def listening(sandbox: Sandbox):
    """A door like the hub's: what was called, as a connector is given it."""
    calls = []

    async def answer(request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        calls.append(Call(request.method, "", dict(request.query), headers, await request.read()))
        return web.Response(status=204)

    application = web.Application()
    application.router.add_post("/boutique", answer)
    async with TestServer(application) as server:
        sandbox.urlnotif = str(server.make_url("/boutique"))
        yield calls


class Desk:
    def __init__(self) -> None:
        self.nudged: list[str] = []

    async def nudge(self, reference: str) -> bool:
        self.nudged.append(reference)
        return False

    async def conclude(self, *_):
        raise AssertionError("the shop is asked, not believed")

    async def sent(self, *_):
        raise AssertionError("nobody asked")


async def state_of(boutique, number):
    return (await boutique.deliver(message("suivre_commande", commande=number))).details["etat"]


def test_its_contract_says_that_it_is_a_hypothesis():
    assert Manifest.read(FOLDER).certainty == "hypothetical"
    assert "hypothetical" in (FOLDER / "README.md").read_text("utf-8")
    schemas = [file.stem for file in CONTRACT.glob("*.json") if file.stem != "samples"]
    assert len(schemas) == 2 * len(SERVICES)
    assert all("HYPOTHÉTIQUE" in document(name)["$comment"] for name in schemas)


async def test_an_order_goes_from_the_catalogue_to_its_invoice():
    async with facing() as (boutique, sandbox):
        ordered = await boutique.deliver(message("creer_commande"))
        number = ordered.reference
        assert ordered.details["etat"] == await state_of(boutique, number) == "creee"
        opened = await boutique.deliver(message("ouvrir_paiement", commande=number))
        assert (opened.reference, opened.details["montant"]) == (number, 4500)
        assert await state_of(boutique, number) == "en_attente_paiement"
        await sandbox.pay(opened.details["idop"])
        followed = await boutique.deliver(message("suivre_commande", commande=number))
        invoice = await boutique.deliver(message("facture", commande=number))
        assert followed.details["etat"] == "payee"
        assert followed.details["facture"] == invoice.details["numero"]
        [document] = invoice.files
        assert (document.name, document.media_type) == (f"facture-{number}.pdf", "application/pdf")
        assert document.content.startswith(b"%PDF-")
        assert "pdf" not in invoice.details


async def test_the_same_key_is_the_same_order_and_another_key_another_order():
    async with facing() as (boutique, sandbox):
        first, again = [await boutique.deliver(message("creer_commande")) for _ in range(2)]
        other = await boutique.deliver(message("creer_commande", OTHER_KEY))
        assert first.reference == again.reference != other.reference
        assert sandbox.taken() == {KEY: 1, OTHER_KEY: 1}


@pytest.mark.parametrize(
    ("operation", "changes"),
    [("creer_commande", {"quantite": 2, "montant": 9000}), ("reserver_stand", {"categorie": "ANGLE"})],
)
async def test_our_key_with_another_content_is_for_a_person(operation, changes):
    async with facing() as (boutique, sandbox):
        await boutique.deliver(message(operation))
        with pytest.raises(RefusedError, match=r"^reference_differente$"):
            await boutique.deliver(message(operation, **changes))
        assert sandbox.taken()[KEY] == 1


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"montant": 4400}, "montant_incorrect"),
        ({"quantite": 2}, "montant_incorrect"),
        ({"article": "X"}, "article_inconnu"),
    ],
)
async def test_the_shop_sells_what_it_has_at_its_price(changes, code):
    async with facing() as (boutique, sandbox):
        with pytest.raises(RefusedError, match=f"^{code}$"):
            await boutique.deliver(message("creer_commande", **changes))
        assert not sandbox.taken()


async def test_a_payment_that_is_open_is_given_again_whatever_the_key():
    async with facing() as (boutique, _):
        first = await boutique.deliver(message("ouvrir_paiement"))
        second = await boutique.deliver(message("ouvrir_paiement", OTHER_KEY))
        assert first.details == second.details


@pytest.mark.parametrize("letter", ["R", "Z"])
async def test_a_payment_refused_may_be_followed_by_another(letter):
    async with facing() as (boutique, sandbox):
        first = await boutique.deliver(message("ouvrir_paiement"))
        await sandbox.pay(UNPAID, letter)
        assert await state_of(boutique, UNPAID) == "refusee"
        second = await boutique.deliver(message("ouvrir_paiement"))
        assert first.details["idop"] != second.details["idop"]


async def test_a_payment_given_up_waits_until_it_cannot_be_taken_up_again():
    async with facing() as (boutique, sandbox):
        opened = await boutique.deliver(message("ouvrir_paiement"))
        await sandbox.pay(UNPAID, "A")
        assert await state_of(boutique, UNPAID) == "en_attente_paiement"
        assert (await boutique.deliver(message("ouvrir_paiement"))).details == opened.details
        await sandbox.pay(UNPAID, "P")
        assert await state_of(boutique, UNPAID) == "payee"


async def test_a_payment_that_nobody_made_expires_and_another_may_be_opened():
    async with facing() as (boutique, sandbox):
        sandbox.shop.lifetime = timedelta()
        first = await boutique.deliver(message("ouvrir_paiement"))
        assert await state_of(boutique, UNPAID) == "expiree"
        with pytest.raises(ValueError, match="paiement_ferme"):
            await sandbox.pay(UNPAID)
        assert (await boutique.deliver(message("ouvrir_paiement"))).details["idop"] != first.details["idop"]


async def test_nobody_pays_an_order_twice():
    async with facing() as (boutique, sandbox):
        with pytest.raises(RefusedError, match=r"^commande_payee$"):
            await boutique.deliver(message("ouvrir_paiement", commande=PAID))
        with pytest.raises(ValueError, match="paiement_ferme"):
            await sandbox.pay(PAID)


async def test_an_order_that_is_paid_is_not_cancelled():
    async with facing() as (boutique, sandbox):
        with pytest.raises(RefusedError, match=r"^commande_payee$"):
            await boutique.deliver(message("annuler_commande", commande=PAID))
        assert not sandbox.taken()


async def test_an_order_that_may_still_be_paid_is_cancelled_later():
    async with facing() as (boutique, sandbox):
        await boutique.deliver(message("ouvrir_paiement", OTHER_KEY))
        with pytest.raises(TransientError, match=r"^paiement_en_cours$") as caught:
            await boutique.deliver(message("annuler_commande"))
        assert caught.value.retry_after == timedelta(minutes=15)
        assert sandbox.taken()[KEY] == 0
        await sandbox.pay(UNPAID, "R")
        assert (await boutique.deliver(message("annuler_commande"))).details["etat"] == "annulee"


async def test_an_order_cancelled_stays_so_and_is_not_paid():
    async with facing() as (boutique, sandbox):
        for key in (KEY, OTHER_KEY):
            assert (await boutique.deliver(message("annuler_commande", key))).reference == UNPAID
        with pytest.raises(RefusedError, match=r"^commande_annulee$"):
            await boutique.deliver(message("ouvrir_paiement"))
        assert sandbox.taken().total() == 1


async def test_an_order_that_is_not_paid_has_no_invoice():
    async with facing() as (boutique, _):
        with pytest.raises(RefusedError, match=r"^commande_impayee$"):
            await boutique.deliver(message("facture", commande=UNPAID))


async def test_the_last_stand_goes_to_one_and_is_free_once_it_is_released():
    async with facing() as (boutique, sandbox):
        sandbox.shop.stands["ANGLE"] = ("A1",)
        held = await boutique.deliver(message("reserver_stand", categorie="ANGLE"))
        wanted = message("reserver_stand", OTHER_KEY, categorie="ANGLE")
        with pytest.raises(RefusedError, match=r"^stand_indisponible$"):
            await boutique.deliver(wanted)
        for key in (KEY, OTHER_KEY):
            released = await boutique.deliver(message("liberer_stand", key, reservation=held.reference))
            assert released.details == {"reservation": held.reference, "etat": "liberee"}
        assert (await boutique.deliver(wanted)).details["stand"] == held.details["stand"] == "A1"


async def test_the_same_key_holds_one_stand_and_a_released_one_is_not_taken_back():
    async with facing() as (boutique, sandbox):
        first, again = [await boutique.deliver(message("reserver_stand")) for _ in range(2)]
        assert first.details == again.details
        assert sandbox.taken()[KEY] == 1
        await boutique.deliver(message("liberer_stand", reservation=first.reference))
        with pytest.raises(RefusedError, match=r"^reservation_liberee$"):
            await boutique.deliver(message("reserver_stand"))


@pytest.mark.parametrize(
    ("operation", "changes", "code"),
    [
        ("suivre_commande", {"commande": "RB-999999"}, "commande_inconnue"),
        ("liberer_stand", {"reservation": "ST-999999"}, "reservation_inconnue"),
        ("reserver_stand", {"evenement": "FOIRE"}, "evenement_inconnu"),
        ("reserver_stand", {"categorie": "TENTE"}, "evenement_inconnu"),
    ],
)
async def test_what_the_shop_does_not_know_is_refused(operation, changes, code):
    async with facing() as (boutique, _):
        with pytest.raises(RefusedError, match=f"^{code}$"):
            await boutique.deliver(message(operation, **changes))


@pytest.mark.parametrize(
    ("operation", "changes", "place"),
    [
        ("creer_commande", {"montant": 45.5}, "montant"),
        ("creer_commande", {"montant": 99}, "montant"),
        ("creer_commande", {"quantite": 0}, "quantite"),
        ("creer_commande", {"client": {"nom": "Les Amis du Platane"}}, "client.courriel"),
        ("creer_commande", {"article": None}, "article"),
        ("suivre_commande", {"commande": "../etat"}, "commande"),
        ("liberer_stand", {"reservation": "ST-1/liberation?"}, "reservation"),
        ("ouvrir_paiement", {"url_retour": "javascript:alert(1)"}, "url_retour"),
        ("facture", {"surprise": True}, "message"),
    ],
)
async def test_what_the_contract_does_not_allow_never_leaves(operation, changes, place):
    async with facing() as (boutique, sandbox):
        wrong = message(operation, **changes)
        with pytest.raises(RefusedError, match=r"^message_invalid$"):
            await boutique.deliver(wrong)
        assert (wrong.exchange.fault, wrong.exchange.http_status) == (place, None)
        assert not sandbox.taken()


async def test_a_wrong_token_parks_nothing():
    async with facing(bearer="faux") as (boutique, _):
        for spoken in (boutique.probe(Deadline(timedelta(seconds=10))), boutique.deliver(message("creer_commande"))):
            with pytest.raises(TransientError, match=r"^non_autorise$"):
                await spoken


def test_the_errors_table_is_total_over_what_the_shop_says():
    rows = {row.code: row for row in ERRORS.error}
    assert rows.keys() == CATALOGUE.keys() | {"message_invalid", "reference_invalid", "http_401", "http_403"}
    assert {code: rows[code].verdict for code in CATALOGUE} == {code: said[1] for code, said in CATALOGUE.items()}
    assert all(row.hint for row in ERRORS.error)
    assert all(row.retry_after for row in ERRORS.error if row.verdict is Verdict.TRANSIENT)


SETTINGS = Settings.model_validate({"url": "https://boutique.example.org/api/v1/"})
WHOLE = {"commande": UNPAID, "etat": "annulee"}


@pytest.mark.parametrize(
    ("status", "said", "failure", "code"),
    [
        (409, {"erreur": {"code": "neuf"}}, RefusedError, "unmapped"),
        (404, None, RefusedError, "unmapped"),
        (408, None, UncertainError, "unmapped"),
        (202, WHOLE, UncertainError, "unmapped"),
        (502, None, UncertainError, "http_502"),
        (503, {"erreur": {"code": "boutique_fermee"}}, TransientError, "boutique_fermee"),
        (200, {"erreur": {"code": "commande_payee"}}, UncertainError, "unreadable"),
        (200, {"commande": UNPAID}, UncertainError, "unreadable"),
        (200, {**WHOLE, "etat": "payee"}, UncertainError, "unreadable"),
        (200, [WHOLE], UncertainError, "unreadable"),
        (200, {**WHOLE, "commande": PAID}, UncertainError, "another_order"),
    ],
)
def test_each_answer_means_one_thing(status, said, failure, code):
    answer = Answer(status, {}, b"" if said is None else orjson.dumps(said))
    with pytest.raises(failure) as caught:
        read_receipt(message("annuler_commande"), answer, SETTINGS, ERRORS)
    assert (type(caught.value), caught.value.code) == (failure, code)


@pytest.mark.parametrize("pdf", [None, 7, "", "pas du base64 !", base64.b64encode(b"<html>").decode()])
def test_an_invoice_without_its_document_is_no_invoice(pdf):
    answer = Answer(200, {}, orjson.dumps({"commande": PAID, "numero": "FA-000002", "montant": 4500, "pdf": pdf}))
    with pytest.raises(UncertainError, match=r"^unreadable$"):
        read_receipt(message("facture"), answer, SETTINGS, ERRORS)


def test_what_an_answer_adds_to_the_contract_is_left_out():
    answer = Answer(200, {}, orjson.dumps({**WHOLE, "client": "Les Amis du Platane"}))
    assert read_receipt(message("annuler_commande"), answer, SETTINGS, ERRORS).details == WHOLE


BODY = b'{"type":"commande.etat","data":{"commande":"RB-000001","etat":"payee"}}'


def signed(body: bytes = BODY, **changes) -> Call:
    headers = {name.lower(): value for name, value in sign("msg_1", body).items()}
    return Call(
        "POST", headers={**headers, **{name.replace("_", "-"): value for name, value in changes.items()}}, body=body
    )


def long_ago() -> str:
    return str(int((datetime.now(UTC) - timedelta(minutes=6)).timestamp()))


@pytest.mark.parametrize(
    ("calling", "status", "nudged"),
    [
        (signed, 204, [UNPAID]),  # made as the test runs: a signature holds for five minutes
        (lambda: signed(b'{"type":"commande.etat","data":{}}'), 400, []),
        (lambda: signed(b"pas du JSON"), 400, []),
        (lambda: Call("POST", headers=signed().headers, body=BODY.replace(b"RB-000001", b"RB-000009")), 401, []),
        (lambda: Call("POST", body=BODY), 401, []),
        (lambda: Call("POST", headers=signed().headers, body=b"\xff"), 401, []),
        (lambda: signed(webhook_id="msg_2"), 401, []),
        (lambda: signed(webhook_timestamp=long_ago()), 401, []),
        (lambda: signed(webhook_timestamp="hier"), 401, []),
        (lambda: signed(webhook_signature="v1"), 401, []),
        (lambda: signed(webhook_signature="v1,é"), 401, []),
        (lambda: signed(webhook_signature=sign("msg_1", BODY, ANOTHER_SECRET)["webhook-signature"]), 401, []),
    ],
)
async def test_only_what_the_shop_signed_nudges(calling, status, nudged):
    async with facing() as (boutique, _):
        desk = Desk()
        assert isinstance(boutique, Called)
        assert (await boutique.serve(calling(), desk)).status == status
        assert desk.nudged == nudged


async def test_without_a_secret_no_call_is_believed_and_while_one_is_replaced_both_are():
    for secrets, status in (([], 401), ([ANOTHER_SECRET], 401), ([ANOTHER_SECRET, SECRET], 204)):
        async with facing(secrets=secrets) as (boutique, _):
            assert (await boutique.serve(signed(), Desk())).status == status


def test_a_secret_that_is_none_is_refused_where_it_stands(tmp_path):
    given = {"url": "https://boutique.example.org/"}
    with pytest.raises(ValidationError):
        connectors.regie_boutique.connect({**given, "secrets": ["whsec_court"]}, ERRORS)
    file = tmp_path / "secret"
    file.write_text("whsec_court")
    with pytest.raises(ConfigurationError, match="secret"):
        connectors.regie_boutique.connect({**given, "secret_files": [file]}, ERRORS)


@pytest.mark.parametrize("times", [0, 1, 2])
async def test_the_shop_calls_never_once_or_twice_and_the_state_is_the_same(times):
    async with facing() as (boutique, sandbox), listening(sandbox) as calls:
        sandbox.notifications = times
        await boutique.deliver(message("ouvrir_paiement"))
        await sandbox.pay(UNPAID)
        desk = Desk()
        assert [(await boutique.serve(call, desk)).status for call in calls] == [204] * times
        assert desk.nudged == [UNPAID] * times
        assert len({call.headers["webhook-id"] for call in calls}) == min(times, 1)
        assert await state_of(boutique, UNPAID) == "payee"


async def test_a_call_that_is_late_does_not_hold_the_payer_back():
    async with facing() as (boutique, sandbox), listening(sandbox) as calls:
        sandbox.notification_delay = 3600
        await boutique.deliver(message("ouvrir_paiement"))
        await sandbox.pay(UNPAID)
        assert not calls
        assert await state_of(boutique, UNPAID) == "payee"


@pytest.mark.parametrize(("choice", "state"), [("P", "payee"), ("R", "refusee"), ("A", "en_attente_paiement")])
async def test_a_payer_decides_on_the_page_and_is_sent_back(choice, state):
    back = "https://portail.example.org/demandes/167046020"
    async with facing(url_retour=back) as (boutique, _), aiohttp.ClientSession() as browser:
        page = (await boutique.deliver(message("ouvrir_paiement"))).details["url_paiement"]
        async with browser.get(page) as shown:
            text = await shown.text()
            assert all(word in text for word in ("Payer", "Refuser", "Abandonner", "45,00 €", UNPAID))
        async with browser.post(page, data={"resultat": choice}, allow_redirects=False) as sent_back:
            assert (sent_back.status, sent_back.headers["Location"]) == (302, back)
        assert await state_of(boutique, UNPAID) == state


def test_a_pdf_says_where_each_of_its_objects_begins():
    document = write_pdf(["Facture (FA-000002)", "Montant payé : 45,00 €"])
    table = int(re.findall(rb"startxref\n(\d+)\n", document)[0])
    assert document[table:].startswith(b"xref\n0 6\n")
    offsets = [int(offset) for offset in re.findall(rb"(\d{10}) 00000 n ", document)]
    assert [document[offset:].split(b" ")[0] for offset in offsets] == [b"1", b"2", b"3", b"4", b"5"]
    length, stream = re.findall(rb"/Length (\d+) >>\nstream\n(.*)\nendstream", document, re.DOTALL)[0]
    assert len(stream) == int(length)
    assert rb"Facture \(FA-000002\)" in stream


def typed() -> Outbound:
    """What a number that an agent typed is asked by: its body is empty."""
    return Outbound(KEY, "creer_commande", b"", Deadline(timedelta(seconds=10)))


async def test_an_order_is_found_by_its_number_and_one_made_up_is_not():
    async with facing() as (boutique, sandbox):
        number = (await boutique.deliver(message("creer_commande"))).reference
        asked = typed()
        assert await boutique.find(asked, number) is True
        assert asked.exchange.sent == f"GET commandes/{number}".encode()
        assert asked.exchange.http_status == 200
        for unknown in ("RB-999999", "ST-000001"):
            assert await boutique.find(typed(), unknown) is False
        assert sandbox.taken().total() == 1


@pytest.mark.parametrize("number", ["", "rb-000001", "RB-000001/facture", "..", "RB-000001\n", "R" * 41])
async def test_what_is_no_number_of_the_shop_s_is_not_asked(number):
    async with facing() as (boutique, _):
        asked = typed()
        with pytest.raises(RefusedError, match=r"^reference_invalid$"):
            await boutique.find(asked, number)
        assert not asked.exchange.sent


@pytest.mark.parametrize(
    ("fault", "meaning", "code"),
    [
        ("reservation_inconnue", UncertainError, "reservation_inconnue"),
        ("donnees_invalides", UncertainError, "donnees_invalides"),
        ("autre_commande", UncertainError, "another_order"),
        ("sans_numero", UncertainError, "unreadable"),
        ("boutique_fermee", TransientError, "boutique_fermee"),
    ],
)
async def test_only_what_the_shop_says_of_an_order_proves_it_or_denies_it(fault, meaning, code):
    async with facing() as (boutique, sandbox):
        sandbox.break_finding(fault)
        with pytest.raises(meaning, match=f"^{code}$"):
            await boutique.find(typed(), UNPAID)


async def test_a_bare_404_is_no_absence():
    async with facing() as (right, sandbox):
        wrong = connectors.regie_boutique.connect({**sandbox.settings(), "url": f"{sandbox.url}/ailleurs/"}, ERRORS)
        assert await right.find(typed(), UNPAID) is True
        with pytest.raises(UncertainError, match=r"^unmapped$"):
            await wrong.find(typed(), UNPAID)
        await wrong.close()
