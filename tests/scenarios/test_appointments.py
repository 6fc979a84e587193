"""An appointment: a slot is taken, or said to be gone, and one that is given up is free again."""

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="session")

CONFIRMED, GONE = "Rendez-vous confirmé", "Créneau indisponible"
SAMPLE = "passeport_a_l_hotel_de_ville"


async def free_slots(city, day):
    """Ask what is free at the town hall that day; the answers of a few seconds ago are no use here."""
    city.hub.inquirer._memory._kept.clear()
    said = await city.portal.ask("rendez_vous.creneaux", {"site": "AIX1", "service": "149", "du": day, "jours": 1})
    assert said["status"] == "answered", said
    return said["answer"]["creneaux"]


async def book(city, slot):
    return await city.submit("rendez_vous_etat_civil", SAMPLE, creneau=slot)


def booked(city, slot):
    """List the appointments that have a slot."""
    wanted = f"{slot['jour']}T{slot['debut']}", int(slot["ressource"]["key"])
    held = city.esii.appointments.values()
    return [one for one in held if (one.begin.isoformat(timespec="minutes"), one.desk) == wanted]


async def test_a_free_slot_is_booked_and_confirmed(city):
    slot = (await free_slots(city, "2027-04-06"))[0]
    number = await book(city, slot)
    assert (await city.portal.until(number, CONFIRMED))["status"] == "waiting"
    assert len(booked(city, slot)) == 1
    letter = await city.letter(number, "confirmation", "rendez-vous")
    assert "06/04/2027" in letter.text
    assert slot not in await free_slots(city, "2027-04-06")


async def test_a_slot_that_someone_else_has_is_said_to_be_gone(city):
    slot = (await free_slots(city, "2027-04-07"))[0]
    first, second = await book(city, slot), await book(city, slot)
    ends = {number: await settled(city, number) for number in (first, second)}
    assert sorted(ends.values()) == [GONE, CONFIRMED]
    assert len(booked(city, slot)) == 1
    loser = next(number for number, stage in ends.items() if stage == GONE)
    assert (await city.portal.request_of(loser))["status"] == "refused"
    assert not city.letters(loser)


async def settled(city, number):
    await city.portal.until_step(number, "rendez_vous", "done", "cancelled")
    return (await city.portal.request_of(number))["stage"]


async def test_an_appointment_that_is_cancelled_is_free_again(city):
    slot = (await free_slots(city, "2027-04-08"))[0]
    number = await book(city, slot)
    await city.portal.until(number, CONFIRMED)
    said = await city.portal.cancel(number)
    assert said.status_code == 200, said.text
    assert (await city.portal.until(number, "Demande annulée"))["status"] == "cancelled"
    assert not booked(city, slot)
    assert slot in await free_slots(city, "2027-04-08")


async def test_what_is_free_again_may_be_booked_by_someone_else(city):
    slot = (await free_slots(city, "2027-04-09"))[0]
    first = await book(city, slot)
    await city.portal.until(first, CONFIRMED)
    await city.portal.cancel(first)
    await city.portal.until(first, "Demande annulée")
    second = await book(city, slot)
    await city.portal.until(second, CONFIRMED)
    assert len(booked(city, slot)) == 1


async def test_cancelling_an_appointment_that_the_town_hall_has_removed_succeeds(city):
    slot = (await free_slots(city, "2027-04-12"))[0]
    number = await book(city, slot)
    await city.portal.until(number, CONFIRMED)
    (known,) = booked(city, slot)
    del city.esii.appointments[known.code]
    await city.portal.cancel(number)
    assert (await city.portal.until(number, "Demande annulée"))["status"] == "cancelled"


async def test_a_cancellation_that_esirius_does_not_hear_is_said_again(city):
    slot = (await free_slots(city, "2027-04-13"))[0]
    number = await book(city, slot)
    await city.portal.until(number, CONFIRMED)
    city.esii.break_with("unavailable", 2)
    await city.portal.cancel(number)
    assert (await city.portal.until(number, "Demande annulée"))["status"] == "cancelled"
    assert not booked(city, slot)
