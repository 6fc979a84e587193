"""The associations' forum: a stand is booked, ordered and paid, or nothing of it stays."""

import asyncio
import json
from datetime import timedelta

import pytest

from connectors.regie_boutique.sandbox import sign
from connectors.regie_boutique.shop import PRICES

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAYING = "En attente de paiement"
UNPAID = "Paiement non reçu"
DOOR = "/v1/targets/regie_boutique"


@pytest.fixture(autouse=True)
def enough_stands(city, monkeypatch):
    """What earlier tests hold leaves stands for the others."""
    for category, letter in (("STANDARD", "S"), ("ANGLE", "A"), ("ELECTRIQUE", "E")):
        stands = tuple(f"{letter}{number}" for number in range(1, 100))
        monkeypatch.setitem(city.regie_boutique.shop.stands, category, stands)


async def candidate(city, sample="jardins_verifies_aupres_de_l_etat", **data):
    """Let an association apply, up to the department's decision."""
    number = await city.submit("association_forum", sample, **data)
    await city.agent.until(number, "En cours d'instruction")
    return number


async def accepted(city, **data):
    """Let an association be accepted, up to its payment; gives the request, its order and its booking."""
    number = await candidate(city, **data)
    await city.agent.decide(number)
    await city.portal.until(number, PAYING)
    await city.portal.until_step(number, "paiement", "waiting")
    return number, order_of(city, number), booking_of(city, number)


def order_of(city, number):
    return next((order for (_, key), order in known(city, "commande").items() if key.startswith(number)), None)


def booking_of(city, number):
    return next((booking for (_, key), booking in known(city, "reservation").items() if key.startswith(number)), None)


def known(city, sort):
    shop = city.regie_boutique.shop
    held = shop.orders if sort == "commande" else shop.bookings
    return {(said, key): held[number] for (said, key), (_, number) in shop.known.items() if said == sort}


def nothing_stays(city, number):
    """Say whether the shop holds neither stand nor open order for a request."""
    order, booking = order_of(city, number), booking_of(city, number)
    return (order is None or order.cancelled) and (booking is None or booking.released)


async def tell(city, order, state="expiree", secret=None):
    """Call the hub's door as the shop does."""
    said = {"type": "commande.etat", "data": {"commande": order.number, "etat": state}}
    body = json.dumps(said).encode()
    return await city.stranger.post(
        DOOR, content=body, headers=sign("msg_1", body, **({"secret": secret} if secret else {}))
    )


@pytest.fixture
async def short_lived(city):
    """Payments that nobody has the time to make."""
    shop = city.regie_boutique.shop
    shop.lifetime, usual = timedelta(milliseconds=300), shop.lifetime
    yield shop
    shop.lifetime = usual


async def test_a_stand_is_booked_paid_and_invoiced(city):
    number, order, booking = await accepted(city)
    assert (order.fields["article"], order.fields["montant"], booking.stand[0]) == ("STAND-ANGLE", 6000, "A")
    letter = await city.letter(number, "lien", "est acceptée")
    assert order.payment.idop in letter.text
    await city.regie_boutique.pay(order.number)
    shown = await city.portal.until(number, "Accepté")
    assert shown["status"] == "done"
    receipt = await city.letter(number, "confirmation", "règlement reçu")
    assert receipt.to == ("tresorerie@example.org",)
    assert booking.stand in receipt.text
    assert len(receipt.files) == 2
    assert all(content.startswith(b"%PDF") for content in receipt.files.values())
    assert set(city.taken("regie_boutique", number).values()) == {1}
    assert not booking.released
    assert not order.cancelled


async def test_the_department_reads_what_the_state_says_of_the_association(city):
    number = await candidate(city)
    letter = await city.letter(number, "candidature", "candidature")
    assert "LES JARDINS DU LAVOIR" in letter.text.upper()
    detail = await city.portal.request_of(number)
    assert {"association", "etablissement"} <= {step["step"] for step in detail["steps"]}


async def test_the_state_is_not_asked_without_consent(city):
    number = await candidate(city, "choeur_sans_verification")
    steps = {step["step"] for step in (await city.portal.request_of(number))["steps"]}
    assert not steps & {"association", "etablissement"}


@pytest.mark.parametrize("reason", ["Association introuvable", "Assurance invalide"])
async def test_what_the_department_refuses_books_nothing(city, reason):
    number = await candidate(city, "inconnue_du_repertoire")
    shown = await city.agent.decide(number, reason)
    assert (shown["status"], shown["stage"]) == ("refused", reason)
    letter = await city.letter(number, "refus", "n'a pas pu être acceptée")
    assert letter.to == ("tresorier@example.org",)
    assert not city.taken("regie_boutique", number)
    assert nothing_stays(city, number)


async def test_a_stand_that_is_not_paid_in_time_goes_to_someone_else(city, short_lived):
    number, order, booking = await accepted(city)
    async with asyncio.timeout(5):
        while order.state != "expiree":
            await asyncio.sleep(0.02)
    assert (await tell(city, order)).status_code == 204
    assert (await city.portal.until(number, UNPAID))["status"] == "refused"
    assert nothing_stays(city, number)
    assert (order.cancelled, booking.released) == (True, True)
    assert (await city.letter(number, "abandon", UNPAID)).to == ("tresorerie@example.org",)
    troubled = (await city.operator.get("/v1/operations/deliveries")).json()["deliveries"]
    assert number not in {one["number"] for one in troubled}


