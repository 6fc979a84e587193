"""« Détail » in a real browser: each verb from a failure to its end against a real sandbox."""

import base64

from hub.tables_operations import PLACES
from hub.targets import Switch
from tests.browser.conftest import WIDTHS, faults_of, shoot
from tests.console.test_request import (  # noqa: F401  # fixtures among them
    PRIVATE,
    parked,
    second_target,
    settings,
    until,
)

STATUS = "#messages"
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


async def opened(visit, number, login="agnes"):
    """Open a request's page as somebody."""
    return await visit(f"/console/demandes/{number}", login)


async def pause(console, *, paused):
    """Stop sending to the target, or go on."""
    await console.hub.ledger.switch(Switch("cible", paused=paused, reason="essai", actor="tests"))
    console.hub.wake({"cible": ()})


async def result(page, words):
    """Wait until the page says what came of it."""
    await page.locator(STATUS).get_by_text(words).wait_for()


async def test_the_page_has_no_fault_at_any_width_and_shows_its_sources(visit, console, target):
    number = await parked(console, target)
    page = await opened(visit, number)
    for name, width in WIDTHS.items():
        await page.set_viewport_size({"width": width, "height": 900})
        assert await faults_of(page) == []
        await shoot(page, f"request-{name}")
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    element = page.locator("[data-pane=message] .leaf", has_text="objet")
    await element.click()
    assert await page.locator("[data-pane=request] .lit .leaf-name").all_inner_texts() == ["data", "objet"]
    await page.locator("[data-pane=request] [data-path='number']").focus()
    assert await page.locator("[data-pane=message] .lit .leaf-name").all_inner_texts() == ["numero"]


async def test_a_lost_answer_is_verified_and_the_page_tells_the_result_by_itself(visit, console, target):
    target.break_with("cut_after_commit")
    number = await console.submit("a_retrouver")
    await until(console, number, "uncertain", "asking")
    await target.stop()
    await pause(console, paused=True)
    await until(console, number, "uncertain")
    await target.start()
    page = await opened(visit, number)
    await page.get_by_role("button", name="Vérifier chez le destinataire").click()
    await result(page, "En cours : on ne sait pas encore si le logiciel a l'envoi.")
    await shoot(page, "request-uncertain")
    await pause(console, paused=False)
    await result(page, "Fait : le logiciel a l'envoi, sous la référence BO-000001.")
    await page.get_by_text("échec puis réussite").wait_for()
    assert sum(target.taken().values()) == 1
    assert await page.locator("#state[data-refresh]").count() == 0


async def test_what_cannot_be_asked_is_sent_again_only_by_somebody_who_looked(visit, console, target):
    number = await parked(console, target, "sans_retour", "cut_before")
    page = await opened(visit, number)
    await page.get_by_text("Ce qui n'est pas possible").click()
    await page.get_by_text("On ne peut pas interroger ce logiciel").wait_for()
    await page.get_by_text("Relancer cette étape…").click()
    await page.get_by_role("button", name="Relancer cette étape").click()
    assert sum(target.taken().values()) == 0
    await page.get_by_label("J'ai vérifié dans le logiciel").check()
    await page.get_by_role("button", name="Relancer cette étape").click()
    await result(page, "Fait : le logiciel a l'envoi")
    assert sum(target.taken().values()) == 1


async def test_two_people_close_what_two_must_agree_to(visit, console, target):
    number = await parked(console, target, "sans_retour", "refused")
    page = await opened(visit, number)
    await page.get_by_text("Finaliser manuellement…").click()
    await page.get_by_role("textbox", name="Motif").fill("Saisie au guichet")
    await page.get_by_label("Référence dans le logiciel").fill("BO-123456")
    await page.locator("form[action*=finaliser] button").click()
    await result(page, "une seconde personne doit l'approuver")
    await page.get_by_text("Ce qui n'est pas possible").click()
    await page.get_by_text("Vous avez proposé cette finalisation").wait_for()
    other = await opened(visit, number, "bruno")
    await other.get_by_role("button", name="Contresigner").click()
    await result(other, "Finalisée à la main sous la référence BO-123456.")
    await shoot(other, "request-seconded")
    # Agnes has an older page before her: what she asks there is not done, and she is told who did what.
    await page.get_by_text("Rouvrir…").click()
    await page.get_by_role("textbox", name="Motif").fill("Trop tôt")
    await page.locator("form[action*=rouvrir] button").click()
    alert = page.locator("#moved")
    await alert.get_by_text("La demande a changé").wait_for()
    assert "console/bruno" in await alert.inner_text()
    await shoot(page, "request-conflict")


