"""« Décisions » in a real browser, by keyboard alone."""

from tests.browser.conftest import WIDTHS, faults_of, shoot


async def test_a_clerk_goes_through_what_awaits_without_a_mouse(visit, console):
    first, second = [await console.submit("avis", f"k-{index}") for index in range(2)]
    page = await visit("/console/decisions")
    assert await faults_of(page) == []
    await shoot(page, "decisions")
    await page.keyboard.press("j")
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"**/decisions/{first}")
    for name, width in WIDTHS.items():
        await page.set_viewport_size({"width": width, "height": 900})
        assert await faults_of(page) == []
        await shoot(page, f"decision-{name}")
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await page.get_by_role("button", name="Accepter").focus()
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"**/decisions/{second}?dit=accepted")
    await page.get_by_label("Motif, communiqué à l'usager").focus()
    await page.keyboard.type("Justificatif")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/decisions?dit=gone")
    assert await page.get_by_text("Rien n'attend de décision.").is_visible()
