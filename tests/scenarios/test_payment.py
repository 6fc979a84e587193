"""Invoices paid on PayFiP: settled once whatever happens to its calls, or not at all."""

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAYING = "En attente de paiement"
UNPAID = "Paiement non reçu"
SAMPLE = "deux_factures_par_mobile"
MEALS, EVENING, SETTLED = 4250, 1890, 3810
DOOR = "/v1/targets/payfip"


async def to_pay(city, family, folder="restauration_paiement", *invoices):
    """Ask to pay a family's invoices, up to the page of payment; gives the request and the payment."""
    asked = invoices or ((f"{family}-01", MEALS), (f"{family}-02", EVENING))
    number = await city.submit(
        folder,
        SAMPLE,
        famille={"identifiant": family},
        factures=[{"numero": name, "montant": cents} for name, cents in asked],
        courriel=f"famille.{family}@example.org",
    )
    await city.portal.until(number, PAYING)
    await city.portal.until_step(number, "paiement", "waiting")
    return number, payment_of(city, number)


def payment_of(city, number):
    return next(one for one in city.payfip._payments.values() if number in one.fields["refdet"])


def paid(city, family):
    return {name: bool(bill.state) for name, bill in city.technocarte.town.bills_of(family).items()}


@pytest.fixture
def lost(city, monkeypatch):
    """PayFiP's calls do not reach the hub."""
    monkeypatch.setattr(city.payfip, "notifications", 0)


async def test_a_card_settles_the_invoices_once_and_the_receipt_is_mailed(city):
    number, payment = await to_pay(city, "7001")
    assert (payment.fields["montant"], payment.fields["mel"]) == ("6140", "famille.7001@example.org")
    assert payment.idop in (await city.letter(number, "lien", "il vous reste à payer 61,40 €")).text
    assert not any(list(paid(city, "7001").values())[:2])
    await city.payfip.pay(payment.idop)
    assert (await city.portal.until(number, "Accepté"))["status"] == "done"
    assert all(paid(city, "7001").values())
    receipt = await city.letter(number, "confirmation", "Paiement reçu")
    assert receipt.to == ("famille.7001@example.org",)
    assert "61,40" in receipt.text
    assert [content[:4] for content in receipt.files.values()] == [b"%PDF"]
    assert city.payfip.taken()[payment.fields["refdet"]] == 1


@pytest.mark.parametrize(("method", "family"), [("POST", "7101"), ("GET", "7102")])
async def test_a_doubled_notification_settles_once(city, method, family, monkeypatch):
    monkeypatch.setattr(city.payfip, "notifications", 3)
    monkeypatch.setattr(city.payfip, "notification_method", method)
    number, payment = await to_pay(city, family)
    await city.payfip.pay(payment.idop)
    await city.portal.until(number, "Accepté")
    await city.letter(number, "confirmation", "Paiement reçu")
    assert [times for key, times in city.technocarte.taken().items() if key.startswith(number)] == [1]


async def test_a_lost_notification_is_made_up_for(city, lost):
    number, payment = await to_pay(city, "7201", "periscolaire_paiement")
    await city.payfip.pay(payment.idop)
    assert (await city.portal.until(number, "Accepté"))["status"] == "done"
    assert all(paid(city, "7201").values())


async def test_a_notification_that_comes_after_the_end_changes_nothing(city, lost):
    number, payment = await to_pay(city, "7202", "periscolaire_paiement")
    await city.payfip.pay(payment.idop)
    await city.portal.until(number, "Accepté")
    said = await city.stranger.post(DOOR, data={"idop": payment.idop})
    assert said.status_code == 200
    assert (await city.portal.request_of(number))["stage"] == "Accepté"
    assert list(city.taken("technocarte", number).values()) == [1]


async def test_a_call_that_lies_settles_nothing(city):
    number, payment = await to_pay(city, "7203")
    assert (await city.stranger.get(DOOR, params={"idop": payment.idop})).status_code == 200
    assert (await city.stranger.post(DOOR, data={"idop": "ce n'en est pas un"})).status_code == 400
    await city.portal.until_step(number, "paiement", "waiting")
    assert (await city.portal.request_of(number))["stage"] == PAYING
    assert not any(list(paid(city, "7203").values())[:2])