async def test_a_payment_that_the_bank_refuses_frees_the_stand(city):
    number, order, _ = await accepted(city)
    await city.regie_boutique.pay(order.number, "R")
    await city.portal.until(number, UNPAID)
    assert nothing_stays(city, number)


async def test_a_payment_that_was_given_up_may_be_taken_up_again(city):
    number, order, booking = await accepted(city)
    await city.regie_boutique.pay(order.number, "A")
    assert (await city.portal.request_of(number))["stage"] == PAYING
    await city.regie_boutique.pay(order.number, "P")
    await city.portal.until(number, "Accepté")
    assert not booking.released


async def test_an_association_that_changes_its_mind_before_the_decision_leaves_nothing(city):
    number = await candidate(city)
    assert (await city.portal.cancel(number)).status_code == 200
    assert (await city.portal.until(number, "Demande annulée"))["status"] == "cancelled"
    assert not city.taken("regie_boutique", number)


async def test_an_association_that_gives_up_its_stand_before_paying_frees_it(city, short_lived):
    number, order, booking = await accepted(city)
    async with asyncio.timeout(5):
        while order.state != "expiree":
            await asyncio.sleep(0.02)
    said = await city.portal.cancel(number)
    assert said.status_code == 200, said.text
    assert (await city.portal.until(number, "Demande annulée"))["status"] == "cancelled"
    assert (order.cancelled, booking.released) == (True, True)


async def test_a_stand_whose_payment_may_still_be_made_is_kept_until_it_cannot(city):
    number, order, booking = await accepted(city)
    assert (await city.portal.cancel(number)).status_code == 200
    await city.portal.until_step(number, "ouverture_undo", "waiting")
    assert (order.cancelled, booking.released) == (False, False)
    order.payment.expires -= timedelta(hours=1)
    await again(city, number, "ouverture_undo")
    assert (await city.portal.until(number, "Demande annulée"))["status"] == "cancelled"
    assert (order.cancelled, booking.released) == (True, True)


async def test_a_stand_that_was_paid_while_it_was_given_up_stays_and_a_person_is_told(city):
    number, order, booking = await accepted(city)
    await city.portal.cancel(number)
    await city.portal.until_step(number, "ouverture_undo", "waiting")
    await city.regie_boutique.pay(order.number)
    await again(city, number, "ouverture_undo")
    await city.portal.until_step(number, "ouverture_undo", "parked")
    assert (await city.portal.request_of(number))["status"] == "parked"
    assert (order.state, booking.released) == ("payee", False)
    assert (await city.delivery(number, "ouverture_undo"))["code"] == "commande_payee"


async def again(city, number, step):
    """Have the operator send a delivery again."""
    one = await city.delivery(number, step)
    said = await city.operator.post(f"/v1/operations/deliveries/{one['key']}/retry", json={})
    assert said.status_code == 200, said.text


async def test_a_stand_that_is_gone_ends_the_request_and_orders_nothing(city, monkeypatch):
    monkeypatch.setitem(city.regie_boutique.shop.stands, "ELECTRIQUE", ())
    number = await candidate(city, "choeur_sans_verification")
    await city.agent.decide(number)
    assert (await city.portal.until(number, "Stand indisponible"))["status"] == "refused"
    assert order_of(city, number) is None
    assert not city.taken("regie_boutique", number)


async def test_a_stand_whose_order_the_shop_refuses_is_freed_when_the_request_is_cancelled(city, monkeypatch):
    monkeypatch.delitem(PRICES, "STAND-ANGLE")
    number = await candidate(city)
    await city.agent.decide(number)
    await city.portal.until_step(number, "commande", "parked")
    assert (await city.portal.request_of(number))["stage"] == "Erreur régie-boutique"
    assert not booking_of(city, number).released
    assert (await city.operator.cancel(number)).status_code == 200
    assert (await city.portal.until(number, "Demande annulée"))["status"] == "cancelled"
    assert booking_of(city, number).released


async def test_the_last_stand_is_for_one_association(city, monkeypatch):
    monkeypatch.setitem(city.regie_boutique.shop.stands, "STANDARD", ("S100",))
    numbers = [await candidate(city, stand="standard") for _ in range(2)]
    for number in numbers:
        await city.agent.decide(number)
    ended = [await settled(city, number) for number in numbers]
    assert sorted(ended) == [PAYING, "Stand indisponible"]
    assert sum(booking_of(city, number) is not None for number in numbers) == 1


async def settled(city, number):
    async with asyncio.timeout(10):
        while (stage := (await city.portal.request_of(number))["stage"]) not in {PAYING, "Stand indisponible"}:
            await asyncio.sleep(0.02)
    return stage


async def test_a_line_cut_after_the_booking_books_once(city):
    number = await candidate(city, "choeur_sans_verification", stand="standard")
    city.regie_boutique.break_with("cut_after_commit")
    await city.agent.decide(number)
    await city.portal.until(number, PAYING)
    assert [key for (_, key) in known(city, "reservation") if key.startswith(number)] == [booking_key(city, number)]
    assert set(city.taken("regie_boutique", number).values()) == {1}


def booking_key(city, number):
    return next(key for (_, key) in known(city, "reservation") if key.startswith(number))


async def test_whoever_is_not_the_shop_moves_nothing(city):
    number, order, _ = await accepted(city)
    order.payment.expires -= timedelta(hours=1)
    forged = await tell(city, order, secret="whsec_dW5lIGF1dHJlIGNsZSBxdWUgbGEgYm91dGlxdWU=")
    assert forged.status_code == 401
    assert (await city.portal.request_of(number))["stage"] == PAYING
