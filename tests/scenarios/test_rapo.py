"""An appeal against a parking charge: the police decide, Logitud takes it, and the law's clock runs."""

import re
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select

from hub.calendar import PARIS, months_after
from hub.tables import REQUESTS

pytestmark = pytest.mark.asyncio(loop_scope="session")

LATELY = datetime.now(PARIS).date() - timedelta(days=5)
INSTRUCTED = "En cours d'instruction"


async def appeal(city, sample="redevance_payee"):
    """Submit an appeal against a notice of a few days ago, up to the decision of the police."""
    said = city.sample("rapo", sample)["data"]
    recent = {"date_envoi": str(LATELY + timedelta(days=2))} if "date_envoi" in said else {}
    number = await city.submit("rapo", sample, avis={**said["avis"], "date": str(LATELY)}, **recent)
    await city.agent.until(number, INSTRUCTED)
    return number


async def test_an_appeal_that_is_accepted_reaches_logitud_once(city):
    number = await appeal(city)
    assert not city.taken("logitud", number)
    await city.agent.decide(number)
    assert (await city.portal.until(number, "Accepté"))["status"] == "done"
    assert list(city.taken("logitud", number).values()) == [1]


async def test_its_receipt_tells_the_day_after_which_silence_refuses(city):
    number = await appeal(city)
    letter = await city.letter(number, "accuse_reception", "bien été reçu")
    assert letter.to == ("lea.martin@example.org",)
    day, month, year = map(int, re.search(r"d'ici au (\d\d)/(\d\d)/(\d{4})", letter.text).groups())
    assert date(year, month, day) == months_after(datetime.now(PARIS).date(), 1)


async def test_the_laws_clock_runs_from_the_day_it_came_in(city):
    number = await appeal(city)
    due = await city.hub.ledger.read(due_at, int(number))
    assert datetime.fromtimestamp(due / 1000, UTC).astimezone(PARIS).date() == months_after(
        datetime.now(PARIS).date(), 1
    )


def due_at(connection, number):
    return connection.execute(select(REQUESTS.c.due_at).where(REQUESTS.c.number == number)).scalar_one()


@pytest.mark.parametrize("reason", ["Avis de paiement invalide", "Recours hors délai", "Refusé"])
async def test_an_appeal_that_the_police_refuse_says_why_and_reaches_nobody(city, reason):
    number = await appeal(city)
    shown = await city.agent.decide(number, reason)
    assert (shown["status"], shown["stage"]) == ("refused", reason)
    letter = await city.letter(number, "refus", "n'a pas pu être accepté")
    assert reason in letter.text
    assert not city.taken("logitud", number)


async def test_a_reason_that_is_not_the_kinds_own_is_refused(city):
    number = await appeal(city)
    said = await city.agent.post(f"/v1/requests/{number}/decision", json={"accept": False, "reason": "Trop tard"})
    assert said.status_code == 422
    assert (await city.portal.request_of(number))["stage"] == INSTRUCTED


async def test_what_logitud_refuses_waits_for_a_person_who_corrects_it(city):
    number = await appeal(city)
    city.logitud.break_with("immatriculation_differente")
    await city.agent.decide(number)
    await city.portal.until_step(number, "logitud", "parked")
    one = await city.delivery(number, "logitud")
    assert one["code"] == "IMMATRICULATION-DIFFERENTE"
    detail = (await city.operator.get(f"/v1/operations/deliveries/{one['key']}")).json()
    corrected = {"data": {**detail["data"], "immatriculation": "AB-123-CE"}}
    said = await city.operator.post(f"/v1/operations/deliveries/{one['key']}/retry", json=corrected)
    assert said.status_code == 200, said.text
    assert (await city.portal.until(number, "Accepté"))["status"] == "done"
    assert list(city.taken("logitud", number).values()) == [1]


async def test_an_appeal_by_letter_without_an_address_is_decided_too(city):
    number = await appeal(city, "vehicule_cede_par_courrier")
    await city.agent.decide(number)
    await city.portal.until(number, "Accepté")
    assert not city.letters(number)