async def test_a_card_that_is_refused_leaves_the_invoices_to_pay(city):
    number, payment = await to_pay(city, "7301")
    await city.payfip.pay(payment.idop, "R")
    assert (await city.portal.until(number, UNPAID))["status"] == "refused"
    assert not any(list(paid(city, "7301").values())[:2])
    assert not city.taken("technocarte", number)
    assert (await city.letter(number, "abandon", UNPAID)).to == ("famille.7301@example.org",)


async def test_what_was_refused_may_be_paid_by_another_request(city):
    refused, payment = await to_pay(city, "7302")
    await city.payfip.pay(payment.idop, "R")
    await city.portal.until(refused, UNPAID)
    number, payment = await to_pay(city, "7302")
    await city.payfip.pay(payment.idop)
    await city.portal.until(number, "Accepté")
    assert all(paid(city, "7302").values())


async def test_a_payment_that_is_given_up_then_made_settles_the_invoices(city):
    number, payment = await to_pay(city, "7401")
    await city.payfip.pay(payment.idop, "A")
    await city.portal.until_step(number, "paiement", "waiting")
    assert (await city.portal.request_of(number))["stage"] == PAYING
    await city.payfip.pay(payment.idop, "P")
    await city.portal.until(number, "Accepté")
    assert all(paid(city, "7401").values())


async def test_a_payment_whose_page_is_open_cannot_be_cancelled(city):
    number, _ = await to_pay(city, "7402")
    assert (await city.portal.cancel(number)).status_code == 409
    assert (await city.portal.request_of(number))["stage"] == PAYING


@pytest.mark.parametrize(
    "invoices",
    [
        [{"numero": "7501-03", "montant": SETTLED}],
        [{"numero": "7501-09", "montant": MEALS}],
        [{"numero": "7501-01", "montant": MEALS - 1}],
        [{"numero": "7501-01", "montant": MEALS}] * 2,
    ],
    ids=["settled already", "unknown", "another amount", "twice"],
)
async def test_what_is_not_to_be_paid_opens_no_payment(city, invoices):
    number = await city.submit(
        "restauration_paiement", SAMPLE, famille={"identifiant": "7501"}, factures=invoices, courriel="f@example.org"
    )
    shown = await city.portal.until(number, "Facture déjà réglée ou introuvable")
    assert shown["status"] == "refused"
    assert not [one for one in city.payfip._payments.values() if number in one.fields["refdet"]]


async def test_two_requests_for_the_same_invoices_settle_them_once_and_a_person_sees_the_second_payment(city):
    (first, one), (second, other) = [await to_pay(city, "7601") for _ in range(2)]
    await city.payfip.pay(one.idop)
    await city.portal.until(first, "Accepté")
    await city.payfip.pay(other.idop)
    await city.portal.until_step(second, "technocarte", "parked")
    assert (await city.portal.request_of(second))["status"] == "parked"
    assert (await city.delivery(second, "technocarte"))["code"] == "already_paid"
    assert len(city.taken("technocarte", first)) == 1
    assert not city.taken("technocarte", second)


@pytest.mark.parametrize(
    ("fault", "family"),
    [("paid_nonsense", "7701"), ("paid_fault", "7702")],
)
async def test_invoices_are_settled_once_whatever_technocarte_answers(city, fault, family):
    number, payment = await to_pay(city, family)
    city.technocarte.break_with(fault)
    await city.payfip.pay(payment.idop)
    await city.portal.until(number, "Accepté")
    assert all(paid(city, family).values())
    assert set(city.taken("technocarte", number).values()) == {1}


async def test_a_line_cut_after_the_settlement_is_verified_and_settles_once(city):
    number, payment = await to_pay(city, "7703")
    city.technocarte.break_with("cut_after_commit")
    await city.payfip.pay(payment.idop)
    await city.portal.until_step(number, "technocarte", "uncertain")
    key = (await city.delivery(number, "technocarte"))["key"]
    assert (await city.operator.post(f"/v1/operations/deliveries/{key}/verify")).status_code == 200
    await city.portal.until(number, "Accepté")
    assert all(paid(city, "7703").values())
    assert set(city.taken("technocarte", number).values()) == {1}


async def test_payfip_down_when_asked_is_asked_again(city):
    number, payment = await to_pay(city, "7801", "periscolaire_paiement")
    city.payfip.break_with("unavailable", 2)
    await city.payfip.pay(payment.idop)
    await city.portal.until(number, "Accepté")
    assert all(paid(city, "7801").values())
