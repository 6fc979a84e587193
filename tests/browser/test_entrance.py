"""The entrance and « Mes droits » in a real browser."""

from tests.browser.conftest import WIDTHS, faults_of, shoot
from tests.console.conftest import PASSWORD


async def test_somebody_enters_by_keyboard_alone(chrome, console):
    await console.account("agnes")
    page = await (await chrome.new_context(locale="fr-FR")).new_page()
    page.faults = []
    await page.goto(f"{console.url}/console/mes-droits")
    assert await faults_of(page) == []
    await shoot(page, "connexion")
    await page.keyboard.type("agnes")
    await page.keyboard.press("Tab")
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/console/mes-droits")
    assert await page.title() == "Mes droits · Ma ville"


async def test_the_page_of_rights_has_no_fault_at_any_width(visit):
    page = await visit("/console/mes-droits")
    for name, width in WIDTHS.items():
        await page.set_viewport_size({"width": width, "height": 900})
        assert await faults_of(page) == []
        await shoot(page, f"mes-droits-{name}")
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_the_help_of_keys_opens_unless_they_are_off(visit, console):
    page = await visit("/console/mes-droits")
    await page.keyboard.press("?")
    assert await page.locator("#help").is_visible()
    await page.keyboard.press("Escape")
    await page.get_by_label("Les touches seules agissent").uncheck()
    await page.get_by_role("button", name="Enregistrer").click()
    await page.get_by_text("Vos préférences sont enregistrées.").wait_for()
    await page.keyboard.press("?")
    assert await page.locator("#help").count() == 0
