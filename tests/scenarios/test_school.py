"""A year at school renewed: Technocarte has each child, and each reader the papers that concern them."""

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="session")

SAMPLE = "deux_enfants_deux_ecoles"
ADDRESSED = ("famille", "responsables", "ecole")


async def renewal(city):
    number = await city.submit("periscolaire_renouvellement", SAMPLE)
    await city.agent.until(number, "En cours d'instruction")
    return number


async def written(city, number):
    """Wait for all the mails of a renewal, and give them by whom they are for."""
    for step in ADDRESSED:
        await city.portal.until_step(number, step)
    return {letter.to: letter for letter in city.letters(number)}


async def test_technocarte_has_each_child_once(city):
    number = await renewal(city)
    assert not city.taken("technocarte", number)
    await city.agent.decide(number)
    assert (await city.portal.until(number, "Accepté"))["status"] == "done"
    assert list(city.taken("technocarte", number).values()) == [1, 1]


async def test_the_family_and_those_in_charge_have_the_summary(city):
    number = await renewal(city)
    await city.agent.decide(number)
    letters = await written(city, number)
    assert len(letters) == 4
    for reader in (("lea.martin@example.org",), ("accueil.periscolaire@ville.example",)):
        (content,) = letters[reader].files.values()
        assert content.startswith(b"%PDF")


async def test_each_school_has_its_own_childs_sheet_and_no_other(city):
    number = await renewal(city)
    await city.agent.decide(number)
    letters = await written(city, number)
    for reader, child, other in (
        ("ecole.jules-verne@ville.example", "Noé", "Inès"),
        ("ecole.les-platanes@ville.example", "Inès", "Noé"),
    ):
        letter = letters[reader,]
        assert child in letter.text
        assert other not in letter.text
        assert len(letter.files) == 1
    sheets = {name for letter in letters.values() for name in letter.files if "liaison" in name}
    assert len(sheets) == 2


async def test_nobody_is_written_to_before_technocarte_has_every_child(city):
    number = await renewal(city)
    city.technocarte.break_with("full")
    await city.agent.decide(number)
    await city.portal.until_step(number, "technocarte", "parked", "done")
    assert (await city.portal.request_of(number))["status"] == "parked"
    assert not city.letters(number)
    one = await city.delivery(number, "technocarte")
    await city.operator.post(f"/v1/operations/deliveries/{one['key']}/retry", json={})


@pytest.mark.parametrize("reason", ["Assurance invalide", "Refusé"])
async def test_a_renewal_that_is_refused_reaches_nobody_but_the_family(city, reason):
    number = await renewal(city)
    shown = await city.agent.decide(number, reason)
    assert (shown["status"], shown["stage"]) == ("refused", reason)
    await city.portal.until_step(number, "refus")
    assert [letter.to for letter in city.letters(number)] == [("lea.martin@example.org",)]
    assert not city.taken("technocarte", number)


async def test_a_mail_server_that_fails_holds_nothing_up_and_writes_once(city):
    number = await renewal(city)
    city.courriel.break_with("busy", 2)
    await city.agent.decide(number)
    assert (await city.portal.until(number, "Accepté"))["status"] == "done"
    letters = await written(city, number)
    assert len(letters) == len(city.letters(number)) == 4
