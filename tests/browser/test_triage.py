"""A whole triage by keyboard alone: from « À traiter » through the list to the request that is sent again, and back."""

import asyncio

from sqlalchemy import text

from tests.browser.conftest import WIDTHS, faults_of, shoot


async def parked(console, many):
    """Wait until so many requests stand for a person."""
    counted = text("SELECT count(*) FROM request WHERE status = 'parked'")
    async with asyncio.timeout(60):
        while console.hub.ledger.look(lambda connection: connection.scalar(counted)) < many:
            await asyncio.sleep(0.05)


async def seen_everywhere(page, name):
    for width, pixels in WIDTHS.items():
        await page.set_viewport_size({"width": pixels, "height": 900})
        assert await faults_of(page) == []
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), width
        await shoot(page, f"{name}-{width}")


async def test_a_failure_is_found_by_its_cause_and_settled_without_a_mouse(visit, console, target):
    target.break_with("refused", times=-1)
    for index in range(3):
        await console.submit("essai", f"k-{index}")
    await parked(console, 3)
    target.mend()
    page = await visit("/console/")
    await seen_everywhere(page, "a-traiter")
    await page.keyboard.press("j")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/console/demandes?*")
    await seen_everywhere(page, "demandes")
    assert await page.locator("tr[data-row]").count() == 3
    await page.keyboard.press("/")
    assert await page.evaluate("document.activeElement.hasAttribute('data-search')")
    await page.evaluate("document.activeElement.blur()")
    await page.keyboard.press("j")
    await page.keyboard.press("j")
    await page.keyboard.press("x")
    assert await page.locator("[data-select]:checked").count() == 1
    await page.keyboard.press("x")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/console/demandes/1*")
    await page.get_by_role("button", name="Relancer cette étape").focus()
    await page.keyboard.press("Enter")
    await page.wait_for_url("**dit=*")
    assert await page.locator("#messages").inner_text() != ""
    await page.evaluate("document.activeElement.blur()")
    await page.keyboard.press("u")
    await page.wait_for_url("**/console/demandes?*")
    async with asyncio.timeout(20):
        while sum(target.taken().values()) < 1:
            await asyncio.sleep(0.05)
    assert page.faults == []


async def test_keys_that_are_off_do_nothing(visit, console):
    await console.submit("avis")
    page = await visit("/console/demandes", shortcuts=False)
    await page.keyboard.press("j")
    assert await page.locator("tr.here").count() == 0
    await page.keyboard.press("?")
    assert await page.locator("#help").count() == 0