async def test_a_refusal_is_sent_to_another_target(visit, console, target, second_target):  # noqa: F811
    number = await parked(console, target)
    page = await opened(visit, number)
    await page.get_by_text("Réorienter…").click()
    await page.get_by_label("Autre logiciel").select_option("cible_bis")
    await page.locator("form[action*=reorienter] button").click()
    await result(page, "Fait : le logiciel a l'envoi")
    assert sum(target.taken().values()) == 0
    assert sum(second_target.taken().values()) == 1
    assert await page.locator("tbody tr", has_text="cible ›").count() == 1
    assert await page.locator("tbody tr", has_text="cible_bis ›").count() == 1


async def test_a_refusal_is_corrected_in_a_form_of_its_kind(visit, console, target):
    number = await parked(console, target, data=PRIVATE)
    page = await opened(visit, number)
    assert "très privé" not in await page.content()
    await page.get_by_text("Corriger et relancer…").click()
    await page.get_by_label("Pourquoi voir le contenu").first.fill("L'objet est inconnu du plan de classement")
    await page.get_by_role("button", name="Voir et corriger").click()
    field = page.get_by_label("Objet")
    assert await field.input_value() == PRIVATE["objet"]
    assert await faults_of(page) == []
    await shoot(page, "request-correction")
    await field.fill("")
    await page.get_by_role("button", name="Corriger et relancer").click()
    await page.get_by_text("ce champ est obligatoire").wait_for()
    assert await faults_of(page) == [("script", fault) for fault in page.faults]
    await field.fill("Certificat d'adresse")
    await page.get_by_role("button", name="Corriger et relancer").click()
    await result(page, "Fait : le logiciel a l'envoi")
    await page.get_by_text("échec puis réussite").wait_for()


async def test_what_was_closed_by_hand_is_proved(visit, console, target):
    number = await parked(console, target)
    page = await opened(visit, number)
    await page.get_by_text("Finaliser manuellement…").click()
    await page.get_by_role("textbox", name="Motif").fill("Saisie au guichet")
    await page.get_by_label("Référence dans le logiciel").fill("BO-123456")
    await shoot(page, "request-finalize")
    await page.locator("form[action*=finaliser] button").click()
    await result(page, "Finalisée à la main")
    assert await page.locator("form[action*=relancer]").count() == 0
    await page.get_by_text("Rouvrir…").click()
    await page.get_by_role("textbox", name="Motif").fill("La référence est celle d'un autre dossier")
    await page.locator("form[action*=rouvrir] button").click()
    await result(page, "L'envoi est en erreur et attend une personne")


async def test_a_rejection_refuses_the_request(visit, console, target):
    number = await parked(console, target)
    page = await opened(visit, number)
    await page.get_by_text("Rejeter…").click()
    await page.get_by_role("textbox", name="Motif").fill("Hors de la compétence de la ville")
    await page.locator("form[action*=rejeter] button").click()
    await result(page, "L'envoi est rejeté, et sa demande refusée.")
    await shoot(page, "request-rejected")


PLACED = {"kind": "essai", "district": "Centre", "longitude": 5.4474, "latitude": 43.5297}


def put_on_the_map(connection, placed):
    connection.execute(PLACES.insert(), placed)
    return [None] * len(placed)


async def test_a_place_is_on_a_map_and_a_paper_in_the_page(visit, console, target):
    number = await parked(console, target)
    await console.hub.ledger.write(put_on_the_map, {"request": number, **PLACED})

    async def whole():
        yield PIXEL

    await console.hub.attachments.receive(whole(), "justificatif.png", "portail", number)
    page = await opened(visit, number)
    assert await page.locator(".place svg path").count() == 1
    await page.get_by_text("latitude 43.52970").wait_for()
    await page.get_by_role("link", name="justificatif.png").click()
    paper = page.get_by_role("img", name="justificatif.png")
    await paper.wait_for()
    assert await paper.evaluate("image => image.decode().then(() => image.naturalWidth)") == 1
    assert await faults_of(page) == []
    await shoot(page, "request-place")


ASKING = """() => {
    const part = document.getElementById("state");
    const said = { bubbles: true, cancelable: true, detail: { elt: part } };
    return !part.dispatchEvent(new CustomEvent("htmx:beforeRequest", said));
}"""
"""Whether the page would hold back a request for its own refreshing."""


async def test_a_form_that_is_open_is_not_closed_by_refreshing(visit, console, target):
    target.break_with("cut_after_commit")
    number = await console.submit("a_retrouver")
    await until(console, number, "uncertain", "asking")
    await target.stop()
    await pause(console, paused=True)
    await until(console, number, "uncertain")
    page = await opened(visit, number)
    await page.get_by_text("Finaliser manuellement…").click()
    await page.get_by_role("textbox", name="Motif").fill("Saisie")
    held = await page.evaluate(ASKING)
    assert held
    assert await page.get_by_role("textbox", name="Motif").input_value() == "Saisie"
