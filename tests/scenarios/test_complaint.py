"""A complaint about the public space: on the map where it is, at the right department, or back to an agent."""

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="session")

TO_CHECK, OUTSIDE = "Adresse à vérifier", "Hors de la commune"
OPERA = {"voie": "12 rue de l’Opéra", "code_postal": "13100", "commune": "Aix-en-Provence"}
NOWHERE = {"voie": "Derrière l’école", "code_postal": "13540", "commune": "Puyricard"}
POINT = {"lon": 5.4473, "lat": 43.5298}


def on_the_map(city, number):
    """List what the map has of a request."""
    return [one for one in city.sig.map.stored if str(one.columns["reference"]).startswith(number)]


async def lost(city, **data):
    """Complain about a place that no map has, up to the agent."""
    number = await city.submit("doleance", "lampadaire_a_une_adresse", adresse=NOWHERE, **data)
    shown = await city.agent.until(number, TO_CHECK)
    assert shown["awaiting"] == "localisation"
    assert not on_the_map(city, number)
    return number


async def test_a_point_is_put_on_the_map_as_it_was_given(city):
    number = await city.submit("doleance", "nid_de_poule_sur_la_carte")
    assert (await city.portal.until(number, "Accepté"))["status"] == "done"
    (put,) = on_the_map(city, number)
    assert put.position == (5.4535, 43.5283)
    assert put.columns["quartier"]
    assert "geocodage" not in {step["step"] for step in (await city.portal.request_of(number))["steps"]}
    letter = await city.letter(number, "service", "")
    assert letter.to == ("voirie@ville.example",)


async def test_an_address_is_found_and_put_on_the_map(city):
    number = await city.submit("doleance", "lampadaire_a_une_adresse")
    await city.portal.until(number, "Accepté")
    (put,) = on_the_map(city, number)
    assert put.position == (5.4539, 43.5285)
    assert "Opéra" in put.columns["adresse"]


async def test_an_address_that_is_not_found_is_corrected_by_an_agent(city):
    number = await lost(city)
    data = city.sample("doleance", "lampadaire_a_une_adresse")["data"]
    await city.agent.decide(number, data={**data, "adresse": OPERA})
    await city.portal.until(number, "Accepté")
    (put,) = on_the_map(city, number)
    assert put.position == (5.4539, 43.5285)


async def test_an_agent_may_set_the_point_instead(city):
    number = await lost(city)
    data = city.sample("doleance", "lampadaire_a_une_adresse")["data"]
    await city.agent.decide(number, data={**data, "adresse": NOWHERE, "position": POINT})
    await city.portal.until(number, "Accepté")
    (put,) = on_the_map(city, number)
    assert put.position == (POINT["lon"], POINT["lat"])


async def test_what_is_accepted_without_a_place_goes_to_the_department_by_mail(city):
    number = await lost(city)
    await city.agent.decide(number)
    await city.portal.until(number, "Accepté")
    assert not on_the_map(city, number)
    letter = await city.letter(number, "remise", "")
    assert letter.to == ("eclairage-public@ville.example",)


@pytest.mark.parametrize("reason", ["Adresse introuvable", OUTSIDE])
async def test_an_agent_may_refuse_what_has_no_place(city, reason):
    number = await lost(city)
    shown = await city.agent.decide(number, reason)
    assert (shown["status"], shown["stage"]) == ("refused", reason)
    assert not on_the_map(city, number)


async def test_a_point_outside_the_town_is_refused(city):
    number = await city.submit("doleance", "nid_de_poule_sur_la_carte", position={"lon": 2.35, "lat": 48.85})
    assert (await city.portal.until(number, OUTSIDE))["status"] == "refused"
    assert not on_the_map(city, number)
    assert not city.letters(number)


async def test_a_geocoder_that_fails_for_a_while_only_makes_it_wait(city):
    city.adresse.break_with("unavailable", 1)
    number = await city.submit("doleance", "lampadaire_a_une_adresse")
    await city.portal.until(number, "Accepté")
    assert len(on_the_map(city, number)) == 1
